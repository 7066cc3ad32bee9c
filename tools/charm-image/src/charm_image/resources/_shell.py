"""Quoting and messages for a POSIX shell."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable

from container_image import messages

quote: Callable[[str], str] = shlex.quote

# what a shell expands, also between double quotes
_EXPANDED = re.compile(r'`|\$[A-Za-z_]+|\$\(|\$\{')
# and what has a meaning outside of quotes: operators, ends of commands, globs
_SHELLS = re.compile(_EXPANDED.pattern + r'|&&|\|\||>>|<<|[<>|&;*?\n]|\[[^\s\]]+\]')


def say(text: str) -> str:
    """Return the command that prints `text` as one line on stderr."""
    return f"printf '%s\\n' {quote(one_line(text))} >&2"


def stop(reason: str, status: int = 1) -> str:
    """Return the commands that print `reason` and end the script with `status`."""
    return f'{say(reason)}; exit {status}'


def one_line(text: str) -> str:
    """Return `text` with newlines and control characters escaped."""
    return messages.printable(text, sys.maxsize)


def needs_shell(text: str) -> str:
    """Return what in a command, a string, only a shell would understand; '' if nothing is."""
    quoted = ''
    # for a shell that the command runs itself, as in `sh -c "echo $HOME"`
    for_a_shell = any(re.fullmatch('-[a-z]*c', word) for word in shlex.split(text))
    position, text = 0, text.strip()
    while position < len(text):
        character = text[position]
        if character == '\\' and quoted != "'":
            position += 1
        elif character == quoted:
            quoted = ''
        elif not quoted and character in '\'"':
            quoted = character
        elif not quoted or (quoted == '"' and not for_a_shell):
            match = (_EXPANDED if quoted else _SHELLS).match(text, position)
            if match:
                return match[0]
        position += 1
    return ''
