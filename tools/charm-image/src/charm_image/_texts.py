"""Names in messages, and words in commands that a message has for the reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from container_image import messages

# what a shell takes as it is; an ellipsis stands for what the reader fills in
_PLAIN = re.compile('[A-Za-z0-9_@%+=:,./…-]+')


def quoted(name: str) -> str:
    """Return a name from outside in quotes, printable and short."""
    return messages.printable(repr(name))


def listed(names: Iterable[str]) -> str:
    """Return such names, separated by commas; `none` without any."""
    return ', '.join(map(quoted, names)) or 'none'


def word(text: str) -> str:
    """Return a word of a command, quoted for a shell where it needs that."""
    text = messages.printable(text)
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)
