"""The form of metadata.yaml, checked as by github.com/juju/schema, in its words.

A checker yields all that is wrong, where Juju stops at the first.
"""

import collections.abc
import re
import typing

from charm_unit._unit import go_fmt, go_yaml, options


class Problem(typing.NamedTuple):
    """What is wrong, and where."""

    path: go_yaml.Path
    message: str


Problems = typing.Iterator[Problem]
Checker = collections.abc.Callable[[typing.Any, go_yaml.Path], Problems]


def wrong(path: go_yaml.Path, expected: str, value: typing.Any) -> Problem:
    """Return the problem with a value; `expected` is '' if it must be one of several."""
    shown = go_fmt.literal(value)
    if not expected:
        what = f'unexpected value {shown}'
    elif value is None:
        what = f'expected {expected}, got nothing'
    else:
        what = f'expected {expected}, got {go_fmt.kind(value)}({shown})'
    return Problem(path, f'{name(path)}: {what}' if path else what)


def name(path: go_yaml.Path) -> str:
    """Return a path as messages have it, such as resources.web or tags[0]."""
    parts = (f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return ''.join(parts).removeprefix('.')


def anything(value: typing.Any, path: go_yaml.Path) -> Problems:
    """Accept any value."""
    yield from ()


def string(value: typing.Any, path: go_yaml.Path) -> Problems:
    """Accept a string."""
    if not isinstance(value, str):
        yield wrong(path, 'string', value)


def boolean(value: typing.Any, path: go_yaml.Path) -> Problems:
    """Accept a boolean, or a string that Go's strconv.ParseBool takes for one."""
    if not isinstance(value, bool) and not (isinstance(value, str) and value in options.BOOLEANS):
        yield wrong(path, 'bool', value)


def integer(value: typing.Any, path: go_yaml.Path) -> Problems:
    """Accept an integer, or a string that Go's strconv.ParseInt takes for one."""
    if options.integer(value) is None:
        yield wrong(path, 'int', value)


def null(label: str) -> Checker:
    """Accept nothing."""

    def check(value: typing.Any, path: go_yaml.Path) -> Problems:
        if value is not None:
            yield wrong(path, f'empty {label}', value)

    return check


def one_of(*values: str) -> Checker:
    """Accept some strings."""

    def check(value: typing.Any, path: go_yaml.Path) -> Problems:
        if value not in values:
            yield wrong(path, '', value)

    return check


def sequence(element: Checker) -> Checker:
    """Accept a list of such elements."""

    def check(value: typing.Any, path: go_yaml.Path) -> Problems:
        if not isinstance(value, list):
            yield wrong(path, 'list', value)
            return
        for index, inner in enumerate(value):
            yield from element(inner, (*path, index))

    return check


def mapping(element: Checker) -> Checker:
    """Accept a mapping of strings to such values."""

    def check(value: typing.Any, path: go_yaml.Path) -> Problems:
        if not isinstance(value, dict):
            yield wrong(path, 'map', value)
            return
        for key, inner in value.items():
            if not isinstance(key, str):
                yield wrong(path, 'string', key)
            yield from element(inner, (*path, key))

    return check


def fields(optional: typing.Mapping[str, Checker], **required: Checker) -> Checker:
    """Accept a mapping with these keys, of which some are required, and any others."""

    def check(value: typing.Any, path: go_yaml.Path) -> Problems:
        if not isinstance(value, dict):
            yield wrong(path, 'map', value)
            return
        if not all(isinstance(key, str) for key in value):
            yield wrong(path, 'map[string]', value)
        for key, checker in {**required, **optional}.items():
            if key in value or key in required:
                yield from checker(value.get(key), (*path, key))

    return check


# metadata.yaml: charmSchema in meta.go of juju/charm v8, and what it is made of


def _limit(value: typing.Any, path: go_yaml.Path) -> Problems:
    if value is not None and any(integer(value, path)):
        yield wrong(path, '', value)


_ENDPOINT = fields(
    {'limit': _limit, 'scope': one_of('global', 'container'), 'optional': boolean},
    interface=string,
)


def _endpoint(value: typing.Any, path: go_yaml.Path) -> Problems:
    if not isinstance(value, str):
        yield from _ENDPOINT(value, path)


def _count(value: typing.Any, path: go_yaml.Path) -> Problems:
    number = options.integer(value)
    if number is not None:
        if number <= 0:
            yield Problem(path, f'{name(path)}: invalid count {number}')
    elif not isinstance(value, str):
        yield wrong(path, '', value)
    elif not re.fullmatch('[0-9]+(?:[-+]|-[0-9]+)', value, re.ASCII):
        yield Problem(path, f"{name(path)}: value \"{value}\" does not match 'm', 'm-n', or 'm+'")


def _device_count(value: typing.Any, path: go_yaml.Path) -> Problems:
    yield from integer(value, path)
    number = options.integer(value)
    if number is not None and number < 0:
        yield Problem(path, f'invalid device count {number}')


def _size(value: typing.Any, path: go_yaml.Path) -> Problems:
    if not isinstance(value, str):
        yield wrong(path, 'string', value)
        return
    parts = re.match(r'([0-9.]*)(.*)', value, re.DOTALL)
    number, suffix = parts.groups() if parts else ('', '')
    if number and suffix and not re.fullmatch('[MGTPEZY](?:i?B)?', suffix):
        what = f'invalid multiplier suffix {go_fmt.literal(suffix)}, expected one of MGTPEZY'
        yield Problem(path, what)
    elif not re.fullmatch(r'[0-9]+\.?[0-9]*|\.[0-9]+', number):
        shown = go_fmt.literal(number or suffix)
        yield Problem(path, f'expected a non-negative number, got {shown}')


_STORAGE = fields(
    {
        'shared': boolean,
        'read-only': boolean,
        'multiple': fields({}, range=_count),
        'minimum-size': _size,
        'location': string,
        'description': string,
        'properties': sequence(one_of('transient')),
    },
    type=one_of('block', 'filesystem'),
)
_DEVICE = fields(
    {'description': string, 'countmin': _device_count, 'countmax': _device_count}, type=string
)
_DEPLOYMENT = fields(
    {
        'type': one_of('stateful', 'stateless', 'daemon'),
        'mode': one_of('operator', 'workload'),
        'service': one_of('cluster', 'loadbalancer', 'external', 'omit'),
        'min-version': string,
    }
)
_RESOURCE = fields({'type': string, 'filename': string, 'description': string})
_CONTAINER = fields(
    {'resource': string, 'mounts': sequence(fields({'storage': string, 'location': string}))}
)


def _bindings(value: typing.Any, path: go_yaml.Path) -> Problems:
    if not isinstance(value, dict):
        yield wrong(path, 'map', value)
        return
    for key, inner in value.items():
        if not isinstance(key, str) or not key:
            yield wrong(path, 'non-empty binding name', key)
        yield from null('value')(inner, (*path, key))


_STRINGS = sequence(string)
_COMMON: dict[str, Checker] = {
    **dict.fromkeys(('provides', 'requires', 'peers'), mapping(_endpoint)),
    'extra-bindings': _bindings,
    'revision': integer,
    'format': integer,
    'subordinate': boolean,
    **dict.fromkeys(('categories', 'tags', 'series', 'terms'), _STRINGS),
    'storage': mapping(_STORAGE),
    'devices': mapping(_DEVICE),
    'deployment': _DEPLOYMENT,
    'payloads': mapping(fields({}, type=string)),
    'resources': mapping(_RESOURCE),
    'min-juju-version': string,
}
_REQUIRED = {'name': string, 'summary': string, 'description': string}

METADATA: Checker = fields(
    {**_COMMON, 'assumes': sequence(anything), 'containers': mapping(_CONTAINER)}, **_REQUIRED
)
METADATA_BEFORE_2_9: Checker = fields(_COMMON, **_REQUIRED)
BASES: Checker = sequence(
    fields({'name': string, 'channel': string, 'architectures': sequence(string)})
)
