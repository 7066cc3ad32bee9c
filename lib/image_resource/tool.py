"""The hook tool resource-get, which may fail, print anything or never end."""

import contextlib
import os
import signal
import threading
import time
import typing

from charmhelpers.core import hookenv

from image_resource import reasons

_STDERR_MAX = 64 * 1024  # bytes, at the end, which are kept
_STDERR_MOST = 4 * 1024 * 1024  # bytes
_MEMORY_MAX = 64 * 1024 * 1024  # bytes that its output may take, which hookenv reads whole
_PATH_MAX = 4096  # as Linux has it
_GLANCES = 0.02  # seconds between two
_STARTED_AT = 19  # of the fields in /proc/PID/stat, counted after the command
_PARENT = 1
_LOOK = "check the log of the unit's agent"
_UNEXPECTED = f'resource-get printed unexpected output: {_LOOK}'


class NoFile(Exception):
    """The tool resource-get returned no file; the message says why.

    `is_absent`: nothing is attached. `is_late`: it did not end in time.
    """

    def __init__(self, message: str, is_absent: bool = False, is_late: bool = False) -> None:
        super().__init__(message)
        self.is_absent = is_absent
        self.is_late = is_late


def resource_get(name: str, seconds: float) -> str:
    """Return the path of the file of the resource `name`; raise NoFile after `seconds` at most.

    It is called through hookenv, which the tests of charms mock. hookenv sets no limits and drops
    the reason of a failure, so a `_Watch` observes the processes that it starts.
    """
    watch = _Watch(seconds)
    problem = ''
    answer = None
    with watch:
        try:
            answer = hookenv.resource_get(name)
        except (NotImplementedError, OSError):
            problem = f'the hook tool resource-get cannot be run: {_LOOK}'
        except Exception:
            problem = _UNEXPECTED
    # Raised outside of `except`: what a mock or a decoder raised may quote anything.
    if watch.is_over == 'time':
        raise NoFile(f'resource-get did not respond within {seconds:.2g} s', is_late=True)
    path = str(answer).strip('\r\n') if answer else ''
    if watch.is_over or len(path) > _PATH_MAX or not path.isprintable():
        raise NoFile(_UNEXPECTED)
    if problem:
        raise NoFile(problem)
    if path:
        return path
    if watch.is_absent():
        raise NoFile('no image is attached', is_absent=True)
    reason = watch.reason()
    raise NoFile('resource-get returned no file' + (reason and f': {reason}'))


class _Watch:
    """A context manager that keeps what is written to stderr and ends processes at a limit.

    It ends the processes, not the call, which returns once nobody has the other end of its pipe.
    `is_over` names the limit that was exceeded: 'time', 'output' or ''.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = ''
        self._seconds = seconds
        self._stderr = b''
        self._written = 0
        self._ended = threading.Event()

    def reason(self) -> str:
        """Return the reason on stderr, without credentials."""
        return reasons.from_stderr(self._stderr, self._written == len(self._stderr))

    def is_absent(self) -> bool:
        """Return whether stderr says that nothing is attached."""
        return reasons.is_absent(self._stderr, self._written == len(self._stderr))

    def __enter__(self) -> None:
        self._end = time.monotonic() + self._seconds
        self._memory = _memory()
        self._files_before = _open_files(os.getpid())
        self._processes_before = frozenset(_processes())
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        try:
            self._kept_stderr: typing.Optional[int] = os.dup(2)
        except OSError:  # it is closed
            self._kept_stderr = None
        os.dup2(writing, 2)
        os.close(writing)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        if self._kept_stderr is None:
            os.close(2)
        else:
            os.dup2(self._kept_stderr, 2)
            os.close(self._kept_stderr)
        self._ended.set()
        self._thread.join()
        self._read_stderr()
        os.close(self._reading)

    def _look(self) -> None:
        with contextlib.suppress(OSError):  # without /proc, nothing can be found, nor ended
            begun = _started_at('thread-self')
            while not self._ended.wait(0 if self._read_stderr() else _GLANCES):
                if time.monotonic() >= self._end:
                    self.is_over = 'time'
                elif _memory() - self._memory > _MEMORY_MAX or self._written > _STDERR_MOST:
                    self.is_over = 'output'
                if self.is_over:
                    # What it starts while it is being ended, is found in the second turn.
                    for number in (signal.SIGSTOP, signal.SIGKILL):
                        for process in self._started(begun):
                            with contextlib.suppress(OSError):
                                os.kill(process, number)

    def _read_stderr(self) -> bool:
        """Read what is waiting on stderr; return whether there was anything."""
        try:
            block = os.read(self._reading, _STDERR_MAX)
        except OSError:
            return False
        self._stderr = (self._stderr + block)[-_STDERR_MAX:]
        self._written += len(block)
        return bool(block)

    def _started(self, begun: int) -> typing.Set[int]:
        """Return the IDs of the processes that were started under the watch.

        These are the younger ones below this process, and all that have the other end of a pipe
        that this one opened since: their parents may be gone.
        """
        me = os.getpid()
        pipes = {file for file in _open_files(me) - self._files_before if file[:5] == 'pipe:'}
        parents = {}
        found = set()
        for process in _processes():
            with contextlib.suppress(OSError, IndexError):
                parents[process] = int(_stat(process)[_PARENT])
                if process != me and pipes & _open_files(process):
                    found.add(process)
        young = {me}
        while True:
            children = {
                process
                for process, parent in parents.items()
                if parent in young and process not in young and self._is_younger(process, begun)
            }
            if not children:
                return found | young - {me}
            young |= children

    def _is_younger(self, process: int, begun: int) -> bool:
        with contextlib.suppress(OSError):
            started = _started_at(process)  # a clock of 10 ms: two that began in one tell no order
            return started > begun or (started == begun and process not in self._processes_before)
        return False


def _processes() -> typing.List[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir('/proc') if name.isdigit()]
    return []


def _stat(process: typing.Union[int, str]) -> typing.List[str]:
    with open(f'/proc/{process}/stat') as file:
        return file.read().rpartition(')')[2].split()


def _started_at(process: typing.Union[int, str]) -> int:
    return int(_stat(process)[_STARTED_AT])


def _open_files(process: int) -> typing.Set[str]:
    """Return the targets of the open files of `process`, as far as they are known."""
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f'/proc/{process}/fd'):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f'/proc/{process}/fd/{number}'))
    return found


def _memory() -> int:
    """Return the memory of this process in bytes, 0 without /proc."""
    with contextlib.suppress(OSError), open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    return 0
