"""A charm as `charm-build` leaves it."""

import contextlib
import functools
import os
import pathlib
import pickle
import typing

import yaml

from charm_unit._unit import errors, go_yaml, json_schema, options, packed_charm

_MAKES_ONE = 'run `charm-build` on its source and pass the folder that it creates'

ROLES = ('requires', 'provides', 'peers')
"""What an endpoint of a charm can be."""

_OF_OPS = ('src/charm.py', 'venv/ops', 'lib/ops', 'mod/operator')
_OF_REACTIVE = (
    *('.build.manifest', 'bin/layer_option', 'reactive/*.py', 'lib/charms/reactive'),
    'wheelhouse/charms?reactive-*',
)
"""Of these, a charm that `charm-build` made has at least one."""


class BuiltCharm:
    """A built charm: the folder that `charm-build` created, or a packed `.charm`.

    Raises NotABuiltCharmError if it is neither.
    """

    folder: pathlib.Path
    """The folder with its files; of a packed charm, a temporary one."""
    path: pathlib.Path
    """What it was made from: the folder, or the packed charm."""

    def __init__(self, folder: 'str | os.PathLike[str]') -> None:
        self.path = pathlib.Path(folder).resolve()
        is_packed = self.path.is_file()
        self.folder = packed_charm.unpack(self.path) if is_packed else self.path
        _check(self.folder, self.path)

    def __repr__(self) -> str:
        return f'<charm_unit.BuiltCharm {self.name} in {self.path}>'

    @functools.cached_property
    def metadata(self) -> dict[str, typing.Any]:
        """The contents of metadata.yaml."""
        return read_yaml(self.folder / 'metadata.yaml')

    @property
    def name(self) -> str:
        """The charm's name."""
        return str(self.metadata.get('name') or self.folder.name)

    @property
    def image_resources(self) -> list[str]:
        """The names of the resources that are images, as metadata.yaml has them."""
        return [
            name
            for name, entry in self.resources.items()
            if entry['type'] in ('oci-image', 'docker')
        ]

    @property
    def resources(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of metadata.yaml's resources, by name, each with a `type`."""
        declared = self.metadata.get('resources')
        return {
            name: {'type': 'file', **(entry if isinstance(entry, dict) else {})}
            for name, entry in (declared if isinstance(declared, dict) else {}).items()
        }

    @property
    def endpoints(self) -> dict[str, str]:
        """The role (requires, provides, peers) of each of the charm's endpoints, by name."""
        return {name: role for role in ROLES for name in self.metadata.get(role) or {}}

    @property
    def storage(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of metadata.yaml's storage, by name."""
        return self.metadata.get('storage') or {}

    @property
    def bindings(self) -> set[str]:
        """What can be bound to a network: its endpoints, extra bindings and juju-info."""
        return {*self.endpoints, *(self.metadata.get('extra-bindings') or {}), 'juju-info'}

    @functools.cached_property
    def options(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of config.yaml, by name."""
        declared = read_yaml(self.folder / 'config.yaml').get('options') or {}
        return {str(name): entry or {} for name, entry in declared.items()}

    @functools.cached_property
    def actions(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of actions.yaml, by name."""
        return {
            name: entry if isinstance(entry, dict) else {}
            for name, entry in read_yaml(self.folder / 'actions.yaml').items()
        }

    @property
    def defaults(self) -> dict[str, typing.Any]:
        """The defaults of its options, each as its type."""
        return {
            name: options.coerce(name, entry.get('type') or 'string', entry.get('default'))
            for name, entry in self.options.items()
        }

    def settings(self, given: typing.Mapping[str, typing.Any]) -> dict[str, typing.Any]:
        """Return which of an older build's settings this one accepts: Juju drops the others."""
        kept = {}
        for name in given.keys() & self.options.keys():
            with contextlib.suppress(options.Refused):
                kind = self.options[name].get('type') or 'string'
                kept[name] = options.coerce(name, kind, given[name])
        return kept

    def parameters(
        self, action: str, given: typing.Mapping[str, typing.Any]
    ) -> dict[str, typing.Any]:
        """Return an action's parameters with its defaults; raise UsageError as Juju rejects them.

        state/action.go of juju/juju 2.9.31: what is given is validated, then come the defaults.
        """
        if action not in self.actions:
            raise errors.UsageError(errors.unknown('action', action, self.actions))
        known = schema(action, self.actions[action])
        wrong = json_schema.errors(known, dict(given))
        if wrong:
            raise errors.UsageError(f'action {action}: validation failed: {"; ".join(wrong)}')
        return json_schema.with_defaults(known, given)

    @functools.cached_property
    def layer(self) -> dict[str, typing.Any]:
        """The contents of the built layer.yaml."""
        return read_yaml(self.folder / 'layer.yaml')


def schema(name: str, entry: typing.Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """Return the JSON Schema that Juju makes of an action in actions.yaml."""
    whole = {
        'description': 'No description',
        'type': 'object',
        'title': name,
        'properties': {},
        **entry,
    }
    if 'params' in whole:
        whole['properties'] = whole.pop('params')
    return whole


def read_yaml(file: pathlib.Path) -> dict[str, typing.Any]:
    """Return the mapping in a file; an empty one if the file is missing or empty."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return {}
    found: dict[str, typing.Any] = pickle.loads(  # noqa: S301 (ours)
        _read(file, stat.st_mtime_ns, stat.st_size, stat.st_ino)
    )
    return found


@functools.lru_cache(maxsize=64)
def _read(file: pathlib.Path, *_changed: int) -> bytes:
    """Read a file once, as long as it stays as it is: every hook wants to know it.

    It is pickled, because a copy of that is the fastest.
    """
    try:
        content = go_yaml.load(file.read_text()).value
    except (yaml.YAMLError, ValueError) as error:
        raise errors.NotABuiltCharmError(f'{file} cannot be read: {error}') from error
    return pickle.dumps(content if isinstance(content, dict) else {})


def _check(folder: pathlib.Path, named: pathlib.Path) -> None:
    if not folder.is_dir():
        raise errors.NotABuiltCharmError(f'{named} is not a folder: {_MAKES_ONE}')
    what = _other_kind(folder)
    if what:
        raise errors.NotABuiltCharmError(f'{named} {what}')


def _other_kind(folder: pathlib.Path) -> str:
    """Return what a folder holds instead of a built reactive charm, and what to do, or ''."""
    for sign in _OF_OPS:
        if (folder / sign).exists():
            return (
                f'holds a charm of the ops framework ({sign}), not of charms.reactive: '
                'test it with ops.testing'
            )
    has_hooks = (folder / 'hooks' / 'install').exists() and (folder / 'metadata.yaml').exists()
    if has_hooks and any(any(folder.glob(sign)) for sign in _OF_REACTIVE):
        return ''
    if (folder / 'layer.yaml').exists() or (folder / 'reactive').is_dir():
        return f'holds the source of a charm: {_MAKES_ONE}'
    if (folder / 'charmcraft.yaml').exists():
        return f'holds the source of a charmcraft project: {_MAKES_ONE}'
    if has_hooks:
        return (
            f'holds a charm of plain hooks ({_first_line(folder / "hooks" / "install")}), without '
            'charms.reactive: charm-unit runs reactive charms only'
        )
    if (folder / 'dispatch').exists():
        return (
            'holds a charm with a dispatch script and no hooks, such as charmcraft packs: '
            'charm-unit runs reactive charms only'
        )
    return 'does not hold a built charm, which has metadata.yaml and hooks/install: ' + _MAKES_ONE


def _first_line(hook: pathlib.Path) -> str:
    """Return what a hook's file is, in a few words."""
    if hook.is_symlink():
        return f'hooks/install is a link to {os.readlink(hook)}'
    with open(hook, 'rb') as script:
        first = script.readline(80).decode(errors='replace').strip()
    return f'hooks/install begins with {first!r}'
