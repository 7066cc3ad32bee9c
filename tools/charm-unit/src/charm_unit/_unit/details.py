"""The details of an image, as an operator's client of Juju reads them from what is attached.

cmd/juju/resource/deploy.go and core/resources of juju/juju 2.9.31: a file is decoded as JSON, and
what is not that as YAML; else it is a reference. The grammar of references is that of
distribution/reference, in the releases that Juju has.
"""

import base64
import json
import re
import typing

import yaml

from charm_unit._unit import juju_version

_KEYS = ('registrypath', 'username', 'password')
_JSON_KEYS = {'imagename': 'registrypath', 'username': 'username', 'password': 'password'}
_STRINGS = ('email', 'repository', 'serveraddress', 'region')
_TOKENS = ('auth', 'identitytoken', 'registrytoken')
_TAGS = 'tag:yaml.org,2002:'
_BINARY = re.compile(rb'[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]')

_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
_DOMAIN = rf'{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?'
_IPV6_DOMAIN = r'\[[A-Fa-f0-9:]+\](?::[0-9]+)?'
_COMPONENT = '[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*'
_REST = rf'(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?'
_DIGEST = '(?:@(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}))?'
_NAME_CHARACTERS = 255


class Refused(Exception):
    """Juju's client refuses what is attached; in its words."""


def write(registrypath: str, username: str = '', password: str = '') -> bytes:
    """Return an image's details as Juju delivers them."""
    mapping = {'registrypath': registrypath, 'username': username, 'password': password}
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True).encode()


def from_reference(text: str, juju: juju_version.JujuVersion) -> bytes:
    """Return the details of an image that is attached by its reference; raise Refused."""
    if not is_reference(text, juju):
        raise Refused(f'filepath or registry path: {text} not valid')
    return write(text)


def from_file(content: bytes, juju: juju_version.JujuVersion) -> bytes:
    """Return the details of an image in an attached file; raise Refused.

    Juju's client itself takes a number in JSON, since it decodes such a file as YAML next, where
    that is a string. Here it is refused: it is not what JSON says.
    """
    text = content.decode(errors='replace')
    try:
        found = _from_json(text, juju)
    except ValueError as json_error:
        try:
            found = _from_yaml(text, juju)
        except (Refused, yaml.YAMLError) as yaml_error:
            if _BINARY.search(content):
                raise Refused(
                    'expected json or yaml file containing oci-image registry details'
                ) from None
            if text.lstrip().startswith('{'):
                raise Refused(f'json parsing: {_json_words(json_error, text)}') from None
            raise Refused(_yaml_words(yaml_error)) from None
    path = found.get('registrypath', '')
    if not is_reference(path, juju):
        raise Refused(f'docker image path {json.dumps(path)} not valid')
    return write(*(found.get(key, '') for key in _KEYS))


def is_reference(text: str, juju: juju_version.JujuVersion) -> bool:
    """Return whether a text is a reference by reference.ParseNormalizedNamed, which Juju uses."""
    if re.fullmatch('[a-f0-9]{64}', text):
        return False
    first, slash, rest = text.partition('/')
    has_domain = slash and ('.' in first or ':' in first or first == 'localhost')
    domain, name = (first, rest) if has_domain else ('docker.io', text)
    if domain in ('docker.io', 'index.docker.io') and '/' not in name.partition('@')[0]:
        name = f'library/{name}'
    domains = f'{_DOMAIN}|{_IPV6_DOMAIN}' if juju.has_ipv6_registries else _DOMAIN
    matched = re.fullmatch(_REST + _DIGEST, name)
    if not matched or not re.fullmatch(domains, domain):
        return False
    return len(f'{domain}/{matched["path"]}') <= _NAME_CHARACTERS


def _from_json(text: str, juju: juju_version.JujuVersion) -> dict[str, str]:
    """Return the strings in a JSON object, whose keys are of any case; raise ValueError.

    The controller keeps no others than these: what else Juju knows only has to be of its type.
    """
    mapping = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(mapping, dict):
        kind = _kind(mapping)
        if kind == 'null':
            return {}
        raise ValueError(f'json: cannot unmarshal {kind} into Go value of type DockerImageDetails')
    found = {}
    for name, value in mapping.items():
        key = _JSON_KEYS.get(name.lower())
        known = key or (juju.has_registry_details and name.lower() in (*_STRINGS, *_TOKENS))
        if known and value is not None:
            if not isinstance(value, str):
                raise Refused(
                    f'json parsing: json: cannot unmarshal {_kind(value)} into Go struct field '
                    f'DockerImageDetails.{name} of type string'
                )
            if key:
                found[key] = value
    return found


def _refuse_constant(constant: str) -> typing.NoReturn:
    raise ValueError(f'invalid character {constant[0]!r} looking for beginning of value')


def _kind(value: typing.Any) -> str:
    kinds = {bool: 'bool', str: 'string', list: 'array', dict: 'object', type(None): 'null'}
    return kinds.get(type(value), 'number')


def _from_yaml(text: str, juju: juju_version.JujuVersion) -> dict[str, str]:
    """Return the scalars in a YAML mapping, as they are written; raise Refused or YAMLError."""
    loader = yaml.SafeLoader(text)
    try:
        # As Juju, of several documents the first.
        node = loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()
    if node is None or node.tag == f'{_TAGS}null':
        return {}
    return _scalars(node, (), juju)


def _scalars(
    node: yaml.Node, above: tuple[yaml.Node, ...], juju: juju_version.JujuVersion
) -> dict[str, str]:
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(node, 'DockerImageDetails')
    if any(node is other for other in above):
        raise Refused('yaml: anchor value contains itself')
    found: dict[str, str] = {}
    for key, value in node.value:
        if key.tag == f'{_TAGS}merge':
            merged = value.value[::-1] if isinstance(value, yaml.SequenceNode) else [value]
            if not all(isinstance(part, yaml.MappingNode) for part in merged):
                raise Refused('yaml: map merge requires map or sequence of maps as the value')
            # Go's decoder takes keys one after the other: a merge wins over what is above it.
            for part in merged:
                found.update(_scalars(part, (*above, node), juju))
        elif key.value in _KEYS:
            if not isinstance(value, yaml.ScalarNode):
                raise _wrong(value, 'string')
            found[key.value] = _scalar(value)
        elif juju.has_registry_details and value.tag != f'{_TAGS}null':
            is_token = juju.has_registry_tokens and key.value in _TOKENS
            if is_token and not isinstance(value, yaml.MappingNode):
                raise _wrong(value, 'docker.Token')
            is_string = not is_token and key.value in (*_STRINGS, *_TOKENS)
            if is_string and not isinstance(value, yaml.ScalarNode):
                raise _wrong(value, 'string')
    return found


def _scalar(node: yaml.ScalarNode) -> str:
    if node.tag == f'{_TAGS}null':
        return ''
    if node.tag == f'{_TAGS}binary':
        try:
            return base64.b64decode(node.value, validate=True).decode(errors='replace')
        except ValueError:
            raise Refused('yaml: !!binary value contains invalid base64 data') from None
    return str(node.value)


def _wrong(node: yaml.Node, kind: str) -> Refused:
    tag = node.tag.replace(_TAGS, '!!')
    # Not what the scalar is: that may be a password.
    where = f'line {node.start_mark.line + 1}: cannot unmarshal {tag} into {kind}'
    return Refused(f'yaml: unmarshal errors: {where}')


def _json_words(error: ValueError, text: str) -> str:
    position = getattr(error, 'pos', None)
    ended = position is not None and not text[position:].strip()
    return 'unexpected end of JSON input' if ended else str(error)


def _yaml_words(error: Exception) -> str:
    mark = getattr(error, 'problem_mark', None)
    if mark is None:
        return str(error)
    return f'yaml: line {mark.line + 1}: {getattr(error, "problem", "")}'
