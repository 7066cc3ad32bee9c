"""The arguments of a builder, checked; each of these raises errors.ResourceError."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from charm_image import errors
from charm_image.build import bundle
from charm_image.image import platforms
from container_image import reference

if TYPE_CHECKING:
    import docker

_IMAGE_ID = re.compile('(?:sha256:)?[0-9a-f]{64}')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*')
_PORT = re.compile(r'([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?')
_AUTHORS = 'org.opencontainers.image.authors'


def client_of(value: Any) -> docker.APIClient:
    """An engine's client of the docker library."""
    import docker

    if isinstance(value, docker.APIClient):
        return value
    advice = ': give its .api' if isinstance(value, docker.DockerClient) else ''
    raise errors.ResourceError(f'client is a docker.APIClient, not {type(value).__name__}{advice}')


def bundle_of(value: Any) -> bundle.ResourceBundle:
    """A bundle of resources."""
    if isinstance(value, bundle.ResourceBundle):
        return value
    raise errors.ResourceError(f'an image is built from a ResourceBundle, not {value!r:.80}')


def text(argument: str, value: Any) -> str:
    """A string that a program can be given."""
    if not isinstance(value, str):
        raise errors.ResourceError(f'{argument}: {value!r:.80} is no str')
    if '\0' in value:
        raise errors.ResourceError(
            f'{argument} has a NUL character, which no program can be given'
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise errors.ResourceError(f'{argument} is not Unicode text') from None
    return value


def sequence(argument: str, value: Any) -> list[Any]:
    """A list; empty for None."""
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, '__iter__'):
        raise errors.ResourceError(f'{argument} is a list, not {value!r:.80}')
    return list(value)


def words(argument: str, value: Any) -> list[str]:
    """Texts in a list."""
    return [text(argument, each) for each in sequence(argument, value)]


def tag(argument: str, value: Any) -> str:
    """An image reference without a digest."""
    name = _reference(argument, value)
    if name.digest:
        raise errors.ResourceError(f'{argument} {value!r:.80} must not have a digest')
    return str(value)


def base(value: Any) -> str:
    """An image reference, or the ID of an image."""
    if not _IMAGE_ID.fullmatch(text('from_image', value)):
        _reference('from_image', value)
        return str(value)
    return f'sha256:{value.removeprefix("sha256:")}'


def _reference(argument: str, value: Any) -> reference.Reference:
    try:
        return reference.Reference.parse(text(argument, value))
    except reference.InvalidReference as error:
        raise errors.ResourceError(
            f'{argument} {value!r:.80} is not a valid image reference, such as ubuntu:24.04: '
            f'{error}'
        ) from None


def variables(value: Any) -> dict[str, str]:
    """Environment variables by name."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise errors.ResourceError(f'env is a dict, not {value!r:.80}')
    for name in value:
        if not _VARIABLE.fullmatch(text('env', name)):
            raise errors.ResourceError(
                f'env: {name!r:.80} is no name for a variable: letters, digits, _ . and -'
            )
    return {name: text(f'env {name}', each) for name, each in value.items()}


def labels_of(value: Any, maintainer: Any) -> dict[str, str]:
    """Labels by name, the maintainer's among them."""
    if value is not None and not isinstance(value, Mapping):
        raise errors.ResourceError(f'labels is a dict, not {value!r:.80}')
    labels = {}
    for name, each in (value or {}).items():
        if not text('labels', name).isprintable() or '=' in name or not name.strip():
            raise errors.ResourceError(
                f'labels: {name!r:.80} is no name for a label: printable, and without ='
            )
        labels[name] = text(f'label {name}', each)
    if maintainer is not None:
        if _AUTHORS in labels:
            raise errors.ResourceError(f'maintainer is the label {_AUTHORS}: give one of them')
        labels = {_AUTHORS: text('maintainer', maintainer), **labels}
    return labels


def volume(value: Any) -> str:
    """The absolute path of a directory."""
    path = text('volumes', os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not path.startswith('/') or path != path.strip():
        raise errors.ResourceError(
            f'volumes: {path!r:.80} is no full path of a directory, or has a space at its end'
        )
    return path


def output_of(value: Any) -> str:
    """The path of a file in an existing directory."""
    path = text('output', os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not path or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or '.'):
        raise errors.ResourceError(
            f'output {path!r} is not the path of a file in a directory that is there'
        )
    return path


def port(value: Any) -> str:
    """A port or a range of ports, with or without a protocol."""
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _PORT.fullmatch(text('ports', written))
    if not found:
        raise errors.ResourceError(f"ports: {value!r:.80} is none, as in 80, '53/udp' or '80-90'")
    low, high = (int(each) for each in (found[1], found[2] or found[1]))
    if not 0 < low <= high < 65536:
        raise errors.ResourceError(f'ports: {value!r:.80} is not between 1 and 65535')
    return str(written)


def platforms_of(value: Any) -> list[platforms.Platform]:
    """One platform, or several, each once; none if the engine is to choose."""
    if value is None:
        return []
    each = [value] if isinstance(value, str) else sequence('platform', value)
    found = [platforms.parse(text('platform', name)) for name in each]
    for platform in found:
        if found.count(platform) > 1:
            raise errors.ResourceError(f'platform {platform} is given twice')
    return found


def engines_of(value: Any, wanted: list[platforms.Platform]) -> dict[platforms.Platform, str]:
    """The engine of each platform that has one of its own."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise errors.ResourceError(
            f'engines must be a dict of platforms and their engines, not {value!r:.80}'
        )
    found = {}
    for name, engine in value.items():
        platform = platforms.parse(text('engines', name))
        if platform not in wanted:
            known = ', '.join(map(str, wanted)) or 'none'
            raise errors.ResourceError(
                f'engines: {platform} is not a platform to build for ({known}): add it to platform'
            )
        if not text(f'engines {name}', engine).strip() or not engine.isprintable():
            raise errors.ResourceError(
                f'engines: {platform} needs a docker context, a buildx builder or a URL such as '
                'ssh://user@host'
            )
        found[platform] = engine
    return found


def bundles_of(
    value: Any, wanted: list[platforms.Platform]
) -> dict[platforms.Platform | None, bundle.ResourceBundle]:
    """What is in the image for each platform."""
    if isinstance(value, bundle.ResourceBundle) or not callable(value):
        same = bundle_of(value)
        return dict.fromkeys(wanted, same) if wanted else {None: same}
    made: Callable[[str], Any] = value
    if not wanted:
        raise errors.ResourceError('a function as bundle needs to be told a platform')
    return {platform: bundle_of(made(str(platform))) for platform in wanted}
