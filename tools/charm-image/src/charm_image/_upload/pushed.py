"""Finds the images of earlier uploads in a registry.

Apart from `push`, whose imports a repeated upload does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from charm_image import _errors
from charm_image._oci import images, remote_image
from charm_image._upload import architectures as charmhub
from charm_image._upload import comparison
from container_image import registry


class Pushed(NamedTuple):
    """An image in the registry.

    `digest` is that of its manifest or manifest list, `manifest` itself None if it was not read.
    `platforms` are those in the index of the image at its source, as far as that is known; their
    files may be missing there.
    """

    digest: str
    platforms: tuple[Mapping[str, Any], ...] = ()
    manifest: registry.Manifest | None = None


def find(client: registry.Client, repository: str, image: images.Image | str) -> Pushed | None:
    """Return what an earlier `push.push` made of `image`, or None.

    The manifest is tagged with the image's ID, and compared with what the image's source has now:
    an index may have more platforms since. An ID instead of an image finds only what cannot have:
    the image whose configuration has this digest, or an index of which all was pushed.
    """
    identity = image if isinstance(image, str) else image.id
    try:
        manifest = client.get_manifest(repository, tag(identity))
        config = _config_digest(manifest)
        if config == identity:
            named = () if isinstance(image, str) else comparison.platforms(image)
            return Pushed(manifest.digest, named, manifest)
        if isinstance(image, str):
            # in an index where only that names the platform
            if config or _configs(client, repository, manifest) != [image]:
                manifest = client.get_manifest(repository, tag_of_all(image))
            return Pushed(manifest.digest, (), manifest)
        configs = remote_image.read(client, repository, manifest).contents().configs
        contents = comparison.complete(image, configs)
    except (registry.NotFoundError, _errors.InvalidImageError):
        return None
    return Pushed(manifest.digest, contents.platforms, manifest) if contents else None


def architectures(
    client: registry.Client, repository: str, image: registry.Manifest | str
) -> tuple[str, ...]:
    """Return Charmhub's names of the architectures of an image in the registry.

    `image` is its manifest, or the digest of that.

    Raises InvalidImageError if it is not an image, or if no charm can run it.
    """
    manifest = client.get_manifest(repository, image) if isinstance(image, str) else image
    return charmhub.of(remote_image.read(client, repository, manifest))


def tag(identity: str) -> str:
    """Return the tag under which `push.push` stores the image with this ID."""
    return 'image-' + identity.removeprefix('sha256:')


def tag_of_all(identity: str) -> str:
    """Return the tag of the image in which all is that an index, with this digest, names."""
    return 'all-of-' + identity.removeprefix('sha256:')


def _configs(
    client: registry.Client, repository: str, manifest: registry.Manifest
) -> Sequence[str]:
    contents = remote_image.read(client, repository, manifest).contents()
    return [config.digest for config in contents.configs]


def _config_digest(manifest: registry.Manifest) -> str | None:
    try:
        return str(images.parse_json(manifest.content, 'the manifest')['config']['digest'])
    except (KeyError, TypeError):
        return None
