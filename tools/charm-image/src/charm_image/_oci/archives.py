"""Images on disk: OCI layouts and archives, and archives of `docker save` and `podman save`.

rockcraft, buildx and skopeo make OCI archives, skopeo also `dir:`. Archives may be compressed with
gzip, zstd, xz or bzip2.
"""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
from collections.abc import Generator

from charm_image import _errors
from charm_image._oci import documents, images, layers, tar

_TRANSPORTS = ('oci-archive:', 'docker-archive:', 'oci:', 'dir:')


@dataclasses.dataclass(frozen=True)
class Archive:
    """An image in a file or directory, for one or several platforms. `size` is in bytes."""

    path: pathlib.Path
    size: int
    _contents: images.Contents

    @property
    def id(self) -> str:
        """The digest of its configuration; for several platforms, a digest of all of theirs."""
        digests = sorted(config.digest for config in self._contents.configs)
        return digests[0] if len(digests) == 1 else images.digest('\n'.join(digests).encode())

    @property
    def diff_ids_by_platform(self) -> tuple[tuple[str, ...], ...]:
        """Diff IDs of the layers of each platform, from the lowest up."""
        return tuple(config.diff_ids for config in self._contents.configs)

    def contents(self) -> images.Contents:
        """Return its configurations, as they were when it was opened."""
        return self._contents

    def files(self) -> Generator[images.File]:
        """Yield its files. Raises ImageError."""
        return _files(self.path)


def locate(text: str) -> tuple[str, str] | None:
    """Return the path and the tag in `PATH[:TAG]`, as skopeo writes it; None if there is no file.

    `oci-archive:`, `docker-archive:`, `oci:` and `dir:` may stand before it. A path that exists as
    a whole has no tag.
    """
    for start in ('', *_TRANSPORTS):
        rest = text.removeprefix(start)
        if text.startswith(start):
            for end in [len(rest), *(n for n, char in enumerate(rest) if char == ':')]:
                if end and os.path.exists(rest[:end]):
                    return rest[:end], rest[end + 1 :]
    return None


def open(path: str | os.PathLike[str], tag: str = '') -> Archive:
    """Open an image on disk; `tag` chooses one of several, as in `documents.Documents.contents`.

    Raises:
        ImageNotFoundError: the path does not exist.
        InvalidImageError: it does not contain exactly one image.
        ImageError: it cannot be read.
    """
    place, name = pathlib.Path(path), repr(str(path))
    if not place.exists():
        raise _errors.ImageNotFoundError(f'{name} does not exist')
    if not (place.is_file() or place.is_dir()):  # a pipe cannot be read twice
        raise _errors.InvalidImageError(
            f'{name} is not a regular file', 'copy its content into one'
        )
    read, size = documents.Documents(), 0
    try:
        for file in _files(place):
            size += file.size
            read.add_file(file)
        contents = read.contents(tag)
    except _errors.InvalidImageError as error:
        message = f'{name} cannot be used: {error.message}'
        raise _errors.InvalidImageError(message, error.resolution) from None
    return Archive(place, size, contents)


def _files(path: pathlib.Path) -> Generator[images.File]:
    try:
        if path.is_dir():
            yield from _layout(path)
        else:
            with path.open('rb') as file:
                yield from _tar(_File(file, path))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: pathlib.Path, error: OSError) -> _errors.ImageError:
    return _errors.ImageError(f'{str(path)!r} cannot be read: {error.strerror or error}')


def _layout(path: pathlib.Path) -> Generator[images.File]:
    blobs = path / 'blobs' / 'sha256'
    if (path / 'index.json').is_file() and blobs.is_dir():
        files = [path / 'index.json', *sorted(blobs.iterdir())]
    elif (path / 'manifest.json').is_file() and (path / 'version').is_file():  # skopeo's dir:
        files = sorted(path.iterdir())
    else:
        raise _errors.InvalidImageError(
            'the directory is not an OCI layout: index.json or blobs/sha256 is missing'
        )
    for file in files:
        if file.is_file():
            with file.open('rb') as content:
                name = str(file.relative_to(path))
                size = os.fstat(content.fileno()).st_size
                yield images.File(name, size, _File(content, file))


def _tar(file: _File) -> Generator[images.File]:
    if layers.is_compressed(file.peek()):
        return tar.read(layers.decompressed(file))
    return tar.read(file)


class _File:
    """A file that can skip bytes without reading them.

    Its errors name the file, since the reader may also write to a different disk.
    """

    def __init__(self, file: io.BufferedReader, path: pathlib.Path):
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise _unreadable(self._path, error) from None

    def peek(self) -> bytes:
        """Return some of the next bytes, without reading them."""
        return self._file.peek(16)

    def skip(self, size: int, /) -> int:
        """Return how many of the next `size` bytes there were."""
        start = self._file.tell()
        return self._file.seek(min(start + size, self._size)) - start
