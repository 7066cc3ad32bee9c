"""The download of one blob, as a stream that continues over new connections."""

import hashlib
import re
import typing

from container_image import _connection, http_client
from container_image.registry_errors import CHECK, NotReachableError, ProtocolError, RegistryError

_BLOCK_BYTES = 1 << 20


class Download:
    """A blob, read like a file. The arguments are those of `Client.open_blob`."""

    def __init__(
        self,
        connection: _connection.Connection,
        repository: str,
        display_name: str,
        digest: str,
        size: int,
    ) -> None:
        self._connection = connection
        self._repository = repository
        self._display_name = display_name
        self._digest = digest
        self._size = size
        self._at = 0
        self._left_out = 0  # bytes that come although they were read before
        self._has_ranges = True
        self._algorithm = digest.partition(':')[0]
        self._hash = hashlib.new(self._algorithm)
        self._stream: typing.Optional[http_client.Stream] = None

    def __enter__(self) -> 'Download':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, and at most 1 MiB; none at the end.

        Raise `RegistryError`, after retries if those may help.
        """
        wanted = min(_BLOCK_BYTES if size < 0 else size, self._size - self._at)
        if not wanted:
            return b''
        block = self._connection.retry(lambda: self._next(wanted))
        self._hash.update(block)
        self._at += len(block)
        if self._at == self._size:
            self.close()
            if f'{self._algorithm}:{self._hash.hexdigest()}' != self._digest:
                raise ProtocolError(
                    f'the registry returned content that does not match {self._display_name}',
                    CHECK,
                )
        return block

    def _next(self, wanted: int) -> bytes:
        failure: typing.Optional[RegistryError] = None
        try:
            if not self._stream:
                self._stream = self._open()
                self._skip()
            block = self._stream.read(wanted)
            if block:
                return block
        except RegistryError as exc:
            failure = exc
        self.close()
        raise failure or self._broken()

    def _open(self) -> http_client.Stream:
        response = self._request(self._at if self._has_ranges else 0)
        begins = self._first_byte(response)
        if self._at and self._has_ranges and begins > self._at:
            # some storage refuses ranges, or sends a different one: read from the beginning
            self._has_ranges = False
            if response.stream:
                response.stream.close()
            response = self._request(0)
            begins = self._first_byte(response)
        self._connection.raise_for_status(response, self._display_name, 200, 206)
        self._left_out = max(0, self._at - begins)
        return typing.cast(http_client.Stream, response.stream)

    def _request(self, first: int) -> http_client.Response:
        return self._connection.request(
            'GET',
            self._connection.url(self._repository, 'blobs', self._digest),
            self._repository,
            self._display_name,
            headers={'Range': f'bytes={first}-'} if first else None,
            stream=True,
        )

    def _first_byte(self, response: http_client.Response) -> int:
        """Return the position at which the content of a response begins; the end without any."""
        if response.status == 200:
            return 0
        found = re.match(r'bytes ([0-9]{1,18})-', response.headers.get('Content-Range', ''))
        return int(found.group(1)) if response.status == 206 and found else self._size

    def _skip(self) -> None:
        """Skip what was read before, if the registry does not support ranges."""
        while self._left_out and self._stream:
            block = self._stream.read(min(_BLOCK_BYTES, self._left_out))
            if not block:
                raise self._broken()
            self._left_out -= len(block)

    def _broken(self) -> NotReachableError:
        return NotReachableError(f'the connection broke while {self._display_name} was read')
