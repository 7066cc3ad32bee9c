"""Pushes images to a registry: the same image always gets the same manifest.

    with engine.connect() as local:
        image = local.find('70aa8983ec5c')          # or archives.open(path)
        found = pushed.find(client, repository, image)
        if found is None:
            found = push.push(image, client, repository, report)
        architectures = pushed.architectures(client, repository, found.digest)

`client` is a `container_image.registry.Client`, `report` a `_progress.Reporter`; all of these may
raise the client's RegistryError, or ImageError.

A manifest names the image's unchanged configuration, and its layers as `layers` compresses them.
It is in Docker's schema 2, for several platforms in a manifest list: every engine and tool reads
these, and a registry also returns them to clients without an Accept header.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import itertools
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import BinaryIO

from charm_image import _concurrently, _errors, _progress
from charm_image._oci import digests, documents, images, layers, local_image, manifests, v1_ids
from charm_image._upload import architectures, comparison, known_layers, pushed
from container_image import registry

_log = logging.getLogger(__name__)

_UPLOADS = 3
_MAX_UNLISTED_LAYERS = 200
_SKIP_SIZE = 1 << 20


def push(
    image: images.Image,
    client: registry.Client,
    repository: str,
    report: _progress.Reporter | None = None,
) -> pushed.Pushed:
    """Push an image.

    Layers that the registry has are not sent. Compressed layers need disk space in TMPDIR or
    /var/tmp until they are sent.

    Raises:
        ImageError: the image cannot be read, or no charm can run it.
        RegistryError: the registry rejects it, or is unavailable for too long.
    """
    architectures.of(image)  # raises, before anything is read, if no charm can run it
    report = report or _progress.Reporter()
    with report.steps() as show, _Uploads(client, repository, show) as uploads:
        reader = _Reader(image, uploads, show)
        contents = reader.read()
        configs = [c for c in contents.configs if reader.blobs.keys() >= set(c.diff_ids)]
        if not configs or not comparison.is_same(image, configs):
            raise _errors.InvalidImageError(
                f'the export is not the image {image.id}, or is incomplete',
                comparison.hint(image),
            )
        for config in configs:
            uploads.add_bytes(config.digest, config.data)
            for diff_id in config.diff_ids:
                uploads.add(reader.blobs[diff_id])
        uploads.wait()
        # tags save later uploads work: of this image, and of images that share layers with it
        tags = {pushed.tag(image.id)}
        if len(configs) == 1:
            tags.add(pushed.tag(configs[0].digest))
        if reader.config_digests() == {config.digest for config in configs}:
            tags.add(pushed.tag_of_all(image.id))
        digest = _put_manifests(tags, configs, reader, client, repository, report)
        return pushed.Pushed(digest, comparison.platforms(image) or contents.platforms)


def _put_manifests(
    tags: Iterable[str],
    configs: Sequence[images.Config],
    reader: _Reader,
    client: registry.Client,
    repository: str,
    report: _progress.Reporter,
) -> str:
    def put(manifest: registry.Manifest, name: str) -> None:
        client.put_manifest(repository, name, manifest.content, manifest.media_type)

    # one at a time: while docker-registry 2.8 stores a manifest under one name, it may return
    # 500 for a different name
    made = manifests.make(configs, reader.blobs)
    for manifest in made:
        put(manifest, manifest.digest)
    with_sources = manifests.make(configs, reader.blobs, reader.sources)
    try:
        for tag in sorted(tags):
            put(made[-1], tag)
        for manifest in with_sources[:-1]:
            if manifest not in made:
                put(manifest, manifest.digest)
        put(with_sources[-1], layers.ENCODING)
    except registry.RegistryError as error:
        report.note(f'The next upload of this image will compress it again: {error}')
    return made[-1].digest


class _Reader:
    """Compresses the layers of an image while reading them, and sends those that belong to it.

    By diff ID, `blobs` are the layers in the registry, and `sources` their digests at the source.
    """

    def __init__(self, image: images.Image, uploads: _Uploads, show: _progress.Steps):
        self.blobs: dict[str, images.Blob] = {}
        self.sources: dict[str, str] = {}
        self._image = image
        self._uploads = uploads
        self._show = show
        self._diff_ids = set(itertools.chain(*image.diff_ids_by_platform))
        self._v1_layers = v1_ids.V1LayerNames(image.diff_ids_by_platform)
        self._compressors = layers.compressors()

    def read(self) -> images.Contents:
        """Read until no layer is left that the registry lacks; return what was read."""
        with self._compressors:
            try:
                if contents := self._read_new():
                    return contents
            except _errors.ImageError as error:
                _log.debug('reading the export of the image %s instead: %s', self._image.id, error)
            return self._read(self._image.files(), self._image.size)

    def config_digests(self) -> frozenset[str]:
        """Return those of all platforms of the index with the image's ID; none if it has gaps."""
        return self._documents.config_digests_below(self._image.id)

    def _read_new(self) -> images.Contents | None:
        """Read only layers that the registry lacks, if the source can leave out the others.

        Each layer of the result is one that was read, or one that the registry has.
        """
        if not isinstance(self._image, local_image.LocalImage):
            return None

        def known(digest: str) -> images.Blob | None:
            found = self._uploads.known.get(digest)
            return found.blob if found else None

        if (new := self._image.new_files(known)) is None:
            return None
        size, files = new
        contents = self._read(files, size)
        for config in contents.configs:
            for diff_id in set(config.diff_ids) - self.blobs.keys():
                raise _errors.InvalidImageError(f'the engine did not push the layer {diff_id}')
        return contents

    def _read(self, files: Generator[images.File], size: int | None) -> images.Contents:
        # an archive was read before, and may have other images, too
        local = self._image if isinstance(self._image, local_image.LocalImage) else None
        self._documents = documents.Documents(local.default_platform() if local else None)
        source = _ReadProgress(size, self._uploads, self._show)
        contents = None
        # closing it early closes the connection to the engine, once that sends its next block
        with contextlib.closing(files):
            for file in files:
                is_large = file.size > images.MAX_DOCUMENT_BYTES
                if is_large and (contents := self._with_known_layers()):
                    break
                self._add(file, source.of(file))
            source.end()
        if contents is None:
            try:
                # of an engine only the export says what it has
                contents = self._documents.contents() if local else self._image.contents()
            except _errors.InvalidImageError:
                self._check_layers()  # says what to do
                raise
            self._add_known_layers(contents.configs)
        self._check_layers()
        return contents

    def _check_layers(self) -> None:
        for diff_id in sorted(self._diff_ids - self.blobs.keys()):
            raise _errors.InvalidImageError(
                f'the layer {diff_id} of the image is missing or damaged',
                comparison.hint(self._image),
            )

    def _add(self, file: images.File, content: _CountingContent) -> None:
        data = self._documents.add_file(file._replace(content=content))
        if (
            data is not None
            and data[:1] in (b'{', b'[')
            and images.digest(data) not in self._diff_ids
        ):
            self._v1_layers.read_json(file.name, data)
            return
        digest = digests.claimed(file.name) or self._v1_layers.diff_id(file.name)
        if digest in self.blobs:
            return
        if digest and (known := self._uploads.known.get(digest)):
            # not hashed: what becomes part of the image is the blob, whatever the export has here
            if data is None:
                content.skip_all()
            self._add_known(known, digest)
            return
        layer = layers.pack(content if data is None else io.BytesIO(data), self._compressors)
        if layer.diff_id in self.blobs:
            layer.close()
            return
        self.blobs[layer.diff_id] = layer
        if layer.source == digest:
            self.sources[layer.diff_id] = digest
        if layer.diff_id in self._diff_ids:
            self._uploads.add(layer)
        elif len(self.blobs) > len(self._diff_ids) + _MAX_UNLISTED_LAYERS:
            raise _errors.InvalidImageError(
                'the archive contains too many files that are not layers'
            )

    def _with_known_layers(self) -> images.Contents | None:
        """Return the contents if the registry has all layers that are left; add these."""
        config = self._documents.config(self._image.id)
        return images.Contents((config,)) if config and self._add_known_layers([config]) else None

    def _add_known_layers(self, configs: Iterable[images.Config]) -> bool:
        """Add the layers that were not read, if the registry has all of them."""
        left = {d for config in configs for d in config.diff_ids} - self.blobs.keys()
        found = [known for diff_id in left if (known := self._uploads.known.get(diff_id))]
        if len(found) < len(left):
            return False
        for known in found:
            self._add_known(known, known.source)
        return True

    def _add_known(self, layer: known_layers.Known, source: str) -> None:
        self.blobs[layer.diff_id] = layer.blob
        self.sources[layer.diff_id] = source


class _ReadProgress:
    """Reads the image's contents; stops immediately when an upload has failed."""

    _STEP = 'Reading the image'

    def __init__(self, size: int | None, uploads: _Uploads, show: _progress.Steps):
        self._size = size
        self._uploads = uploads
        self._show = show
        self._done = 0
        show(self._STEP, 0, size)

    def of(self, file: images.File) -> _CountingContent:
        return _CountingContent(file, self._add)

    def end(self) -> None:
        self._show(self._STEP, self._done, self._done)

    def _add(self, size: int) -> None:
        self._uploads.check()
        self._done += size
        # the size in the engine is that of the files, not of the archive
        total = None if self._size is None else max(self._size, self._done + 1)
        self._show(self._STEP, self._done, total)


class _CountingContent:
    """A file's content, each part of which is reported once it is read or skipped."""

    def __init__(self, file: images.File, report: Callable[[int], None]):
        self._file = file
        self._report = report

    def read(self, size: int, /) -> bytes:
        data = self._file.content.read(size)
        self._report(len(data))
        return data

    def skip(self, size: int, /) -> None:
        self._file.content.skip(size)
        self._report(size)

    def skip_all(self) -> None:
        for start in range(0, self._file.size, _SKIP_SIZE):
            self.skip(min(_SKIP_SIZE, self._file.size - start))


class _Uploads:
    """Sends blobs to the registry in several threads."""

    def __init__(self, client: registry.Client, repository: str, show: _progress.Steps):
        self._client = client
        self._repository = repository
        self._show = show
        self._futures: dict[str, concurrent.futures.Future[None]] = {}
        self._workers = _concurrently.Workers(_UPLOADS, name='upload')
        # requested while the engine prepares the export
        self.known = known_layers.KnownLayers(client, repository, self._workers)

    def __enter__(self) -> _Uploads:
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.stop()

    def add(self, blob: images.Blob) -> None:
        """Send a layer, once, if the registry lacks it, and close it."""
        if isinstance(blob, layers.Layer) and blob.digest not in self._futures:
            self._futures[blob.digest] = self._workers.submit(self._send, blob)

    def add_bytes(self, digest: str, data: bytes) -> None:
        """Send a small blob if the registry lacks it."""
        if digest not in self._futures:
            blob = images.Blob(digest, len(data))
            self._futures[digest] = self._workers.submit(
                self._push, blob, lambda: io.BytesIO(data), lambda sent: None
            )

    def check(self) -> None:
        """Raise the error of an upload that has failed."""
        for future in self._futures.values():
            if future.done():
                future.result()

    def wait(self) -> None:
        """Wait until all is sent. Raises the first error."""
        self._workers.wait(self._futures.values())

    def _send(self, layer: layers.Layer) -> None:
        step = f'Uploading layer {layer.digest[7:19]}'
        with contextlib.closing(layer):
            self._push(layer, layer.open, lambda sent: self._show(step, sent, layer.size))

    def _push(
        self, blob: images.Blob, open_blob: Callable[[], BinaryIO], progress: Callable[[int], None]
    ) -> None:
        def watched(sent: int) -> None:
            self._workers.check()
            progress(sent)

        if not self._client.has_blob(self._repository, blob.digest):
            self._client.push_blob(self._repository, blob.digest, blob.size, open_blob, watched)
            progress(blob.size)
