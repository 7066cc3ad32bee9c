"""OCI archives: an image layout in one tar file (OCI image specification 1.1)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from charm_image import errors

_CHUNK = 1 << 20
_MEDIA = 'application/vnd.oci.image'


def write(export: Iterator[bytes], path: str | os.PathLike[str], name: str | None) -> None:
    """Make an OCI archive of what `docker save` wrote; the same image gives the same bytes.

    Raises:
        errors.BuildError: it can't be written
    """
    target = pathlib.Path(path)
    try:
        with tempfile.TemporaryFile(dir=target.parent) as saved:
            for chunk in export:
                saved.write(chunk)
            saved.seek(0)
            with _replaced(target) as output, tarfile.open(fileobj=saved) as archive:
                _convert(archive, output, name)
    except (OSError, tarfile.TarError, KeyError, ValueError, IndexError) as error:
        raise errors.BuildError(f'{target} cannot be written: {error}') from error


@contextlib.contextmanager
def _replaced(target: pathlib.Path) -> Iterator[IO[bytes]]:
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with unfinished.open('xb') as output:
            yield output
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _convert(archive: tarfile.TarFile, output: IO[bytes], name: str | None) -> None:
    (image,) = json.loads(_member(archive, 'manifest.json').read())
    config = _member(archive, image['Config']).read()
    with tarfile.open(fileobj=output, mode='w', format=tarfile.PAX_FORMAT) as tar:
        written: set[str] = set()

        def add(path: str, content: IO[bytes], size: int) -> None:
            if path not in written:
                written.add(path)
                info = tarfile.TarInfo(path)
                info.size, info.mode = size, 0o644
                tar.addfile(info, content)

        def blob(content: IO[bytes], media: str) -> dict[str, Any]:
            digest, size = _measure(content)
            add(f'blobs/sha256/{digest}', content, size)
            return {'mediaType': media, 'digest': f'sha256:{digest}', 'size': size}

        def document(path: str, content: dict[str, Any]) -> None:
            encoded = _encode(content)
            add(path, io.BytesIO(encoded), len(encoded))

        document('oci-layout', {'imageLayoutVersion': '1.0.0'})
        described = json.loads(config)
        manifest = {
            'schemaVersion': 2,
            'mediaType': f'{_MEDIA}.manifest.v1+json',
            'config': blob(io.BytesIO(config), f'{_MEDIA}.config.v1+json'),
            'layers': [
                blob(_member(archive, layer), f'{_MEDIA}.layer.v1.tar')
                for layer in image['Layers']
            ],
        }
        entry = blob(io.BytesIO(_encode(manifest)), f'{_MEDIA}.manifest.v1+json')
        entry['platform'] = {key: described[key] for key in ('architecture', 'os')}
        if name is not None:
            tag = name.rpartition(':')[2] if ':' in name.rpartition('/')[2] else 'latest'
            entry['annotations'] = {'org.opencontainers.image.ref.name': tag}
        document('index.json', {'schemaVersion': 2, 'manifests': [entry]})


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)  # follows links: Docker writes equal layers once
    if content is None:
        raise ValueError(f'the engine exported no {name}')
    return content


def _measure(content: IO[bytes]) -> tuple[str, int]:
    digest = hashlib.sha256()
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
    size = content.tell()
    content.seek(0)
    return digest.hexdigest(), size


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(',', ':')).encode()
