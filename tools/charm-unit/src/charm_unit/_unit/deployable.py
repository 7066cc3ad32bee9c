"""What Juju refuses to deploy: files of a charm that it cannot read, or does not accept.

meta.go, resources.go, extra_bindings.go, payloads.go, assumes/parser.go, manifest.go, base.go,
channel.go, config.go, actions.go and metrics.go of juju/charm v8, which Juju 2.9 has; their
messages, with the file and the line before them. Juju stops at the first problem; here, all are
told.
"""

import functools
import json
import pathlib
import re
import typing

import yaml

from charm_unit._unit import (
    charm,
    errors,
    go_fmt,
    go_yaml,
    json_schema,
    juju_version,
    options,
    schema,
)

_NAME = re.compile('[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*')
_ACTION = re.compile('[a-z0-9](?:[a-z0-9-]*[a-z0-9])?')
_SERIES = re.compile('[a-z]+(?:[a-z0-9]+)?')
_PAYLOAD = re.compile('[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?')
_TERM = re.compile('[a-z](?:-?[a-z0-9]+)+')
_USER = re.compile('{0}(?:@{0})?'.format('[a-zA-Z0-9][a-zA-Z0-9.+-]*[a-zA-Z0-9]'))
_INTEGER = re.compile('[+-]?[0-9]+')
_NUMBER = '[0-9]{1,9}'
_VERSION = re.compile(
    rf'({_NUMBER})\.({_NUMBER})(?:\.({_NUMBER})|-[a-z]+{_NUMBER})(?:\.{_NUMBER})?'
)
_FEATURE = re.compile(
    r'[a-z][a-z0-9-]*?[a-z0-9]+'
    rf'(?:\s*(?:>=|<)\s*{_NUMBER}(?:\.{_NUMBER}(?:-[a-z]+(?:{_NUMBER})?|\.{_NUMBER})?(?:\.{_NUMBER})?)?)?'
)
_SYSTEMS = ('ubuntu', 'centos', 'windows', 'osx', 'opensuse', 'genericlinux')
_ARCHITECTURES = re.compile(
    'amd64|x86_64|i?[3-9]86|armhf|arm$|armv|aarch64|arm64|ppc64|s390x|riscv64|risc$|risc-[vV]64'
)

_Problems = typing.Iterator[tuple[int, str]]
_Entry = dict[str, typing.Any]


class _File(typing.NamedTuple):
    path: pathlib.Path
    document: go_yaml.Document

    @property
    def value(self) -> _Entry:
        """Its mapping; an empty one if it is something else."""
        return _entry(self.document.value)


def check(built: charm.BuiltCharm, juju: juju_version.JujuVersion) -> None:
    """Raise InvalidCharmError if that Juju would refuse to deploy the charm."""
    found: list[str] = []
    about = _read(built.folder / 'metadata.yaml', found)
    manifest = _read(built.folder / 'manifest.yaml', found) if juju.has_containers else None
    config = _read(built.folder / 'config.yaml', found)
    actions = _read(built.folder / 'actions.yaml', found)
    metrics = _read(built.folder / 'metrics.yaml', found)
    if about:
        found += _told(about, _of_metadata(about.document, juju, manifest))
    if manifest:
        found += _told(manifest, _of_manifest(manifest.document))
    if config:
        found += _told(config, _of_config(config.document, juju))
    if actions:
        name = str(about.value.get('name')) if about else ''
        found += _told(actions, _of_actions(actions.document, name, juju))
    if metrics:
        found += _told(metrics, _of_metrics(metrics.document))
    if found:
        raise errors.InvalidCharmError('Juju would refuse this charm:\n' + '\n'.join(found))


_FIXED_ON_KUBERNETES = {
    'deployment': 'deployment info for services',
    'storage': 'storage on a statefulset',
    'devices': 'node selectors (configured from charm devices)',
}


def check_upgrade(built: charm.BuiltCharm, refreshed: charm.BuiltCharm) -> None:
    """Raise UsageError if Juju would refuse to refresh a charm to another build of it.

    applicationSetCharm in apiserver/facades/client/application/application.go.
    """
    if not _is_of_kubernetes(built.metadata):
        return
    for key, what in _FIXED_ON_KUBERNETES.items():
        if (built.metadata.get(key) or {}) != (refreshed.metadata.get(key) or {}):
            raise errors.UsageError(
                f'Juju on containers does not support updating {what}: deploy a new charm instead '
                f'(metadata.yaml: {key})'
            )


def _read(path: pathlib.Path, found: list[str]) -> '_File | None':
    """Return a file's content, if there is one; what cannot be read is put into `found`."""
    try:
        return _File(path, _load(path.read_text()))
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, ValueError) as error:
        line, what = go_yaml.problem(error)
        found.append(f'{path}:{line}: yaml: {what}')
        return None


@functools.lru_cache(maxsize=16)
def _load(text: str) -> go_yaml.Document:
    """Parse a file once, of which every unit of a charm has a copy."""
    return go_yaml.load(text)


def _told(file: _File, problems: _Problems) -> list[str]:
    return [f'{file.path}:{line}: {what}' for line, what in sorted(problems)]


# metadata.yaml


def _of_metadata(
    read: go_yaml.Document, juju: juju_version.JujuVersion, manifest: '_File | None'
) -> _Problems:
    about = read.value
    form = schema.METADATA if juju.has_containers else schema.METADATA_BEFORE_2_9
    for path, what in form(about, ()):
        yield read.line(*path), f'metadata: {what}'
    if not isinstance(about, dict):
        return
    for path, what in (
        *_of_format(about, juju, manifest),
        *_of_name(about),
        *_of_endpoints(about),
        *_of_bindings(about),
        *_of_resources(about),
        *_of_storage(about),
        *_of_devices(about),
        *_of_payloads(about),
        *_of_terms(about),
        *_of_deployment(about),
        *_of_version(about, juju),
    ):
        yield read.line(*path), what


_Wrong = typing.Iterator[tuple[go_yaml.Path, str]]
"""What is wrong with a mapping, after the keys that lead there."""


def _of_format(about: _Entry, juju: juju_version.JujuVersion, manifest: '_File | None') -> _Wrong:
    """Hold the metadata against its version: 2 has bases in manifest.yaml, 1 has series."""
    if not juju.has_containers:
        return
    has_bases = bool(manifest and _list(manifest.value.get('bases')))
    newer = sorted({'assumes', 'containers'} & about.keys())
    older = sorted({'series', 'deployment', 'min-juju-version'} & about.keys())
    if newer and older:
        first = min(newer + older)
        ours, others = (newer, older) if first in newer else (older, newer)
        listed = ', '.join(map(_quoted, others)), ', '.join(map(_quoted, ours))
        what = 'ambiguous metadata: keys {} cannot be used with {}'.format(*listed)
        yield (others[0],), what
    elif newer and not has_bases:
        if about.get('assumes') is not None:
            yield ('assumes',), 'assumes in metadata v1 not valid'
        if about.get('containers'):
            where = 'in metadata v1' if manifest else 'without a manifest.yaml'
            yield ('containers',), f'containers {where} not valid'
    elif older and has_bases and not _list(about.get('series')):
        for key in ('min-juju-version', 'deployment'):
            if key in about:
                yield (key,), f'{key} in metadata v2 not valid'
    resources, storage = (dict(_entries(about.get(key))) for key in ('resources', 'storage'))
    for container, entry in _entries(about.get('containers')):
        path = ('containers', container)
        for what in _of_container(entry, resources, storage):
            yield path, f'parsing containers: {what}'
        for index, mount in enumerate(_list(_entry(entry).get('mounts'))):
            for what in _of_mount(_entry(mount), storage):
                yield (
                    (*path, 'mounts', index),
                    f'parsing containers: container "{container}": {what}',
                )
    for index, expression in enumerate(_list(about.get('assumes'))):
        for what in _of_expression(expression):
            where = f'parsing expression {index + 1} in top level "assumes" block'
            yield ('assumes', index), f'{where}: {what}'


def _of_container(entry: typing.Any, resources: _Entry, storage: _Entry) -> typing.Iterator[str]:
    resource = _entry(entry).get('resource')
    if resource and resource not in resources:
        yield f'referenced resource {_quoted(resource)} not found'
    elif resource and _entry(resources[resource]).get('type') != 'oci-image':
        yield f'referenced resource {_quoted(resource)} is not a oci-image'


def _of_mount(mount: _Entry, storage: _Entry) -> typing.Iterator[str]:
    if not mount.get('storage'):
        yield 'storage must be specifed on mount'  # codespell:ignore (Juju's)
    elif not mount.get('location'):
        yield 'location must be specifed on mount'  # codespell:ignore (Juju's)
    elif mount['storage'] not in storage:
        yield f'storage {_quoted(mount["storage"])} not valid'


def _of_expression(expression: typing.Any) -> typing.Iterator[str]:
    """Hold an expression against the grammar in assumes/parser.go."""
    if isinstance(expression, str):
        if not _FEATURE.fullmatch(expression.strip()):
            yield f'malformed feature expression {_quoted(expression.strip())}'
    elif not isinstance(expression, dict):
        yield 'expected a feature, "any-of" or "all-of" expression'
    elif len(expression) != 1:
        yield 'malformed composite expression'
    else:
        ((kind, parts),) = expression.items()
        if kind not in ('any-of', 'all-of') or parts is None:
            yield 'malformed composite expression; expected an "any-of" or "all-of" block'
        elif not isinstance(parts, list):
            yield f'malformed "{kind}" expression; expected a list of sub-expressions'
        else:
            for part in parts:
                yield from (
                    f'parsing "{kind}" expression: {what}' for what in _of_expression(part)
                )


def _of_name(about: _Entry) -> _Wrong:
    name = about.get('name')
    if isinstance(name, str) and not _NAME.fullmatch(name):
        yield ('name',), f'charm name {_quoted(name)} not valid'
    for index, series in enumerate(_list(about.get('series'))):
        if isinstance(series, str) and not _SERIES.fullmatch(series):
            yield ('series', index), f'charm "{name}" declares invalid series: {_quoted(series)}'
    if _is_true(about.get('subordinate')) and not any(
        _entry(entry).get('scope') == 'container' for _, entry in _entries(about.get('requires'))
    ):
        what = f'subordinate charm "{name}" lacks "requires" relation with container scope'
        yield ('subordinate',), what


def _of_endpoints(about: _Entry) -> _Wrong:
    name = str(about.get('name'))
    seen: set[str] = set()
    for role in ('provides', 'requires', 'peers'):
        for endpoint, entry in _entries(about.get(role)):
            path = (role, endpoint)
            interface = entry if isinstance(entry, str) else _entry(entry).get('interface')
            of_container = role == 'requires' and _entry(entry).get('scope') == 'container'
            subordinate = _is_true(about.get('subordinate')) and of_container
            if not subordinate and _reserved(name, str(endpoint)):
                yield path, f'charm "{name}" using a reserved relation name: "{endpoint}"'
            if role != 'requires' and _reserved(name, str(interface)):
                what = f'relation "{endpoint}" using a reserved interface: "{interface}"'
                yield path, f'charm "{name}" {what}'
            if endpoint in seen:
                yield path, f'charm "{name}" using a duplicated relation name: "{endpoint}"'
            seen.add(endpoint)


def _reserved(charm_name: str, name: str) -> str:
    """Return why Juju keeps a name for itself, or ''."""
    if charm_name.startswith('juju-'):
        return ''
    if name == 'juju':
        return '"juju" is a reserved name'
    return 'the "juju-" prefix is reserved' if name.startswith('juju-') else ''


def _of_bindings(about: _Entry) -> _Wrong:
    bindings = about.get('extra-bindings')
    prefix = f'charm "{about.get("name")}" has invalid extra bindings: '
    if bindings == {}:
        yield ('extra-bindings',), f'{prefix}extra bindings cannot be empty when specified'
    endpoints = {name for role in charm.ROLES for name, _ in _entries(about.get(role))}
    for name, _ in _entries(bindings):
        if name in endpoints:
            what = f'{prefix}relation names ({name}) cannot be used in extra bindings'
            yield ('extra-bindings', name), what


def _of_resources(about: _Entry) -> _Wrong:
    for name, entry in _entries(about.get('resources')):
        path = ('resources', name)
        kind, filename = _entry(entry).get('type', 'file'), _entry(entry).get('filename', '')
        prefix = f'resource {name}: '
        if isinstance(kind, str) and kind not in ('file', 'oci-image'):
            yield (*path, 'type'), f'{prefix}unsupported resource type {_quoted(kind)}'
        elif not name:
            yield path, 'resource missing name'
        elif kind == 'file' and isinstance(entry, dict) and not filename:
            yield path, f'{prefix}resource missing filename'
        elif kind == 'file' and '/' in str(filename):
            what = f'{prefix}filename cannot contain "/" (got {_quoted(filename)})'
            yield (*path, 'filename'), what


def _of_storage(about: _Entry) -> _Wrong:
    for name, entry in _entries(about.get('storage')):
        path, prefix = ('storage', name), f'charm "{about.get("name")}" storage "{name}": '
        kind = _entry(entry).get('type')
        if _entry(entry).get('location') and kind == 'block':
            yield path, f'{prefix}location may not be specified for "type: {kind}"'
        if kind == 'block' and _is_of_kubernetes(about):
            yield path, f'block storage "{name}" is not supported for container charms'
        count = re.fullmatch(
            '[0-9]+-([0-9]+)', str(_entry(_entry(entry).get('multiple')).get('range'))
        )
        if count and int(count[1]) == 0:
            yield path, f'{prefix}invalid maximum count 0'


def _of_devices(about: _Entry) -> _Wrong:
    for name, entry in _entries(about.get('devices')):
        path, prefix = ('devices', name), f'charm "{about.get("name")}" device "{name}": '
        if _entry(entry).get('type') == '':
            yield path, f'{prefix}type must be specified'
        least, most = (
            options.integer(_entry(entry).get(key, 1)) for key in ('countmin', 'countmax')
        )
        if least is not None and most is not None and least > most >= 0:
            what = f'maximum count {most} can not be smaller than minimum count {least}'
            yield path, f'{prefix}{what}'


def _of_payloads(about: _Entry) -> _Wrong:
    for name, entry in _entries(about.get('payloads')):
        if not name:
            yield ('payloads', name), 'payload class missing name'
        elif not _PAYLOAD.fullmatch(str(name)):
            yield ('payloads', name), f'invalid payload class {_quoted(name)}'
        elif _entry(entry).get('type') == '':
            yield ('payloads', name), 'payload class missing type'


def _of_terms(about: _Entry) -> _Wrong:
    for index, term in enumerate(_list(about.get('terms'))):
        what = _of_term(term) if isinstance(term, str) else ''
        if what:
            yield ('terms', index), what


def _of_term(term: str) -> str:
    """Return what is wrong with tenant:owner/name/revision, or ''."""
    tenant, colon, rest = term.partition(':')
    tenant, rest = (tenant, rest) if colon else ('', term)
    owner, revision, parts = '', '0', rest.split('/')
    if len(parts) > 3:
        return f'unknown term id format {_quoted(term)}'
    if len(parts) == 3:
        owner, name, revision = parts
    elif len(parts) == 2 and not _INTEGER.fullmatch(parts[1]):
        owner, name = parts
    else:
        name, revision = (*parts, '0')[:2]
    if not _INTEGER.fullmatch(revision):
        shown = _quoted(revision)
        return f'invalid revision number {shown} strconv.Atoi: parsing {shown}: invalid syntax'
    if tenant not in ('', 'cs') and not _TERM.fullmatch(tenant):
        return f'wrong term tenant format {_quoted(tenant)}'
    if owner and not _USER.fullmatch(owner):
        return f'wrong owner format {_quoted(owner)}'
    if not _TERM.fullmatch(name):
        return f'wrong term name format {_quoted(name)}'
    return 'negative term revision' if int(revision) < 0 else ''


def _is_of_kubernetes(about: _Entry) -> bool:
    return 'kubernetes' in _list(about.get('series'))


def _of_deployment(about: _Entry) -> _Wrong:
    if not isinstance(about.get('deployment'), dict):
        return
    series = _list(about.get('series'))
    if not series:
        what = 'charm with deployment metadata must declare at least one series'
        yield ('deployment',), what
    elif series[0] != 'kubernetes':
        what = 'charms with deployment metadata only supported for "kubernetes"'
        yield ('deployment',), what
    least = about['deployment'].get('min-version')
    if isinstance(least, str) and least:
        full = f'{least}.0' if least.count('.') == 1 else least
        if not _VERSION.fullmatch(full):
            yield ('deployment', 'min-version'), f'invalid version {_quoted(full)}'


def _of_version(about: _Entry, juju: juju_version.JujuVersion) -> _Wrong:
    least = about.get('min-juju-version')
    if not isinstance(least, str):
        return
    parts = _VERSION.fullmatch(least)
    if not parts:
        what = f'invalid min-juju-version: invalid version {_quoted(least)}'
        yield ('min-juju-version',), what
    elif tuple(int(part or -1) for part in parts.groups()) > juju.numbers:  # 3.0-beta1 < 3.0.0
        what = f"is higher than this juju model's version ({juju.text})"
        yield ('min-juju-version',), f"charm's min version ({least}) {what}"


# manifest.yaml


def _of_manifest(read: go_yaml.Document) -> _Problems:
    """Hold the bases against manifest.go, base.go and channel.go."""
    about = read.value
    if about is None:
        yield 1, 'invalid base in manifest'
        return
    if not isinstance(about, dict):
        yield 1, f'manifest: yaml: unmarshal errors: cannot unmarshal {go_fmt.kind(about)}'
        return
    for path, what in schema.BASES(about.get('bases'), ()):
        yield read.line('bases', *path), f'manifest: coerce: {what}'
    for index, base in enumerate(_list(about.get('bases'))):
        what = _of_base(_entry(base))
        if what:
            yield read.line('bases', index), f'manifest: {what}'


def _of_base(base: _Entry) -> str:
    """Return what is wrong with a base of well-formed values, or ''."""
    channel = base.get('channel')
    what = _of_channel(channel) if isinstance(channel, str) else ''
    if what:
        return f'parsing channel {_quoted(channel)}: {what}'
    if not base.get('name'):
        return 'base without name not valid'
    if base['name'] not in _SYSTEMS:
        return f'os {_quoted(base["name"])} not valid'
    if not channel:
        return 'channel not valid'
    for name in _list(base.get('architectures')):
        if isinstance(name, str) and not _ARCHITECTURES.search(name.strip()):
            return f'architecture {_quoted(name)} not valid'
    return ''


def _of_channel(channel: str) -> str:
    """Return what is wrong with track/risk/branch, of which some may be missing, or ''."""
    risks = ('stable', 'candidate', 'beta', 'edge')
    parts: list[str | None] = [*channel.split('/')]
    if not channel:
        return 'empty channel not valid'
    if len(parts) > 3:
        return f'channel is malformed and has too many components {_quoted(channel)}'
    if len(parts) < 3 and parts[0] in risks:
        parts.insert(0, None)
    track, risk, branch = (*parts, None, None)[:3]
    if risk is not None and risk not in risks:
        return f'risk in channel {_quoted(channel)} not valid'
    for name, value in (('track', track), ('branch', branch)):
        if value == '':
            return f'{name} in channel {_quoted(channel)} not valid'
    return ''


# config.yaml


def _of_config(read: go_yaml.Document, juju: juju_version.JujuVersion) -> _Problems:
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
            yield line, f'yaml: unmarshal errors: option {_quoted(name)} must be a map'
            continue
        kind = entry.get('type') or 'string'
        for field in ('type', 'description'):
            if isinstance(entry.get(field), dict | list):
                tag = '!!map' if isinstance(entry[field], dict) else '!!seq'
                what = f'cannot unmarshal {tag} into string'
                yield read.line('options', name, field), f'yaml: unmarshal errors: {what}'
                kind = 'string' if field == 'type' else kind
        if kind not in options.TYPES or (kind == 'secret' and not juju.has_secret_options):
            shown = f'option {_quoted(name)} has unknown type {_quoted(kind)}'
            yield read.line('options', name, 'type'), f'invalid config: {shown}'
            continue
        try:
            options.coerce(str(name), kind, entry.get('default'))
        except options.Refused as refused:
            yield read.line('options', name, 'default'), f'invalid config default: {refused}'


# actions.yaml


def _of_actions(
    read: go_yaml.Document, charm_name: str, juju: juju_version.JujuVersion
) -> _Problems:
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
        yield from _of_action(read, name, entry or {}, juju)


_OF_TASKS = (('parallel', bool, 'a bool'), ('execution-group', str, 'a string'))


def _of_action(
    read: go_yaml.Document, name: str, entry: _Entry, juju: juju_version.JujuVersion
) -> _Problems:
    wrong = False
    for key, kind, told in (
        ('description', str, 'a string'),
        ('title', str, 'a string'),
        ('required', list, 'a YAML list'),
        *(_OF_TASKS if juju.has_tasks else ()),
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


# metrics.yaml


def _of_metrics(read: go_yaml.Document) -> _Problems:
    for name, entry in _entries(_entry(read.value).get('metrics')):
        line = read.line('metrics', name)
        kind, description = (_entry(entry).get(key) or '' for key in ('type', 'description'))
        prefix = f'invalid metrics declaration: metric {_quoted(name)} '
        if str(name).startswith('juju-'):
            if kind or description:
                yield (
                    line,
                    f'metric {_quoted(name)} is using a prefix reserved for built-in metrics: it '
                    'should not have type or description specification',
                )
        elif kind not in ('gauge', 'absolute'):
            yield line, f'{prefix}has unknown type {_quoted(kind)}'
        elif not description:
            yield line, f'{prefix}lacks description'


def _entries(value: typing.Any) -> typing.Iterable[tuple[typing.Any, typing.Any]]:
    return value.items() if isinstance(value, dict) else ()


def _entry(value: typing.Any) -> _Entry:
    return value if isinstance(value, dict) else {}


def _list(value: typing.Any) -> list[typing.Any]:
    return value if isinstance(value, list) else []


def _is_true(value: typing.Any) -> bool:
    return value is True or (isinstance(value, str) and options.BOOLEANS.get(value, False))


def _quoted(text: typing.Any) -> str:
    return json.dumps(str(text), ensure_ascii=False)
