"""Reads tar archives of images as a stream, POSIX.1-2001 (pax) and GNU tar, and writes pax."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
from collections.abc import Generator, Iterator
from typing import IO

from charm_image import _errors, _texts
from charm_image._oci import images
from container_image import messages

_BLOCK = tarfile.BLOCKSIZE
_MAX_EXTENSION_BYTES = 1 << 20
_MAX_DIGITS = 20  # of a number in an extended header
_SKIP_SIZE = 1 << 20
_NO_ARCHIVE = 'this is not a tar archive'
_DAMAGED_EXTENSION = 'the archive has a damaged extended header'

#: What ends an archive.
END = bytes(2 * _BLOCK)


def read(stream: images.Content, hint: str = '') -> Generator[images.File]:
    """Yield the regular files of a tar (POSIX.1-2001 pax, or GNU) while reading it.

    Python's tarfile keeps all headers, and reads extended headers of any size into memory.
    `hint` says what to do about a truncated archive.

    Raises:
        InvalidImageError: the stream is not a tar, is damaged, or is truncated.
    """
    extended: dict[str, str] = {}
    for number in itertools.count():
        header = stream.read(_BLOCK)
        if len(header) < _BLOCK and header.strip(b'\0'):
            raise (
                _truncated('a header', hint) if number else _errors.InvalidImageError(_NO_ARCHIVE)
            )
        if not header.strip(b'\0'):
            # the end is two blocks of zeros and padding, which must be read from an engine
            while stream.read(_SKIP_SIZE):
                pass
            return
        damage = 'the archive has a damaged header' if number else _NO_ARCHIVE
        member = _parse_header(header, damage)
        if member.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            extended.update(_read_extension(stream, member))
            continue
        if member.type == tarfile.XGLTYPE:
            _read_extension(stream, member)
            continue
        name = extended.get('path', member.name)
        size = _number(extended['size']) if 'size' in extended else member.size
        if member.type == tarfile.GNUTYPE_SPARSE or any(
            k.startswith('GNU.sparse') for k in extended
        ):
            raise _errors.InvalidImageError(
                f'{_texts.quoted(name)} is a sparse file in the archive, which is not supported'
            )
        extended = {}
        if not member.isreg() and member.type in tarfile.SUPPORTED_TYPES:
            size = 0  # a link may have the size of its target
        if size < 0:
            raise _errors.InvalidImageError(
                f'the archive is damaged: {_texts.quoted(name)} has a negative size'
            )
        content = Part(stream, size, name, hint)
        if member.isreg():
            yield images.File(name, size, content)
        content.skip()
        Part(stream, -size % _BLOCK, name, hint).skip()


def _parse_header(header: bytes, otherwise: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(header, 'utf-8', 'surrogateescape')
    except tarfile.HeaderError:
        if header.startswith(b'{"error'):  # an engine ends a failed export like this
            raise _errors.InvalidImageError(
                'the engine could not export the image: '
                + messages.printable(header.decode('utf-8', 'replace').strip('\0 \r\n'))
            ) from None
        raise _errors.InvalidImageError(otherwise) from None


def _read_extension(stream: images.Content, header: tarfile.TarInfo) -> dict[str, str]:
    if not 0 <= header.size <= _MAX_EXTENSION_BYTES:
        raise _errors.InvalidImageError(
            f'the archive is damaged: it has a header of {header.size} bytes'
        )
    part = Part(stream, header.size, header.name)
    data = part.read(header.size)
    Part(stream, -header.size % _BLOCK, header.name).skip()
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {'path': data.rstrip(b'\0').decode('utf-8', 'surrogateescape')}
    if header.type == tarfile.GNUTYPE_LONGLINK:
        return {}
    records = {}
    while data:
        length, _, _ = data.partition(b' ')
        if not len(length) < _number(length.decode('ascii', 'replace')) <= len(data):
            raise _errors.InvalidImageError(_DAMAGED_EXTENSION)
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b'=')
        records[key.decode('utf-8', 'replace')] = value.decode('utf-8', 'surrogateescape')
        data = data[int(length) :]
    return records


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise _errors.InvalidImageError(_DAMAGED_EXTENSION)
    return int(text)


def _truncated(place: str, hint: str) -> _errors.InvalidImageError:
    end = '.' if hint else ''
    message = f'the archive is truncated: it ends within {place}{end}'
    return _errors.InvalidImageError(message, hint)


class Part:
    """The next `size` bytes of a stream, as the content of a file."""

    def __init__(self, stream: images.Content, size: int, name: str = '', hint: str = ''):
        self._stream = stream
        self._left = size
        self._name = name
        self._hint = hint

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._left)
        data = self._stream.read(wanted) if wanted else b''
        self._took(len(data), wanted)
        return data

    def skip(self, size: int | None = None, /) -> None:
        """Skip the next `size` bytes, or the rest."""
        wanted = self._left if size is None else min(size, self._left)
        skip = getattr(self._stream, 'skip', None)
        if skip is not None:
            self._took(skip(wanted), wanted)
            return
        while wanted:
            wanted -= len(self.read(min(wanted, _SKIP_SIZE)))

    def _took(self, size: int, wanted: int) -> None:
        if size < wanted:
            raise _truncated(_texts.quoted(self._name), self._hint)
        self._left -= wanted


def document(name: str, data: bytes) -> images.File:
    """Return a file of an image that is in memory."""
    return images.File(name, len(data), Part(io.BytesIO(data), len(data), name))


def header(name: str, size: int) -> tarfile.TarInfo:
    """Return the header of a regular file, which everybody may read."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def member(info: tarfile.TarInfo, content: images.Content | None = None) -> Iterator[bytes]:
    """Yield the bytes of a member, the next `info.size` bytes of `content` in it.

    Raises:
        OSError: there are fewer
    """
    yield info.tobuf(tarfile.PAX_FORMAT, 'utf-8')
    if content is None:  # a link may have the size of its target
        return
    left = info.size
    while left:
        block = content.read(min(left, _SKIP_SIZE))
        if not block:
            raise OSError(f'{info.name} became shorter while it was read')
        left -= len(block)
        yield block
    yield bytes(-info.size % _BLOCK)


def padding(written: int) -> bytes:
    """Return what fills the last record of an archive of so many bytes, as tar does."""
    return bytes(-written % tarfile.RECORDSIZE)


def size_of(file: IO[bytes]) -> int:
    """Return the size of a file in bytes, and go to its start."""
    return file.seek(0, os.SEEK_END) - file.seek(0)
