"""The options of a charm, as config.go of juju/charm v8 has them."""

import json
import re
import typing

from charm_unit._unit import go_fmt

TYPES = ('string', 'int', 'float', 'boolean', 'secret')
"""A secret is one since Juju 3.3."""
BOOLEANS = {
    **dict.fromkeys(('1', 't', 'T', 'TRUE', 'true', 'True'), True),
    **dict.fromkeys(('0', 'f', 'F', 'FALSE', 'false', 'False'), False),
}
_INT64 = range(-(2**63), 2**63)


class Refused(Exception):
    """Juju refuses a value; in its words."""


def parse(name: str, kind: str, text: str) -> typing.Any:
    """Return an option's value from a string, such as `juju config` takes; raise Refused."""
    found: typing.Any = None
    if kind in ('string', 'secret'):
        return text
    if kind == 'int' and re.fullmatch('[-+]?[0-9]+', text, re.ASCII):
        found = int(text)
    elif kind == 'float':
        found = _float(text)
    elif kind == 'boolean':
        found = BOOLEANS.get(text)
    if found is None or (kind == 'int' and found not in _INT64):
        raise _wrong(name, kind, text)
    return found


def coerce(name: str, kind: str, value: typing.Any) -> typing.Any:
    """Return a value of config.yaml, or of a file of options, as its type; raise Refused.

    A string becomes an int or a boolean if it can, an int becomes a float; nothing else changes.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None:
        return None
    if kind == 'string' and isinstance(value, str):
        return value
    if kind == 'secret' and isinstance(value, str) and re.match('$|secret:', value):
        return value
    if kind == 'int':
        found = integer(value)
        if found is not None:
            return found
    if kind == 'float' and is_number:
        return float(value)
    if kind == 'boolean':
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in BOOLEANS:
            return BOOLEANS[value]
    raise _wrong(name, kind, value)


def value(name: str, kind: str, given: typing.Any) -> typing.Any:
    """Return an option's value from what an operator sets; raise Refused."""
    return parse(name, kind, given) if isinstance(given, str) else coerce(name, kind, given)


def integer(value: typing.Any) -> 'int | None':
    """Return a 64-bit integer, also of a string as Go's strconv.ParseInt reads it; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        found: int | None = value
    else:
        found = _parse_integer(value) if isinstance(value, str) else None
    return found if found is not None and found in _INT64 else None


def _parse_integer(text: str) -> 'int | None':
    sign, digits = (text[:1], text[1:]) if text[:1] in ('+', '-') else ('', text)
    if re.fullmatch('0[0-7]+', digits):
        digits = f'0o{digits[1:]}'
    try:
        return int(f'{sign}{digits}', 0) if digits[:1].isdigit() else None
    except ValueError:
        return None


def _float(text: str) -> 'float | None':
    if text != text.strip() or '_' in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _wrong(name: str, kind: str, given: typing.Any) -> Refused:
    return Refused(f'option {json.dumps(name)} expected {kind}, got {go_fmt.literal(given)}')
