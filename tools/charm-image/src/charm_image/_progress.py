"""The progress of builds and uploads, and how people read amounts and rates."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

from container_image import messages

_MAX_TITLE = 200  # characters
_MAX_TEXT = 1 << 16  # characters: a line of output is not cut
_BETWEEN = 0.1  # seconds: no screen is faster


@dataclasses.dataclass(frozen=True)
class Progress:
    """An event of a build or an upload. Its `str()` is a line for people.

    `state` is, in a build, one of pull; note; started, output, cached, done (of a step); built,
    saving, written (of the image); plan, planned (of a dry run). In an upload, it is one of
    started, running, done (of a step); found, uploading, uploaded (of the image); sent (all, with
    the `upload_id` to resume from); note.

    `text` is a line of output, a detail, or the name of an upload's step, and printable (but for
    the Dockerfile of a plan, which has several lines). In a build, `resource` names the resources
    of step number `step` of `steps`, from 1; for events of the whole image it is '', and `step`
    is 0. `platform` is the platform, if the image has several. In the upload of a charm,
    `resource` is the one that is uploaded. `done` and `total`, of a pull, of what is saved or of
    an upload's step, are in bytes, None if they are not known; `done` restarts from 0 if a
    connection breaks.
    """

    state: str
    text: str = ''
    _: dataclasses.KW_ONLY
    resource: str = ''
    step: int = 0
    steps: int = 0
    platform: str = ''
    done: int | None = None
    total: int | None = None
    upload_id: str = ''

    def __post_init__(self) -> None:
        if self.state != 'plan' and not self.text.isprintable():
            object.__setattr__(self, 'text', messages.printable(self.text, _MAX_TEXT))
        if not self.resource.isprintable():
            object.__setattr__(self, 'resource', messages.printable(self.resource, _MAX_TEXT))

    def __str__(self) -> str:
        prefix = f'{self.platform}: ' if self.platform else ''
        if self.step:
            if self.state == 'output':
                return f'{prefix}    {self.text}'
            return f'{prefix}[{self.step}/{self.steps}] {shorten(self.resource)}: {self.state}'
        if self.resource:
            prefix += f'{self.resource}: '
        return f'{prefix}{self.text}{self._amounts}'

    @property
    def _amounts(self) -> str:
        if not self.done or self.state not in ('running', 'done'):
            return ''  # in a build, the text has them, with the rate
        return f': {amount(self.done)}' + (f' of {amount(self.total)}' if self.total else '')


#: Called with the name of a step, and its bytes done and in total, None if they are not known.
Steps = Callable[[str, int | None, int | None], None]


class Reporter:
    """Calls a function with the progress of an upload, from one thread at a time.

    Args:
        function: the function, if there is one
        resource: which of several resources it is about
    """

    def __init__(
        self,
        function: Callable[[Progress], object] | None = None,
        *,
        resource: str = '',
        lock: threading.Lock | None = None,
    ) -> None:
        self._function = function
        self._resource = resource
        self._lock = lock or threading.Lock()

    def for_resource(self, name: str) -> Reporter:
        """Return one for one of several resources."""
        return Reporter(self._function, resource=messages.printable(name), lock=self._lock)

    def report(self, state: str, text: str, *, upload_id: str = '') -> None:
        """Report an event that is not about a step."""
        self._call(Progress(state, text, resource=self._resource, upload_id=upload_id))

    def note(self, text: str) -> None:
        """Report something to know."""
        self.report('note', text)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Report one step; the yielded function takes how many of its `total` bytes are done."""
        with self.steps() as show:
            show(name, None if total is None else 0, total)
            yield lambda done: show(name, done, total)

    @contextlib.contextmanager
    def steps(self) -> Iterator[Steps]:
        """Report steps that run in parallel, of which each has ended at the end of the block."""
        running: dict[str, tuple[float, Progress]] = {}
        is_open = True

        def show(name: str, done: int | None, total: int | None) -> None:
            if not is_open:  # a thread of a stopped upload may go on for a moment
                return
            now = time.monotonic()
            began = name not in running
            ended = done is not None and total is not None and done >= total
            if not (began or ended) and now - running[name][0] < _BETWEEN:
                return
            state = 'started' if began else 'done' if ended else 'running'
            progress = Progress(state, name, resource=self._resource, done=done, total=total)
            running[name] = now, progress
            self._call(progress)

        try:
            yield show
        finally:
            is_open = False
            for _, progress in list(running.values()):
                if progress.state != 'done':
                    self._call(dataclasses.replace(progress, state='done'))

    def _call(self, progress: Progress) -> None:
        if self._function:
            with self._lock:
                self._function(progress)


class Rate:
    """A step in progress: set `done` and `total`, in bytes, as it goes on."""

    def __init__(self, name: str) -> None:
        self.done, self.total = 0, None  # type: int, int | None
        self.name = name
        self._began = self._told = time.monotonic()
        self._told_done = 0

    def report(self, state: str, interval: float) -> Iterator[Progress]:
        """Yield the progress if `line` has something to say."""
        if text := self.line(interval):
            yield Progress(state, text, done=self.done, total=self.total)

    def line(self, interval: float) -> str:
        """Return a line about the progress; '' if done, or if `interval` has not passed."""
        now, done, total = time.monotonic(), self.done, self.total
        seconds = now - self._told
        if seconds < interval or (total is not None and done >= total):
            return ''
        # an upload that was cut off starts again from 0
        rate = max(0, done - self._told_done) / seconds
        self._told, self._told_done = now, done
        if not done and not total:
            return f'{self.name}: {now - self._began:.0f} s so far'
        of_all = f' of {amount(total)}' if total else ''
        return f'{self.name}: {amount(done)}{of_all}, {amount(rate)}/s'


def amount(size: float) -> str:
    """Format a number of bytes, such as 1.23 MB."""
    for unit in ('bytes', 'kB', 'MB'):
        if size < 999.5:
            return f'{size:.3g} {unit}'
        size /= 1000
    return f'{size:.3g} GB'


def shorten(title: str) -> str:
    """Shorten `title` to 200 characters."""
    return title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + '…'
