"""Combines images for one platform each, such as rocks, into one for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from charm_image import _errors
from charm_image._oci import manifests, remote_image
from charm_image._oci.platforms import Platform
from container_image import messages, registry


def check(platforms: Iterable[Mapping[str, Any]]) -> None:
    """Raise InvalidImageError if two images are for the same platform."""
    seen: set[Platform | None] = set()
    for platform in map(Platform.of, platforms):
        if platform in seen:
            name = messages.printable(str(platform))
            raise _errors.InvalidImageError(
                f'two of the images are for {name}', 'give one image for each platform'
            )
        seen.add(platform)


def combine(client: registry.Client, repository: str, digests: Sequence[str]) -> str:
    """Store the manifest list of images that the registry has; return its digest.

    It is the same whatever the order of the images. Raises as `check`, and RegistryError.
    """
    parts: list[remote_image.PlatformImage] = []
    for digest in dict.fromkeys(digests):
        parts += remote_image.get(client, repository, digest).platforms
    check(part.config.platform for part in parts)
    parts.sort(key=lambda part: str(Platform.of(part.config.platform)))
    made = manifests.make_list([part.config for part in parts], [part.manifest for part in parts])
    client.put_manifest(repository, made.digest, made.content, made.media_type)
    return made.digest
