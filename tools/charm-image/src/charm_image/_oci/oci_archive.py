"""OCI archives: an image layout in one tar file (OCI image specification 1.1)."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

from charm_image import _errors
from charm_image._oci import documents, images, layers, platforms, tar, timestamps
from container_image import reference as references

_CHUNK = 1 << 20
_MEDIA = 'application/vnd.oci.image'
#: The time in configurations, that of files in contexts (context.MTIME).
TIME = '1980-01-01T00:00:00Z'
# the keys in the configuration's "config" that say how to run the image; builders add keys about
# how they made it
_RUNNING = (
    *('User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels'),
    *('StopSignal', 'Healthcheck', 'OnBuild', 'Shell'),
)
_PLATFORM = ('architecture', 'os', 'os.version', 'os.features', 'variant')
_BUILDERS_LABEL = 'io.buildah.version'


class SavedImage:
    """An image for one platform that `docker save` wrote into the file `archive`.

    `config` is its configuration, once it is measured. If the archive has several platforms, the
    image is that for `platform`. With `epoch`, in seconds, no time in it is later.
    """

    config: images.Config

    def __init__(
        self,
        archive: IO[bytes],
        platform: platforms.Platform | None = None,
        epoch: int | None = None,
    ):
        self.archive = archive
        self._platform = platform
        self._epoch = epoch
        self._layers: dict[str, _Layer] = {}

    def measure(self) -> Iterator[tuple[int, int]]:
        """Read it; call it first, once. Yield the bytes read so far and in total.

        Raises:
            ImageError: it cannot be read, or is not valid
        """
        read = documents.Documents()
        with _named('the export of the engine'):
            total = tar.size_of(self.archive)
            for file in tar.read(self.archive):
                start = self.archive.tell()
                data = read.add_file(file)
                if data is None or data[:1] not in (b'{', b'['):
                    content = file.content if data is None else io.BytesIO(data)
                    digest, size = hashlib.sha256(), 0
                    whole = layers.decompressed(content)
                    while chunk := whole.read(_CHUNK):
                        digest.update(chunk)
                        size += len(chunk)
                        yield self.archive.tell(), total
                    layer = _Layer(self.archive, start, file.size, size)
                    self._layers[f'sha256:{digest.hexdigest()}'] = layer
            configs = read.contents().configs
            if self._platform and len(configs) > 1:
                configs = tuple(
                    config
                    for config in configs
                    if platforms.Platform.of(config.platform) == self._platform
                )
            [self.config] = configs
            for diff_id in self.config.diff_ids:
                if diff_id not in self._layers:
                    raise _errors.InvalidImageError(f'the layer {diff_id} is missing or damaged')
            if self._epoch is not None:
                yield from self._limit_times(self._epoch)

    def _limit_times(self, epoch: int) -> Iterator[tuple[int, int]]:
        sizes = [self._layers[diff_id].size for diff_id in self.config.diff_ids]
        diff_ids = []
        for number, diff_id in enumerate(self.config.diff_ids):
            try:
                limited = timestamps.limit_layer(self._layers[diff_id].open(), epoch)
            except tarfile.TarError as error:
                raise _errors.InvalidImageError(f'the layer {diff_id}: {error}') from None
            if limited is not None:
                layer = _Layer(limited[0], 0, limited[1], limited[1])
                diff_id = images.digest_of(layer.open())
                self._layers[diff_id] = layer
            diff_ids.append(diff_id)
            yield sum(sizes[: number + 1]), sum(sizes)
        whole = json.loads(self.config.data)
        platform = {key: value for key, value in whole.items() if key in _PLATFORM}
        history = [  # without comments, in which podman names intermediate images
            {
                'created': timestamps.limit_text(entry.get('created'), epoch),
                **{key: entry[key] for key in ('created_by', 'empty_layer') if entry.get(key)},
            }
            for entry in whole.get('history') or ()
        ]
        created = timestamps.limit_text(whole.get('created'), epoch)
        config = encode_config(platform, created, self.running_config(), diff_ids, history)
        self.config = images.Config.parse(config)

    def layers(self) -> Iterator[tuple[str, _Layer]]:
        """Yield diff ID and content of each layer, from the lowest up."""
        for diff_id in self.config.diff_ids:
            yield diff_id, self._layers[diff_id]

    def running_config(self) -> dict[str, Any]:
        """Return the part of the configuration that says how to run the image."""
        running = json.loads(self.config.data).get('config') or {}
        labels = running.get('Labels') or {}
        running['Labels'] = {key: labels[key] for key in labels if key != _BUILDERS_LABEL}
        return {name: running[name] for name in _RUNNING if running.get(name)}

    def reproducible_config(self, platform: platforms.Platform) -> bytes:
        """Return the configuration without the parts that depend on builder and time.

        Raises:
            ImageError: it is for a different platform
        """
        whole = json.loads(self.config.data)
        if platforms.Platform.of(whole) != platform:
            built = f'{whole.get("os")}/{whole.get("architecture")}'
            raise _errors.ImageError(f'the engine built an image for {built}, not for {platform}')
        diff_ids = self.config.diff_ids
        created = TIME if self._epoch is None else timestamps.limit_text(TIME, self._epoch)
        entry = {'created': created, 'created_by': 'charm-image'}
        history = [entry] * len(diff_ids)
        running = self.running_config()
        return encode_config(platform.descriptor, created, running, diff_ids, history)


class _Layer(NamedTuple):
    """A layer in an archive: where it begins, and its sizes there and uncompressed, in bytes."""

    archive: IO[bytes]
    start: int
    stored_size: int
    size: int

    def open(self) -> images.Content:
        """Return it uncompressed, to be read before another one is opened."""
        self.archive.seek(self.start)
        return layers.decompressed(tar.Part(self.archive, self.stored_size))


class ArchiveWriter:
    """An OCI archive of measured images; the same images give the same bytes.

    `digest` is that of the manifest or index in index.json.
    """

    def __init__(self) -> None:
        self.digest = ''
        self._files: dict[str, tuple[int, Callable[[], images.Content]]] = {}
        self._add_file('oci-layout', encode({'imageLayoutVersion': '1.0.0'}))

    @classmethod
    def from_saved(cls, saved: SavedImage, name: str | None) -> ArchiveWriter:
        """Return the archive of one image, with the tag in `name`."""
        archive = cls()
        platform = {key: saved.config.platform[key] for key in ('architecture', 'os')}
        entry = archive._add_image(saved, saved.config.data)
        archive._add_index({**entry, 'platform': platform}, name)
        return archive

    @classmethod
    def for_platforms(
        cls, saved: Mapping[platforms.Platform, SavedImage], name: str | None
    ) -> ArchiveWriter:
        """Return the archive of an image for several platforms.

        The same layers and settings give the same digest, whichever engine built them, and when.

        Raises:
            ImageError: an image is for a different platform
        """
        archive = cls()
        entries = []
        for platform, image in sorted(saved.items()):
            entry = archive._add_image(image, image.reproducible_config(platform))
            entries.append({**entry, 'platform': platform.descriptor})
        media = f'{_MEDIA}.index.v1+json'
        index = {'schemaVersion': 2, 'mediaType': media, 'manifests': entries}
        archive._add_index(archive._add_blob(encode(index), media), name)
        return archive

    def write(self, path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
        """Write it; yield the bytes written so far and in total.

        Raises:
            ImageError: it cannot be written
        """
        done, total = 0, sum(size for size, _ in self._files.values())
        with _named(os.fspath(path)), _replaced(pathlib.Path(path)) as output:
            for name, (size, content) in self._files.items():
                for block in tar.member(tar.header(name, size), content()):
                    done += output.write(block)
                    yield done, total
            output.write(tar.END)
            output.write(tar.padding(output.tell()))

    def _add_image(self, image: SavedImage, config: bytes) -> dict[str, Any]:
        """Add an image; return the descriptor of its manifest."""
        config_descriptor = self._add_blob(config, f'{_MEDIA}.config.v1+json')
        descriptors = []
        for digest, layer in image.layers():
            name = f'blobs/{digest.replace(":", "/")}'
            self._files.setdefault(name, (layer.size, layer.open))
            media = f'{_MEDIA}.layer.v1.tar'
            descriptors.append({'mediaType': media, 'digest': digest, 'size': layer.size})
        media = f'{_MEDIA}.manifest.v1+json'
        manifest = {
            'schemaVersion': 2,
            'mediaType': media,
            'config': config_descriptor,
            'layers': descriptors,
        }
        return self._add_blob(encode(manifest), media)

    def _add_index(self, entry: dict[str, Any], name: str | None) -> None:
        """Add index.json, which refers to `entry`."""
        self.digest = entry['digest']
        if name is not None:
            tag = references.Reference.parse(name).tag or 'latest'
            entry = {**entry, 'annotations': {'org.opencontainers.image.ref.name': tag}}
        self._add_file('index.json', encode({'schemaVersion': 2, 'manifests': [entry]}))

    def _add_blob(self, content: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self._add_file(f'blobs/sha256/{digest}', content)
        return {'mediaType': media, 'digest': f'sha256:{digest}', 'size': len(content)}

    def _add_file(self, path: str, content: bytes) -> None:
        self._files.setdefault(path, (len(content), functools.partial(io.BytesIO, content)))


def temporary(output: str | os.PathLike[str]) -> IO[bytes]:
    """Return a temporary file on the disk of `output`. Raises ImageError."""
    with _named(os.fspath(output)):
        return tempfile.TemporaryFile(dir=pathlib.Path(output).parent)


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Raise errors of reading or writing `what` as ImageError, with its name."""
    try:
        yield
    except _errors.ImageError as error:
        raise _errors.ImageError(f'{what}: {error.message}', error.resolution) from None
    except (OSError, ValueError) as error:
        raise _errors.ImageError(f'{what} cannot be read or written: {error}') from None


@contextlib.contextmanager
def _replaced(target: pathlib.Path) -> Iterator[IO[bytes]]:
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with unfinished.open('xb') as output:
            yield output
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def encode_config(
    platform: Mapping[str, Any],
    created: str,
    config: Mapping[str, Any],
    diff_ids: Sequence[str],
    history: Sequence[Mapping[str, Any]],
) -> bytes:
    """Return the configuration of an image (OCI image specification 1.1, config.md)."""
    rootfs = {'type': 'layers', 'diff_ids': diff_ids}
    content = {'created': created, 'config': config, 'rootfs': rootfs, 'history': history}
    return encode({**platform, **content})


def encode(content: dict[str, Any]) -> bytes:
    """Return a document of an image, the same for the same content."""
    return json.dumps(content, sort_keys=True, separators=(',', ':')).encode()
