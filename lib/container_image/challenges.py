"""The authentication that a registry requires: WWW-Authenticate headers and token scopes."""

import re
import typing

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE = re.compile(
    rf"""[\s,]*(?:
        (?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
        |(?P<scheme>{_WORD})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?
    )""",
    re.VERBOSE | re.DOTALL,
)


def parse(header: str) -> typing.List[typing.Tuple[str, typing.Dict[str, str]]]:
    """Return the challenges of a WWW-Authenticate header as RFC 7235 defines it.

    Each is its scheme and its parameters, names in lower case. What follows something that is not
    part of a challenge is left out.
    """
    challenges: typing.List[typing.Tuple[str, typing.Dict[str, str]]] = []
    position = 0
    while True:
        match = _CHALLENGE.match(header, position)
        if not match:
            return challenges
        position = match.end()
        if match.group('scheme'):
            challenges.append((match.group('scheme').lower(), {}))
        elif challenges:
            quoted = match.group('quoted')
            value = match.group('plain') if quoted is None else re.sub(r'\\(.)', r'\1', quoted)
            challenges[-1][1].setdefault(match.group('name').lower(), value)


def merge_scopes(scopes: typing.Iterable[str]) -> typing.List[str]:
    """Unite the actions of scopes for the same resource, whose name may hold a colon."""
    merged: typing.Dict[str, typing.List[str]] = {}
    for scope in scopes:
        resource, colon, actions = scope.rpartition(':')  # some registries' scopes have none
        known = merged.setdefault(resource + colon, [])
        known.extend(action for action in actions.split(',') if action not in known)
    return [resource + ','.join(actions) for resource, actions in merged.items()]
