"""A unit of a built charm, whose hooks run as they do in Juju."""

import json
import os
import pathlib
import shutil
import sqlite3
import tempfile
import typing
import weakref

from charm_unit import (
    calls,
    charm,
    context,
    environment,
    errors,
    host,
    juju_version,
    model,
    process,
    resources,
    runs,
    spec,
)

_FLAGS = 'reactive.states.'
JUJU = '2.9.49'
"""The version of Juju that is simulated unless told."""


class Unit:
    """A unit of the built charm in the folder `built`, living in `folder`.

    Without `folder` it lives in a temporary one, which goes with it. `resources` are images (or
    bytes) by resource, `config` options by name: what `juju deploy` would be given. `leader`: it
    can be changed at any time, without a hook; `lead` and `stop_leading` run one. `juju` is the
    version to simulate, `python` the interpreter for hooks (a path or a name on PATH). A hook is
    ended after `timeout` seconds. `through` is a command that starts the hooks, such as setpriv;
    with `record`, every process that they start is noted. With `bootstrap`, a charm on
    layer:basic makes its environment itself in its first hook, as on a real machine.

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
        timeout: float = 300,
        through: typing.Sequence[str] = (),
        record: bool = True,
        check: bool = True,
        bootstrap: bool = False,
    ) -> None:
        self.juju = juju_version.JujuVersion(juju)
        self.built = charm.BuiltCharm(built)
        self.timeout = timeout
        self.through = through
        self.record = record
        self.check = check
        self.runs: list[runs.Run] = []
        self.failed: str | None = None
        """The hook to be tried again, if the last one failed."""
        self._python = python
        self._bootstrap = bootstrap
        if folder is None:
            folder = tempfile.mkdtemp(prefix='charm-unit-')
            self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = pathlib.Path(folder).resolve()
        self._folders = process.Folders(self.folder)
        self._folders.make()
        self._shipped: list[pathlib.Path] = []
        self._pending: list[tuple[str, dict[str, typing.Any]]] = []
        self._deployed = False
        name = self.built.name
        self._model = model.Model(
            name, f'{name}/0', leader, charmhub=self.juju.shares_details_file
        )
        self._options: dict[str, typing.Any] = {}
        self._put()
        calls.install(self.folder)
        host.install(self.folder)
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
    def name(self) -> str:
        """The unit's name, such as my-charm/0."""
        return self._model.unit

    @property
    def charm(self) -> pathlib.Path:
        """The folder from which the hooks run."""
        return self._folders.charm

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

    @property
    def config(self) -> dict[str, typing.Any]:
        """All options as the charm sees them."""
        declared = charm.read_yaml(self.charm / 'config.yaml').get('options') or {}
        defaults = {name: (option or {}).get('default') for name, option in declared.items()}
        return {**defaults, **self._options}

    @property
    def pod_spec(self) -> 'dict[str, typing.Any] | None':
        """The contents of the pod spec that was sent last, by a hook that did not fail."""
        return _contents(self._model.pod_spec)

    def image(self, container: 'str | None' = None) -> 'str | None':
        """Return the image path of a container in the pod spec, None if there is none.

        The container may be left out if there is only one.
        """
        found = containers(self.pod_spec)
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
        """Return the relation of an endpoint that has one; raise WrongUse."""
        for known in self.relations.values():
            if known.endpoint == endpoint:
                return known
        raise errors.WrongUse(f'the endpoint {endpoint} has no relation')

    @property
    def flags(self) -> set[str]:
        """The reactive flags kept in the unit's state."""
        return {key[len(_FLAGS) :] for key in self._rows('key') if key.startswith(_FLAGS)}

    @property
    def kv(self) -> dict[str, typing.Any]:
        """Everything in the unit's state, by key."""
        return {key: json.loads(data) for key, data in self._rows('key, data')}

    def _rows(self, columns: str) -> list[typing.Any]:
        file = self.charm / '.unit-state.db'
        if not file.exists():
            return []
        database = sqlite3.connect(file)
        try:
            rows = database.execute(f'select {columns} from kv').fetchall()  # noqa: S608 (ours)
        except sqlite3.OperationalError:  # its first hook was ended before there was a table
            return []
        finally:
            database.close()
        return [row[0] for row in rows] if columns == 'key' else rows

    # What an operator does; each returns the runs of the hooks that follow

    def install(self) -> runs.Run:
        """Run the first hook only."""
        self._deployed = True
        return self.run('install')

    def deploy(self) -> list[runs.Run]:
        """Have the unit installed and started."""
        self._deployed = True
        self._queue('install', 'leader-elected' if self.leader else 'leader-settings-changed')
        if self.juju.has_relation_created:
            for relation in self.relations.values():
                self._queue(f'{relation.endpoint}-relation-created', relation=relation)
        self._queue('config-changed', 'start')
        for relation in self.relations.values():
            for unit in relation.units:
                self._queue_joined(relation, unit)
        return self._settle()

    def attach(
        self, resource: str, image: 'str | bytes', username: str = '', password: str = ''
    ) -> list[runs.Run]:
        """Attach an image, as `juju attach-resource` with a reference or a file of details.

        Bytes are delivered as they are, as `attach_bytes` does.
        """
        content = (
            image if isinstance(image, bytes) else resources.details(image, username, password)
        )
        return self.attach_bytes(resource, content)

    def attach_bytes(self, resource: str, content: bytes) -> list[runs.Run]:
        """Have `resource-get` deliver exactly this, which Juju itself may never have written."""
        known = self._resource(resource)
        changed = known.content != content
        known.content, known.script = content, None
        if not changed:
            return []  # the same details again have the same fingerprint
        return self._charm_modified(resource)

    def detach(self, resource: str) -> list[runs.Run]:
        """Have the controller know nothing of it any more."""
        self._resource(resource).content = None
        return self._charm_modified(resource)

    def break_resource_get(self, resource: str, script: str) -> None:
        """Have `resource-get` of that resource run this shell script, with the name as $1."""
        self._resource(resource).script = script

    def fail_resource_get(self, resource: str, reason: str = 'the store is down') -> None:
        """Have `resource-get` of that resource fail, with this reason."""
        self.break_resource_get(resource, resources.failing(reason))

    def slow_resource_get(self, resource: str, seconds: float) -> None:
        """Have `resource-get` of that resource take so long; with math.inf, it never ends."""
        self.break_resource_get(resource, resources.slow(self._resource(resource), seconds))

    def repair_resource_get(self, resource: str) -> None:
        """Have it deliver again what is attached."""
        self._resource(resource).script = None

    def upgrade(
        self,
        built: 'str | os.PathLike[str] | None' = None,
        images: 'typing.Mapping[str, str | bytes] | None' = None,
    ) -> list[runs.Run]:
        """Refresh the unit to that build, or to the same again, and to `images` by resource."""
        if built is not None:
            self.built = charm.BuiltCharm(built)
        self._put()
        for resource, image in (images or {}).items():
            content = image if isinstance(image, bytes) else resources.details(image)
            self._resource(resource).content = content
        return self._queued('upgrade-charm', 'config-changed')

    def configure(
        self, options: 'typing.Mapping[str, typing.Any] | None' = None, /, **more: typing.Any
    ) -> list[runs.Run]:
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
                raise errors.WrongUse(_unknown('option', name, declared))
            self._options.pop(name, None)
            if value is not None:
                self._options[name] = resources.option(name, value, declared[name] or {})
        return self._queued('config-changed')

    def relate(
        self,
        endpoint: str,
        remote_unit: 'str | None' = None,
        said: 'typing.Mapping[str, str] | None' = None,
        application_said: 'typing.Mapping[str, str] | None' = None,
    ) -> list[runs.Run]:
        """Have a remote unit, such as mysql/0, say these strings to an endpoint.

        The first unit of an application makes the relation, others join it; one that is in it
        already changes what it said.
        """
        declared = charm.BuiltCharm(self.charm).endpoints
        if endpoint not in declared:
            raise errors.WrongUse(_unknown('endpoint', endpoint, declared))
        unit = remote_unit or f'{endpoint}/0'
        if '/' not in unit:
            unit += '/0'
        application = unit.partition('/')[0]
        relation = self._related(endpoint, application)
        new = relation is None
        if relation is None:
            number = max((known.number for known in self.relations.values()), default=-1) + 1
            relation = model.Relation(endpoint, number, application)
            relation.said = {
                'ingress-address': self._model.address,
                'egress-subnets': f'{self._model.ingress_address}/32',
                'private-address': self._model.address,
            }
            self.relations[relation.id] = relation
        texts = {key: str(value) for key, value in (said or {}).items()}
        joined = unit in relation.units
        same = joined and relation.units[unit] == texts and not application_said
        relation.units[unit] = texts
        relation.application.update(
            {key: str(value) for key, value in (application_said or {}).items()}
        )
        if not self._deployed or same:
            return []
        if new and self.juju.has_relation_created:
            self._queue(f'{endpoint}-relation-created', relation=relation)
        if joined:
            self._queue(f'{endpoint}-relation-changed', relation=relation, remote_unit=unit)
        else:
            self._queue_joined(relation, unit)
        return self._settle()

    def _queue_joined(self, relation: model.Relation, unit: str) -> None:
        for happened in ('joined', 'changed'):
            name = f'{relation.endpoint}-relation-{happened}'
            self._queue(name, relation=relation, remote_unit=unit)

    def _related(self, endpoint: str, application: str) -> 'model.Relation | None':
        for relation in self.relations.values():
            if (relation.endpoint, relation.remote_application) == (endpoint, application):
                return relation
        return None

    def depart(self, endpoint: str, remote_unit: str) -> list[runs.Run]:
        """Have a remote unit leave the relation."""
        relation = self._related(endpoint, remote_unit.partition('/')[0])
        if relation is None or remote_unit not in relation.units:
            raise errors.WrongUse(f'{remote_unit} is not related to {endpoint}')
        self._queue_departed(relation, remote_unit)
        return self._settle()

    def _queue_departed(self, relation: model.Relation, unit: str) -> None:
        name = f'{relation.endpoint}-relation-departed'
        self._queue(name, relation=relation, remote_unit=unit, departing_unit=unit)

    def break_relation(self, endpoint: str) -> list[runs.Run]:
        """Remove the relation of an endpoint: its units depart, then it is broken."""
        relation = self.relation(endpoint)
        for unit in list(relation.units):
            self._queue_departed(relation, unit)
        self._queue(f'{endpoint}-relation-broken', relation=relation)
        return self._settle()

    def lead(self) -> list[runs.Run]:
        """Have it elected as leader."""
        self.leader = True
        return self._queued('leader-elected')

    def stop_leading(self) -> list[runs.Run]:
        """Have another unit of its application elected as leader."""
        self.leader = False
        return self._queued('leader-settings-changed')

    def idle(self) -> runs.Run:
        """Let five minutes pass: update-status, or what failed once more."""
        return (self._settle() if self._pending else self._queued('update-status'))[-1]

    def retry(self) -> runs.Run:
        """Run the hook that failed again, as Juju does, and what waits behind it."""
        if not self._pending:
            raise errors.WrongUse('no hook has failed')
        return self._settle()[0]

    def resolve(self) -> list[runs.Run]:
        """Mark the failed hook as resolved without trying it again: `juju resolved --no-retry`."""
        if self.failed:
            self._pending.pop(0)
            self.failed = None
        return self._settle()

    def act(
        self, action: str, parameters: 'typing.Mapping[str, typing.Any] | None' = None
    ) -> runs.Run:
        """Run one of the charm's actions; its result is the run's `action`."""
        declared = charm.BuiltCharm(self.charm).actions
        if action not in declared:
            raise errors.WrongUse(_unknown('action', action, declared))
        schema = declared[action].get('params') or {}
        defaults = {
            name: entry['default']
            for name, entry in schema.items()
            if isinstance(entry, dict) and 'default' in entry
        }
        running = context.Action(action, {**defaults, **(parameters or {})})
        return self._run(action, check=False, action=running)

    # What Juju does

    def run(self, hook: str, check: 'bool | None' = None) -> runs.Run:
        """Run one hook; raise HookFailed if it fails, unless told not to `check`.

        Raises WrongUse if the charm has no such hook.
        """
        if not (self.charm / 'hooks' / hook).exists():
            raise errors.WrongUse(f'the charm has no hook {hook}')
        self._pending = [(hook, options) for hook, options in self._pending if hook != self.failed]
        done = self._run(hook, check=False)
        self.failed = hook if done.exit_code else None
        if done.exit_code:
            self._pending.insert(0, (hook, {}))
            if self.check if check is None else check:
                raise errors.HookFailed(done)
        return done

    def _queue(self, *hooks: str, **options: typing.Any) -> None:
        self._pending += [(hook, options) for hook in hooks]

    def _queued(self, *hooks: str) -> list[runs.Run]:
        if not self._deployed:
            return []
        self._queue(*hooks)
        return self._settle()

    def _charm_modified(self, resource: str) -> list[runs.Run]:
        image = self.built.resources.get(resource, {}).get('type') != 'file'
        if image and not self.juju.attach_runs_hooks:
            return []
        return self._queued('upgrade-charm', 'config-changed')

    def _settle(self) -> list[runs.Run]:
        """Run the hooks that wait, until one fails."""
        done: list[runs.Run] = []
        while self._pending:
            hook, options = self._pending[0]
            # Juju passes over a hook that the charm does not have.
            if (self.charm / 'hooks' / hook).exists():
                done.append(self._run(hook, check=False, **options))
                self.failed = hook if done[-1].exit_code else None
                if self.failed:
                    if self.check:
                        raise errors.HookFailed(done[-1])
                    break
            self._pending.pop(0)
            if hook.endswith('-relation-broken'):
                self.relations.pop(options['relation'].id, None)
        return done

    def _run(
        self,
        hook: str,
        *,
        check: bool,
        relation: 'model.Relation | None' = None,
        remote_unit: str = '',
        departing_unit: str = '',
        action: 'context.Action | None' = None,
    ) -> runs.Run:
        if departing_unit and relation:
            relation.units.pop(departing_unit, None)
        self._model.options = self.config
        self._model.endpoints = charm.BuiltCharm(self.charm).endpoints
        self._place_resources()
        now = context.HookContext(
            self._model, hook, self.juju, relation, remote_unit, departing_unit, action
        )
        before, status_before = self.flags, self._model.status
        self._folders.processes.write_text('')
        file = self.charm / ('actions' if action else 'hooks') / hook
        words = [*self.through, *process.command(file, self._folders.agent / '.venv/bin/python3')]
        given = process.variables(self._folders, now, self._environment, self.record)
        self._be_bootstrapped()
        with calls.Server(self.folder, now):
            ended = process.run(words, self.charm, given, self.folder / 'output', self.timeout)
        code = ended.exit_code or (-9 if ended.overdue else 0)
        if not code:
            now.commit()
        after = self.flags
        done = runs.Run(
            hook,
            code,
            ended.output,
            status_before,
            now.statuses,
            now.log,
            [json.loads(line) for line in self._folders.processes.read_text().splitlines()],
            after - before,
            before - after,
            runs.flags_set_by_handlers(now.log) - before - after,
            None if code else _contents(now.pod_spec),
            {} if code else now.said,
            ended.cpu_seconds,
            ended.seconds,
            ended.overdue,
            now.not_simulated,
            _result(action, code) if action else None,
        )
        self.runs.append(done)
        return done

    def _put(self) -> None:
        """Replace the charm's files; what a hook wrote beside them stays, as in Juju."""
        self._environment = environment.find(self.built.folder, self._python)
        for file in self._shipped:
            (self.charm / file).unlink(missing_ok=True)
        shutil.copytree(self.built.folder, self.charm, symlinks=True, dirs_exist_ok=True)
        self._shipped = [
            path.relative_to(self.built.folder)
            for path in self.built.folder.rglob('*')
            if path.is_symlink() or not path.is_dir()
        ]
        kept = self._folders.agent / '.venv'
        if self._bootstrap:
            return
        if kept.is_symlink():
            kept.unlink()
        kept.symlink_to(self._environment.folder)
        # layer:basic copies it to where only root may, unless there is none.
        (self.charm / 'bin' / 'charm-env').unlink(missing_ok=True)

    def _be_bootstrapped(self) -> None:
        """Tell layer:basic that its environment is made, which an upgrade would make anew."""
        folder = self.charm / 'wheelhouse'
        if folder.is_dir() and not self._bootstrap:
            for name in ('.bootstrapped', '.upgraded'):
                (folder / name).touch()

    def _resource(self, name: str) -> model.Attached:
        return self._model.resources.setdefault(name, model.Attached(None))

    def _place_resources(self) -> None:
        """Tell where resource-get puts each resource that the charm declares now."""
        declared = charm.BuiltCharm(self.charm).resources
        for name in {*declared, *self._model.resources}:
            self._resource(name).file = resources.place(
                self._folders.agent / 'resources', name, declared.get(name), self.juju
            )


def containers(
    pod_spec: 'typing.Mapping[str, typing.Any] | None',
) -> dict[str, dict[str, typing.Any]]:
    """Return the containers of a pod spec, by name."""
    found = [
        *((pod_spec or {}).get('containers') or []),
        *((pod_spec or {}).get('initContainers') or []),
    ]
    return {container['name']: container for container in found if isinstance(container, dict)}


def _contents(text: 'str | None') -> 'dict[str, typing.Any] | None':
    return None if text is None else spec.load(text)


def _unknown(kind: str, name: str, known: typing.Iterable[str]) -> str:
    listed = ', '.join(sorted(known))
    return f'the charm has no {kind} {name}: ' + (f'it has {listed}' if listed else 'it has none')


def _result(action: context.Action, code: int) -> runs.ActionResult:
    failed = action.failed or code != 0
    message = action.message or (f'exit status {code}' if code else '')
    return runs.ActionResult(
        'failed' if failed else 'completed', message, action.results, action.log
    )
