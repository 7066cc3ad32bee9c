"""Checks the arguments of a builder; each function raises _errors.ResourceError."""

from __future__ import annotations

import difflib
import os
import re
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from charm_image import _errors
from charm_image._build import bundle
from charm_image._oci import digests, platforms
from container_image import reference

if TYPE_CHECKING:
    import docker

_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*')
_PORT = re.compile(r'([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?')
# of Linux, by Go's names (GOARCH), with their variants in the OCI image index specification 1.1
_ARCHITECTURES = {
    '386': (),
    'amd64': ('v1', 'v2', 'v3', 'v4'),
    'arm': ('v5', 'v6', 'v7', 'v8'),
    'arm64': ('v8', 'v9'),
    'loong64': (),
    'mips': (),
    'mips64': (),
    'mips64le': (),
    'mipsle': (),
    'ppc64': (),
    'ppc64le': (),
    'riscv64': (),
    's390x': (),
}
_USER = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?')
_SIGNAL = re.compile(r'(?:SIG)?(RTMIN(?:\+[0-9]{1,2})?|RTMAX(?:-[0-9]{1,2})?|[A-Z]+[0-9]?)')
_AUTHORS = 'org.opencontainers.image.authors'


def check_client(value: Any) -> docker.APIClient:
    """Return the client of an engine, from the docker library."""
    import docker

    if isinstance(value, docker.APIClient):
        return value
    raise _errors.ResourceError(
        f'client must be a docker.APIClient, not {type(value).__name__}',
        'pass its .api' if isinstance(value, docker.DockerClient) else '',
    )


def check_bundle(value: Any) -> bundle.ResourceBundle:
    """Return a bundle of resources."""
    if isinstance(value, bundle.ResourceBundle):
        return value
    raise _errors.ResourceError(f'bundle must be a ResourceBundle, not {value!r:.80}')


def text(argument: str, value: Any) -> str:
    """Return a string that can be passed to a program."""
    if not isinstance(value, str):
        raise _errors.ResourceError(f'{argument} must be a str, not {value!r:.80}')
    if '\0' in value:
        raise _errors.ResourceError(f'{argument} must not contain a NUL character')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _errors.ResourceError(f'{argument} cannot be encoded as UTF-8') from None
    return value


def _written(argument: str, value: Any) -> str:
    """Return a string or a number as it is written."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return text(argument, str(value) if is_number else value)


def _path(argument: str, value: Any) -> str:
    return text(argument, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _mapping(argument: str, value: Any, what: str = 'a dict') -> Mapping[Any, Any]:
    """Return a mapping; empty for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _errors.ResourceError(f'{argument} must be {what}, not {value!r:.80}')
    return value


def flag(argument: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise _errors.ResourceError(f'{argument} must be True or False, not {value!r:.80}')
    return value


def sequence(argument: str, value: Any) -> list[Any]:
    """Return a list; empty for None."""
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, '__iter__'):
        raise _errors.ResourceError(f'{argument} must be a list, not {value!r:.80}')
    return list(value)


def words(argument: str, value: Any) -> list[str]:
    """Return a list of strings."""
    return [text(argument, word) for word in sequence(argument, value)]


def tag(value: Any) -> str:
    """Return an image reference without a digest."""
    if _reference('tag', value).digest:
        raise _errors.ResourceError(f'tag {value!r:.80} must not have a digest')
    return str(value)


def base(value: Any) -> str:
    """Return an image reference, or the ID of an image."""
    if identity := digests.full(text('from_image', value)):
        return identity
    _reference('from_image', value)
    return str(value)


def _reference(argument: str, value: Any) -> reference.Reference:
    try:
        return reference.Reference.parse(text(argument, value))
    except reference.InvalidReferenceError as error:
        raise _errors.ResourceError(
            f'{argument} {value!r:.80} is not a valid image reference, such as ubuntu:24.04: '
            f'{error}'
        ) from None


def variables(value: Any) -> dict[str, str]:
    """Return environment variables by name."""
    values = _mapping('env', value)
    for name in values:
        if not _VARIABLE.fullmatch(text('env', name)):
            raise _errors.ResourceError(
                f'env: {name!r:.80} is not a valid variable name', 'use letters, digits, _ . and -'
            )
    return {name: text(f'env {name}', setting) for name, setting in values.items()}


def read_labels(value: Any, maintainer: Any) -> dict[str, str]:
    """Return labels by name, including that of the maintainer."""
    labels = {}
    for name, label in _mapping('labels', value).items():
        if not text('labels', name).isprintable() or '=' in name or not name.strip():
            raise _errors.ResourceError(
                f'labels: {name!r:.80} is not a valid label name: it must be printable, without ='
            )
        labels[name] = text(f'label {name}', label)
    if maintainer is not None:
        if _AUTHORS in labels:
            raise _errors.ResourceError(
                f'maintainer sets the label {_AUTHORS}', 'give only one of them'
            )
        labels = {_AUTHORS: text('maintainer', maintainer), **labels}
    return labels


def volume(value: Any) -> str:
    """Return the absolute path of a directory."""
    path = _path('volumes', value)
    if not path.startswith('/') or path != path.strip():
        raise _errors.ResourceError(
            f'volumes: {path!r:.80} must be an absolute path, without surrounding spaces'
        )
    return path


def workdir(value: Any) -> str:
    """Return the absolute path of a directory."""
    path = _path('workdir', value)
    if not path.startswith('/') or not path.isprintable() or path != path.strip():
        raise _errors.ResourceError(
            f'workdir {path!r:.80} must be an absolute path, printable, without surrounding spaces'
        )
    return path


def user(value: Any) -> str:
    """Return a user, with or without a group."""
    name = _written('user', value)
    if not _USER.fullmatch(name):
        raise _errors.ResourceError(
            f'user {name!r:.80} must be the name or ID of a user, or USER:GROUP'
        )
    return name


def stop_signal(value: Any) -> str:
    """Return the name or number of a signal."""
    name = _written('stop_signal', value)
    match = _SIGNAL.fullmatch(name)
    names = {number.name.removeprefix('SIG') for number in signal.Signals}
    is_known = match and (match[1].startswith('RTM') or match[1] in names)
    if not is_known and not (re.fullmatch('[0-9]{1,2}', name) and 1 <= int(name) <= 64):
        raise _errors.ResourceError(
            f'stop_signal {name!r:.80} is not a signal such as SIGTERM, SIGRTMIN+3 or 15'
        )
    return name


def check_output(value: Any) -> str:
    """Return the path of a file in an existing directory."""
    path = _path('output', value)
    if not path or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or '.'):
        raise _errors.ResourceError(
            f'output {path!r} must be the path of a file in an existing directory'
        )
    return path


def port(value: Any) -> str:
    """Return a port or a range of ports, with or without a protocol."""
    ports = _written('ports', value)
    match = _PORT.fullmatch(ports)
    if not match:
        raise _errors.ResourceError(
            f"ports: {value!r:.80} is not a port such as 80, '53/udp' or '80-90'"
        )
    low, high = (int(number) for number in (match[1], match[2] or match[1]))
    if not 0 < low <= high < 65536:
        raise _errors.ResourceError(
            f'ports: {value!r:.80} must be from 1 to 65535, the lower number first'
        )
    return ports


def _platform(argument: str, value: Any) -> platforms.Platform:
    name = text(argument, value)
    try:
        return _known(platforms.parse(name))
    except ValueError as error:
        raise _errors.ResourceError(str(error)) from None


def parse_platforms(value: Any) -> list[platforms.Platform]:
    """Return the platforms, each once; an empty list means the engine's platform."""
    if value is None:
        return []
    names = [value] if isinstance(value, str) else sequence('platform', value)
    parsed = [_platform('platform', name) for name in names]
    for platform in parsed:
        if parsed.count(platform) > 1:
            raise _errors.ResourceError(f'platform {platform} is given twice')
    return parsed


def _known(platform: platforms.Platform) -> platforms.Platform:
    variants = _ARCHITECTURES.get(platform.architecture)
    if platform.system != 'linux' or variants is None:
        names = [f'linux/{architecture}' for architecture in _ARCHITECTURES]
        close = difflib.get_close_matches(str(platform), names, 1)
        hint = f'did you mean {close[0]}?' if close else f'use one of {", ".join(names)}'
        raise _errors.ResourceError(f'platform {platform} does not exist for images', hint)
    if platform.variant and platform.variant not in variants:
        raise _errors.ResourceError(
            f'platform {platform} does not exist for images: {platform.architecture} '
            + (f'has the variants {", ".join(variants)}' if variants else 'has no variants')
        )
    return platform


def parse_engines(value: Any, wanted: list[platforms.Platform]) -> dict[platforms.Platform, str]:
    """Return the engines of the platforms that `engines` names."""
    by_platform = {}
    for name, engine in _mapping('engines', value, 'a dict of engines by platform').items():
        platform = _platform('engines', name)
        if platform not in wanted:
            names = ', '.join(map(str, wanted)) or 'none'
            raise _errors.ResourceError(
                f'engines: {platform} is not a platform to build for ({names})',
                'add it to platform',
            )
        if not text(f'engines {name}', engine).strip() or not engine.isprintable():
            raise _errors.ResourceError(
                f'engines: {platform} needs a docker context, a buildx builder or a URL such as '
                'ssh://user@host'
            )
        by_platform[platform] = engine
    return by_platform


def make_bundles(
    value: Any, wanted: list[platforms.Platform]
) -> dict[platforms.Platform | None, bundle.ResourceBundle]:
    """Return the bundle for each platform."""
    if isinstance(value, bundle.ResourceBundle) or not callable(value):
        same = check_bundle(value)
        return dict.fromkeys(wanted, same) if wanted else {None: same}
    make: Callable[[str], Any] = value
    if not wanted:
        raise _errors.ResourceError('bundle is a function, which needs a platform', 'set platform')
    return {platform: check_bundle(make(str(platform))) for platform in wanted}
