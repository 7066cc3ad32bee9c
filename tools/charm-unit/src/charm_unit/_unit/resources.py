"""What an operator hands to Juju: details of images, options."""

import math
import os
import pathlib
import shlex
import typing

from charm_unit._unit import calls, details, errors, juju_version, model


def read(file: 'str | os.PathLike[str]') -> bytes:
    """Return the content of a file; raise UsageError if it cannot be read."""
    try:
        return pathlib.Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, 'strerror', None) or error
        raise errors.UsageError(f'cannot read {file}: {why}') from error


def content(
    name: str,
    kind: str,
    given: 'str | bytes | os.PathLike[str]',
    juju: juju_version.JujuVersion,
    username: str = '',
    password: str = '',
) -> bytes:
    """Return what is attached to the resource `name`; raise UsageError as Juju rejects it.

    For a resource of the type `file`, a string is a path. For an image, it is the path of a file
    of details if there is one, and else a reference. Bytes are delivered as they are.
    """
    if isinstance(given, bytes):
        return given
    is_file = os.path.isfile(given)  # False for what no path can be, such as a long reference
    if kind == 'file':
        if not is_file:
            raise errors.UsageError(
                f'{name} is of type file, and {os.fspath(given)} is not an existing file: '
                'pass the path of a file'
            )
        return read(given)
    try:
        if is_file and not (username or password):
            return details.from_file(read(given), juju)
        known = details.from_reference(os.fspath(given), juju)
    except details.Refused as refused:
        raise errors.UsageError(f'resource {name}: {refused}') from None
    return details.write(os.fspath(given), username, password) if username or password else known


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
