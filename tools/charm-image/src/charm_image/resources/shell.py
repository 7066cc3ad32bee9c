"""Quoting and messages for a POSIX shell."""

from __future__ import annotations

import shlex

quote = shlex.quote


def say(text: str) -> str:
    """Return the command that prints `text` as one line on stderr."""
    return f"printf '%s\\n' {quote(one_line(text))} >&2"


def stop(reason: str, status: int = 1) -> str:
    """Return the commands that print `reason` and end the script with `status`."""
    return f'{say(reason)}; exit {status}'


def one_line(text: str) -> str:
    """Return `text` with newlines and control characters escaped."""
    return ''.join(
        each if each.isprintable() else each.encode('unicode_escape').decode() for each in text
    )
