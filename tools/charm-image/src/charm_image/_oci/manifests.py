"""Makes the manifests of images: Docker's schema 2, and manifest lists for several platforms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from charm_image._oci import images

#: The annotation of a layer with its digest at the image's source.
SOURCE = 'charm-image.source'

_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
_CONFIG = 'application/vnd.docker.container.image.v1+json'
_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'


class Manifest(NamedTuple):
    """A manifest or manifest list, as bytes."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The sha256 digest of the content."""
        return images.digest(self.content)


def make(
    configs: Sequence[images.Config],
    blobs: Mapping[str, images.Blob],
    sources: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """Return the manifests of an image, one for each platform; for several, the list comes last.

    `blobs`, and `sources`, the digests of layers at the image's source, are by diff ID.
    """
    manifests = [_manifest(config, blobs, sources or {}) for config in configs]
    if len(manifests) > 1:
        manifests.append(_manifest_list(configs, manifests))
    return manifests


def _manifest(
    config: images.Config, blobs: Mapping[str, images.Blob], sources: Mapping[str, str]
) -> Manifest:
    content = {
        'schemaVersion': 2,
        'mediaType': _MANIFEST,
        'config': {'mediaType': _CONFIG, 'size': len(config.data), 'digest': config.digest},
        'layers': [_layer(blobs[d], sources.get(d, d), d) for d in config.diff_ids],
    }
    return Manifest(_json(content), _MANIFEST)


def _layer(blob: images.Blob, source: str, diff_id: str) -> dict[str, Any]:
    descriptor = {'mediaType': _LAYER, 'size': blob.size, 'digest': blob.digest}
    if source == diff_id:
        return descriptor
    return {**descriptor, 'annotations': {SOURCE: source}}


def _manifest_list(configs: Sequence[images.Config], manifests: Sequence[Manifest]) -> Manifest:
    content = {
        'schemaVersion': 2,
        'mediaType': _MANIFEST_LIST,
        'manifests': [
            {
                'mediaType': _MANIFEST,
                'size': len(manifest.content),
                'digest': manifest.digest,
                'platform': config.platform,
            }
            for config, manifest in zip(configs, manifests, strict=True)
        ],
    }
    return Manifest(_json(content), _MANIFEST_LIST)


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(',', ':')).encode()
