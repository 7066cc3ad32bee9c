"""What an operator hands to Juju: details of images, options."""

import math
import pathlib
import shlex
import typing

import yaml

from charm_unit._unit import calls, errors, juju_version, model


def details(registrypath: str, username: str = '', password: str = '') -> bytes:
    """Return an image's details as Juju writes them."""
    mapping = {'registrypath': registrypath, 'username': username, 'password': password}
    return yaml.safe_dump(mapping, sort_keys=False).encode()


def read(file: pathlib.Path) -> bytes:
    """Return the content of a file; raise UsageError if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.UsageError(f'cannot read {file}: {error.strerror}') from error


def from_file(file: pathlib.Path) -> bytes:
    """Return an image's details from a file that an operator would attach; raise UsageError.

    Juju takes YAML, or JSON with the key ImageName, and delivers three keys of it.
    """
    content = read(file)
    try:
        mapping = yaml.load(content, yaml.BaseLoader)  # noqa: S506 (strings only)
    except yaml.YAMLError as error:
        raise errors.UsageError(f'{file} is not valid YAML: {error}') from error
    if not isinstance(mapping, dict):
        raise errors.UsageError(f'{file} is not a mapping with the key registrypath')
    if content.lstrip().startswith(b'{'):
        mapping = {
            'imagename' if key == 'ImageName' else key.lower(): value
            for key, value in mapping.items()
        }
        mapping['registrypath'] = mapping.pop('imagename', '')
    if not mapping.get('registrypath'):
        raise errors.UsageError(f'{file}: docker image path "" not valid')
    found = [str(mapping.get(key) or '') for key in ('registrypath', 'username', 'password')]
    return details(*found)


def place(
    folder: pathlib.Path,
    name: str,
    declared: 'typing.Mapping[str, typing.Any] | None',
    juju: juju_version.JujuVersion,
) -> 'pathlib.Path | None':
    """Return where that Juju's resource-get puts a resource; None if it is not declared."""
    if declared is None:
        return None
    if declared['type'] == 'file':
        return folder / name / str(declared.get('filename', 'file'))
    return folder / 'content.yaml' if juju.shares_details_file else folder / name / 'content.yaml'


def failing(reason: str) -> str:
    """Return a shell script that fails as resource-get does."""
    return f'echo {shlex.quote(f"ERROR could not download resource: {reason}")} >&2; exit 1'


def slow(resource: model.Attached, seconds: float) -> str:
    """Return a shell script that delivers a resource after so many seconds."""
    if math.isinf(seconds):
        return f'read -r line <"$calls/{calls.ALIVE}"; exit 1'
    file = resource.file
    if file is None or resource.content is None:
        return f'sleep {seconds}; {failing("resource not found")}'
    octal = ''.join(f'\\0{byte:03o}' for byte in resource.content)
    path = shlex.quote(str(file))
    return (
        f"sleep {seconds}; mkdir -p {shlex.quote(str(file.parent))}; printf %b '{octal}' >{path}; "
        f'printf %s {path}'
    )


def option(name: str, value: typing.Any, declared: typing.Mapping[str, typing.Any]) -> typing.Any:
    """Return an option's value as its declared type; raise UsageError as Juju rejects it."""
    kind = declared.get('type', 'string')
    wrong = errors.UsageError(f'option {name} expected {kind}, got {value!r}')
    if kind == 'string':
        if isinstance(value, str):
            return value
        raise wrong
    if kind == 'boolean':
        text = str(value).lower()
        if text not in ('true', 'false'):
            raise wrong
        return text == 'true'
    if isinstance(value, bool):
        raise wrong
    try:
        return int(value) if kind == 'int' else float(value)
    except (TypeError, ValueError):
        raise wrong from None
