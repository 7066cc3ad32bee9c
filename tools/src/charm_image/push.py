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
import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

from charm_image import images, layers, pushed
from container_image import registry

_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
_CONFIG = 'application/vnd.docker.container.image.v1+json'
_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
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
    with _Uploads(client, repository, image.diff_ids, report) as uploads:
        documents, blobs = _read(image, uploads, report)
        configs = [c for c in documents.configs() if blobs.keys() >= set(c.diff_ids)]
        if not configs or not image.matches(configs):
            raise images.InvalidImageError(
                f'what was read is not the image {image.id}, or not all of it'
            )
        for config in configs:
            uploads.add_bytes(config.digest, config.data)
            for diff_id in config.diff_ids:
                uploads.add(blobs[diff_id])
        uploads.wait()
        return _put_manifests(image, configs, blobs, client, repository)


def _read(
    image: images.Image, uploads: _Uploads, report: _Report
) -> tuple[images.Documents, dict[str, images.Blob]]:
    """Compress the layers as they come, and send those that surely belong to the image."""
    documents = images.Documents()
    blobs: dict[str, images.Blob] = {}
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
                    continue
                content = io.BytesIO(data)
            claimed = images.claimed_digest(member.name)
            if claimed in blobs:
                continue
            if claimed and (blob := uploads.known(claimed)):
                if layers.hash_content(content) != claimed:
                    raise images.InvalidImageError(f'{member.name!r} is not what its name says')
                blobs[claimed] = blob
                continue
            layer = layers.pack(content, compressors)
            if layer.diff_id in blobs:
                layer.close()
                continue
            blobs[layer.diff_id] = layer
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
            f'the layer {diff_id} that the image names is missing, or was changed'
        )
    return documents, blobs


def _put_manifests(
    image: images.Image,
    configs: Sequence[images.Config],
    blobs: dict[str, images.Blob],
    client: registry.Client,
    repository: str,
) -> str:
    # one after the other: while docker-registry 2.8 stores a manifest under one name, it may
    # answer 500 for another
    manifests = [_manifest(config, blobs) for config in configs]
    content, media_type = manifests[0], _MANIFEST
    if len(manifests) > 1:
        for manifest in manifests:
            client.put_manifest(repository, images.digest(manifest), manifest, _MANIFEST)
        content, media_type = _manifest_list(configs, manifests), _MANIFEST_LIST
    digest = client.put_manifest(repository, images.digest(content), content, media_type)
    # tags save later uploads work: this image's any, another image's that of layers it shares
    identities = {image.id} | ({configs[0].digest} if len(configs) == 1 else set())
    try:
        for tag in (*sorted(pushed.tag(identity) for identity in identities), layers.ENCODING):
            client.put_manifest(repository, tag, content, media_type)
    except registry.RegistryError as error:
        _log.warning('the next upload of this image will take as long as this one: %s', error)
    return digest


def _manifest(config: images.Config, blobs: dict[str, images.Blob]) -> bytes:
    return _json(
        {
            'schemaVersion': 2,
            'mediaType': _MANIFEST,
            'config': {'mediaType': _CONFIG, 'size': len(config.data), 'digest': config.digest},
            'layers': [
                {'mediaType': _LAYER, 'size': blobs[d].size, 'digest': blobs[d].digest}
                for d in config.diff_ids
            ],
        }
    )


def _manifest_list(configs: Sequence[images.Config], manifests: Sequence[bytes]) -> bytes:
    return _json(
        {
            'schemaVersion': 2,
            'mediaType': _MANIFEST_LIST,
            'manifests': [
                {
                    'mediaType': _MANIFEST,
                    'size': len(manifest),
                    'digest': images.digest(manifest),
                    'platform': config.platform,
                }
                for config, manifest in zip(configs, manifests, strict=True)
            ],
        }
    )


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(',', ':')).encode()


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

    def __init__(
        self,
        client: registry.Client,
        repository: str,
        diff_ids: frozenset[str],
        report: _Report,
    ):
        self._client = client
        self._repository = repository
        self._report = report
        self._futures: dict[str, concurrent.futures.Future[None]] = {}
        self._stopped = False
        self._workers = layers.Workers(_UPLOADS, 'upload')
        # meanwhile the engine prepares the export
        self._known = self._workers.submit(self._find_known, diff_ids)

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

    def known(self, diff_id: str) -> images.Blob | None:
        """Give the blob that a layer is in the registry, if that can be known."""
        return self._known.result().get(diff_id)

    def check(self) -> None:
        """Raise what an upload has raised so far."""
        for future in self._futures.values():
            if future.done():
                future.result()

    def wait(self) -> None:
        """Wait until all is sent. Raises the first error."""
        for future in concurrent.futures.as_completed(self._futures.values()):
            future.result()

    def _find_known(self, diff_ids: frozenset[str]) -> dict[str, images.Blob]:
        """Pair the layers of the last image that was pushed with its blobs."""
        try:
            manifest = self._client.get_manifest(self._repository, layers.ENCODING)
            return {
                diff_id: blob
                for config, blobs in pushed.platforms(self._client, self._repository, manifest)
                for diff_id, blob in zip(config.diff_ids, blobs, strict=True)
                if diff_id in diff_ids and self._client.has_blob(self._repository, blob.digest)
            }
        except (registry.RegistryError, images.ImageError, ValueError):
            return {}

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
