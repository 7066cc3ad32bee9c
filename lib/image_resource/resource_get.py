"""The hook tool resource-get, which may fail, print anything or never end."""

import contextlib
import resource
import signal
import subprocess
import threading
import time
import typing

from charmhelpers.core import hookenv

from image_resource import reasons

_TICK_SECONDS = 0.1
_GRACE_SECONDS = 1  # for the end of a process that was killed
_MAX_MEMORY_KIB = 64 * 1024  # for its output, which is read whole
_MAX_PATH_CHARACTERS = 4096  # as Linux has it
_LOOK = "check the log of the unit's agent"
_UNEXPECTED = f'resource-get printed unexpected output: {_LOOK}'


class NoFileError(Exception):
    """The tool resource-get returned no file; the message says why.

    `is_absent`: Juju has no image for the resource. `is_late`: it did not end in time.
    """

    def __init__(self, message: str, is_absent: bool = False, is_late: bool = False) -> None:
        super().__init__(message)
        self.is_absent = is_absent
        self.is_late = is_late


class _LimitError(BaseException):
    """A limit is exceeded; not an Exception, which the code that it passes might handle."""


def path_of(name: str, seconds: float) -> str:
    """Return the path of the file of the resource `name`.

    It is called through hookenv, which the tests of charms mock.

    Raises:
        NoFileError: there is none, or there was none after `seconds`; outside of the main thread,
            there is no limit
    """
    answer, problem, is_late = None, '', False
    stderr: typing.List[bytes] = []
    limits = _Limits(seconds)
    try:
        try:
            limits.start()
            with _children(limits, stderr):
                answer = hookenv.resource_get(name)
        finally:
            limits.stop()
    except _LimitError:
        problem = _UNEXPECTED
        is_late = limits.is_late
    except (NotImplementedError, OSError):
        problem = f'the hook tool resource-get cannot be run: {_LOOK}'
    except Exception:
        problem = _UNEXPECTED
    finally:
        limits.stop()  # once more, since the last tick may have come before the first
    # Raised outside of `except`: what a mock or a decoder raised may quote anything.
    if is_late:
        raise NoFileError(f'resource-get did not respond within {seconds:.2g} s', is_late=True)
    path = str(answer).strip('\r\n') if answer else ''
    if len(path) > _MAX_PATH_CHARACTERS or not path.isprintable():
        problem = _UNEXPECTED
    if problem:
        raise NoFileError(problem)
    if path:
        return path
    written = b'\n'.join(stderr)
    if reasons.is_absent(written):
        raise NoFileError('no image is attached', is_absent=True)
    reason = reasons.from_stderr(written)
    raise NoFileError('resource-get returned no file' + (reason and f': {reason}'))


class _Limits:
    """Raises `_LimitError` in the main thread when time or memory is used up.

    That ends a wait in `subprocess`, which then kills its child and reaps it.
    """

    def __init__(self, seconds: float) -> None:
        self.is_late = False
        self.is_starting = False  # a child, which subprocess could not end yet
        self._end = time.monotonic() + seconds
        self._memory = _peak_memory()
        self._is_on = False

    def start(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._is_on = True
            self._began = time.monotonic()
            self._handler = signal.signal(signal.SIGALRM, self._tick)
            self._timer = signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)

    def stop(self) -> None:
        """Restore the handler and the timer of whoever had them."""
        if self._is_on:
            self._is_on = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
            left, interval = self._timer
            if left:
                left = max(1e-6, left - (time.monotonic() - self._began))
                signal.setitimer(signal.ITIMER_REAL, left, interval)

    def _tick(self, *_: object) -> None:
        self.is_late = time.monotonic() >= self._end
        if not self._is_on or self.is_starting:
            return
        if self.is_late or _peak_memory() - self._memory > _MAX_MEMORY_KIB:
            signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS, _GRACE_SECONDS)
            raise _LimitError


@contextlib.contextmanager
def _children(limits: _Limits, stderr: typing.List[bytes]) -> typing.Iterator[None]:
    """Let no limit interrupt the start of this thread's processes; append what they say.

    hookenv drops the reason of a failure. The file descriptor 2 belongs to others, too.
    """
    popen, thread = subprocess.Popen, threading.get_ident()

    class Popen(popen):  # type: ignore[misc, valid-type]
        def __init__(self, *args: typing.Any, **kwargs: typing.Any) -> None:
            if threading.get_ident() != thread:
                super().__init__(*args, **kwargs)
                return
            kwargs.setdefault('stderr', subprocess.PIPE)
            limits.is_starting = True
            try:
                super().__init__(*args, **kwargs)
            finally:
                limits.is_starting = False

        def communicate(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            output, errors = super().communicate(*args, **kwargs)
            if threading.get_ident() == thread and isinstance(errors, bytes):
                stderr.append(errors)
            return output, errors

    subprocess.Popen = Popen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = popen  # type: ignore[misc]


def _peak_memory() -> int:
    """Return the most memory that this process had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
