"""Finds the images of earlier uploads in a registry.

Apart from `push`, whose imports a repeated upload does not need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from charm_image import _errors
from charm_image._oci import images, manifests
from container_image import registry


class Platform(NamedTuple):
    """An image for one platform in the registry.

    `sources` are the digests of the layers at their source, '' if that is the diff ID.
    """

    config: images.Config
    blobs: list[images.Blob]
    sources: list[str]


def find(client: registry.Client, repository: str, image: images.Image | str) -> str | None:
    """Return the digest of the manifest that an earlier `push.push` made of `image`, or None.

    The manifest is tagged with the image's ID, and compared with what the image's source has now:
    an index may have more platforms since. An ID instead of an image finds only the image whose
    configuration has this digest.
    """
    identity = image if isinstance(image, str) else image.id
    try:
        manifest = client.get_manifest(repository, tag(identity))
    except registry.NotFoundError:
        return None
    try:
        if _config_digest(manifest) == identity:
            return manifest.digest
        if isinstance(image, str) or not image.holds(_configs(client, repository, manifest)):
            return None
    except (registry.NotFoundError, _errors.InvalidImageError):
        return None
    return manifest.digest


def architectures(client: registry.Client, repository: str, digest: str) -> tuple[str, ...]:
    """Return Charmhub's names of the architectures of an image in the registry.

    Raises InvalidImageError if it is not an image, or if no charm can run it.
    """
    manifest = client.get_manifest(repository, digest)
    return images.charmhub_architectures(_configs(client, repository, manifest))


def _config_digest(manifest: registry.Manifest) -> str | None:
    try:
        return str(images.parse_json(manifest.content, 'the manifest')['config']['digest'])
    except (KeyError, TypeError):
        return None


def tag(identity: str) -> str:
    """Return the tag under which `push.push` stores the image with this ID."""
    return 'image-' + identity.removeprefix('sha256:')


def _configs(
    client: registry.Client, repository: str, manifest: registry.Manifest
) -> list[images.Config]:
    return [platform.config for platform in platforms(client, repository, manifest)]


def platforms(
    client: registry.Client, repository: str, manifest: registry.Manifest
) -> list[Platform]:
    """Return the configuration and layers of each platform of an image in the registry.

    Raises InvalidImageError if it is not an image, or its indexes are nested too deeply.
    """
    return list(_platforms(client, repository, manifest, 0, set()))


def _platforms(
    client: registry.Client,
    repository: str,
    manifest: registry.Manifest,
    depth: int,
    seen: set[str],
) -> Iterator[Platform]:
    if depth > images.MAX_NESTING:
        raise _errors.InvalidImageError(f'the indexes of {manifest.digest} are nested too deeply')
    content = images.parse_json(manifest.content, 'the manifest')
    try:
        if 'manifests' not in content:
            config = images.Config.parse(client.get_blob(repository, content['config']['digest']))
            descriptors = content['layers']
            blobs = [images.Blob(layer['digest'], layer['size']) for layer in descriptors]
            sources = [
                (layer.get('annotations') or {}).get(manifests.SOURCE, '') for layer in descriptors
            ]
            yield Platform(config, blobs, sources)
            return
        for child in content['manifests']:
            # once each: indexes may refer to each other
            if not images.is_attestation(child) and child['digest'] not in seen:
                seen.add(child['digest'])
                found = client.get_manifest(repository, child['digest'])
                yield from _platforms(client, repository, found, depth + 1, seen)
    except (KeyError, TypeError, AttributeError) as error:
        raise _errors.InvalidImageError(
            f'{manifest.digest} is not an image: its manifest lacks {error}'
        ) from None
