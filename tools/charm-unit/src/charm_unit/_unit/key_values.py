"""Words of the form KEY=VALUE, as Juju's commands and hook tools take them."""

import json
import typing


class InvalidPairError(ValueError):
    """A word is not of the form KEY=VALUE, or its key was given before; in Juju's words."""


def parse(words: typing.Iterable[str]) -> dict[str, str]:
    """Return the values by key; raise InvalidPairError."""
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition('=')
        if not equals or not key:
            raise InvalidPairError(f'expected "key=value", got {json.dumps(word)}')
        if key in pairs:
            raise InvalidPairError(f'key {json.dumps(key)} specified more than once')
        pairs[key] = value
    return pairs
