"""Architectures by Charmhub's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from charm_image import _errors
from charm_image._oci import images, local_image
from charm_image._oci.platforms import Platform
from container_image import messages

# Charmhub uses Debian's names, images use Go's
_NAMES = {
    '386': 'i386',
    'amd64': 'amd64',
    'arm': 'armhf',
    'arm64': 'arm64',
    'ppc64le': 'ppc64el',
    'riscv64': 'riscv64',
    's390x': 's390x',
}


def of(image: images.Image) -> tuple[str, ...]:
    """Return the architectures of an image, as far as its source reports them without an export.

    Raises InvalidImageError if no charm can run it.
    """
    if isinstance(image, local_image.LocalImage):
        if image.platform == ('', '') and not image.diff_ids:
            raise _errors.InvalidImageError(
                f'the engine has the image {image.id}, but its content is missing', image.hint
            )
        if image.platform[1]:
            return (_name(*image.platform),)
    return of_configs(image.contents().configs)


def of_configs(configs: Iterable[images.Config]) -> tuple[str, ...]:
    """Return the architectures of configurations, each once.

    Raises InvalidImageError if none has a name.
    """
    names, errors = [], []
    for config in configs:
        try:
            names.append(_name(config.platform['os'], config.platform['architecture']))
        except _errors.InvalidImageError as error:
            errors.append(error)
    if not names and errors:
        raise errors[0]
    return tuple(dict.fromkeys(names))


def of_platforms(platforms: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the architectures of the platforms in an index that have a name, each once."""
    known = filter(None, map(Platform.of, platforms))
    names = [_NAMES.get(each.architecture) for each in known if each.system == 'linux']
    return tuple(dict.fromkeys(name for name in names if name))


def _name(system: str, architecture: str) -> str:
    name = _NAMES.get(architecture)
    if system != 'linux' or name is None:
        known = ', '.join(sorted(_NAMES))
        platform = messages.printable(f'{system}/{architecture}')
        raise _errors.InvalidImageError(
            f'the image is for {platform}, which charms do not support',
            f'build it for linux on one of {known}',
        )
    return name
