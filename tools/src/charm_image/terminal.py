"""What a command shows: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO


class Terminal:
    """Shows bars where stderr is a terminal, else a line for each step.

    `quiet` leaves the result and errors; `as_json` makes the result JSON, alone on stdout.
    """

    def __init__(self, program: str, *, quiet: bool = False, as_json: bool = False) -> None:
        self._program, self._quiet, self._as_json = program, quiet, as_json
        self._bars: Any = None
        self._live: Any = None
        if not quiet and sys.stderr and sys.stderr.isatty() and os.environ.get('TERM') != 'dumb':
            self._bars = _bars()

    def say(self, sentence: str) -> None:
        """Print what was asked for."""
        if not self._quiet:
            self._print(sentence, sys.stderr if self._as_json else sys.stdout)

    def tell(self, sentence: str) -> None:
        """Print what one wants to know while waiting."""
        if not self._quiet:
            self._print(sentence, sys.stderr)

    def result(self, sentence: str, content: Mapping[str, Any]) -> None:
        """Print what came of it."""
        self._print(json.dumps(content) if self._as_json else sentence, sys.stdout)

    def error(self, sentence: str, errors: Sequence[Mapping[str, str]]) -> None:
        """Print why nothing came of it; `errors` are for JSON."""
        self._print(f'{self._program}: {sentence}', sys.stderr)
        if self._as_json:
            self._print(json.dumps({'errors': list(errors)}), sys.stdout)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show that one thing is going on, and how many of its `total` bytes are done."""
        if self._bars is not None and total is None:
            with self._showing(self._bars.console.status(_text(name))):
                yield lambda done: None
            return
        with self.steps() as progress:
            progress(name, 0, total)
            yield lambda done: progress(name, done, total)

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """Show several things that go on at once: their names, bytes done, and in all."""
        seen: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in seen:
                seen[name] = self._begin(name, total)
            if self._bars is not None:
                finished = total is not None and done >= total
                self._bars.update(seen[name], completed=done, total=total, visible=not finished)

        if self._bars is None:
            yield show
            return
        with self._showing(self._bars):
            try:
                yield show
            finally:
                for task in seen.values():
                    self._bars.remove_task(task)

    def _begin(self, name: str, total: int | None) -> Any:
        if self._bars is not None:
            return self._bars.add_task(name, total=total)
        self.tell(name)
        return None

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
        if file is None:  # closed by whoever started us
            return
        if self._live:  # both streams may be the same screen
            self._live.stop()
        try:
            print(line, file=file, flush=True)
        except BrokenPipeError:
            # nobody reads on: no reason to fail, now or when Python flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        if self._live:
            self._live.start()


def _text(line: str) -> Any:
    import rich.text

    return rich.text.Text(line)  # a str would be searched for markup


def _bars() -> Any:
    import rich.console  # imported only here: a script has no use for it
    import rich.progress as progress

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn('{task.description}', markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
