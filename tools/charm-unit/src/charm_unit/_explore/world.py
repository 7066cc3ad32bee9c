"""What there is to explore: a charm, what it is given, and what may happen to it."""

import dataclasses
import typing

from charm_unit._check import charm_setup, scenarios
from charm_unit._explore import operations
from charm_unit._unit import charm, juju_version, options

USERNAME = scenarios.USERNAME
PASSWORDS = scenarios.PASSWORDS[:2]
BROKEN = scenarios.BROKEN
OTHER_IMAGES = (2, 3, 4)
_MAX_OPTIONS = 8
_FIRST_REMOTE_PEER = 7

_Operation = operations.Operation


@dataclasses.dataclass(frozen=True)
class Image:
    """A valid image that can be attached."""

    reference: str
    password: str = ''


@dataclasses.dataclass(frozen=True)
class World:
    """A charm, and what its units are given at first."""

    built: charm.BuiltCharm
    older: 'charm.BuiltCharm | None'
    setup: charm_setup.Setup
    juju: str
    unit_options: typing.Mapping[str, typing.Any]
    variations: typing.Mapping[str, tuple[typing.Any, typing.Any]] = dataclasses.field(
        default_factory=dict
    )
    """Two values of each option that changes: the one at first, and another."""
    endpoints: tuple[str, ...] = ()
    """Those whose relations come, change and go."""
    actions: tuple[str, ...] = ()
    """Those that are run, without parameters."""
    demanding: frozenset[str] = frozenset()
    """Those whose relation, without data, keeps the charm from being ready."""

    @property
    def first(self) -> charm.BuiltCharm:
        """The build that is deployed."""
        return self.older or self.built

    def image(self, resource: str, number: int) -> str:
        """Return a reference by its number; 1 is the first."""
        if number == 1:
            return self.setup.image(resource)
        return self.setup.other_image(resource, number)

    def images(self, resource: str) -> list[str]:
        """Return all references that are ever attached to a resource."""
        return [self.image(resource, number) for number in (1, *OTHER_IMAGES)]

    def attach(self, resource: str, image: Image) -> list[_Operation]:
        """Return the operations that attach an image."""
        words = (USERNAME, image.password) if image.password else ()
        return self._attached(_Operation('attach', (resource, image.reference, *words)))

    def deliver(self, resource: str, text: str) -> list[_Operation]:
        """Return the operations that attach this text."""
        return self._attached(_Operation('attach', (resource, text.encode())))

    def detach(self, resource: str) -> list[_Operation]:
        """Return the operations that leave a resource without an image."""
        return self._attached(_Operation('detach', (resource,)))

    def _attached(self, operation: _Operation) -> list[_Operation]:
        # before Juju 2.6.9, an operator has to
        runs_hooks = juju_version.JujuVersion(self.juju).attach_runs_hooks
        return [operation] if runs_hooks else [operation, _Operation('upgrade')]

    def peer_endpoints(self, build: charm.BuiltCharm) -> list[str]:
        """Return the endpoints of a build whose relation its peers have from the start."""
        return [name for name in self.endpoints if build.endpoints.get(name) == 'peers']

    def remote_unit(self, endpoint: str, number: int) -> str:
        """Return the name of a remote unit; that of a peer is none of the units that run hooks."""
        if self.built.endpoints.get(endpoint) == 'peers':
            return f'{self.built.name}/{_FIRST_REMOTE_PEER + number}'
        return remote_unit(endpoint, number)

    def units(self, endpoint: str) -> list[dict[str, str]]:
        """Return the data of the remote units of an endpoint."""
        return self.setup.relations.get(endpoint) or [{}]

    def given(self, before: 'charm.BuiltCharm | None' = None) -> list[_Operation]:
        """Return the operations that give a unit what it needs beside its images.

        After an upgrade from the build `before`, only what that does not declare.
        """
        now = self.built if before or not self.older else self.older

        def is_new(kind: str, name: str) -> bool:
            return name in getattr(now, kind) and not (before and name in getattr(before, kind))

        config = {key: value for key, value in self.setup.config.items() if is_new('options', key)}
        found = [_Operation('configure', (config,))] if config else []
        for resource in now.image_resources if before else ():
            if is_new('resources', resource):
                found += self.attach(resource, Image(self.image(resource, 1)))
        for resource, file in self.setup.files.items():
            if is_new('resources', resource):
                found.append(_Operation('attach', (resource, str(file))))
        for endpoint in self.setup.relations:
            if is_new('endpoints', endpoint):
                found += [
                    _Operation('relate', (endpoint, remote_unit(endpoint, number), data))
                    for number, data in enumerate(self.units(endpoint))
                ]
        return found


def remote_unit(endpoint: str, number: int) -> str:
    """Return the name of a remote unit."""
    return f'remote-{endpoint}/{number}'


def variations(
    built: charm.BuiltCharm, setup: charm_setup.Setup
) -> dict[str, tuple[typing.Any, typing.Any]]:
    """Return two values for each of the first options whose value can be changed and restored."""
    found: dict[str, tuple[typing.Any, typing.Any]] = {}
    for name, option in built.options.items():
        declared = option or {}
        value = setup.config.get(name, declared.get('default'))
        if value is None or len(found) == _MAX_OPTIONS:
            continue
        try:
            value = options.value(name, declared.get('type', 'string'), value)
        except options.Refused:
            continue
        other: typing.Any
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, str):
            other = f'{value}-explored' if value else 'explored'
        else:
            other = value + 1
        found[name] = (value, other)
    return found
