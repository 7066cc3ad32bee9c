"""Decodes YAML as Go does: into types, strictly, with the errors of encoding/json."""

import base64
import dataclasses
import json
import re
import typing

import yaml


class Invalid(Exception):
    """Juju rejects the spec; with its words."""


_Base: typing.Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # which of the two, only the machine knows
    """Resolves scalars as go-yaml v2 does: no dates, no numbers to the base of 60."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ('tag:yaml.org,2002:timestamp', 'tag:yaml.org,2002:value')
        and tag not in ('tag:yaml.org,2002:int', 'tag:yaml.org,2002:float')
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:int',
    re.compile(r'[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$'),
    list('-+0123456789'),
)
_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.inf$|\.nan$'),
    list('-+.0123456789'),
)


def _of_any_tag(loader: typing.Any, _suffix: str, node: yaml.Node) -> typing.Any:
    """Go takes no notice of the tags that PyYAML writes for Python's types."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _bytes(_loader: typing.Any, node: yaml.ScalarNode) -> str:
    """Bytes, which b64encode of a charm returns and PyYAML writes so, are a string to Go."""
    return base64.b64decode(node.value).decode(errors='replace')


_Loader.add_multi_constructor('', _of_any_tag)
_Loader.add_constructor('tag:yaml.org,2002:binary', _bytes)


def load_yaml(text: str) -> typing.Any:
    """Return what the first YAML document in `text` is; raise Invalid."""
    loader = _Loader(text)
    try:
        return loader.get_data() if loader.check_data() else None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, 'problem_mark', None)
        where = f'line {mark.line + 1}: ' if mark else ''
        raise Invalid(f'yaml: {where}{getattr(error, "problem", None) or error}') from error
    finally:
        loader.dispose()


@dataclasses.dataclass(frozen=True)
class Scalar:
    """One of Go's basic types."""

    name: str
    kind: str


STRING = Scalar('string', 'string')
BOOL = Scalar('bool', 'bool')
INT32 = Scalar('int32', 'number')
INT64 = Scalar('int64', 'number')
ANY = Scalar('any', '')
"""Anything at all: what is not modelled here."""


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A slice."""

    item: typing.Any


@dataclasses.dataclass(frozen=True)
class MapOf:
    """A map from strings."""

    item: typing.Any


@dataclasses.dataclass
class Struct:
    """A struct: its name in Go, and its fields as JSON spells them."""

    name: str
    fields: dict[str, typing.Any]


def kind(value: typing.Any) -> str:
    """Return what encoding/json calls the kind of a value."""
    if isinstance(value, bool):
        return 'bool'
    for types, name in ((str, 'string'), ((int, float), 'number'), (list, 'array')):
        if isinstance(value, types):
            return name
    return 'object'


def lookup(mapping: typing.Mapping[typing.Any, typing.Any], key: str) -> typing.Any:
    """Return a field of a mapping, whose case Go does not look at."""
    if key in mapping:
        return mapping[key]
    for name, value in mapping.items():
        if isinstance(name, str) and name.lower() == key.lower():
            return value
    return None


def decode(value: typing.Any, into: typing.Any, struct: str = '', path: str = '') -> typing.Any:
    """Return `value` as the type `into`, fields spelt as the type does; raise Invalid.

    What is null or absent is None. `struct` and `path` say where it stands.
    """
    if value is None or into is ANY:
        return value
    if isinstance(into, Scalar):
        _check_scalar(value, into, struct, path)
        return value
    if isinstance(into, ListOf):
        if not isinstance(value, list):
            raise _mismatch(value, '[]' + _go(into.item), struct, path)
        return [decode(item, into.item, struct, path) for item in value]
    if not isinstance(value, dict):
        raise _mismatch(value, _go(into), struct, path)
    value = {_key(name): item for name, item in value.items()}
    if isinstance(into, MapOf):
        return {name: decode(item, into.item, struct, path) for name, item in value.items()}
    spelt = {name.lower(): name for name in into.fields}
    decoded = {}
    for name, item in value.items():
        field = spelt.get(name.lower())
        if field is None:
            raise Invalid(f'json: unknown field {json.dumps(name)}')
        inner = f'{path}.{field}' if path else field
        decoded[field] = decode(item, into.fields[field], into.name, inner)
    return decoded


def _key(name: typing.Any) -> str:
    """Return a mapping's key as JSON has it."""
    if isinstance(name, bool):
        return 'true' if name else 'false'
    return '' if name is None else str(name)


def _check_scalar(value: typing.Any, into: Scalar, struct: str, path: str) -> None:
    if kind(value) != into.kind:
        raise _mismatch(value, into.name, struct, path)
    if into.kind == 'number':
        bits = 31 if into is INT32 else 63
        if isinstance(value, float) or not -(2**bits) <= value < 2**bits:
            raise _mismatch(value, into.name, struct, path, f'number {value}')


def _go(into: typing.Any) -> str:
    """Return how Go writes a type."""
    if isinstance(into, ListOf):
        return '[]' + _go(into.item)
    if isinstance(into, MapOf):
        return f'map[string]{_go(into.item)}'
    return 'interface {}' if into is ANY else str(into.name)


def _mismatch(value: typing.Any, into: str, struct: str, path: str, shown: str = '') -> Invalid:
    where = (
        f'Go struct field {struct}.{path} of type {into}' if path else f'Go value of type {into}'
    )
    return Invalid(f'json: cannot unmarshal {shown or kind(value)} into {where}')
