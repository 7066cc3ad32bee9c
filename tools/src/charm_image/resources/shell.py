"""Words and lines for a POSIX shell."""

from __future__ import annotations

import shlex

quote = shlex.quote


def say(text: str) -> str:
    """The command that writes `text` as one line to standard error."""
    return f"printf '%s\\n' {quote(one_line(text))} >&2"


def stop(reason: str, status: int = 1) -> str:
    """The commands that end a script with `status`, and say why."""
    return f'{say(reason)}; exit {status}'


def one_line(text: str) -> str:
    """Write `text` without characters that would end a line, or move a terminal's cursor."""
    return ''.join(
        each if each.isprintable() else each.encode('unicode_escape').decode() for each in text
    )
