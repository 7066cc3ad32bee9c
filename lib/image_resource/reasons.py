"""Why a hook tool failed, without credentials, since statuses and logs are open to everybody.

Tools quote their input: URLs with a user and a password, signed URLs, headers. Whatever may be
part of a credential is left out, even if harmless text is lost with it.
"""

import re
import typing

_LONGEST = 200  # characters
_LOOKED_AT = 1000  # from the beginning, so that no expression takes long
_LEFT_OUT = '…'
_BEFORE_ADDRESS = re.compile(r'(?:[^:/@?=\s]+:? )*["\'(<]?https?://')
# A value may follow each of these, and nothing tells where it ends.
_VALUE = re.compile(
    r'[?=]|(?P<name>(?:auth|bearer|cookie|credential|macaroon|pass(?:wd|word|phrase)|secret|signature'
    r'|token|user(?:name|info)|(?:access|api|private|secret)[ _-]?key)\w*'
    r'|\b(?:basic|pass|pw|pwd|sig|invalid (?:port|URL escape|character))\b)',
    re.IGNORECASE,
)
_ABSENT = re.compile(r'\bresource[# ]\S+ not found$')
_OPAQUE = re.compile(
    r'[0-9a-fA-F]{32,}'
    r'|(?=[\w+/-]*[0-9])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[\w+/-]{20,}'
)
# Said in these very words, what was left out before them is no loss.
_KNOWN = re.compile(
    r'connection (?:refused|reset by peer|timed out)|no such host|i/o timeout'
    r'|context deadline exceeded|TLS handshake timeout|no route to host|network is unreachable'
    r'|server misbehaving|unexpected EOF|certificate signed by unknown authority'
    r'|certificate has expired|authentication required|permission denied|access denied'
    r'|bad gateway|service unavailable|gateway timeout|too many requests|not found|forbidden',
    re.IGNORECASE,
)


def from_stderr(stderr: bytes, is_whole: bool = True) -> str:
    """Return the reason in the last line of `stderr`, without credentials, or ''.

    If not `is_whole`, the beginning of `stderr` was cut off.
    """
    return without_credentials(_last_line(stderr, is_whole))[:_LONGEST]


def is_absent(stderr: bytes, is_whole: bool = True) -> bool:
    """Return whether `stderr` says that nothing is attached to the resource."""
    return bool(_ABSENT.search(_last_line(stderr, is_whole)[-_LOOKED_AT:]))


def _last_line(stderr: bytes, is_whole: bool) -> str:
    lines = stderr.decode('utf-8', 'replace').split('\n')
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines or (len(lines) == 1 and not is_whole):  # what it is the end of, may be secret
        return ''
    line = ''.join(filter(str.isprintable, ' '.join(lines[-1].split())))
    return re.sub(r'^ERROR (could not download resource: )?', '', line)


def without_credentials(line: str) -> str:
    """Return `line` without anything that may be part of a credential."""
    kept = _OPAQUE.sub(_LEFT_OUT, _cut(_without_userinfo(line)[:_LOOKED_AT]))
    known = [found for found in _KNOWN.findall(line) if found not in kept]
    return f'{kept} {known[-1]}' if known else kept


def _without_userinfo(line: str) -> str:
    """Return `line` without the text before an "@": a password may have spaces, "/" and "@"."""
    before, at, after = line.rpartition('@')
    if not at:
        return line
    found = _BEFORE_ADDRESS.match(before[:_LOOKED_AT])
    head = found.group() if found else ''
    # What looks like a query has its "@" in the middle, perhaps.
    if _end(before[len(head) :]) is not None:
        return head + _LEFT_OUT
    return (head or _LEFT_OUT) + after


def _cut(line: str) -> str:
    """Return `line` up to where the query of an address, or a named value, begins."""
    end = _end(line)
    return line if end is None or end == len(line) else line[:end] + _LEFT_OUT


def _end(line: str) -> typing.Optional[int]:
    """Return the index in `line` where a query or a named value begins, or None."""
    found = _VALUE.search(line)
    return found and (found.end() if found.group('name') else found.start())
