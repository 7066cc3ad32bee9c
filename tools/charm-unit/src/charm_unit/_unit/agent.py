"""Juju's agent of a unit: it keeps the charm's files and runs hooks one after the other."""

import json
import os
import pathlib
import re
import shutil
import sqlite3
import stat
import sys
import typing

from charm_unit._unit import (
    calls,
    charm,
    context,
    coverage,
    environment,
    errors,
    files,
    host,
    juju_version,
    model,
    preload,
    process,
    resources,
    runs,
    spec,
)

_FLAGS = 'reactive.states.'


class Agent:
    """The agent of a unit of the charm `built`, in `folder`."""

    def __init__(
        self,
        built: charm.BuiltCharm,
        folder: pathlib.Path,
        known: model.Model,
        juju: juju_version.JujuVersion,
        python: 'str | None',
        bootstrap: bool,
    ) -> None:
        self.built = built
        self.model = known
        self.juju = juju
        self.folders = process.Folders(folder)
        self.runs: list[runs.Run] = []
        self.failed: str | None = None
        """The hook that will be retried, if the last one failed."""
        self.pending: list[tuple[str, dict[str, typing.Any]]] = []
        """The hooks that have yet to run, the failed one first, each with the options of `run`."""
        self.options: dict[str, typing.Any] = {}
        self.is_deployed = False
        self.is_dying = False
        """Whether the hooks that are pending are its last."""
        self.timeout: float = 0
        self.command_prefix: typing.Sequence[str] = ()
        self.broken_tools: dict[str, str | None] = {}
        """Why hook tools fail, by their names; None if they kill the hook instead."""
        self.record_processes = True
        self.preload = True
        self._python = python
        self._bootstrap = bootstrap
        self._shipped: frozenset[str] = frozenset()
        self.folders.make()
        self.install_charm(built)
        calls.install(folder, juju)
        host.install(folder)
        host.install_jujud(folder, juju)

    @property
    def config(self) -> dict[str, typing.Any]:
        """All options as the charm sees them."""
        return {**self.installed.defaults, **self.options}

    @property
    def installed(self) -> charm.BuiltCharm:
        """The charm in the unit's folder, as it is now: hooks may change it."""
        return charm.BuiltCharm(self.folders.charm)

    @property
    def status(self) -> model.Status:
        """What `juju status` shows of the unit."""
        if self.failed:
            return ('error', f'hook failed: "{self.failed}"')
        return self.model.status

    def state(self) -> dict[str, typing.Any]:
        """Return everything in the charm's key-value store."""
        return {key: json.loads(data) for key, data in self._rows('key, data')}

    def flags(self) -> set[str]:
        """Return the reactive flags in it."""
        keys = (key for (key,) in self._rows('key'))
        return {key[len(_FLAGS) :] for key in keys if key.startswith(_FLAGS)}

    def _rows(self, columns: str) -> list[tuple[str, ...]]:
        file = self.folders.charm / '.unit-state.db'
        if not file.exists():
            return []
        database = sqlite3.connect(file)
        try:
            return database.execute(f'select {columns} from kv').fetchall()  # noqa: S608 (ours)
        except sqlite3.OperationalError:  # its first hook was ended before there was a table
            return []
        finally:
            database.close()

    # The charm's files

    def install_charm(self, built: charm.BuiltCharm) -> None:
        """Replace the charm's files; what a hook wrote beside them stays, as in Juju."""
        self.built = built
        self.options = built.settings(self.options)
        self._not_preloadable = False
        self._found = environment.find(built.folder, self._python)
        folder = self.folders.charm
        self._replace_files(str(built.folder), str(folder))
        self._make_hooks_executable()
        kept = self.folders.environment
        if self._bootstrap:
            return
        if kept.is_symlink():
            kept.unlink()
        kept.symlink_to(self._found.folder)
        # layer:basic copies it to where only root may, unless there is none.
        (folder / 'bin' / 'charm-env').unlink(missing_ok=True)

    def _replace_files(self, built: str, folder: str) -> None:
        shipped, folders = files.scan(built)
        for path in self._shipped - shipped.keys():
            pathlib.Path(folder, path).unlink(missing_ok=True)
        for path in ('', *sorted(folders)):
            os.makedirs(os.path.join(folder, path), exist_ok=True)
        for path, signature in shipped.items():
            target = os.path.join(folder, path)
            if files.signature_of(target) != signature:
                files.copy(os.path.join(built, path), target)
        self._shipped = frozenset(shipped)

    def _make_hooks_executable(self) -> None:
        """Do what Juju does to the hooks of a charm, and not to its actions."""
        for hook in (self.folders.charm / 'hooks').iterdir():
            if hook.is_file() and not hook.is_symlink():
                hook.chmod(hook.stat().st_mode | stat.S_IXUSR)

    def _mark_bootstrapped(self) -> None:
        """Mark the environment as existing: layer:basic would create it again in an upgrade."""
        folder = self.folders.charm / 'wheelhouse'
        if folder.is_dir() and not self._bootstrap:
            for name in ('.bootstrapped', '.upgraded'):
                (folder / name).touch()

    def resource(self, name: str) -> model.Attached:
        """Return what the controller knows of a resource, to be changed.

        Raises UsageError if the charm does not declare it.
        """
        declared = self._declared_resources()
        if name not in declared:
            raise errors.UsageError(errors.unknown('resource', name, declared))
        return self._resource(name)

    def _declared_resources(self) -> dict[str, dict[str, typing.Any]]:
        return self.installed.resources

    def _resource(self, name: str) -> model.Attached:
        return self.model.resources.setdefault(name, model.Attached(None))

    def _place_resources(self, declared: typing.Mapping[str, dict[str, typing.Any]]) -> None:
        """Set where resource-get puts each resource that the charm declares now."""
        for name in {*declared, *self.model.resources}:
            self._resource(name).file = resources.place(
                self.folders.agent / 'resources', name, declared.get(name), self.juju
            )

    # Hooks

    def has(self, hook: str) -> bool:
        """Return whether the charm has a hook."""
        return (self.folders.charm / 'hooks' / hook).exists()

    def queue(self, *hooks: str, **options: typing.Any) -> None:
        """Append hooks to those that have yet to run, with the options of `run`."""
        if self.is_dying:
            raise errors.UsageError(f'{self.model.unit} is removed')
        self.pending += [(hook, options) for hook in hooks]

    def queue_once(self, hook: str) -> None:
        """Have a hook run, unless it waits to be run already, or none runs in the unit now."""
        if self.is_deployed and not self.is_dying and (hook, {}) not in self.pending:
            self.queue(hook)

    def run_pending(self, check: bool) -> list[runs.Run]:
        """Run the pending hooks until one fails; then raise HookFailedError if `check`."""
        done: list[runs.Run] = []
        while self.pending:
            hook, options = self.pending[0]
            _update_members(hook, **options)
            self._attach_storage(hook, **options)
            # Juju passes over a hook that the charm does not have.
            if self.has(hook):
                done.append(self.run(hook, **options))
                self.failed = hook if done[-1].exit_code else None
                if self.failed:
                    if check:
                        raise errors.HookFailedError(done[-1])
                    break
            self._finish()
        return done

    def _finish(self) -> None:
        """Forget the hook that ran, and what is gone with it."""
        hook, options = self.pending.pop(0)
        if hook.endswith('-relation-broken'):
            self.model.relations.pop(options['relation'].id, None)
        elif hook.endswith('-storage-detaching'):
            self.model.storage.pop(options['storage'].id, None)

    def _attach_storage(
        self, hook: str, storage: 'model.Storage | None' = None, **_: typing.Any
    ) -> None:
        if storage and hook.endswith('-storage-attached'):
            storage.location.mkdir(parents=True, exist_ok=True)
            self.model.storage[storage.id] = storage

    def declared_storage(self) -> list[model.Storage]:
        """Return what Juju attaches to the unit: the least number of each that is declared."""
        found: list[model.Storage] = []
        for name, entry in self.installed.storage.items():
            least = str((entry.get('multiple') or {}).get('range', 1))
            for _ in range(int(re.split('[-+]', least)[0])):
                number = len(found)
                location = self.folders.root / 'storage' / name / str(number)
                found.append(model.Storage(f'{name}/{number}', entry['type'], location))
        return found

    def lose_files(self) -> None:
        """Replace all that hooks have written by the charm as it is shipped."""
        for folder in (self.folders.agent, self.folders.root / 'home', self.folders.root / 'tmp'):
            shutil.rmtree(folder)
        self.folders.make()
        self._shipped = frozenset()
        self.install_charm(self.built)

    def run_first(self, hook: str, check: bool) -> runs.Run:
        """Run a hook before the pending ones; raise HookFailedError if it fails and `check`."""
        if self.failed:
            self.pending.pop(0)
        done = self.run(hook)
        self.failed = hook if done.exit_code else None
        if self.failed:
            self.pending.insert(0, (hook, {}))
            if check:
                raise errors.HookFailedError(done)
        return done

    def resolve(self) -> None:
        """Forget the hook that failed."""
        if self.failed:
            self._finish()
            self.failed = None

    def run(
        self,
        hook: str,
        *,
        relation: 'model.Relation | None' = None,
        remote_unit: str = '',
        departing_unit: str = '',
        action: 'context.Action | None' = None,
        storage: 'model.Storage | None' = None,
    ) -> runs.Run:
        """Run a hook or an action now and return what it did."""
        installed = self.installed
        self.model.options = {**installed.defaults, **self.options}
        self.model.bindings = installed.bindings
        self._place_resources(installed.resources)
        now = context.HookContext(
            self.model,
            hook,
            self.juju,
            relation,
            remote_unit,
            departing_unit,
            action,
            storage,
        )
        before, status_before = self.flags(), self.model.status
        result = self._start(now)
        code, output = result.exit_code or (-9 if result.timed_out else 0), result.output
        if not code:
            try:
                now.commit()
            except context.ChangesRefused as refused:
                code, output = 1, f'{output}ERROR {refused}\n'
        after = self.flags()
        noted = self.folders.processes.read_text(errors='replace').splitlines()
        done = runs.Run(
            hook=hook,
            unit=self.model.unit,
            exit_code=code,
            output=output,
            status_before=status_before,
            statuses=now.statuses,
            log=now.log,
            processes=[json.loads(line) for line in noted],
            flags_set=after - before,
            flags_cleared=before - after,
            flags_transient=runs.flags_set_by_handlers(now.log) - before - after,
            pod_spec=None if code or now.pod_spec is None else spec.load(now.pod_spec),
            relation_data={} if code else now.data,
            cpu_seconds=result.cpu_seconds,
            seconds=result.seconds,
            timed_out=result.timed_out,
            not_simulated=now.not_simulated,
            action=_result(action, code) if action else None,
        )
        self.runs.append(done)
        return done

    def _start(self, now: context.HookContext) -> process.Result:
        file = self.folders.charm / ('actions' if now.action else 'hooks') / now.hook
        python = self.folders.environment / 'bin' / 'python3'
        given = process.variables(self.folders, now, self.record_processes)
        given.update(coverage.variables(self.folders))
        if self._bootstrap:
            # What the charm makes itself knows nothing of us, and needs a virtualenv to be made.
            python = python if python.exists() else self._found.python
            given['PYTHONPATH'] = str(self._found.folder / 'in_hooks')
            beside = pathlib.Path(sys.executable).parent
            given['PATH'] = f'{given["PATH"]}:{self._found.folder}/bin:{beside}'
        self.folders.processes.write_text('')
        self._mark_bootstrapped()
        words = [*self.command_prefix, *process.command(file, python)]
        start = process.starter(words, self.folders.charm, given)
        if self.preload and not self._bootstrap and words == [str(python), str(file)]:
            start = self._preloaded(start, python, file, given)
        with calls.Server(self.folders.root, now, self.broken_tools):
            output = self.folders.root / 'output'
            result = process.run(start, words[0], output, self.timeout, self.folders.debugged)
        coverage.collect(self.folders, self.built.folder)
        return result

    def _preloaded(
        self,
        start: process.Start,
        python: pathlib.Path,
        file: pathlib.Path,
        given: dict[str, str],
    ) -> process.Start:
        """Return what starts a hook with modules that are imported already, or else `start`."""
        root, folder = self.folders.root, self.folders.charm
        if self._not_preloadable:
            return start
        server = preload.server(self._found.folder, python, root, folder, given)
        if server is None:
            self._not_preloadable = True
            return start

        def fork(output: int) -> process.Started:
            try:
                return server.start(python, file, folder, root, given, output)
            except OSError:  # it has ended
                return start(output)

        return fork


def _update_members(
    hook: str,
    relation: 'model.Relation | None' = None,
    remote_unit: str = '',
    **_: typing.Any,
) -> None:
    """Make a remote unit a member of its relation from its -relation-joined hook on."""
    if relation and hook.endswith('-relation-joined'):
        relation.members.add(remote_unit)
    elif relation and hook.endswith('-relation-departed'):
        relation.leave(remote_unit)


def _result(action: context.Action, code: int) -> runs.ActionResult:
    failed = action.failed or code != 0
    message = action.message or (f'exit status {code}' if code else '')
    return runs.ActionResult(
        'failed' if failed else 'completed', message, action.results, action.log
    )
