"""Finds the images of earlier uploads in a registry.

Apart from `push`, whose imports a repeated upload does not need.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from charm_image import _errors
from charm_image._oci import images, remote_image
from charm_image._upload import architectures as charmhub
from charm_image._upload import comparison
from container_image import registry


class Pushed(NamedTuple):
    """An image in the registry.

    `digest` is that of its manifest or manifest list. `platforms` are those in the index of the
    image at its source, as far as that is known; their files may be missing there. `image` is what
    was read of it, None if that was only asked for.
    """

    digest: str
    platforms: tuple[Mapping[str, Any], ...] = ()
    image: remote_image.RemoteImage | None = None


def find(
    client: registry.Client, repository: str, image: images.Image | str, *, all_of: bool = False
) -> Pushed | None:
    """Return what an earlier `push.push` made of `image`, or None.

    The manifest is tagged with the image's ID, and compared with what the image's source has now:
    an index may have more platforms since. An ID instead of an image finds only the image whose
    configuration has this digest; with `all_of`, it may also be the digest of an index, all of
    which was pushed.
    """
    identity = image if isinstance(image, str) else image.id
    try:
        manifest = client.get_manifest(repository, tag(identity))
        if all_of and _config_digest(manifest) != identity:
            with contextlib.suppress(registry.NotFoundError):
                return _read(client, repository, tag_of_all(identity))
        found = remote_image.read(client, repository, manifest)
        configs = found.contents().configs
        if [config.digest for config in configs] == [identity]:
            named = () if isinstance(image, str) else comparison.platforms(image)
            return Pushed(manifest.digest, named, found)
        contents = None if isinstance(image, str) else comparison.complete(image, configs)
    except (registry.NotFoundError, _errors.InvalidImageError):
        return None
    return Pushed(manifest.digest, contents.platforms, found) if contents else None


def architectures(client: registry.Client, repository: str, digest: str) -> tuple[str, ...]:
    """Return Charmhub's names of the architectures of an image in the registry.

    Raises InvalidImageError if it is not an image, or if no charm can run it.
    """
    return charmhub.of(remote_image.get(client, repository, digest))


def tag(identity: str) -> str:
    """Return the tag under which `push.push` stores the image with this ID."""
    return 'image-' + identity.removeprefix('sha256:')


def tag_of_all(identity: str) -> str:
    """Return the tag of the image in which all is that an index, with this digest, names."""
    return 'all-of-' + identity.removeprefix('sha256:')


def _read(client: registry.Client, repository: str, tag: str) -> Pushed:
    found = remote_image.get(client, repository, tag)
    return Pushed(found.id, (), found)


def _config_digest(manifest: registry.Manifest) -> str | None:
    try:
        return str(images.parse_json(manifest.content, 'the manifest')['config']['digest'])
    except (KeyError, TypeError):
        return None
