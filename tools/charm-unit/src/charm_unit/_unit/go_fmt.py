"""Values of YAML as Go's fmt prints them, which Juju puts into its messages."""

import json
import typing

_MAP, _LIST = 'map[interface {}]interface {}', '[]interface {}'


def kind(value: typing.Any) -> str:
    """Return the type of a value: `%T`."""
    kinds = {bool: 'bool', int: 'int', float: 'float64', str: 'string', dict: _MAP, list: _LIST}
    return kinds.get(type(value), 'string')


def literal(value: typing.Any) -> str:
    """Return a value as Go source: `%#v`."""
    if value is None:
        return '<nil>'
    if isinstance(value, dict):
        entries = (f'{literal(key)}:{literal(inner)}' for key, inner in value.items())
        return f'{_MAP}{{{", ".join(sorted(entries))}}}'
    if isinstance(value, list):
        return f'{_LIST}{{{", ".join(map(literal, value))}}}'
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, default=str)
