"""What Juju refuses to deploy: files of a charm that it cannot read, or does not accept.

meta.go, resources.go, extra_bindings.go, config.go and actions.go of juju/charm v8, which Juju
2.9.31 has; their messages, with the file and the line before them. All that is wrong is told.
"""

import json
import pathlib
import re
import typing

import yaml

from charm_unit._unit import charm, errors, go_yaml, json_schema, juju_version, options

_NAME = re.compile('[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*')
_ACTION = re.compile('[a-z0-9](?:[a-z0-9-]*[a-z0-9])?')
_SERIES = re.compile('[a-z]+(?:[a-z0-9]+)?')
_COUNT = re.compile(r'([0-9]+)(?:[-+]|-[0-9]+)')
_SIZE = re.compile(r'[0-9]+(?:\.[0-9]+)?[MGTPEZY]?(?:i?B)?', re.IGNORECASE)
_SERVICES = ('cluster', 'loadbalancer', 'external', 'omit')

_Problems = typing.Iterator[tuple[int, str]]


def check(built: charm.BuiltCharm, juju: juju_version.JujuVersion) -> None:
    """Raise InvalidCharmError if that Juju would refuse to deploy the charm."""
    found: list[str] = []
    about = _read(built.folder / 'metadata.yaml', found)
    config = _read(built.folder / 'config.yaml', found)
    actions = _read(built.folder / 'actions.yaml', found)
    if about:
        found += _told(about, _of_metadata(about.document, juju))
    if config:
        found += _told(config, _of_config(config.document))
    if actions:
        mapping = about.document.value if about else {}
        name = str(mapping.get('name')) if isinstance(mapping, dict) else ''
        found += _told(actions, _of_actions(actions.document, name))
    if found:
        raise errors.InvalidCharmError('Juju would refuse this charm:\n' + '\n'.join(found))


class _File(typing.NamedTuple):
    path: pathlib.Path
    document: go_yaml.Document


def _read(path: pathlib.Path, found: list[str]) -> '_File | None':
    """Return a file's content, if there is one; what cannot be read is put into `found`."""
    try:
        return _File(path, go_yaml.load(path.read_text()))
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, ValueError) as error:
        line, what = go_yaml.problem(error)
        found.append(f'{path}:{line}: yaml: {what}')
        return None


def _told(file: _File, problems: _Problems) -> list[str]:
    return [f'{file.path}:{line}: {what}' for line, what in sorted(problems)]


# metadata.yaml


def _of_metadata(read: go_yaml.Document, juju: juju_version.JujuVersion) -> _Problems:
    about = read.value
    if not isinstance(about, dict):
        yield 1, 'metadata: expected map, got nothing'
        return
    yield from _of_fields(read, about)
    name = about.get('name')
    if isinstance(name, str) and not _NAME.fullmatch(name):
        yield read.line('name'), f'charm name {json.dumps(name)} not valid'
    yield from _of_endpoints(read, about, str(name))
    yield from _of_bindings(read, about)
    for index, series in enumerate(_list(about.get('series'))):
        if isinstance(series, str) and not _SERIES.fullmatch(series):
            line = read.line('series', index)
            yield line, f'charm "{name}" declares invalid series: {json.dumps(series)}'
    yield from _of_resources(read, about)
    for storage, entry in _entries(about.get('storage')):
        for what in _of_storage(entry):
            yield read.line('storage', storage), f'metadata: storage.{storage}{what}'
    for what in _of_deployment(about):
        yield read.line('deployment'), what
    if about.get('containers'):
        yield read.line('containers'), 'containers without a manifest.yaml not valid'
    yield from _of_version(read, about, juju)


def _of_fields(read: go_yaml.Document, about: dict[str, typing.Any]) -> _Problems:
    for field in ('name', 'summary', 'description'):
        if not isinstance(about.get(field), str):
            yield read.line(field), f'metadata: {field}: expected string, got {_got(about, field)}'
    for field in ('tags', 'categories', 'series', 'terms'):
        if field in about and not isinstance(about[field], list):
            yield read.line(field), f'metadata: {field}: expected list, got {_got(about, field)}'
        for index, value in enumerate(_list(about.get(field))):
            if not isinstance(value, str):
                line = read.line(field, index)
                yield line, f'metadata: {field}[{index}]: expected string, got {_json(value)}'
    for field in ('provides', 'requires', 'peers', 'storage', 'resources', 'deployment'):
        if field in about and not isinstance(about[field], dict):
            yield read.line(field), f'metadata: {field}: expected map, got {_got(about, field)}'


def _of_endpoints(read: go_yaml.Document, about: dict[str, typing.Any], name: str) -> _Problems:
    seen: set[str] = set()
    for role in ('provides', 'requires', 'peers'):
        for endpoint, entry in _entries(about.get(role)):
            line = read.line(role, endpoint)
            interface = entry.get('interface') if isinstance(entry, dict) else entry
            if not isinstance(interface, str):
                got = _got(entry, 'interface') if isinstance(entry, dict) else _json(entry)
                yield line, f'metadata: {role}.{endpoint}.interface: expected string, got {got}'
            for what in _of_endpoint(entry if isinstance(entry, dict) else {}):
                yield line, f'metadata: {role}.{endpoint}.{what}'
            container = isinstance(entry, dict) and entry.get('scope') == 'container'
            subordinate = about.get('subordinate') is True and role == 'requires' and container
            if not subordinate and _reserved(name, str(endpoint)):
                yield line, f'charm "{name}" using a reserved relation name: "{endpoint}"'
            if role != 'requires' and _reserved(name, str(interface)):
                yield (
                    line,
                    (
                        f'charm "{name}" relation "{endpoint}" using a reserved interface: '
                        f'"{interface}"'
                    ),
                )
            if endpoint in seen:
                yield line, f'charm "{name}" using a duplicated relation name: "{endpoint}"'
            seen.add(endpoint)


def _of_endpoint(entry: dict[str, typing.Any]) -> typing.Iterator[str]:
    limit = entry.get('limit')
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        yield f'limit: unexpected value {_json(limit)}'
    if entry.get('scope', 'global') not in ('global', 'container'):
        yield f'scope: unexpected value {_json(entry["scope"])}'
    if not isinstance(entry.get('optional', False), bool):
        yield f'optional: expected bool, got {_json(entry["optional"])}'


def _reserved(charm_name: str, name: str) -> str:
    """Return why Juju keeps a name for itself, or ''."""
    if charm_name.startswith('juju-'):
        return ''
    if name == 'juju':
        return '"juju" is a reserved name'
    return 'the "juju-" prefix is reserved' if name.startswith('juju-') else ''


def _of_bindings(read: go_yaml.Document, about: dict[str, typing.Any]) -> _Problems:
    if 'extra-bindings' not in about:
        return
    bindings, line = about['extra-bindings'], read.line('extra-bindings')
    prefix = f'charm "{about.get("name")}" has invalid extra bindings: '
    if not isinstance(bindings, dict):
        yield line, f'metadata: extra-bindings: expected map, got {_got(about, "extra-bindings")}'
    elif not bindings:
        yield line, f'{prefix}extra bindings cannot be empty when specified'
    else:
        endpoints = {name for role in charm.ROLES for name, _ in _entries(about.get(role))}
        for name, value in bindings.items():
            line = read.line('extra-bindings', name)
            if value is not None:
                yield line, f'metadata: extra-bindings.{name}: unexpected value {_json(value)}'
            if name in endpoints:
                yield line, f'{prefix}relation names ({name}) cannot be used in extra bindings'


def _of_resources(read: go_yaml.Document, about: dict[str, typing.Any]) -> _Problems:
    for name, entry in _entries(about.get('resources')):
        line = read.line('resources', name)
        if not isinstance(entry, dict):
            yield line, f'metadata: resources.{name}: expected map, got {_json(entry)}'
            continue
        for field in ('type', 'filename', 'description'):
            if not isinstance(entry.get(field, ''), str):
                yield (
                    read.line('resources', name, field),
                    f'metadata: resources.{name}.{field}: expected string, '
                    f'got {_json(entry[field])}',
                )
        kind, filename = entry.get('type', 'file'), entry.get('filename', '')
        if isinstance(kind, str) and kind not in ('file', 'oci-image'):
            where = read.line('resources', name, 'type')
            yield where, f'resource {name}: unsupported resource type {json.dumps(kind)}'
        elif kind == 'file' and not filename:
            yield line, f'resource {name}: resource missing filename'
        elif kind == 'file' and '/' in str(filename):
            where = read.line('resources', name, 'filename')
            what = f'filename cannot contain "/" (got {json.dumps(filename)})'
            yield where, f'resource {name}: {what}'


def _of_storage(entry: typing.Any) -> typing.Iterator[str]:
    if not isinstance(entry, dict):
        yield f': expected map, got {_json(entry)}'
        return
    if entry.get('type') not in ('block', 'filesystem'):
        yield f'.type: unexpected value {_json(entry.get("type"))}'
    elif 'location' in entry and entry['type'] != 'filesystem':
        yield f': location may not be specified for "type: {entry["type"]}"'
    for field in ('shared', 'read-only'):
        if not isinstance(entry.get(field, False), bool):
            yield f'.{field}: expected bool, got {_json(entry[field])}'
    multiple = entry.get('multiple')
    if multiple is not None:
        count = multiple.get('range') if isinstance(multiple, dict) else None
        if isinstance(count, bool) or not isinstance(count, int | str):
            yield f'.multiple.range: unexpected value {_json(count)}'
        elif isinstance(count, int):
            if count <= 0:
                yield f'.multiple.range: invalid count {count}'
        elif not _COUNT.fullmatch(count) and not count.isdigit():
            yield f".multiple.range: value \"{count}\" does not match 'm', 'm-n', or 'm+'"
    size = entry.get('minimum-size')
    if size is not None and not (isinstance(size, str) and _SIZE.fullmatch(size)):
        yield f'.minimum-size: expected a non-negative number, got {_json(size)}'


def _of_deployment(about: dict[str, typing.Any]) -> typing.Iterator[str]:
    deployment = about.get('deployment')
    if not isinstance(deployment, dict):
        return
    series = _list(about.get('series'))
    if not series:
        yield 'charm with deployment metadata must declare at least one series'
    elif series[0] != 'kubernetes':
        yield 'charms with deployment metadata only supported for "kubernetes"'
    for field, allowed in (
        ('type', ('stateful', 'stateless', 'daemon')),
        ('mode', ('operator', 'workload')),
        ('service', _SERVICES),
    ):
        if field in deployment and deployment[field] not in allowed:
            yield f'metadata: deployment.{field}: unexpected value {_json(deployment[field])}'


def _of_version(
    read: go_yaml.Document, about: dict[str, typing.Any], juju: juju_version.JujuVersion
) -> _Problems:
    if 'min-juju-version' not in about:
        return
    least, line = about['min-juju-version'], read.line('min-juju-version')
    if not isinstance(least, str):
        yield line, f'metadata: min-juju-version: expected string, got {_json(least)}'
        return
    parts = re.fullmatch(r'(\d+)\.(\d+)(?:\.(\d+)|-[a-z]+\d+)?(?:\.\d+)?', least)
    if not parts:
        yield line, f'invalid min-juju-version: invalid version {json.dumps(least)}'
    elif tuple(int(part or 0) for part in parts.groups()) > juju.numbers:
        yield (
            line,
            (
                f"charm's min version ({least}) is higher than this juju model's version "
                f'({juju.text})'
            ),
        )


# config.yaml


def _of_config(read: go_yaml.Document) -> _Problems:
    if not isinstance(read.value, dict) or 'options' not in read.value:
        yield 1, 'invalid config: empty configuration'
        return
    declared = read.value['options']
    if declared is not None and not isinstance(declared, dict):
        yield read.line('options'), 'yaml: unmarshal errors: options must be a map'
        return
    for name, entry in (declared or {}).items():
        entry, line = entry or {}, read.line('options', name)
        if not isinstance(entry, dict):
            yield line, f'yaml: unmarshal errors: option {json.dumps(str(name))} must be a map'
            continue
        kind = entry.get('type') or 'string'
        if kind not in options.TYPES:
            line = read.line('options', name, 'type')
            yield (
                line,
                (
                    f'invalid config: option {json.dumps(str(name))} has unknown type '
                    f'{json.dumps(str(kind))}'
                ),
            )
            continue
        try:
            options.coerce(str(name), kind, entry.get('default'))
        except options.Refused as refused:
            yield read.line('options', name, 'default'), f'invalid config default: {refused}'


# actions.yaml


def _of_actions(read: go_yaml.Document, charm_name: str) -> _Problems:
    if read.value is None:
        return
    if not isinstance(read.value, dict):
        yield 1, 'yaml: unmarshal errors: actions must be a map'
        return
    for name, entry in read.value.items():
        line = read.line(name)
        if not isinstance(name, str) or not _ACTION.fullmatch(name):
            yield line, f'bad action name {name}'
        elif _reserved(charm_name, name):
            yield line, f'cannot use action name {name}: {_reserved(charm_name, name)}'
        if entry is not None and not isinstance(entry, dict):
            yield line, f'yaml: unmarshal errors: action {name} must be a map'
            continue
        yield from _of_action(read, name, entry or {})


def _of_action(read: go_yaml.Document, name: str, entry: dict[str, typing.Any]) -> _Problems:
    wrong = False
    for key, kind, told in (
        ('description', str, 'a string'),
        ('title', str, 'a string'),
        ('required', list, 'a YAML list'),
    ):
        if key in entry and not isinstance(entry[key], kind):
            wrong = True
            yield read.line(name, key), f'value for schema key "{key}" must be {told}'
    if 'params' in entry and not isinstance(entry['params'], dict):
        yield read.line(name, 'params'), 'params failed to parse as a map'
        return
    for path, what in _prohibited(entry, (name,)):
        wrong = True
        yield read.line(*path), what
    if wrong:
        return
    try:
        json_schema.check(charm.schema(name, entry))
    except json_schema.Invalid as invalid:
        path = tuple('params' if part == 'properties' else part for part in invalid.path[:1])
        line = read.line(name, *path, *invalid.path[1:])
        yield line, f'invalid params schema for action schema {name}: {invalid}'


def _prohibited(
    value: typing.Any, path: tuple[typing.Any, ...]
) -> typing.Iterator[tuple[tuple[typing.Any, ...], str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield path, 'map keyed with non-string value'
            elif key in ('$ref', '$schema'):
                what = f'schema key "{key}" not compatible with this version of juju'
                yield (*path, key), what
            yield from _prohibited(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _prohibited(inner, (*path, index))


def _entries(value: typing.Any) -> typing.Iterable[tuple[typing.Any, typing.Any]]:
    return value.items() if isinstance(value, dict) else ()


def _list(value: typing.Any) -> list[typing.Any]:
    return value if isinstance(value, list) else []


def _got(mapping: dict[str, typing.Any], key: str) -> str:
    return 'nothing' if mapping.get(key) is None else _json(mapping[key])


def _json(value: typing.Any) -> str:
    return json.dumps(value, default=str)
