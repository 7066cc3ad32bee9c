"""A unit of a built charm, whose hooks run as they do in Juju."""

import os
import pathlib
import shutil
import typing
import weakref

from charm_unit._unit import (
    agent,
    application,
    charm,
    context,
    deployable,
    errors,
    files,
    hook_tools,
    juju_version,
    model,
    ports,
    relations,
    resources,
    spec,
)
from charm_unit._unit import options as charm_options
from charm_unit._unit.runs import Run  # the units have a property of the module's name

JUJU = '2.9.49'
"""The version of Juju that is simulated by default."""
TIMEOUT = 120
"""The seconds after which a hook is stopped by default."""


class Unit:
    """A unit of the built charm in the folder `built`, deployed unless `deploy` is false.

    What an operator does returns the runs of the hooks that follow, in their order; none if no
    hook follows. It raises HookFailedError if a hook fails and UsageError if Juju would reject it.
    With `check` false, a hook that fails raises nothing; as in Juju, no other hook runs before
    that one has succeeded: `idle` and `retry` run it again.

    Args:
        built: the folder that `charm-build` created
        folder: where the unit has its files; default: a temporary folder, deleted with the unit;
            in memory (/dev/shm) if there is room and programs may run there, unless TMPDIR is set.
            A program that is killed leaves it there
        deploy: run the first hooks now; else `deploy` runs them
        resources: what to attach before, by resource: what `attach` takes
        config: the options to set before, by name
        leader: whether the unit is the leader of its application
        juju: the version of Juju to simulate, 2.5 to 3.6
        python: the interpreter that runs the hooks: a path, or a name on PATH; default: the one
            that runs this
        timeout: seconds after which a hook is stopped
        command_prefix: a command that starts the hooks, such as setpriv with its arguments
        record_processes: keep the command line of every process that hooks start
        check: raise HookFailedError if a hook fails
        peers: how many more units of the application there are, each of which runs its hooks
        preload: import charmhelpers, charms.reactive, PyYAML, urllib3 and requests once, and fork
            a process for each hook; else each hook is a new interpreter
        bootstrap: let a charm on layer:basic create its virtual environment in its first hook, as
            on a real machine

    Raises:
        NotABuiltCharmError: `built` does not hold a reactive charm that `charm-build` made
        InvalidCharmError: Juju would refuse to deploy the charm
        CharmEnvironmentError: the interpreter or the charm's Python packages cannot be used
        UsageError: Juju would reject an argument, or `folder` has a unit already
        HookFailedError: a hook of the deployment failed
    """

    def __init__(
        self,
        built: 'str | os.PathLike[str]',
        folder: 'str | os.PathLike[str] | None' = None,
        *,
        deploy: bool = True,
        resources: 'typing.Mapping[str, str | bytes | os.PathLike[str]] | None' = None,
        config: 'typing.Mapping[str, typing.Any] | None' = None,
        leader: bool = True,
        juju: str = JUJU,
        python: 'str | os.PathLike[str] | None' = None,
        timeout: float = TIMEOUT,
        command_prefix: typing.Sequence[str] = (),
        record_processes: bool = True,
        check: bool = True,
        peers: int = 0,
        preload: bool = True,
        bootstrap: bool = False,
    ) -> None:
        if folder is None:
            folder = files.temporary_folder()
            self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder: pathlib.Path = pathlib.Path(folder).resolve()
        """Where the unit has its files."""
        if (self.folder / 'agents').exists():
            raise errors.UsageError(f'{self.folder} is the folder of another unit: pass a new one')
        self.check: bool = check
        """Whether a hook that fails raises HookFailedError."""
        self._juju = juju_version.JujuVersion(juju)
        found = charm.BuiltCharm(built)
        deployable.check(found, self._juju)
        self._model = model.Model(
            found.name, f'{found.name}/0', leader, charmhub=self._juju.shares_details_file
        )
        chosen = None if python is None else os.fspath(python)
        self._agent = agent.Agent(found, self.folder, self._model, self._juju, chosen, bootstrap)
        self._agent.timeout = timeout
        self._agent.command_prefix = command_prefix
        self._agent.record_processes = record_processes
        self._agent.preload = preload
        self._relations = relations.Relations(self._agent)
        self._application = application.Application(self._relations)
        self._units = [self]
        for number in range(1, peers + 1):
            peer = Unit(
                built,
                self.folder / 'peers' / str(number),
                deploy=False,
                leader=False,
                juju=juju,
                python=python,
                timeout=timeout,
                command_prefix=command_prefix,
                record_processes=record_processes,
                check=check,
                preload=preload,
                bootstrap=bootstrap,
            )
            peer._relations.rename(number)
            self._application.add(peer._relations)
            peer._application = self._application
            peer._units = self._units
            self._units.append(peer)
        if config:
            self.configure(config)
        for resource, content in (resources or {}).items():
            self.attach(resource, content)
        if deploy:
            self.deploy()

    def __enter__(self) -> 'Unit':
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, '_finalizer'):
            self._finalizer()

    def __repr__(self) -> str:
        last = repr(self.runs[-1].hook) if self.runs else None
        return (
            f'<charm_unit.Unit {self.name} of {self.built.path}: '
            f'status={self.status!r}, last hook={last}>'
        )

    # What it is

    @property
    def built(self) -> charm.BuiltCharm:
        """The built charm whose copy it runs."""
        return self._agent.built

    @property
    def juju(self) -> str:
        """The version of Juju that is simulated, such as 2.9.49."""
        return self._juju.text

    @property
    def record_processes(self) -> bool:
        """Whether the command line of every process that hooks start is kept."""
        return self._agent.record_processes

    @record_processes.setter
    def record_processes(self, recorded: bool) -> None:
        self._agent.record_processes = recorded

    @property
    def command_prefix(self) -> typing.Sequence[str]:
        """The command that starts the hooks, with its arguments."""
        return self._agent.command_prefix

    @command_prefix.setter
    def command_prefix(self, command: typing.Sequence[str]) -> None:
        self._agent.command_prefix = command

    @property
    def name(self) -> str:
        """The unit's name, such as my-charm/0."""
        return self._model.unit

    @property
    def peers(self) -> 'list[Unit]':
        """The other units of its application."""
        return [unit for unit in self._units if unit is not self and not unit._agent.is_dying]

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
        for peer in self.peers if leads else ():
            peer._model.leader = False
        self._model.leader = leads

    @property
    def status(self) -> tuple[str, str]:
        """The (state, message) that `juju status` shows."""
        return self._agent.status

    @status.setter
    def status(self, status: tuple[str, str]) -> None:
        self._model.status = status
        self._application.share(self._relations)

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
        """The workload's version, as set with application-version-set; None if it is not set."""
        return self._model.workload_version

    @property
    def opened_ports(self) -> list[str]:
        """The ports that hooks opened, such as 80/tcp."""
        return [str(opened) for opened in ports.by_range(self._model.opened_ports)]

    @property
    def leader_settings(self) -> dict[str, str]:
        """What leaders of its application have set with leader-set."""
        return self._model.leader_settings

    @property
    def relations(self) -> dict[str, model.Relation]:
        """Its relations, by id."""
        return self._model.relations

    def relation(self, endpoint: str) -> model.Relation:
        """Return the relation of an endpoint; raise UsageError if it has none."""
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

    def deploy(self) -> list[Run]:
        """Install and start the unit and its peers; raise UsageError if it is deployed already."""
        if self._agent.is_deployed:
            raise errors.UsageError(
                f'{self.name} is deployed already: create the unit with deploy=False to deploy it '
                'later'
            )
        for unit in self._units:
            if not unit._agent.is_deployed:
                unit._queue_deployment()
        return self._application.run_pending(self.check)

    def _queue_deployment(self) -> None:
        self._agent.is_deployed = True
        self._agent.queue('install')
        self._relations.queue_created()
        self._agent.queue('leader-elected' if self.leader else 'leader-settings-changed')
        self._agent.queue('config-changed', 'start')
        self._queue_storage('attached', self._agent.declared_storage())
        self._relations.queue_all()

    def attach(
        self,
        resource: str,
        registrypath: 'str | bytes | os.PathLike[str]',
        username: str = '',
        password: str = '',
        *,
        run_hooks: bool = True,
    ) -> list[Run]:
        """Attach an image or a file, as `juju attach-resource`.

        To an image resource, a reference is attached, or the path of a file of details, in JSON
        or YAML; to one of the type `file`, a path. `resource-get` delivers bytes as they are,
        even what Juju itself would never write. To attach the same again runs no hook. With
        `run_hooks` false none runs yet, as between the operator's command and Juju's first hook
        after it. Raises UsageError for a resource that metadata.yaml does not declare, and for
        what Juju rejects.
        """
        content = self._attached(resource, registrypath, username, password)
        changed = self._agent.resource(resource).content != content
        self._set_content(resource, content)
        if not changed or not run_hooks:
            return []  # the same details again have the same fingerprint
        return self._charm_modified(resource)

    def detach(self, resource: str) -> list[Run]:
        """Remove what is attached; raise UsageError for an undeclared resource."""
        self._set_content(resource, None)
        return self._charm_modified(resource)

    def _set_content(self, resource: str, content: 'bytes | None') -> None:
        """Set what is attached; resource-get that fails, hangs or is slow stays so."""
        for unit in self._units:
            known = unit._agent.resource(resource)
            known.content = content
            if known.delay:
                known.script = resources.slow(known, known.delay)

    def break_resource_get(self, resource: str, script: str) -> None:
        """Make `resource-get` of a resource run this shell script, with its name as $1."""
        for unit in self._units:
            known = unit._agent.resource(resource)
            known.script, known.delay = script, 0

    def fail_resource_get(self, resource: str, reason: str = 'the store is down') -> None:
        """Make `resource-get` of a resource fail for this reason."""
        self.break_resource_get(resource, resources.failing(reason))

    def slow_resource_get(self, resource: str, seconds: float) -> None:
        """Make `resource-get` of a resource take so many seconds; with math.inf, it never ends."""
        for unit in self._units:
            known = unit._agent.resource(resource)
            known.script, known.delay = resources.slow(known, seconds), seconds

    def repair_resource_get(self, resource: str) -> None:
        """Make `resource-get` deliver what is attached again."""
        for unit in self._units:
            known = unit._agent.resource(resource)
            known.script, known.delay = None, 0

    def fail_tool(self, tool: str, reason: str = 'connection is shut down') -> None:
        """Make a hook tool fail for this reason; raise UsageError if Juju does not have it."""
        self._break_tool(tool, reason)

    def kill_hooks_at(self, tool: str) -> None:
        """Kill each hook that calls this hook tool, as if its pod were evicted then.

        The tool does nothing. Raises UsageError if Juju does not have it.
        """
        self._break_tool(tool, None)

    def _break_tool(self, tool: str, reason: 'str | None') -> None:
        self._check_tool(tool)
        for unit in self._units:
            unit._agent.broken_tools[tool] = reason

    def repair_tool(self, tool: str) -> None:
        """Let a hook tool work again; raise UsageError if Juju does not have it."""
        self._check_tool(tool)
        for unit in self._units:
            unit._agent.broken_tools.pop(tool, None)

    def _check_tool(self, tool: str) -> None:
        known = hook_tools.names(self._juju)
        if tool not in known:
            raise errors.UsageError(errors.unknown('hook tool', tool, known))

    def upgrade(
        self,
        built: 'str | os.PathLike[str] | None' = None,
        images: 'typing.Mapping[str, str | bytes | os.PathLike[str]] | None' = None,
    ) -> list[Run]:
        """Refresh the unit to a different build, or to the same, and to `images` by resource.

        Raises what Unit does, and UsageError if the refreshed charm lacks an endpoint that has a
        relation or, on Kubernetes, has a different deployment, storage or devices.
        """
        refreshed = self.built if built is None else charm.BuiltCharm(built)
        deployable.check(refreshed, self._juju)
        deployable.check_upgrade(self.built, refreshed)
        self._relations.check_kept(refreshed)
        for unit in self._units:
            unit._agent.install_charm(refreshed)
            for resource, image in (images or {}).items():
                unit._agent.resource(resource).content = self._attached(resource, image)
            unit._queue_new_peers()
        return self._run_queued('upgrade-charm', 'config-changed')

    def _queue_new_peers(self) -> None:
        for relation in self._relations.add_peers():
            for peer in self.peers:
                relation.enter(peer.name, {})
            if self._agent.is_deployed:
                self._relations.queue_created(relation)

    def configure(
        self, options: 'typing.Mapping[str, typing.Any] | None' = None, /, **more: typing.Any
    ) -> list[Run]:
        """Set options; in a keyword, an underscore stands for a hyphen if no option has it.

        A string is converted to the type that config.yaml declares; None resets an option to its
        default. To set options to what they are set to runs no hook. Raises UsageError for an
        undeclared option and for a value of another type.
        """
        declared = charm.BuiltCharm(self.charm).options
        named = {
            name if name in declared else name.replace('_', '-'): value
            for name, value in more.items()
        }
        changed = dict(self._agent.options)
        for name, value in {**(options or {}), **named}.items():
            if name not in declared:
                raise errors.UsageError(errors.unknown('option', name, declared))
            changed.pop(name, None)
            if value is not None:
                kind = declared[name].get('type') or 'string'
                try:
                    changed[name] = charm_options.value(name, kind, value)
                except charm_options.Refused as refused:
                    raise errors.UsageError(str(refused)) from None
        if changed == self._agent.options:
            return []  # settings with the same hash
        for unit in self._units:
            unit._agent.options = dict(changed)
        return self._run_queued('config-changed')

    def relate(
        self,
        endpoint: str,
        remote_unit: 'str | None' = None,
        data: 'typing.Mapping[str, str] | None' = None,
        app_data: 'typing.Mapping[str, str] | None' = None,
    ) -> list[Run]:
        """Set the relation data of a remote unit, such as mysql/0, and of its application.

        The first unit of an application creates the relation and others join it. If the unit is
        in the relation already, its data is replaced. Raises UsageError for an undeclared
        endpoint.
        """
        unit = remote_unit or endpoint
        unit += '' if '/' in unit else '/0'
        for each in self._units if unit.partition('/')[0] != self._model.application else [self]:
            deployed = each._agent.is_deployed
            each._relations.receive(endpoint, unit, data or {}, app_data or {}, deployed)
        return self._application.run_pending(self.check)

    def depart(self, endpoint: str, remote_unit: str) -> list[Run]:
        """Remove a remote unit from a relation; raise UsageError if it is not in one."""
        for unit in self._units:
            unit._relations.depart(endpoint, remote_unit, unit._agent.is_deployed)
        return self._application.run_pending(self.check)

    def break_relation(self, endpoint: str) -> list[Run]:
        """Remove the relation of an endpoint: its units depart, then it is broken.

        Raises UsageError if the endpoint has no relation.
        """
        for unit in self._units:
            unit._relations.remove(endpoint, unit._agent.is_deployed)
        return self._application.run_pending(self.check)

    def remove(self) -> list[Run]:
        """Remove the unit: its storage is detached, its relations are broken, then it is stopped.

        No hook runs in it after these. Raises UsageError if it is not deployed.
        """
        if not self._agent.is_deployed:
            raise errors.UsageError(f'{self.name} is not deployed')
        self._queue_storage('detaching', self._model.storage.values())
        self._relations.queue_removal()
        self._agent.queue('stop')
        if self._juju.has_remove_hook:
            self._agent.queue('remove')
        self._agent.is_dying = True
        for peer in self.peers:
            peer._relations.leave(self.name, peer._agent.is_deployed)
        done = self._application.run_pending(self.check)
        for peer in self.peers:
            peer._model.peer_statuses.pop(self.name, None)
        if self.leader and self.peers:
            successor = self.peers[0]
            self._model.leader, successor.leader = False, True
            successor._agent.queue_once('leader-elected')
            done += self._application.run_pending(self.check, besides=self._relations)
        return done

    def _queue_storage(self, happened: str, storage: typing.Iterable[model.Storage]) -> None:
        for instance in storage:
            name = instance.id.partition('/')[0]
            self._agent.queue(f'{name}-storage-{happened}', storage=instance)

    def restart_operator(self, *, lose_storage: bool = False) -> list[Run]:
        """Restart the operator's pod, with its volume, or without it if `lose_storage`.

        What hooks wrote is lost with the volume: the reactive flags, too. Since Juju 2.8 the
        controller keeps which hooks have run: none follows. Before, the unit is installed again.
        """
        if not lose_storage:
            return []
        self._agent.lose_files()
        if not self._agent.is_deployed or self._juju.keeps_unit_state:
            return []
        for relation in self._model.relations.values():
            relation.members.clear()
        self._queue_deployment()
        return self._application.run_pending(self.check)

    def become_leader(self) -> list[Run]:
        """Make the unit the leader of its application, instead of the peer that is."""
        for peer in self.peers:
            if peer.leader:
                peer._agent.queue_once('leader-settings-changed')
        self.leader = True
        return self._run_own('leader-elected')

    def lose_leadership(self) -> list[Run]:
        """Elect another unit of its application: the first peer, if there is any."""
        self.leader = False
        for peer in self.peers[:1]:
            peer.leader = True
            peer._agent.queue_once('leader-elected')
        return self._run_own('leader-settings-changed')

    def idle(self) -> list[Run]:
        """Run update-status, or if a hook has failed, that hook and those that follow."""
        if self._agent.pending:
            return self._application.run_pending(self.check)
        return self._run_queued('update-status')

    def retry(self) -> list[Run]:
        """Run the hook that failed again, and what follows; raise UsageError if none failed."""
        if not self._agent.pending:
            raise errors.UsageError('no hook has failed')
        return self._application.run_pending(self.check)

    def resolve(self) -> list[Run]:
        """Mark the failed hook as resolved without a retry: `juju resolved --no-retry`."""
        self._agent.resolve()
        self._application.share(self._relations)
        return self._application.run_pending(self.check)

    def run_action(
        self, action: str, parameters: 'typing.Mapping[str, typing.Any] | None' = None
    ) -> list[Run]:
        """Run an action of the charm; its result is the `action` of the one run.

        An action that fails raises nothing. Raises UsageError if the charm has no such action,
        and for parameters that actions.yaml does not allow.
        """
        found = charm.BuiltCharm(self.charm).parameters(action, parameters or {})
        running = context.Action(action, found)
        done = self._agent.run(action, action=running)
        return [done, *self._run_others()]

    # What Juju does

    def run(self, hook: str, check: 'bool | None' = None) -> list[Run]:
        """Run one hook, before any that wait; raise HookFailedError if it fails and `check`.

        By default, `check` is that of the unit. Raises UsageError if the charm has no such hook.
        """
        if not self._agent.has(hook):
            raise errors.UsageError(f'the charm has no hook {hook}')
        self._agent.is_deployed |= hook == 'install'
        done = self._agent.run_first(hook, self.check if check is None else check)
        return [done, *self._run_others()]

    def _run_others(self) -> list[Run]:
        """Run the hooks that follow from the unit's hook or action in its peers."""
        self._application.share(self._relations)
        return self._application.run_pending(self.check, besides=self._relations)

    def _attached(
        self,
        resource: str,
        given: 'str | bytes | os.PathLike[str]',
        username: str = '',
        password: str = '',
    ) -> bytes:
        self._agent.resource(resource)
        kind = charm.BuiltCharm(self.charm).resources[resource]['type']
        return resources.content(resource, kind, given, self._juju, username, password)

    def _run_queued(self, *hooks: str) -> list[Run]:
        """Run hooks in all units of the application."""
        for unit in self._units:
            if unit._agent.is_deployed and (unit is self or not unit._agent.is_dying):
                unit._agent.queue(*hooks)
        return self._application.run_pending(self.check)

    def _run_own(self, *hooks: str) -> list[Run]:
        if self._agent.is_deployed:
            self._agent.queue(*hooks)
        return self._application.run_pending(self.check)

    def _charm_modified(self, resource: str) -> list[Run]:
        image = self.built.resources.get(resource, {}).get('type') != 'file'
        if image and not self._juju.attach_runs_hooks:
            return []
        return self._run_queued('upgrade-charm', 'config-changed')
