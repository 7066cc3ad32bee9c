"""The output of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from charm_image._progress import Progress, Rate


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
        self._lines = _Lines(self.tell, interval)
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}  # the bars by name, those that are full too
        self._running: set[str] = set()
        self._live: Any = None  # what is on the screen now
        self._ended = False
        if not quiet and sys.stderr and sys.stderr.isatty() and os.environ.get('TERM') != 'dumb':
            self._bars = bars()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end()

    @property
    def width(self) -> int | None:
        """The columns of the terminal that shows the result; None if it is not a terminal."""
        if sys.stdout and sys.stdout.isatty():
            return shutil.get_terminal_size().columns
        return None

    def say(self, sentence: str) -> None:
        """Print a line of the command's output: on stdout, or on stderr with `as_json`."""
        if not self._quiet:
            self._print(sentence, sys.stderr if self._as_json else sys.stdout)

    def tell(self, sentence: str) -> None:
        """Print a line about the progress on stderr."""
        if not self._quiet:
            self._print(sentence, sys.stderr)

    def result(self, sentence: str, content: Mapping[str, Any]) -> None:
        """Print the result, `sentence`, or `content` as JSON; no progress is shown after it."""
        self._end()
        self._print(json.dumps(content) if self._as_json else sentence, sys.stdout)

    def error(self, sentence: str, errors: Sequence[Mapping[str, str]]) -> None:
        """Print why the command failed, and `errors`, if any, as JSON if that is asked for.

        No progress is shown after it.
        """
        self._end()
        self._print(f'{self._program}: {sentence}', sys.stderr)
        if self._as_json and errors:
            self._print(json.dumps({'errors': list(errors)}), sys.stdout)

    def show(self, progress: Progress) -> None:
        """Show an event of an upload. Called by one thread at a time."""
        if self._ended:  # a thread of an interrupted upload may go on for a moment
            return
        if progress.state == 'note':
            self.tell(str(progress))
        elif progress.state in ('found', 'uploading', 'uploaded'):
            # what several uploads have to say is not the output, which is their table
            (self.tell if progress.resource else self.say)(str(progress))
        elif progress.state in ('started', 'running', 'done') and not self._quiet:
            self._show_step(progress)

    def _show_step(self, progress: Progress) -> None:
        prefix = f'{progress.resource}: ' if progress.resource else ''
        name = prefix + progress.text
        if self._bars is None:
            self._lines.show(name, progress)
        elif progress.done is None and not progress.resource:
            self._show_status(name, progress)
        else:
            self._show_bar(name, progress)

    def _show_status(self, name: str, progress: Progress) -> None:
        if progress.state == 'done':
            self._stop()
        elif self._live is None:
            console = self._bars.console
            self._live = console.status(_text(name), spinner=_spinner(console))
            self._live.start()

    def _show_bar(self, name: str, progress: Progress) -> None:
        done, total = progress.done or 0, progress.total
        running = progress.state != 'done' and (total is None or done < total)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total, visible=running)
        (self._running.add if running else self._running.discard)(name)
        if self._running and self._live is None:
            self._live = self._bars
            self._live.start()
        elif not self._running and self._live is not None:
            self._stop()
            for task in self._tasks.values():
                self._bars.remove_task(task)
            self._tasks.clear()

    def _end(self) -> None:
        self._ended = True
        self._lines.close()
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
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
        self._steps: dict[str, Rate] = {}
        self._ended = threading.Event()
        # a step may report nothing for a long time, so a thread prints its line
        self._clock: threading.Thread | None = None

    def show(self, name: str, progress: Progress) -> None:
        if progress.state == 'started':
            self._tell(name)
        if progress.state == 'done':
            self._steps.pop(name, None)
            return
        step = self._steps.setdefault(name, Rate(name))
        step.done, step.total = progress.done or 0, progress.total
        if self._clock is None:
            self._clock = threading.Thread(target=self._watch, name='progress', daemon=True)
            self._clock.start()

    def close(self) -> None:
        self._ended.set()
        if self._clock:
            self._clock.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval / 10):
            for step in list(self._steps.values()):
                if line := step.line(self._interval):
                    self._tell(line)


def _text(line: str) -> Any:
    import rich.text

    return rich.text.Text(line)  # a str would be searched for markup


def _spinner(console: Any) -> str:
    return 'dots' if console.encoding.lower().startswith('utf') else 'line'


_WITH_RATE, _WITH_TIME = 80, 68  # columns of a terminal


def bars(console: Any = None, get_time: Callable[[], float] | None = None) -> Any:
    """Return the bars that `Terminal` shows, a `rich.progress.Progress`.

    They go to stderr and use the system's clock, unless `console`, a `rich.console.Console`, and
    `get_time`, which returns seconds, are given. In a narrow terminal, they have no rate, and in a
    narrower one no time that is left: each bar is one line.
    """
    import rich.console  # imported only here: scripts need no bars
    import rich.progress as progress

    console = console or rich.console.Console(stderr=True)
    return progress.Progress(
        progress.SpinnerColumn(_spinner(console)),
        progress.TextColumn('{task.description}', markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        *([progress.TransferSpeedColumn()] if console.width >= _WITH_RATE else []),
        *([progress.TimeRemainingColumn()] if console.width >= _WITH_TIME else []),
        console=console,
        get_time=get_time,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
