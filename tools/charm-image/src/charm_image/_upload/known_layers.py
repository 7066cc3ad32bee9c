"""Recognizes the layers of the last image that was pushed before they are read again."""

from __future__ import annotations

import concurrent.futures
from typing import NamedTuple

from charm_image import _concurrently, _errors
from charm_image._oci import images, layers, remote_image
from container_image import registry


class Known(NamedTuple):
    """A layer, its blob in the registry, and its digest in the last export."""

    diff_id: str
    blob: images.Blob
    source: str


class KnownLayers:
    """Finds layers in the registry by their names in an export, while the engine prepares it."""

    def __init__(self, client: registry.Client, repository: str, workers: _concurrently.Workers):
        self._client = client
        self._repository = repository
        self._workers = workers
        self._present: dict[str, concurrent.futures.Future[bool]] = {}
        self._last = workers.submit(self._find)

    def get(self, digest: str) -> Known | None:
        """Return a layer by its diff ID, or by its digest in the last export."""
        known = self._last.result().get(digest)
        return known if known and self._is_present(known.blob) else None

    def _find(self) -> dict[str, Known]:
        """Return the layers of the last image that was pushed, by diff ID and by digest."""
        found: dict[str, Known] = {}
        try:
            image = remote_image.get(self._client, self._repository, layers.ENCODING)
        except (registry.RegistryError, _errors.ImageError):
            return {}
        for platform in image.platforms:
            for diff_id, blob, source in zip(
                platform.config.diff_ids, platform.layers, platform.sources, strict=False
            ):
                known = Known(diff_id, blob, source or diff_id)
                found[diff_id] = found[known.source] = known
                if blob.digest not in self._present:
                    # a blob may have been deleted
                    self._present[blob.digest] = self._workers.submit(
                        self._client.has_blob, self._repository, blob.digest
                    )
        return found

    def _is_present(self, blob: images.Blob) -> bool:
        try:
            return self._present[blob.digest].result()
        except registry.RegistryError:
            return False
