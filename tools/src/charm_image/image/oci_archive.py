"""OCI archives: an image layout in one tar file (OCI image specification 1.1)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from charm_image import errors
from charm_image.image import images, layers, platforms

_CHUNK = 1 << 20
_MEDIA = 'application/vnd.oci.image'
_TIME = '1980-01-01T00:00:00Z'  # dockerfile.MTIME
# of the configuration's "config", what says how to run the image; builders add what says how they
# made it
_RUNNING = (
    *('User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels'),
    *('StopSignal', 'Healthcheck', 'OnBuild', 'Shell'),
)
_BUILDERS_LABEL = 'io.buildah.version'


class Saved:
    """An image for one platform as `docker save` wrote it, in the file `archive`.

    Raises:
        errors.BuildError: it is not one
    """

    def __init__(self, archive: IO[bytes]):
        with told('what the engine exported'):
            archive.seek(0)
            self._tar = tarfile.open(fileobj=archive)  # noqa: SIM115
            [image] = json.loads(self._member('manifest.json').read())
            self.config: bytes = self._member(image['Config']).read()
            self._layers: list[str] = image['Layers']
            # measured while others are still built
            self._measured = [_measure(self._layer(name)) for name in self._layers]

    def layers(self) -> Iterator[tuple[str, int, images.Content]]:
        """Give digest, size in bytes and content of each layer, uncompressed."""
        for name, (digest, size) in zip(self._layers, self._measured, strict=True):
            yield digest, size, self._layer(name)

    def reproducible_config(self, platform: platforms.Platform) -> bytes:
        """The configuration without what differs by builder and time.

        Raises:
            errors.BuildError: it is for another platform
        """
        whole = json.loads(self.config)
        if not platform.is_of(whole):
            built = f'{whole.get("os")}/{whole.get("architecture")}'
            raise errors.BuildError(f'the engine built an image for {built}, not for {platform}')
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
            raise ValueError(f'it has no {name}')
        return content


def write(saved: Saved, path: str | os.PathLike[str], name: str | None) -> None:
    """Make an OCI archive of an image; the same image gives the same bytes.

    Raises:
        errors.BuildError: it can't be written
    """
    with _layout(path) as to:
        entry = to.manifest(saved, saved.config)
        described = json.loads(saved.config)
        entry['platform'] = {key: described[key] for key in ('architecture', 'os')}
        to.index(entry, name)


def write_index(
    saved: Mapping[platforms.Platform, Saved], path: str | os.PathLike[str], name: str | None
) -> str:
    """Make an OCI archive of an image for several platforms; give the digest of its index.

    The same layers and settings give the same digest, whatever built them, and when.

    Raises:
        errors.BuildError: it can't be written, or an image is for another platform
    """
    with _layout(path) as to:
        entries = []
        for platform, image in sorted(saved.items()):
            entry = to.manifest(image, image.reproducible_config(platform))
            entries.append({**entry, 'platform': platform.descriptor})
        media = f'{_MEDIA}.index.v1+json'
        index = {'schemaVersion': 2, 'mediaType': media, 'manifests': entries}
        described = to.document(index, media)
        to.index(described, name)
    return str(described['digest'])


class _Layout:
    """An archive that is being written."""

    def __init__(self, output: IO[bytes]):
        self._tar = tarfile.open(fileobj=output, mode='w', format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._written: set[str] = set()

    def __enter__(self) -> _Layout:
        self._file('oci-layout', _encode({'imageLayoutVersion': '1.0.0'}))
        return self

    def __exit__(self, *exception: object) -> None:
        self._tar.close()

    def manifest(self, image: Saved, config: bytes) -> dict[str, Any]:
        """Write an image; give the descriptor of its manifest."""
        described = self._blob(config, f'{_MEDIA}.config.v1+json')
        listed = []
        for digest, size, content in image.layers():
            self._add(f'blobs/sha256/{digest}', content, size)
            media = f'{_MEDIA}.layer.v1.tar'
            listed.append({'mediaType': media, 'digest': f'sha256:{digest}', 'size': size})
        media = f'{_MEDIA}.manifest.v1+json'
        manifest = {'schemaVersion': 2, 'mediaType': media, 'config': described, 'layers': listed}
        return self.document(manifest, media)

    def document(self, content: dict[str, Any], media: str) -> dict[str, Any]:
        """Write a blob of JSON; give its descriptor."""
        return self._blob(_encode(content), media)

    def index(self, entry: dict[str, Any], name: str | None) -> None:
        """Write index.json, which leads to `entry`."""
        if name is not None:
            tag = name.rpartition(':')[2] if ':' in name.rpartition('/')[2] else 'latest'
            entry = {**entry, 'annotations': {'org.opencontainers.image.ref.name': tag}}
        self._file('index.json', _encode({'schemaVersion': 2, 'manifests': [entry]}))

    def _blob(self, content: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self._file(f'blobs/sha256/{digest}', content)
        return {'mediaType': media, 'digest': f'sha256:{digest}', 'size': len(content)}

    def _file(self, path: str, content: bytes) -> None:
        self._add(path, io.BytesIO(content), len(content))

    def _add(self, path: str, content: images.Content, size: int) -> None:
        if path not in self._written:
            self._written.add(path)
            info = tarfile.TarInfo(path)
            info.size, info.mode = size, 0o644
            self._tar.addfile(info, content)  # type: ignore[arg-type]  # it only reads


@contextlib.contextmanager
def _layout(path: str | os.PathLike[str]) -> Iterator[_Layout]:
    with told(os.fspath(path)), _replaced(pathlib.Path(path)) as output, _Layout(output) as layout:
        yield layout


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Tell that `what` can't be read or written as an error of ours."""
    try:
        yield
    except images.ImageError as error:
        raise errors.BuildError(f'{what}: {error}') from None
    except (OSError, tarfile.TarError, KeyError, ValueError, IndexError) as error:
        raise errors.BuildError(f'{what} cannot be read or written: {error}') from None


@contextlib.contextmanager
def _replaced(target: pathlib.Path) -> Iterator[IO[bytes]]:
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with unfinished.open('xb') as output:
            yield output
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _measure(content: images.Content) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(',', ':')).encode()
