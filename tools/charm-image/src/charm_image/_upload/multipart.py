"""Streams a file as the body of a form (multipart/form-data, RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO

from charm_image import _errors

_CHUNK = 1 << 20  # bytes


class Body:
    """A multipart/form-data body with a length, read from its file as it is sent.

    `failure` is why its last reading failed, if it did: HTTP libraries take it for the network's.
    """

    def __init__(
        self, file: BinaryIO, size: int, name: str, progress: Callable[[int], None] | None
    ) -> None:
        boundary = secrets.token_hex(16)
        # as browsers quote it, https://html.spec.whatwg.org/#multipart-form-data
        quoted = name.replace('"', '%22').replace('\r', '%0D').replace('\n', '%0A')
        self.content_type = f'multipart/form-data; boundary={boundary}'
        self._head = (
            f'--{boundary}\r\n'
            f'Content-Disposition: form-data; name="binary"; filename="{quoted}"\r\n'
            'Content-Type: application/octet-stream\r\n\r\n'
        ).encode('utf-8', 'replace')
        self._tail = f'\r\n--{boundary}--\r\n'.encode()
        self._file, self._size, self._progress = file, size, progress
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        self.failure = None
        try:
            yield from self._blocks()
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def _blocks(self) -> Iterator[bytes]:
        yield self._head
        self._file.seek(0)
        left = self._size
        while left:
            try:
                chunk = self._file.read(min(left, _CHUNK))
            except OSError as error:
                raise _errors.StoreError(f'The file cannot be read: {error.strerror}.') from None
            if not chunk:
                break
            left -= len(chunk)
            yield chunk
            if self._progress:
                self._progress(self._size - left)
        if left or self._file.read(1):
            # before the tail, so that the storage never receives a complete file
            raise file_changed()
        yield self._tail


def file_changed() -> _errors.FileChangedError:
    """Return the error for a file that is not what it was when its upload began."""
    return _errors.FileChangedError(
        'The file changed during the upload.', 'No revision was created: try again.'
    )
