"""Runs a hook as a new process of the charm's own file, in Juju's environment."""

import contextlib
import dataclasses
import errno
import functools
import os
import pathlib
import signal
import subprocess
import threading
import time
import typing

from charm_unit._unit import context, errors, model

_SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


@dataclasses.dataclass(frozen=True)
class Result:
    """How a process ended, and what it printed."""

    exit_code: int
    output: str
    cpu_seconds: float
    seconds: float
    timed_out: bool


@dataclasses.dataclass(frozen=True)
class Folders:
    """The folders and files of a unit."""

    root: pathlib.Path

    @functools.cached_property
    def agent(self) -> pathlib.Path:
        """Return the unit agent's folder."""
        return self.root / 'agents' / 'unit'

    @functools.cached_property
    def charm(self) -> pathlib.Path:
        """Return the folder of the charm that runs."""
        return self.agent / 'charm'

    @functools.cached_property
    def environment(self) -> pathlib.Path:
        """Return the virtual environment, where layer:basic has it."""
        return self.agent / '.venv'

    @functools.cached_property
    def processes(self) -> pathlib.Path:
        """Return the file in which hooks note the processes that they start."""
        return self.root / 'processes'

    @functools.cached_property
    def debugged(self) -> pathlib.Path:
        """The file that exists once a hook has stopped at a breakpoint()."""
        return self.root / 'debugged'

    def make(self) -> None:
        """Make the folders that exist before any hook, for this user only; raise UsageError."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.root.stat().st_uid != os.geteuid():
            raise errors.UsageError(f'{self.root} belongs to a different user: pass a new folder')
        # It has passwords and what hook tools run: nobody else gets in.
        self.root.chmod(0o700)
        for name in ('home', 'tmp'):
            (self.root / name).mkdir(exist_ok=True)
        self.agent.mkdir(parents=True, exist_ok=True)


def variables(folders: Folders, hook: context.HookContext, record: bool) -> dict[str, str]:
    """Return the environment variables that Juju gives a hook."""
    root, known = folders.root, hook.model
    given = {
        'PATH': f'{root}/tools:{folders.environment}/bin:{root}/host:{_SYSTEM_PATH}',
        'HOME': f'{root}/home',
        'TMPDIR': f'{root}/tmp',  # noqa: S108 (its own)
        'LANG': 'C.UTF-8',
        'TERM': 'tmux-256color',
        'DEBIAN_FRONTEND': 'noninteractive',
        'APT_LISTCHANGES_FRONTEND': 'none',
        'PYTHONWARNINGS': 'ignore',
        'CHARM_DIR': str(folders.charm),
        'JUJU_CHARM_DIR': str(folders.charm),
        'JUJU_CONTEXT_ID': f'{known.unit}-{hook.hook}-1',
        'JUJU_AGENT_SOCKET_ADDRESS': f'{root}/calls/request',
        'JUJU_AGENT_SOCKET_NETWORK': 'unix',
        'JUJU_UNIT_NAME': known.unit,
        'JUJU_MODEL_NAME': 'simulated',
        'JUJU_MODEL_UUID': model.MODEL_UUID,
        'JUJU_API_ADDRESSES': '10.152.183.1:17070',
        'JUJU_VERSION': hook.juju.text,
        'CLOUD_API_VERSION': '1.21',
        'JUJU_SLA': 'unsupported',
        'JUJU_MACHINE_ID': '',
        'JUJU_PRINCIPAL_UNIT': '',
        'JUJU_AVAILABILITY_ZONE': '',
        'JUJU_METER_STATUS': 'AMBER',
        'JUJU_METER_INFO': 'not set',
    }
    for kind in ('HTTP', 'HTTPS', 'FTP', 'NO'):
        given[f'JUJU_CHARM_{kind}_PROXY'] = ''
    if hook.action:
        given['JUJU_ACTION_NAME'] = hook.action.name
        given['JUJU_ACTION_UUID'] = given['JUJU_ACTION_TAG'] = '1'
        given['JUJU_ACTION_TAG'] = 'action-1'
    else:
        given['JUJU_HOOK_NAME'] = hook.hook
        if hook.juju.tells_departing_unit:
            given['JUJU_DISPATCH_PATH'] = f'hooks/{hook.hook}'
    if hook.relation:
        given['JUJU_RELATION'] = hook.relation.endpoint
        given['JUJU_RELATION_ID'] = hook.relation.id
        given['JUJU_REMOTE_UNIT'] = hook.remote_unit
        if hook.juju.has_application_data:
            given['JUJU_REMOTE_APP'] = hook.relation.remote_application
        if hook.departing_unit and hook.juju.tells_departing_unit:
            given['JUJU_DEPARTING_UNIT'] = hook.departing_unit
    if hook.storage:
        given['JUJU_STORAGE_ID'] = hook.storage.id
        given['JUJU_STORAGE_KIND'] = hook.storage.kind
        given['JUJU_STORAGE_LOCATION'] = str(hook.storage.location)
    if record:
        given['CHARM_UNIT_PROCESSES'] = str(folders.processes)
    if terminal:
        given['CHARM_UNIT_TERMINAL'] = terminal
        given['CHARM_UNIT_DEBUGGED'] = str(folders.debugged)
    return given


def command(file: pathlib.Path, python: pathlib.Path) -> list[str]:
    """Return the command that runs a hook's file, with `python` if it asks for a Python.

    What an older layer:basic asks for (/usr/local/sbin/charm-env) is on no author's machine.
    """
    try:
        with open(file, 'rb') as script:
            first = script.readline(256)
    except OSError:
        return [str(file)]
    if first.startswith(b'#!'):
        words = first[2:].decode(errors='replace').split()
        for number, word in enumerate(words):
            name = os.path.basename(word)
            if name.startswith('python') and not name.startswith('python2'):
                return [str(python), *words[number + 1 :], str(file)]
    return [str(file)]


terminal: 'str | None' = None
"""The terminal for breakpoint() in a hook; set by the prompt and by pytest's plugin."""

_running: set[int] = set()
"""The process groups of commands that run now, in any thread."""


def end_all() -> None:
    """Stop all commands that run now, since the program is interrupted."""
    for group in tuple(_running):
        _end(group)


class Started(typing.Protocol):
    """A process that leads a group of its own."""

    pid: int

    def wait(self) -> tuple[int, float]:
        """Wait for its end; return the wait status, and seconds of CPU."""


Start = typing.Callable[[int], Started]
"""Starts a process whose output goes to a descriptor; raises OSError."""


def starter(words: list[str], folder: pathlib.Path, given: dict[str, str]) -> Start:
    """Return what starts a command in `folder`."""

    def start(output: int) -> Started:
        return _Command(
            words,
            cwd=folder,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return start


class _Command(subprocess.Popen[bytes]):
    def wait(self, timeout: 'float | None' = None) -> tuple[int, float]:  # type: ignore[override]
        _pid, status, usage = os.wait4(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        return status, usage.ru_utime + usage.ru_stime


def run(
    start: Start, program: str, output: pathlib.Path, timeout: float, debugged: pathlib.Path
) -> Result:
    """Run a process; stop it, and all that it started, after `timeout` seconds.

    A process that has created the file `debugged` waits for a person and is not stopped.

    If the `program` cannot be started, the exit code is 126, or 127 if a file is missing, as in a
    shell.
    """
    begun = time.monotonic()
    timed_out = threading.Event()
    started: list[Started] = []

    def end() -> None:
        if not debugged.exists():
            timed_out.set()
            _end(started[0].pid)

    debugged.unlink(missing_ok=True)
    timer = threading.Timer(timeout, end)
    timer.daemon = True
    with open(output, 'w+', errors='replace') as file:
        try:
            _start(started, start, file.fileno())
            _running.add(started[0].pid)
            timer.start()
            status, cpu_seconds = started[0].wait()
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError) else 126
            text = f'charm-unit: {program} cannot be run: {_why(error, program)}\n'
            return Result(code, text, 0, time.monotonic() - begun, False)
        finally:
            timer.cancel()
            for process in started:
                _running.discard(process.pid)
                # What it left running would outlive the unit.
                _end(process.pid)
        file.seek(0)
        text = file.read()
    return Result(
        os.waitstatus_to_exitcode(status),
        text,
        cpu_seconds,
        time.monotonic() - begun,
        timed_out.is_set(),
    )


def _start(started: list[Started], start: Start, output: int) -> None:
    """Start a process and append it to `started`, even if a signal arrives meanwhile.

    Python handles signals in the main thread, where one would be lost that has just begun.
    """
    if threading.current_thread() is not threading.main_thread():
        started.append(start(output))
        return
    failed: list[OSError] = []
    tried = threading.Event()

    def try_it() -> None:
        try:
            started.append(start(output))
        except OSError as error:
            failed.append(error)
        finally:
            tried.set()

    thread = threading.Thread(target=try_it)
    try:
        thread.start()
        thread.join()
    except BaseException:
        tried.wait(5)  # the thread may not even have begun; only then is it in `started`
        raise
    if failed:
        raise failed[0]


def _why(error: OSError, program: str) -> str:
    """Return why a program could not be started, and what to do."""
    if error.errno == errno.ENOEXEC:
        return 'its first line must name an interpreter, as in #!/bin/sh'
    first = ''
    if os.path.isfile(program):
        if not os.access(program, os.X_OK):
            return 'it is not executable: chmod +x it'
        with contextlib.suppress(OSError), open(program, 'rb') as script:
            first = script.readline(256).decode(errors='replace').rstrip('\n')
    if first.startswith('#!'):
        return f'{error.strerror} for the interpreter in its first line, {first!r}'
    return error.strerror or str(error)


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
