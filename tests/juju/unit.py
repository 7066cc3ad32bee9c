"""A unit of a charm, whose hooks run as they do in Juju.

Each hook is a fresh process of the built charm's own hooks/NAME, with its hook tools as
executables on PATH and Juju's environment variables. What Juju guarantees about resources is
kept to (its versions 2.5 to 3.6): where `resource-get` puts an image's details and how it fails,
which hooks follow when details are attached, and that nothing of a hook that failed is kept,
which is tried again before anything else.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import typing

import yaml

from juju import hook_tools

_FLAGS = 'reactive.states.'
_TRACE = 'tracer: set flag '
_TESTS = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Run:
    """What one hook did."""

    hook: str
    exit_code: int
    output: str
    """What it printed, on stdout or stderr: Juju puts it into the unit's log."""
    status_before: tuple
    """The unit's (state, message) when the hook began."""
    statuses: list
    """(state, message) in the order set."""
    log: list
    """(level, message) as given to juju-log."""
    processes: list
    """The command line of every process that the hook itself started."""
    flags_set: set
    flags_cleared: set
    flags_passing: set
    """Those set in the hook and cleared before its end, as charms.reactive logs."""
    pod_spec: typing.Optional[dict]
    """The last one that the hook set; None if it set none."""
    cpu_seconds: float
    """Of the hook and all it waited for, user and system."""

    def started(self, tool):
        """Return the command lines of the processes that ran `tool`."""
        return [command for command in self.processes if command[0] == tool]

    @property
    def said(self):
        """Everything that the hook let anyone see, as one text."""
        return '\n'.join(
            [
                self.output,
                *(' '.join(entry) for entry in self.statuses + self.log),
                *(' '.join(command) for command in self.processes),
                *sorted(self.flags_set | self.flags_cleared),
            ]
        )


class HookFailed(AssertionError):
    """A hook exited other than 0; says what it printed."""


class Unit:
    """A unit of the built `charm`, living in `folder`.

    `shared_path`: all images' details are delivered in one file, as since Juju 2.9.31. `leader`
    can be changed at any time. `through` is a command that starts the hooks, such as setpriv;
    with `record`, every process that they start is noted.
    """

    def __init__(self, charm, folder, *, leader=True, shared_path=True, through=(), record=True):
        self.folder = pathlib.Path(folder)
        self.leader = leader
        self.shared_path = shared_path
        self.through = through
        self.record = record
        self.status = ('waiting', 'installing agent')
        self.pod_spec = None
        self.version = None
        self.runs = []
        self.failed = None
        """The hook to be tried again, if the last one failed."""
        self._attached = {}
        self._scripts = {}
        self._relations = {}
        self._options = {}
        self._shipped = []
        self._deployed = False
        self._put(pathlib.Path(charm))
        self.name = self.metadata['name'] + '/0'
        hook_tools.install(self.folder / 'tools', sys.executable)

    # What it is

    @property
    def charm(self):
        """The folder from which the hooks run."""
        return self.folder / 'agents' / 'unit' / 'charm'

    @property
    def metadata(self):
        return yaml.safe_load((self.charm / 'metadata.yaml').read_text())

    @property
    def config(self):
        """All options as the charm sees them."""
        file = self.charm / 'config.yaml'
        options = yaml.safe_load(file.read_text())['options'] if file.exists() else {}
        defaults = {name: option.get('default') for name, option in options.items()}
        return {**defaults, **self._options}

    @property
    def flags(self):
        """The reactive flags kept in the unit's state."""
        return {key[len(_FLAGS) :] for key in self.kv if key.startswith(_FLAGS)}

    @property
    def kv(self):
        """Everything in the unit's state, by key."""
        file = self.charm / '.unit-state.db'
        if not file.exists():
            return {}
        with sqlite3.connect(file) as database:
            rows = database.execute('select key, data from kv').fetchall()
        database.close()
        return {key: json.loads(data) for key, data in rows}

    # What an operator does; each returns the runs of the hooks that follow

    def install(self):
        """Have the unit run its first hook only."""
        self._deployed = True
        return self.run('install')

    def deploy(self):
        """Have the unit installed and started."""
        hooks = ['install', 'leader-elected' if self.leader else 'leader-settings-changed']
        self._deployed = True
        return self._follow([*hooks, 'config-changed', 'start'])

    def attach(self, resource, registrypath, username='', password=''):
        """Attach an image, as `juju attach-resource` with a reference or a file of details."""
        return self.attach_bytes(resource, _details(registrypath, username, password))

    def attach_bytes(self, resource, content):
        """Have `resource-get` deliver exactly this, which Juju itself may never have written."""
        changed = self._attached.get(resource) != content
        self._attached[resource] = content
        self._scripts.pop(resource, None)
        # The same details again have the same fingerprint: no hook.
        return self._follow(['upgrade-charm', 'config-changed']) if changed else []

    def detach(self, resource):
        """Have the controller know nothing of it any more."""
        self._attached.pop(resource, None)
        return self._follow(['upgrade-charm', 'config-changed'])

    def break_resource_get(self, resource, script):
        """Have `resource-get` of that resource run this shell script, with the name as $1."""
        self._scripts[resource] = script

    def repair_resource_get(self, resource):
        """Have it deliver again what is attached."""
        del self._scripts[resource]

    def upgrade(self, charm=None, images=None):
        """Refresh the unit to that charm, or to the same again, and to `images` by resource."""
        if charm:
            self._put(pathlib.Path(charm))
        for resource, registrypath in (images or {}).items():
            self._attached[resource] = _details(registrypath)
        return self._follow(['upgrade-charm', 'config-changed'])

    def configure(self, **options):
        """Set options; underscores stand for hyphens."""
        self._options.update({key.replace('_', '-'): value for key, value in options.items()})
        return self._follow(['config-changed'])

    def relate(self, endpoint, remote_unit, said):
        """Add a relation whose remote unit says these strings."""
        rid = f'{endpoint}:{len(self._relations)}'
        self._relations[rid] = {remote_unit: dict(said), self.name: {}}
        environment = {
            'JUJU_RELATION': endpoint,
            'JUJU_RELATION_ID': rid,
            'JUJU_REMOTE_UNIT': remote_unit,
        }
        hooks = [f'{endpoint}-relation-joined', f'{endpoint}-relation-changed']
        return self._follow(hooks, environment)

    def idle(self):
        """Let five minutes pass: update-status."""
        (run,) = self._follow(['update-status'])
        return run

    def retry(self):
        """Run the hook that failed again, as Juju does."""
        return self.run(self.failed)

    # What Juju does

    def run(self, hook, environment=(), check=True):
        """Run one hook; raise HookFailed if it fails, unless told not to `check`."""
        before = self.flags
        processes = self.folder / 'processes'
        for file in (self.folder / 'journal', processes):
            file.write_text('')
        self._write_state()
        with open(self.folder / 'output', 'w+', errors='replace') as output:
            process = subprocess.Popen(
                [*self.through, self.charm / 'hooks' / hook],
                cwd=self.charm,
                env=self._environment(hook, dict(environment)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                _pid, wait_status, usage = os.wait4(process.pid, 0)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            process.returncode = os.waitstatus_to_exitcode(wait_status)
            output.seek(0)
            text = output.read()
        entries = hook_tools.journal(self.folder)
        pod_specs = [json.loads(spec) for _, spec in _of(entries, 'pod-spec')]
        after = self.flags
        run = Run(
            hook,
            process.returncode,
            text,
            self.status,
            [(state, message) for _, state, message in _of(entries, 'status')],
            [_logged(*words) for _, *words in _of(entries, 'log')],
            [json.loads(line) for line in processes.read_text().splitlines()],
            after - before,
            before - after,
            _set_by_handlers(entries) - before - after,
            pod_specs[-1] if pod_specs and not process.returncode else None,
            usage.ru_utime + usage.ru_stime,
        )
        self.runs.append(run)
        self.status = run.statuses[-1] if run.statuses else self.status
        self.pod_spec = run.pod_spec or self.pod_spec
        self.version = ([words for _, words in _of(entries, 'version')] or [self.version])[-1]
        self.failed = hook if run.exit_code else None
        if check and run.exit_code:
            log = '\n'.join(message for _level, message in run.log)
            raise HookFailed(f'{hook} exited {run.exit_code}:\n{log}\n{run.output}')
        return run

    def _follow(self, hooks, environment=()):
        return [self.run(hook, environment) for hook in hooks] if self._deployed else []

    def _put(self, charm):
        """Replace the charm's files; what a hook wrote beside them stays, as in Juju."""
        for file in self._shipped:
            (self.charm / file).unlink()
        shutil.copytree(charm, self.charm, symlinks=True, dirs_exist_ok=True)
        self._shipped = [
            path.relative_to(charm)
            for path in charm.rglob('*')
            if path.is_symlink() or not path.is_dir()
        ]

    def _write_state(self):
        declared = self.metadata.get('resources')
        resources = {}
        for name, entry in (declared if isinstance(declared, dict) else {}).items():
            entry = entry if isinstance(entry, dict) else {}
            content = self._attached.get(name)
            resources[name] = {
                'type': entry.get('type', 'file'),
                'filename': entry.get('filename', 'file'),
                'content': None if content is None else content.hex(),
            }
        state = {
            'unit': self.name,
            'leader': self.leader,
            'shared_path': self.shared_path,
            'config': self.config,
            'status': self.status,
            'resources': resources,
            'resource_scripts': self._scripts,
            'relations': self._relations,
        }
        (self.folder / 'state.json').write_text(json.dumps(state))

    def _environment(self, hook, more):
        interpreter = pathlib.Path(sys.executable).parent
        site = _TESTS / ('juju/recording' if self.record else 'ubuntu')
        return {
            'PATH': f'{self.folder}/tools:{interpreter}:/usr/bin:/bin',
            'HOME': str(self.folder),
            'LANG': 'C.UTF-8',
            'PYTHONPATH': str(site),
            'PYTHONWARNINGS': 'ignore',
            'SIMULATED_UNIT': str(self.folder),
            'SIMULATED_PROCESSES': str(self.folder / 'processes'),
            'CHARM_DIR': str(self.charm),
            'JUJU_CHARM_DIR': str(self.charm),
            'JUJU_CONTEXT_ID': f'{self.name}-{hook}-1',
            'JUJU_DISPATCH_PATH': f'hooks/{hook}',
            'JUJU_HOOK_NAME': hook,
            'JUJU_MODEL_NAME': 'simulated',
            'JUJU_UNIT_NAME': self.name,
            'JUJU_VERSION': '2.9.49' if self.shared_path else '2.9.29',
            **more,
        }


def _details(registrypath, username='', password=''):
    """Return an image's details as Juju writes them."""
    details = {'registrypath': registrypath, 'username': username, 'password': password}
    return yaml.safe_dump(details, sort_keys=False).encode()


def _of(entries, kind):
    return [entry for entry in entries if entry[0] == kind]


def _logged(*words):
    """Return the level and the message that `juju-log` was given with these arguments."""
    if words[:1] == ('-l',):
        return words[1], ' '.join(words[2:])
    return 'INFO', ' '.join(words)


def _set_by_handlers(entries):
    """Return the flags that charms.reactive's tracer says were set during the hook."""
    return {
        line[len(_TRACE) :]
        for *_, message in _of(entries, 'log')
        if 'starting handler dispatch' not in message  # which lists those that are set already
        for line in message.splitlines()
        if line.startswith(_TRACE)
    }
