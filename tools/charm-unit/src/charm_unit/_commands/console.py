"""Where commands print: the report on stdout, progress on stderr if that is a terminal."""

import contextlib
import os
import sys
import threading
import typing

import rich.cells
import rich.console

_FILE_COLUMNS = 10_000
"""The width where there is no terminal: lines are not wrapped."""


def output(quiet: bool = False) -> rich.console.Console:
    """Return the console for stdout."""
    terminal = sys.stdout.isatty()
    return rich.console.Console(
        highlight=False,
        width=None if terminal else _FILE_COLUMNS,
        soft_wrap=not terminal,
        quiet=quiet,
    )


class Progress:
    """One line on stderr, if that is a terminal; never in the middle of what is printed.

    A context manager, which leaves nothing of it.
    """

    def __init__(self) -> None:
        self._console = rich.console.Console(stderr=True)
        self._shown = self._console.is_terminal and os.environ.get('TERM', '') != 'dumb'
        self._lock = threading.RLock()

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *_: object) -> None:
        with self.hidden():
            pass

    def update(self, text: str) -> None:
        """Show this text instead, cut to one line."""
        with self._lock:
            self._write(rich.cells.set_cell_size(text, self._console.width - 1).rstrip())

    @contextlib.contextmanager
    def hidden(self) -> typing.Iterator[None]:
        """Hide it while something else is printed."""
        with self._lock:
            self._write('')
            yield

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(f'\r\x1b[K{text}')
            sys.stderr.flush()
