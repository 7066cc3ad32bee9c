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
        if not quiet and sys.stderr.isatty() and os.environ.get('TERM') != 'dumb':
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
        with self.steps() as progress:
            progress(name, 0, total)
            yield lambda done: progress(name, done, total)

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """Show several things that go on at once: their names, bytes done, and in all."""
        seen: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if self._bars is None:
                if name not in seen:
                    self.tell(name)
                seen[name] = None
                return
            if name not in seen:
                seen[name] = self._bars.add_task(name, total=total)
            finished = total is not None and done >= total
            self._bars.update(seen[name], completed=done, total=total, visible=not finished)

        if self._bars is None:
            yield show
            return
        self._bars.start()
        try:
            yield show
        finally:
            for task in seen.values():
                self._bars.remove_task(task)
            self._bars.stop()

    def _print(self, line: str, file: TextIO) -> None:
        showing = self._bars is not None and self._bars.live.is_started
        if showing:  # both streams may be the same screen
            self._bars.stop()
        print(line, file=file, flush=True)
        if showing:
            self._bars.start()


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
