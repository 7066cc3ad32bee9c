"""The output of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO


class Terminal:
    """Shows progress: as bars if stderr is a terminal, else as lines.

    `quiet` shows only the result and errors; `as_json` prints the result as JSON, and nothing else
    on stdout; `interval` is the time between two lines about the same step, in seconds.
    """

    def __init__(
        self, program: str, *, quiet: bool = False, as_json: bool = False, interval: float = 10
    ) -> None:
        self._program, self._quiet, self._as_json = program, quiet, as_json
        self._interval = interval
        self._bars: Any = None
        self._live: Any = None
        if not quiet and sys.stderr and sys.stderr.isatty() and os.environ.get('TERM') != 'dumb':
            self._bars = bars()

    def say(self, sentence: str) -> None:
        """Print a line of the command's output: on stdout, or on stderr with `as_json`."""
        if not self._quiet:
            self._print(sentence, sys.stderr if self._as_json else sys.stdout)

    def tell(self, sentence: str) -> None:
        """Print a line about the progress on stderr."""
        if not self._quiet:
            self._print(sentence, sys.stderr)

    def result(self, sentence: str, content: Mapping[str, Any]) -> None:
        """Print the result: `sentence`, or `content` as JSON."""
        self._print(json.dumps(content) if self._as_json else sentence, sys.stdout)

    def error(self, sentence: str, errors: Sequence[Mapping[str, str]]) -> None:
        """Print why the command failed; `errors` are printed as JSON, if that is asked for."""
        self._print(f'{self._program}: {sentence}', sys.stderr)
        if self._as_json:
            self._print(json.dumps({'errors': list(errors)}), sys.stdout)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show one step; the yielded function takes how many of its `total` bytes are done."""
        if self._bars is not None and total is None:
            with self._showing(self._bars.console.status(_text(name))):
                yield lambda done: None
            return
        with self.steps() as progress:
            progress(name, 0, total)
            yield lambda done: progress(name, done, total)

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """Show several steps at a time; the yielded function takes name, bytes done and total."""
        if self._quiet:
            yield lambda name, done, total: None
            return
        if self._bars is None:
            with _Lines(self.tell, self._interval) as lines:
                yield lines.show
            return
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = self._bars.add_task(name, total=total)
            finished = total is not None and done >= total
            self._bars.update(tasks[name], completed=done, total=total, visible=not finished)

        with self._showing(self._bars):
            try:
                yield show
            finally:
                for task in tasks.values():
                    self._bars.remove_task(task)

    @contextlib.contextmanager
    def _showing(self, live: Any) -> Iterator[None]:
        self._live = live
        live.start()
        try:
            yield
        finally:
            live.stop()
            self._live = None

    def _print(self, line: str, file: TextIO | None) -> None:
        if file is None:  # closed by the calling program
            return
        if self._live:  # both streams may be the same screen
            self._live.stop()
        try:
            print(line, file=file, flush=True)
        except BrokenPipeError:
            # the reader has gone: do not fail, now or when Python flushes at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        if self._live:
            self._live.start()


class _Lines:
    """Prints a line when a step begins, and its progress every `interval` seconds."""

    def __init__(self, tell: Callable[[str], None], interval: float) -> None:
        self._tell, self._interval = tell, interval
        self._steps: dict[str, Step] = {}
        self._ended = threading.Event()
        # a step may report nothing for a long time, so a thread prints its line
        self._clock = threading.Thread(target=self._watch, name='progress', daemon=True)

    def __enter__(self) -> _Lines:
        self._clock.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._clock.join()

    def show(self, name: str, done: int, total: int | None) -> None:
        if name not in self._steps:
            self._tell(name)
            self._steps[name] = Step(name)
        self._steps[name].done, self._steps[name].total = done, total

    def _watch(self) -> None:
        while not self._ended.wait(self._interval / 10):
            for step in list(self._steps.values()):
                if line := step.line(self._interval):
                    self._tell(line)


class Step:
    """A step in progress: set `done` and `total`, in bytes, as it goes on."""

    def __init__(self, name: str) -> None:
        self.done, self.total = 0, None  # type: int, int | None
        self.name = name
        self._began = self._told = time.monotonic()
        self._told_done = 0

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


def _text(line: str) -> Any:
    import rich.text

    return rich.text.Text(line)  # a str would be searched for markup


def bars(console: Any = None, get_time: Callable[[], float] | None = None) -> Any:
    """Return the bars that `Terminal.steps` shows, a `rich.progress.Progress`.

    They go to stderr and use the system's clock, unless `console`, a `rich.console.Console`, and
    `get_time`, which returns seconds, are given.
    """
    import rich.console  # imported only here: scripts need no bars
    import rich.progress as progress

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn('{task.description}', markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=console or rich.console.Console(stderr=True),
        get_time=get_time,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
