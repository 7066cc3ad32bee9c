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
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from charm_image import _errors
from charm_image._oci import images, layers, platforms
from container_image import reference as references

_CHUNK = 1 << 20
_MEDIA = 'application/vnd.oci.image'
_TIME = '1980-01-01T00:00:00Z'  # dockerfile.MTIME
# the keys in the configuration's "config" that say how to run the image; builders add keys about
# how they made it
_RUNNING = (
    *('User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels'),
    *('StopSignal', 'Healthcheck', 'OnBuild', 'Shell'),
)
_BUILDERS_LABEL = 'io.buildah.version'
_EXPORTED = 'the export of the engine'


class Saved:
    """An image for one platform that `docker save` wrote into the file `archive`.

    Raises:
        _errors.BuildError: the archive is not valid
    """

    def __init__(self, archive: IO[bytes]):
        with told(_EXPORTED):
            archive.seek(0)
            self._tar = tarfile.open(fileobj=archive)  # noqa: SIM115
            [image] = json.loads(self._member('manifest.json').read())
            self.config: bytes = self._member(image['Config']).read()
            self._layers: list[str] = image['Layers']
        self._measured: list[tuple[str, int]] = []

    def measure(self) -> Iterator[tuple[int, int]]:
        """Read the layers; call it first, once. Yield the bytes read so far and in total.

        Raises:
            _errors.BuildError: one cannot be read
        """
        with told(_EXPORTED):
            files = [self._member(name) for name in self._layers]
            before, total = 0, sum(_size(file) for file in files)
            for file in files:
                digest, size = hashlib.sha256(), 0
                content = layers.decompressed(file)
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    yield before + file.tell(), total
                before += _size(file)
                self._measured.append((digest.hexdigest(), size))

    def layers(self) -> Iterator[tuple[str, int, Callable[[], images.Content]]]:
        """Yield digest, size in bytes and a function that opens each layer, uncompressed."""
        for name, (digest, size) in zip(self._layers, self._measured, strict=True):
            yield digest, size, functools.partial(self._layer, name)

    def reproducible_config(self, platform: platforms.Platform) -> bytes:
        """Return the configuration without the parts that depend on builder and time.

        Raises:
            _errors.BuildError: it is for a different platform
        """
        whole = json.loads(self.config)
        if platforms.Platform.of(whole) != platform:
            built = f'{whole.get("os")}/{whole.get("architecture")}'
            raise _errors.BuildError(f'the engine built an image for {built}, not for {platform}')
        running = whole.get('config') or {}
        running = {name: running[name] for name in _RUNNING if running.get(name)}
        labels = {k: v for k, v in running.get('Labels', {}).items() if k != _BUILDERS_LABEL}
        running = {**running, 'Labels': labels} if labels else _without(running, 'Labels')
        diff_ids = [f'sha256:{digest}' for digest, _ in self._measured]
        made = {'created': _TIME, 'created_by': 'charm-image'}
        return _encode(
            {
                **platform.descriptor,
                'created': _TIME,
                'config': running,
                'rootfs': {'type': 'layers', 'diff_ids': diff_ids},
                'history': [made] * len(diff_ids),
            }
        )

    def _layer(self, name: str) -> images.Content:
        return layers.decompressed(self._member(name))

    def _member(self, name: str) -> IO[bytes]:
        content = self._tar.extractfile(name)  # follows links: Docker writes equal layers once
        if content is None:
            raise ValueError(f'{name} is missing')
        return content


class Archive:
    """An OCI archive of measured images; the same images give the same bytes.

    `digest` is that of the manifest or index in index.json.
    """

    def __init__(self) -> None:
        self.digest = ''
        self._members: dict[str, tuple[int, Callable[[], images.Content]]] = {}
        self._file('oci-layout', _encode({'imageLayoutVersion': '1.0.0'}))

    @classmethod
    def of(cls, saved: Saved, name: str | None) -> Archive:
        """Return the archive of one image, with the tag in `name`."""
        made = cls()
        described = json.loads(saved.config)
        platform = {key: described[key] for key in ('architecture', 'os')}
        made._lead_to({**made._manifest(saved, saved.config), 'platform': platform}, name)
        return made

    @classmethod
    def of_several(cls, saved: Mapping[platforms.Platform, Saved], name: str | None) -> Archive:
        """Return the archive of an image for several platforms.

        The same layers and settings give the same digest, whichever engine built them, and when.

        Raises:
            _errors.BuildError: an image is for a different platform
        """
        made = cls()
        entries = []
        for platform, image in sorted(saved.items()):
            entry = made._manifest(image, image.reproducible_config(platform))
            entries.append({**entry, 'platform': platform.descriptor})
        media = f'{_MEDIA}.index.v1+json'
        index = {'schemaVersion': 2, 'mediaType': media, 'manifests': entries}
        made._lead_to(made._blob(_encode(index), media), name)
        return made

    def write(self, path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
        """Write it; yield the bytes written so far and in total.

        Raises:
            _errors.BuildError: it cannot be written
        """
        done, total = 0, sum(size for size, _ in self._members.values())
        with told(os.fspath(path)), _replaced(pathlib.Path(path)) as output:
            for name, (size, content) in self._members.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = size, 0o644
                output.write(info.tobuf(tarfile.PAX_FORMAT))
                file = content()
                while chunk := file.read(_CHUNK):
                    done += output.write(chunk)
                    yield done, total
                output.write(bytes(-size % tarfile.BLOCKSIZE))
            output.write(bytes(2 * tarfile.BLOCKSIZE))
            output.write(bytes(-output.tell() % tarfile.RECORDSIZE))

    def _manifest(self, image: Saved, config: bytes) -> dict[str, Any]:
        """Add an image; return the descriptor of its manifest."""
        described = self._blob(config, f'{_MEDIA}.config.v1+json')
        listed = []
        for digest, size, content in image.layers():
            self._members.setdefault(f'blobs/sha256/{digest}', (size, content))
            media = f'{_MEDIA}.layer.v1.tar'
            listed.append({'mediaType': media, 'digest': f'sha256:{digest}', 'size': size})
        media = f'{_MEDIA}.manifest.v1+json'
        manifest = {'schemaVersion': 2, 'mediaType': media, 'config': described, 'layers': listed}
        return self._blob(_encode(manifest), media)

    def _lead_to(self, entry: dict[str, Any], name: str | None) -> None:
        """Add index.json, which refers to `entry`."""
        self.digest = entry['digest']
        if name is not None:
            tag = references.Reference.parse(name).tag or 'latest'
            entry = {**entry, 'annotations': {'org.opencontainers.image.ref.name': tag}}
        self._file('index.json', _encode({'schemaVersion': 2, 'manifests': [entry]}))

    def _blob(self, content: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self._file(f'blobs/sha256/{digest}', content)
        return {'mediaType': media, 'digest': f'sha256:{digest}', 'size': len(content)}

    def _file(self, path: str, content: bytes) -> None:
        self._members.setdefault(path, (len(content), functools.partial(io.BytesIO, content)))


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Raise errors of reading or writing `what` as _errors.BuildError."""
    try:
        yield
    except _errors.ImageError as error:
        raise _errors.BuildError(f'{what}: {error}') from None
    except (OSError, tarfile.TarError, KeyError, ValueError, IndexError) as error:
        raise _errors.BuildError(f'{what} cannot be read or written: {error}') from None


@contextlib.contextmanager
def _replaced(target: pathlib.Path) -> Iterator[IO[bytes]]:
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with unfinished.open('xb') as output:
            yield output
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END) - file.seek(0)


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(',', ':')).encode()
