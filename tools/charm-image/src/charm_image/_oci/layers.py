"""Compresses layers reproducibly, for registries.

A layer becomes gzip members (RFC 1952) of 1 MiB of tar each, compressed by libdeflate. Members are
independent, so all processors work in parallel, and libdeflate's output does not depend on the
processor or the number of threads: the same layer becomes the same blob on every machine.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import errno
import gzip
import hashlib
import io
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from charm_image import _concurrently, _errors
from charm_image._oci import images

if TYPE_CHECKING:
    import bz2
    import lzma

#: Names the compression: if it produces different bytes for a layer, change the name.
ENCODING = 'libdeflate-4-1m'

_GZIP, _ZSTD = b'\x1f\x8b', b'\x28\xb5\x2f\xfd'

_XZ = b'\xfd7zXZ\x00'
_BZIP2 = re.compile(rb'BZh[1-9]1AY&SY')
#: The memory for the dictionary of xz: `xz -9` needs 65 MiB.
_MAX_XZ_BYTES = 128 << 20

_LEVEL = 4  # the lowest level that is always smaller than skopeo: bench/upload.py
_MEMBER_SIZE = 1 << 20
_MAX_THREADS = 6  # each needs a few MiB


@dataclasses.dataclass(frozen=True)
class Layer(images.Blob):
    """A compressed layer, in an unnamed temporary file that is deleted when it is closed.

    `diff_id` is the digest of its tar, `source` the digest of the input: the tar, or compressed.
    """

    diff_id: str
    source: str
    spool: IO[bytes] = dataclasses.field(repr=False, compare=False)

    def open(self) -> io.BufferedReader:
        """Return a new, independent reader of its bytes."""
        return io.BufferedReader(_SpoolReader(self.spool.fileno()), 1 << 20)

    def close(self) -> None:
        """Free the disk space."""
        self.spool.close()


def compressors() -> _concurrently.Workers:
    """Start the threads that compress layers."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return _concurrently.Workers(min(cpus or 1, _MAX_THREADS), name='compress')


def pack(content: images.Content, workers: _concurrently.Workers) -> Layer:
    """Compress a layer, reading only a few MiB ahead of the threads.

    Raises:
        InvalidImageError: the compressed input is damaged.
        ImageError: the temporary file cannot be written.
    """
    import deflate

    tar, blob, size = hashlib.sha256(), hashlib.sha256(), 0
    waiting: collections.deque[concurrent.futures.Future[bytearray]] = collections.deque()
    spool = _spool()
    try:
        head = content.read(_MEMBER_SIZE)
        content = Prefixed(head, content)
        source = _Hashed(content) if is_compressed(head) else None
        for part in _parts(decompressed(source) if source else content):
            # submitted first: the workers compress while this thread hashes
            waiting.append(workers.submit(deflate.gzip_compress, part, _LEVEL))
            tar.update(part)
            while waiting and (len(waiting) > 2 * workers.threads or waiting[0].done()):
                size += _write(spool, blob, waiting.popleft().result())
        while waiting:
            size += _write(spool, blob, waiting.popleft().result())
        with _spooling():
            spool.flush()
    except BaseException:
        with contextlib.suppress(OSError):
            spool.close()
        raise
    diff_id = f'sha256:{tar.hexdigest()}'
    return Layer(
        digest=f'sha256:{blob.hexdigest()}',
        size=size,
        diff_id=diff_id,
        source=source.digest if source else diff_id,
        spool=spool,
    )


class _Hashed:
    """Content, and the digest of the bytes read so far."""

    def __init__(self, content: images.Content):
        self._content = content
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The sha256 digest of what was read."""
        return f'sha256:{self._hash.hexdigest()}'

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        data = self._content.read(size)
        self._hash.update(data)
        return data


def _parts(tar: images.Content) -> Iterator[bytes]:
    """Split the tar into parts, at least one; each becomes a gzip member."""
    part = tar.read(_MEMBER_SIZE)
    yield part
    while len(part) == _MEMBER_SIZE and (part := tar.read(_MEMBER_SIZE)):
        yield part


def is_compressed(head: bytes) -> bool:
    """Return whether content with these first bytes, at least 10, is compressed."""
    return head.startswith((_GZIP, _ZSTD, _XZ)) or bool(_BZIP2.match(head))


def decompressed(content: images.Content) -> images.Content:
    """Return `content` uncompressed, if it is compressed with gzip, zstd, xz or bzip2.

    Reading damaged content raises InvalidImageError.
    """
    head = content.read(_MEMBER_SIZE)
    whole = Prefixed(head, content)
    if head.startswith(_GZIP):
        errors = (EOFError, gzip.BadGzipFile, zlib.error)
        file = gzip.GzipFile(mode='rb', fileobj=whole)  # type: ignore[call-overload]  # only reads
        return _Decompressed(file, errors)
    if head.startswith(_ZSTD):
        import zstandard

        # the largest window of `zstd --ultra`
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        raw = decompressor.stream_reader(
            whole,  # type: ignore[arg-type]  # only reads
            read_across_frames=True,
        )
        return _Decompressed(io.BufferedReader(raw, _MEMBER_SIZE), (zstandard.ZstdError,))
    if head.startswith(_XZ):
        import lzma

        streams = _Streams(whole, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_XZ_BYTES))
        return _Decompressed(streams, (lzma.LZMAError, EOFError))
    if _BZIP2.match(head):
        import bz2

        return _Decompressed(_Streams(whole, bz2.BZ2Decompressor), (OSError, EOFError))
    return whole


class _Streams:
    """Reads compressed streams, one after the other, a block at a time.

    LZMAFile has no limit of memory.
    """

    def __init__(
        self,
        content: images.Content,
        begin: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor],
    ):
        self._content = content
        self._begin = begin
        self._stream = begin()

    def read(self, size: int, /) -> bytes:
        parts = []
        while size and (part := self._next(size)):
            parts.append(part)
            size -= len(part)
        return b''.join(parts)

    def _next(self, size: int) -> bytes:
        """Return some bytes, b'' at the end."""
        while True:
            data = b''
            if self._stream.eof:
                # xz may pad streams with zeros
                data = self._stream.unused_data.lstrip(b'\0')
                while not data:
                    if not (data := self._content.read(_MEMBER_SIZE)):
                        return b''
                    data = data.lstrip(b'\0')
                self._stream = self._begin()
            elif self._stream.needs_input and not (data := self._content.read(_MEMBER_SIZE)):
                raise EOFError('it is truncated')
            if part := self._stream.decompress(data, size):
                return part


class _Decompressed:
    """Decompressed content; `errors` are those that its reader raises for damaged input."""

    def __init__(self, reader: images.Content, errors: tuple[type[Exception], ...]):
        self._reader = reader
        self._errors = errors

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._errors as error:
            raise _errors.InvalidImageError(
                f'a compressed layer or archive is damaged: {error}'
            ) from None


class Prefixed:
    """Content whose first bytes were already read."""

    def __init__(self, head: bytes, content: images.Content):
        self._head = head
        self._content = content

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._content.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data + self._content.read(size - len(data)) if len(data) < size else data

    def skip(self, size: int, /) -> None:
        """Skip the next bytes."""
        self.read(size)


class _SpoolReader(io.RawIOBase):
    """Reads a file from its start, with its own position."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _spooling():
            data = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _write(spool: IO[bytes], blob: Any, member: bytearray) -> int:
    blob.update(member)
    with _spooling():
        return spool.write(member)


@contextlib.contextmanager
def _spooling() -> Iterator[None]:
    """Raise errors of the temporary file as ImageError, distinct from those of the image."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _errors.ImageError(
            f'cannot keep a compressed layer in {_directory()}: {error.strerror}',
            f'set TMPDIR to a directory {"with more space" if full else "on a different disk"}',
        ) from None


def _directory() -> str:
    # /tmp may be in memory, and layers are large
    if 'TMPDIR' not in os.environ and os.access('/var/tmp', os.W_OK | os.X_OK):  # noqa: S108
        return '/var/tmp'  # noqa: S108
    return tempfile.gettempdir()


def _spool() -> IO[bytes]:
    try:
        # unnamed: private, and deleted when the process ends for any reason
        return tempfile.TemporaryFile(dir=_directory())
    except OSError as error:
        raise _errors.ImageError(
            f'cannot make a temporary file in {_directory()}: {error.strerror}',
            'set TMPDIR to a writable directory',
        ) from None
