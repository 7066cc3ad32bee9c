"""Tables: of full width for a program that reads them, else fitted to a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from container_image import messages

_GAP = '  '
# of a column, in characters: that of most heads, and less on the narrowest terminals
_HEAD_WIDTH, _MIN_WIDTH = 13, 8
_DIGEST = re.compile('(sha256:[0-9a-f]{12})[0-9a-f]{52}')


def lines(rows: Iterable[Sequence[str]], width: int | None = None) -> list[str]:
    """Return the printable lines of a table, the first row of which is its head.

    Without a `width`, in characters, each row is one line, with all of each cell. Where a row is
    wider, digests are cut to their first 12 digits, by which commands know an image, and then the
    widest of the other cells go on in the next line.
    """
    table = [list(map(messages.printable, row)) for row in rows]
    if width is None or _width(_widths(table)) <= width:
        return [line for row in table for line in _row(row, _widths(table))]
    table = [[_DIGEST.sub(r'\1', cell) for cell in row] for row in table]
    widths = _widths(table)
    others = [n for n, cells in enumerate(zip(*table, strict=True)) if not _has_digest(cells)]
    for columns, least in (others, _HEAD_WIDTH), (range(len(widths)), _MIN_WIDTH):
        while _width(widths) > width and max(widths[n] for n in columns) > least:
            widths[max(columns, key=lambda n: widths[n])] -= 1
    return [line for row in table for line in _row(row, widths)]


def _has_digest(cells: Iterable[str]) -> bool:
    return any(cell.startswith('sha256:') for cell in cells)


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _row(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [
        textwrap.wrap(cell, width) or [''] if len(cell) > width else [cell]
        for cell, width in zip(row, widths, strict=True)
    ]
    height = max(map(len, cells))
    padded = [cell + [''] * (height - len(cell)) for cell in cells]
    return [_GAP.join(map(str.ljust, line, widths)).rstrip() for line in zip(*padded, strict=True)]
