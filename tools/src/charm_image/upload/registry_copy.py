"""Copies an image from one registry to another: byte for byte, through memory alone.

    with remote_image.Source(reference) as source:
        image = source.read()
        registry_copy.copy(image, source, client, repository, progress)

Several blobs go at once, each read as it is sent. What the other registry has is not read.
"""

from __future__ import annotations

import concurrent.futures
import io
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

from charm_image.image import images, layers, remote_image
from container_image import registry

#: Told of each step, the bytes done and those in all.
Progress = Callable[[str, int, int | None], None]

_THREADS = 6


def copy(
    image: remote_image.RemoteImage,
    source: remote_image.Source,
    client: registry.Client,
    repository: str,
    progress: Progress | None = None,
) -> None:
    """Copy `image` from `source` to a repository of the registry behind `client`.

    Raises:
        RegistryError: either registry refuses, or is unavailable for too long.
    """
    with _Copy(image, source, client, repository, progress) as copying:
        copying.blobs()
    # one after the other: while docker-registry 2.8 stores a manifest under one name, it may
    # answer 500 for another
    for manifest in image.manifests:
        client.put_manifest(repository, manifest.digest, manifest.content, manifest.media_type)


class _Stopped(Exception):
    """Another thread failed, so this one needn't go on."""


class _SourceFailed(Exception):
    """It was not the registry that is written to; `error` is what was wrong."""

    def __init__(self, error: registry.RegistryError) -> None:
        super().__init__(str(error))
        self.error = error


class _Copy:
    def __init__(
        self,
        image: remote_image.RemoteImage,
        source: remote_image.Source,
        client: registry.Client,
        repository: str,
        progress: Progress | None,
    ) -> None:
        self._image = image
        self._source = source
        self._client = client
        self._repository = repository
        self._progress = progress or (lambda step, done, total: None)
        self._lock = threading.Lock()
        self._stopped = False
        self._workers = layers.Workers(_THREADS, 'copy')

    def __enter__(self) -> _Copy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        self._workers.stop()

    def blobs(self) -> None:
        """Copy those that are not there yet, the largest first. Raise the first error."""
        largest_first = sorted(self._image.blobs, key=lambda blob: -blob.size)
        futures = [self._workers.submit(self._blob, blob) for blob in largest_first]
        for future in concurrent.futures.as_completed(futures):
            try:
                future.result()
            except _SourceFailed as failed:
                raise failed.error from None

    def _blob(self, blob: images.Blob) -> None:
        if self._client.has_blob(self._repository, blob.digest):
            return
        step = f'Copying {blob.digest[7:19]}'

        def watched(sent: int) -> None:
            if self._stopped:
                raise _Stopped
            with self._lock:
                self._progress(step, sent, blob.size)

        self._client.push_blob(
            self._repository, blob.digest, blob.size, lambda: self._open(blob), watched
        )

    def _open(self, blob: images.Blob) -> BinaryIO:
        if (data := self._image.documents.get(blob.digest)) is not None:
            return io.BytesIO(data)
        download = self._source.client.open_blob(self._source.repository, blob.digest, blob.size)
        return cast(BinaryIO, _Reading(download))


class _Reading:
    """A blob on its way in, whose failures are told from those of the way out."""

    def __init__(self, blob: registry.Download) -> None:
        self._blob = blob

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._blob.close()

    def read(self, size: int) -> bytes:
        try:
            return self._blob.read(size)
        except registry.RegistryError as error:
            # neither registry is asked again for the other's sake
            raise _SourceFailed(error) from None
