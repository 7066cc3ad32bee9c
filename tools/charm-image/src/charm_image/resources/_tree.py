"""Trees of files on this machine, without what patterns of a .dockerignore file exclude.

See https://docs.docker.com/build/concepts/context/#dockerignore-files.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Link(NamedTuple):
    """A symbolic link to the path `to`."""

    to: str


class Entry(NamedTuple):
    """A file, directory or symbolic link in a tree.

    `path` is relative, '' for the tree itself. `content` is bytes, the path of a file on this
    machine, or None for a directory.
    """

    path: str
    content: bytes | str | Link | None
    mode: int


def read(root: str, patterns: Iterable[str] = ()) -> list[Entry]:
    """Return the entries of the tree below `root`, sorted, each directory before what is in it.

    Raises:
        ValueError: something cannot be copied, or a pattern is not valid; the message names it
    """
    ignored = _Patterns(patterns)
    entries = [Entry('', None, stat.S_IMODE(os.stat(root).st_mode))]
    parents: dict[str, Entry] = {}
    for path, entry, is_ignored in _walk(root, ignored):
        mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
        if entry.is_dir(follow_symlinks=False):
            parents[path] = Entry(path, None, mode)
        if is_ignored:
            continue
        if ignored.has_exceptions:
            entries += _missing(path, parents)
        if entry.is_symlink():
            entries.append(Entry(path, Link(os.readlink(entry.path)), 0o777))
        elif entry.is_file():
            if not os.access(entry.path, os.R_OK):
                raise ValueError(f'no permission to read {entry.path}')
            entries.append(Entry(path, entry.path, mode))
        elif path in parents:
            entries.append(parents.pop(path))
        else:
            raise ValueError(f'{entry.path} is not a file, a directory or a symbolic link')
    return sorted(entries)


def _walk(root: str, ignored: _Patterns) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Yield paths, entries and whether they are ignored, each directory before its content."""
    waiting = ['']
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(posixpath.join(root, below)) as scanned:
                entries = list(scanned)
        except PermissionError:
            raise ValueError(f'no permission to read {posixpath.join(root, below)}') from None
        for entry in entries:
            path = f'{below}/{entry.name}' if below else entry.name
            is_ignored = ignored.match(path)
            try:
                path.encode()
            except UnicodeEncodeError:
                raise ValueError(f'the name of {entry.path!r} is not valid UTF-8') from None
            pruned = is_ignored and not ignored.has_exceptions
            if not pruned and entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            yield path, entry, is_ignored


def _missing(path: str, parents: dict[str, Entry]) -> list[Entry]:
    """Return the ignored directories above an entry that an exception brings back."""
    above = posixpath.dirname(path)
    directories = []
    while above in parents:
        directories.append(parents.pop(above))
        above = posixpath.dirname(above)
    return directories


def patterns_of(text: str) -> list[str]:
    """Return the patterns in the text of a .dockerignore file."""
    lines = [line.strip() for line in text.removeprefix('\ufeff').splitlines()]
    return [line for line in lines if line and not line.startswith('#')]


class _Patterns:
    """Patterns in their order: the last one that matches a path, or a directory above, decides."""

    def __init__(self, patterns: Iterable[str]):
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for pattern in patterns:
            exception = pattern.startswith('!')
            cleaned = posixpath.normpath(pattern.removeprefix('!').strip().lstrip('/') or '.')
            if cleaned == '.':  # as in Docker, which keeps the context's root
                continue
            try:
                self._rules.append((exception, re.compile(_expression(cleaned), re.DOTALL)))
            except re.error as error:
                raise ValueError(f'{pattern!r} is not a valid pattern: {error}') from None
        self.has_exceptions = any(exception for exception, _ in self._rules)
        if self._rules and not self.has_exceptions:  # one expression is faster
            together = '|'.join(f'(?:{rule.pattern})' for _, rule in self._rules)
            self._rules = [(False, re.compile(together, re.DOTALL))]

    def match(self, path: str) -> bool:
        """Return whether `path` is excluded."""
        for exception, rule in reversed(self._rules):
            if rule.fullmatch(path):
                return not exception
        return False


def _expression(pattern: str) -> str:
    """Translate a pattern (Go's filepath.Match, and **) to a regular expression of Python."""
    expression, position = '', 0
    while position < len(pattern):
        if pattern.startswith('**', position):
            position += 2
            if pattern.startswith('/', position):
                position += 1
                expression += '(?:.*/)?'
            else:
                expression += '.*'
            continue
        character = pattern[position]
        position += 1
        if character == '*':
            expression += '[^/]*'
        elif character == '?':
            expression += '[^/]'
        elif character == '[':
            end = pattern.find(']', position + 1)
            if end < 0:
                raise re.error('a bracket is not closed')
            inside = pattern[position:end]
            negated = inside.startswith('^')
            expression += f'[{"^/" if negated else ""}{inside[negated:]}]'
            position = end + 1
        elif character == '\\' and position < len(pattern):
            expression += re.escape(pattern[position])
            position += 1
        else:
            expression += re.escape(character)
    return expression + '(?:/.*)?'
