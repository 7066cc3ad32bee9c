"""Pushes images to a registry, as the same manifest wherever they come from.

    with engine.connect() as local:
        image = local.find('70aa8983ec5c')          # or archives.open(path)
        digest = pushed.find(client, repository, image)
        if digest is None:
            digest = push.push(image, client, repository, progress)
        architectures = pushed.architectures(client, repository, digest)

`client` is a `container_image.registry.Client`, whose RegistryError all of these may raise, beside
`images.ImageError`. `progress(step, done, total)` is called, by one thread at a time, with the
name of a step, and bytes done and in all (None: not known yet); `done` starts again from 0 where
an upload was cut off.

A manifest names the image's configuration, byte for byte, and its layers as `layers` compresses
them. It is Docker's schema 2, for several platforms in a manifest list: every engine and tool
reads these, and a registry gives them also to clients that don't say what they accept.
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
    """Is told how far a step is, in bytes; `total` is None where that isn't known yet."""

    def __call__(self, step: str, done: int, total: int | None, /) -> None:
        """Show it."""


def push(
    image: images.Image,
    client: registry.Client,
    repository: str,
    progress: Progress | None = None,
) -> str:
    """Push an image; give the digest of its manifest, or of the list for several platforms.

    Layers that are there already are not sent. Disk space is needed for the compressed layers, in
    TMPDIR or /var/tmp, until each is sent.
    """
    _ = image.architectures  # raises, before anything is read, where no charm could run it
    report = _Report(progress)
    with _Uploads(client, repository, report) as uploads:
        documents, blobs, sources = _read(image, uploads, report)
        configs = [c for c in documents.configs() if blobs.keys() >= set(c.diff_ids)]
        if not configs or not image.matches(configs):
            raise images.InvalidImageError(
                f'what was read is not the image {image.id}, or not all of it: {image.remedy}'
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
    """Compress the layers as they come, and send those that surely belong to the image.

    Give the blobs and the digests under which the source has them, both by diff ID.
    """
    documents = images.Documents()
    v1_layers = v1_ids.Layers(image.rootfs)
    blobs: dict[str, images.Blob] = {}
    sources: dict[str, str] = {}
    source = _Source(image.size, uploads, report)
    compressors = layers.compressors()
    # closing it, if it isn't read to its end, closes the connection to the engine
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
                    raise images.InvalidImageError(f'{member.name!r} is not what its name says')
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
                    'the archive holds too many files that are not layers'
                )
        source.end()
    finally:
        compressors.stop()
        members.close()
    for diff_id in sorted(image.diff_ids - blobs.keys()):
        raise images.InvalidImageError(
            f'the layer {diff_id} that the image names is missing, or was changed: {image.remedy}'
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

    # one after the other: while docker-registry 2.8 stores a manifest under one name, it may
    # answer 500 for another
    made = manifests.make(configs, blobs)
    for manifest in made:
        put(manifest, manifest.digest)
    # tags save later uploads work: this image's any, another image's that of layers it shares
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
        _log.warning('the next upload of this image will take as long as this one: %s', error)
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
    """The image's contents on their way in, which stop at once when an upload failed."""

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
        # the engine counts files, not the archives of them
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
    """Another thread failed, so this one needn't go on."""


class _Uploads:
    """The registry's side of a push: blobs on their way, in threads of their own."""

    def __init__(self, client: registry.Client, repository: str, report: _Report):
        self._client = client
        self._repository = repository
        self._report = report
        self._futures: dict[str, concurrent.futures.Future[None]] = {}
        self._stopped = False
        self._workers = layers.Workers(_UPLOADS, 'upload')
        # asked for while the engine prepares the export
        self.known = known_layers.KnownLayers(client, repository, self._workers)

    def __enter__(self) -> _Uploads:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped = True
        self._workers.stop()

    def add(self, blob: images.Blob) -> None:
        """Send a layer if the registry lacks it, and close it; not again, if that was done."""
        if isinstance(blob, layers.Layer) and blob.digest not in self._futures:
            self._futures[blob.digest] = self._workers.submit(self._send, blob)

    def add_bytes(self, digest: str, data: bytes) -> None:
        """Send a small blob if the registry lacks it."""
        if digest not in self._futures:
            self._futures[digest] = self._workers.submit(self._send_bytes, digest, data)

    def check(self) -> None:
        """Raise what an upload has raised so far."""
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
