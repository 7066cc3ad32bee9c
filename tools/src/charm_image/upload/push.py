"""Pushes images to a registry: the same image always gets the same manifest.

    with engine.connect() as local:
        image = local.find('70aa8983ec5c')          # or archives.open(path)
        digest = pushed.find(client, repository, image)
        if digest is None:
            digest = push.push(image, client, repository, progress)
        architectures = pushed.architectures(client, repository, digest)

`client` is a `container_image.registry.Client`; all of these may raise its RegistryError, or
`images.ImageError`. `progress(step, done, total)` is called by one thread at a time, with the name
of a step, and its bytes done and in total (None: not known yet); `done` restarts from 0 if an
upload is interrupted.

A manifest names the image's unchanged configuration, and its layers as `layers` compresses them.
It is in Docker's schema 2, for several platforms in a manifest list: every engine and tool reads
these, and a registry also returns them to clients without an Accept header.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import logging
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

from charm_image.image import images, layers, manifests, v1_ids
from charm_image.upload import known_layers, pushed
from container_image import registry

_UPLOADS = 3
_MAX_STRANGERS = 200

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """A function that receives the progress of a step in bytes."""

    def __call__(self, step: str, done: int, total: int | None, /) -> None:
        """Report that `done` of `total` bytes are done; `total` is None if not known yet."""


def push(
    image: images.Image,
    client: registry.Client,
    repository: str,
    progress: Progress | None = None,
) -> str:
    """Push an image; return the digest of its manifest, or of its manifest list.

    Layers that the registry has are not sent. Compressed layers need disk space in TMPDIR or
    /var/tmp until they are sent.

    Raises:
        ImageError: the image cannot be read, or no charm can run it.
        RegistryError: the registry rejects it, or is unavailable for too long.
    """
    _ = image.architectures  # raises, before anything is read, if no charm can run it
    report = _Report(progress)
    with _Uploads(client, repository, report) as uploads:
        documents, blobs, sources = _read(image, uploads, report)
        configs = [c for c in documents.configs() if blobs.keys() >= set(c.diff_ids)]
        if not configs or not image.matches(configs):
            raise images.InvalidImageError(
                f'the export is not the image {image.id}, or is incomplete: {image.remedy}'
            )
        for config in configs:
            uploads.add_bytes(config.digest, config.data)
            for diff_id in config.diff_ids:
                uploads.add(blobs[diff_id])
        uploads.wait()
        return _put_manifests(image, configs, blobs, sources, client, repository)


def _read(
    image: images.Image, uploads: _Uploads, report: _Report
) -> tuple[images.Documents, dict[str, images.Blob], dict[str, str]]:
    """Compress the layers while reading them, and send those that belong to the image.

    Return the blobs, and the digests of the layers at the source, both by diff ID.
    """
    documents = images.Documents()
    v1_layers = v1_ids.Layers(image.rootfs)
    blobs: dict[str, images.Blob] = {}
    sources: dict[str, str] = {}
    source = _Source(image.size, uploads, report)
    compressors = layers.compressors()
    # closing it early closes the connection to the engine, once that sends its next block
    members = image.members()
    try:
        for member in members:
            content: images.Content = source.of(member)
            data = documents.add_member(member._replace(content=content))
            if data is not None:
                if data[:1] in (b'{', b'[') and images.digest(data) not in image.diff_ids:
                    v1_layers.learn(member.name, data)
                    continue
                content = io.BytesIO(data)
            digest = images.claimed_digest(member.name) or v1_layers.diff_id(member.name)
            if digest in blobs:
                continue
            if digest and (known := uploads.known.get(digest)):
                if layers.Hashed(content).read_all() != digest:
                    raise images.InvalidImageError(
                        f'the content of {member.name!r} does not match its name'
                    )
                blobs[known.diff_id] = known.blob
                sources[known.diff_id] = digest
                continue
            layer = layers.pack(content, compressors)
            if layer.diff_id in blobs:
                layer.close()
                continue
            blobs[layer.diff_id] = layer
            if layer.source == digest:
                sources[layer.diff_id] = digest
            if layer.diff_id in image.diff_ids:
                uploads.add(layer)
            elif len(blobs) > len(image.diff_ids) + _MAX_STRANGERS:
                raise images.InvalidImageError(
                    'the archive contains too many files that are not layers'
                )
        source.end()
    finally:
        compressors.stop()
        members.close()
    for diff_id in sorted(image.diff_ids - blobs.keys()):
        raise images.InvalidImageError(
            f'the layer {diff_id} of the image is missing or damaged: {image.remedy}'
        )
    return documents, blobs, sources


def _put_manifests(
    image: images.Image,
    configs: Sequence[images.Config],
    blobs: dict[str, images.Blob],
    sources: dict[str, str],
    client: registry.Client,
    repository: str,
) -> str:
    def put(manifest: manifests.Manifest, name: str) -> None:
        client.put_manifest(repository, name, manifest.content, manifest.media_type)

    # one at a time: while docker-registry 2.8 stores a manifest under one name, it may return
    # 500 for a different name
    made = manifests.make(configs, blobs)
    for manifest in made:
        put(manifest, manifest.digest)
    # tags save later uploads work: of this image, and of images that share layers with it
    identities = {image.id} | ({configs[0].digest} if len(configs) == 1 else set())
    with_sources = manifests.make(configs, blobs, sources)
    try:
        for identity in sorted(identities):
            put(made[-1], pushed.tag(identity))
        for manifest in with_sources[:-1]:
            if manifest not in made:
                put(manifest, manifest.digest)
        put(with_sources[-1], layers.ENCODING)
    except registry.RegistryError as error:
        _log.warning('the next upload of this image will compress it again: %s', error)
    return made[-1].digest


class _Report:
    """The caller's progress, called by one thread at a time."""

    def __init__(self, progress: Progress | None):
        self._progress = progress
        self._lock = threading.Lock()

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if self._progress:
            with self._lock:
                self._progress(step, done, total)


class _Source:
    """Reads the image's contents; stops immediately when an upload has failed."""

    _STEP = 'Reading the image'

    def __init__(self, size: int | None, uploads: _Uploads, report: _Report):
        self._size = size
        self._uploads = uploads
        self._report = report
        self._done = 0
        report(self._STEP, 0, size)

    def of(self, member: images.Member) -> images.Content:
        return _Reported(member.content, self._add)

    def end(self) -> None:
        self._report(self._STEP, self._done, self._done)

    def _add(self, size: int) -> None:
        self._uploads.check()
        self._done += size
        # the size in the engine is that of the files, not of the archive
        total = None if self._size is None else max(self._size, self._done + 1)
        self._report(self._STEP, self._done, total)


class _Reported:
    def __init__(self, content: images.Content, report: Callable[[int], None]):
        self._content = content
        self._report = report

    def read(self, size: int, /) -> bytes:
        data = self._content.read(size)
        self._report(len(data))
        return data


class _Stopped(Exception):
    """A different thread failed, so this one stops."""


class _Uploads:
    """Sends blobs to the registry in several threads."""

    def __init__(self, client: registry.Client, repository: str, report: _Report):
        self._client = client
        self._repository = repository
        self._report = report
        self._futures: dict[str, concurrent.futures.Future[None]] = {}
        self._stopped = False
        self._workers = layers.Workers(_UPLOADS, 'upload')
        # requested while the engine prepares the export
        self.known = known_layers.KnownLayers(client, repository, self._workers)

    def __enter__(self) -> _Uploads:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped = True
        self._workers.stop()

    def add(self, blob: images.Blob) -> None:
        """Send a layer, once, if the registry lacks it, and close it."""
        if isinstance(blob, layers.Layer) and blob.digest not in self._futures:
            self._futures[blob.digest] = self._workers.submit(self._send, blob)

    def add_bytes(self, digest: str, data: bytes) -> None:
        """Send a small blob if the registry lacks it."""
        if digest not in self._futures:
            self._futures[digest] = self._workers.submit(self._send_bytes, digest, data)

    def check(self) -> None:
        """Raise the error of an upload that has failed."""
        for future in self._futures.values():
            if future.done():
                future.result()

    def wait(self) -> None:
        """Wait until all is sent. Raises the first error."""
        for future in concurrent.futures.as_completed(self._futures.values()):
            future.result()

    def _send(self, layer: layers.Layer) -> None:
        step = f'Uploading layer {layer.digest[7:19]}'
        with contextlib.closing(layer):
            self._push(
                layer, lambda: layer.open(), lambda sent: self._report(step, sent, layer.size)
            )

    def _send_bytes(self, digest: str, data: bytes) -> None:
        self._push(images.Blob(digest, len(data)), lambda: io.BytesIO(data), lambda sent: None)

    def _push(
        self, blob: images.Blob, open_blob: Callable[[], BinaryIO], progress: Callable[[int], None]
    ) -> None:
        def watched(sent: int) -> None:
            if self._stopped:
                raise _Stopped
            progress(sent)

        if not self._client.has_blob(self._repository, blob.digest):
            self._client.push_blob(self._repository, blob.digest, blob.size, open_blob, watched)
            progress(blob.size)
