"""A unit of a built charm, whose hooks run as they do in Juju."""

import os
import pathlib
import shutil
import tempfile
import typing
import weakref

from charm_unit._unit import (
    agent,
    charm,
    context,
    errors,
    juju_version,
    model,
    relations,
    resources,
    spec,
)
from charm_unit._unit.runs import Run  # the units have a property of the module's name

JUJU = '2.9.49'
"""The version of Juju that is simulated unless told."""
TIMEOUT = 120
"""The seconds after which a hook is stopped unless told."""


class Unit:
    """A unit of the built charm in the folder `built`, with its files in `folder`.

    By default, `folder` is a temporary directory that is deleted with the unit. `resources` are
    images (or bytes) by resource, `config` options by name, as for `juju deploy`. `leader` can be
    changed at any time, without a hook; `lead` and `stop_leading` run one. `juju` is the version
    to simulate, `python` the interpreter for hooks (a path or a name on PATH). A hook is stopped
    after `timeout` seconds. `through` is a command that starts the hooks, such as setpriv; with
    `record`, every process that they start is noted. With `bootstrap`, a charm on layer:basic
    makes its environment itself in its first hook, as on a real machine.

    What an operator does returns the runs of the hooks that follow, and raises HookFailed if one
    fails, WrongUse if Juju would reject it. With `check` false, a hook that fails raises nothing;
    as in Juju, no other runs before it succeeded: `idle` or `retry` tries it again.
    """

    def __init__(
        self,
        built: 'str | os.PathLike[str]',
        folder: 'str | os.PathLike[str] | None' = None,
        *,
        resources: 'typing.Mapping[str, str | bytes] | None' = None,
        config: 'typing.Mapping[str, typing.Any] | None' = None,
        leader: bool = True,
        juju: str = JUJU,
        python: 'str | os.PathLike[str] | None' = None,
        timeout: float = TIMEOUT,
        through: typing.Sequence[str] = (),
        record: bool = True,
        check: bool = True,
        bootstrap: bool = False,
    ) -> None:
        if folder is None:
            folder = tempfile.mkdtemp(prefix='charm-unit-')
            self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = pathlib.Path(folder).resolve()
        if (self.folder / 'agents').exists():
            raise errors.WrongUse(f'{self.folder} is the folder of another unit: pass a new one')
        self.juju = juju_version.JujuVersion(juju)
        self.check = check
        found = charm.BuiltCharm(built)
        self._model = model.Model(
            found.name, f'{found.name}/0', leader, charmhub=self.juju.shares_details_file
        )
        chosen = None if python is None else os.fspath(python)
        self._agent = agent.Agent(found, self.folder, self._model, self.juju, chosen, bootstrap)
        self._agent.timeout = timeout
        self._agent.through = through
        self._agent.record = record
        self._relations = relations.Relations(self._agent)
        self._deployed = False
        if config:
            self.configure(config)
        for resource, content in (resources or {}).items():
            self.attach(resource, content)

    def __enter__(self) -> 'Unit':
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, '_finalizer'):
            self._finalizer()

    # What it is

    @property
    def built(self) -> charm.BuiltCharm:
        """The built charm whose copy it runs."""
        return self._agent.built

    @property
    def record(self) -> bool:
        """Whether every process that a hook starts is noted."""
        return self._agent.record

    @record.setter
    def record(self, noted: bool) -> None:
        self._agent.record = noted

    @property
    def through(self) -> typing.Sequence[str]:
        """The command that starts its hooks."""
        return self._agent.through

    @through.setter
    def through(self, command: typing.Sequence[str]) -> None:
        self._agent.through = command

    @property
    def name(self) -> str:
        """The unit's name, such as my-charm/0."""
        return self._model.unit

    @property
    def charm(self) -> pathlib.Path:
        """The folder from which the hooks run."""
        return self._agent.folders.charm

    @property
    def metadata(self) -> dict[str, typing.Any]:
        """The contents of its metadata.yaml."""
        return charm.read_yaml(self.charm / 'metadata.yaml')

    @property
    def leader(self) -> bool:
        """Whether it leads its application."""
        return self._model.leader

    @leader.setter
    def leader(self, leads: bool) -> None:
        self._model.leader = leads

    @property
    def status(self) -> tuple[str, str]:
        """The (state, message) that `juju status` shows."""
        if self.failed:
            return ('error', f'hook failed: "{self.failed}"')
        return self._model.status

    @status.setter
    def status(self, told: tuple[str, str]) -> None:
        self._model.status = told

    @property
    def config(self) -> dict[str, typing.Any]:
        """All options as the charm sees them."""
        return self._agent.config

    @property
    def pod_spec(self) -> 'dict[str, typing.Any] | None':
        """The contents of the pod spec that was sent last, by a hook that did not fail."""
        text = self._model.pod_spec
        return None if text is None else spec.load(text)

    def image(self, container: 'str | None' = None) -> 'str | None':
        """Return the image path of a container in the pod spec, None if there is none.

        The container may be left out if there is only one.
        """
        found = spec.containers(self.pod_spec)
        if container is None and len(found) == 1:
            (container,) = found
        if container not in found:
            return None
        details = found[container].get('imageDetails') or {}
        path: str | None = details.get('imagePath') or found[container].get('image')
        return path

    @property
    def version(self) -> 'str | None':
        """The workload's version, as the charm told it."""
        return self._model.workload_version

    @property
    def opened_ports(self) -> list[str]:
        """The ports that hooks opened, such as 80/tcp."""
        return sorted(self._model.ports)

    @property
    def leader_settings(self) -> dict[str, str]:
        """What leaders of its application have set with leader-set."""
        return self._model.leader_settings

    @property
    def relations(self) -> dict[str, model.Relation]:
        """Its relations, by id."""
        return self._model.relations

    def relation(self, endpoint: str) -> model.Relation:
        """Return the relation of an endpoint; raise WrongUse if it has none."""
        return self._relations.of(endpoint)

    @property
    def flags(self) -> set[str]:
        """The reactive flags kept in the unit's state."""
        return self._agent.flags()

    @property
    def kv(self) -> dict[str, typing.Any]:
        """Everything in the unit's state, by key."""
        return self._agent.state()

    @property
    def runs(self) -> list[Run]:
        """What each hook did, from the first on."""
        return self._agent.runs

    @property
    def failed(self) -> 'str | None':
        """The hook that will be tried again, if the last one failed."""
        return self._agent.failed

    # What an operator does; each returns the runs of the hooks that follow

    def install(self) -> Run:
        """Run the first hook only."""
        self._deployed = True
        return self.run('install')

    def deploy(self) -> list[Run]:
        """Have the unit installed and started."""
        self._deployed = True
        self._agent.queue(
            'install', 'leader-elected' if self.leader else 'leader-settings-changed'
        )
        self._relations.queue_created()
        self._agent.queue('config-changed', 'start')
        self._relations.queue_all()
        return self._agent.settle(self.check)

    def attach(
        self, resource: str, registrypath: 'str | bytes', username: str = '', password: str = ''
    ) -> list[Run]:
        """Attach an image, as `juju attach-resource` with a reference or a file of details.

        Bytes are delivered as they are, as `attach_bytes` does. Raises WrongUse for a resource
        that metadata.yaml does not declare.
        """
        if isinstance(registrypath, bytes):
            return self.attach_bytes(resource, registrypath)
        return self.attach_bytes(resource, resources.details(registrypath, username, password))

    def attach_bytes(self, resource: str, content: bytes, hooks: bool = True) -> list[Run]:
        """Have `resource-get` deliver exactly this, which Juju itself may never have written.

        Without `hooks` none follows yet, as between the operator's command and what it brings.
        """
        known = self._agent.resource(resource)
        changed = known.content != content
        known.content, known.script = content, None
        if not changed or not hooks:
            return []  # the same details again have the same fingerprint
        return self._charm_modified(resource)

    def detach(self, resource: str) -> list[Run]:
        """Have the controller know nothing of it any more."""
        self._agent.resource(resource).content = None
        return self._charm_modified(resource)

    def break_resource_get(self, resource: str, script: str) -> None:
        """Have `resource-get` of that resource run this shell script, with the name as $1."""
        self._agent.resource(resource).script = script

    def fail_resource_get(self, resource: str, reason: str = 'the store is down') -> None:
        """Have `resource-get` of that resource fail, with this reason."""
        self.break_resource_get(resource, resources.failing(reason))

    def slow_resource_get(self, resource: str, seconds: float) -> None:
        """Have `resource-get` of that resource take so long; with math.inf, it never ends."""
        self.break_resource_get(resource, resources.slow(self._agent.resource(resource), seconds))

    def repair_resource_get(self, resource: str) -> None:
        """Have it deliver again what is attached."""
        self._agent.resource(resource).script = None

    def upgrade(
        self,
        built: 'str | os.PathLike[str] | None' = None,
        images: 'typing.Mapping[str, str | bytes] | None' = None,
    ) -> list[Run]:
        """Refresh the unit to that build, or to the same again, and to `images` by resource."""
        self._agent.put(self.built if built is None else charm.BuiltCharm(built))
        for resource, image in (images or {}).items():
            content = image if isinstance(image, bytes) else resources.details(image)
            self._agent.resource(resource).content = content
        return self._queued('upgrade-charm', 'config-changed')

    def configure(
        self, options: 'typing.Mapping[str, typing.Any] | None' = None, /, **more: typing.Any
    ) -> list[Run]:
        """Set options; in keywords, underscores stand for hyphens where no option has them.

        Strings become what config.yaml says an option is; None is the option's default again.
        """
        declared = charm.read_yaml(self.charm / 'config.yaml').get('options') or {}
        named = {
            name if name in declared else name.replace('_', '-'): value
            for name, value in more.items()
        }
        for name, value in {**(options or {}), **named}.items():
            if name not in declared:
                raise errors.WrongUse(errors.unknown('option', name, declared))
            self._agent.options.pop(name, None)
            if value is not None:
                self._agent.options[name] = resources.option(name, value, declared[name] or {})
        return self._queued('config-changed')

    def relate(
        self,
        endpoint: str,
        remote_unit: 'str | None' = None,
        said: 'typing.Mapping[str, str] | None' = None,
        application_said: 'typing.Mapping[str, str] | None' = None,
    ) -> list[Run]:
        """Have a remote unit, such as mysql/0, say these strings to an endpoint.

        The first unit of an application makes the relation, others join it; one that is in it
        already changes what it said.
        """
        unit = remote_unit or endpoint
        unit += '' if '/' in unit else '/0'
        self._relations.hear(endpoint, unit, said or {}, application_said or {}, self._deployed)
        return self._agent.settle(self.check)

    def depart(self, endpoint: str, remote_unit: str) -> list[Run]:
        """Have a remote unit leave the relation."""
        self._relations.depart(endpoint, remote_unit, self._deployed)
        return self._agent.settle(self.check)

    def break_relation(self, endpoint: str) -> list[Run]:
        """Remove the relation of an endpoint: its units depart, then it is broken."""
        self._relations.remove(endpoint, self._deployed)
        return self._agent.settle(self.check)

    def lead(self) -> list[Run]:
        """Have it elected as leader."""
        self.leader = True
        return self._queued('leader-elected')

    def stop_leading(self) -> list[Run]:
        """Have another unit of its application elected as leader."""
        self.leader = False
        return self._queued('leader-settings-changed')

    def idle(self) -> Run:
        """Let five minutes pass: update-status, or what failed once more."""
        return (
            self._agent.settle(self.check)
            if self._agent.pending
            else self._queued('update-status')
        )[-1]

    def retry(self) -> Run:
        """Run the hook that failed again, as Juju does, and what waits behind it."""
        if not self._agent.pending:
            raise errors.WrongUse('no hook has failed')
        return self._agent.settle(self.check)[0]

    def resolve(self) -> list[Run]:
        """Mark the failed hook as resolved without trying it again: `juju resolved --no-retry`."""
        self._agent.resolve()
        return self._agent.settle(self.check)

    def act(self, action: str, parameters: 'typing.Mapping[str, typing.Any] | None' = None) -> Run:
        """Run one of the charm's actions; its result is the run's `action`."""
        defaults = charm.BuiltCharm(self.charm).default_parameters(action)
        running = context.Action(action, {**defaults, **(parameters or {})})
        return self._agent.run(action, action=running)

    # What Juju does

    def run(self, hook: str, check: 'bool | None' = None) -> Run:
        """Run one hook; raise HookFailed if it fails, unless told not to `check`.

        Raises WrongUse if the charm has no such hook.
        """
        if not self._agent.has(hook):
            raise errors.WrongUse(f'the charm has no hook {hook}')
        return self._agent.run_first(hook, self.check if check is None else check)

    def _queued(self, *hooks: str) -> list[Run]:
        if not self._deployed:
            return []
        self._agent.queue(*hooks)
        return self._agent.settle(self.check)

    def _charm_modified(self, resource: str) -> list[Run]:
        image = self.built.resources.get(resource, {}).get('type') != 'file'
        if image and not self.juju.attach_runs_hooks:
            return []
        return self._queued('upgrade-charm', 'config-changed')
