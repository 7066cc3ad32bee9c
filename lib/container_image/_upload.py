"""The upload of one blob by the distribution-spec: POST, one PATCH, PUT."""

import typing

from container_image import _connection, addresses, http_client
from container_image.registry_errors import (
    IS_REGISTRY,
    NotReachableError,
    ProtocolError,
    RegistryError,
)

_BLOCK_BYTES = 1 << 20


class Upload:
    """Sends a blob each time `run` is called. The arguments are those of `Client.push_blob`."""

    def __init__(
        self,
        connection: _connection.Connection,
        repository: str,
        display_name: str,
        digest: str,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        self._connection = connection
        self._repository = repository
        self._display_name = display_name
        self._digest = digest
        self._size = size
        self._open_blob = open_blob
        self._progress = progress

    def run(self) -> None:
        """Send the blob. Raise `RegistryError`, and the errors of reading the blob."""
        url = self._connection.url(self._repository, 'blobs', 'uploads/')
        response = self._request('POST', url)
        self._connection.raise_for_status(response, self._display_name, 202)
        where = self._location(response)
        if self._size:
            response = self._patch(where)
            self._raise_for_status(response, 201, 202, 204)
            where = self._location(response)
        response = self._request('PUT', addresses.with_query(where, [('digest', self._digest)]))
        self._raise_for_status(response, 201)

    def _request(self, method: str, url: str, **kwargs: typing.Any) -> http_client.Response:
        return self._connection.request(
            method, url, self._repository, self._display_name, **kwargs
        )

    def _patch(self, where: str) -> http_client.Response:
        headers = {'Content-Type': 'application/octet-stream'}
        try:
            return self._request(
                'PATCH',
                where,
                headers=headers,
                body=lambda: _Body(self._size, self._open_blob, self._progress),
            )
        except RegistryError:
            # The token may have been refused, and the connection cut before we could see that.
            self._connection.forget_token(self._repository)
            raise

    def _location(self, response: http_client.Response) -> str:
        location = response.headers.get('Location')
        if not location:
            raise ProtocolError(
                f'{addresses.host(response.url)} returned no upload location '
                f'for {self._display_name}',
                IS_REGISTRY,
            )
        return addresses.resolve(response.url, location)

    def _raise_for_status(self, response: http_client.Response, *statuses: int) -> None:
        codes = _connection.codes(response)
        lost = {'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'RANGE_INVALID'}
        if response.status in (404, 416) or (response.status == 400 and lost.intersection(codes)):
            raise NotReachableError(
                f'{addresses.host(response.url)} lost the upload of {self._display_name}'
            )
        self._connection.raise_for_status(response, self._display_name, *statuses)


class _Body:
    """A file's content as it is sent fastest: in blocks, with a known length."""

    def __init__(
        self,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        self._size = size
        self._open_blob = open_blob
        self._progress = progress or (lambda sent: None)
        self.failure: typing.Optional[BaseException] = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> typing.Iterator[bytes]:
        # urllib3 would take a file's OSError for the network's.
        try:
            sent = 0
            with self._open_blob() as blob:
                self._progress(sent)
                while True:
                    block = blob.read(_BLOCK_BYTES)
                    if sent + len(block) > self._size or (not block and sent < self._size):
                        raise ValueError(f'the blob does not have the expected {self._size} bytes')
                    if not block:
                        return
                    yield block
                    sent += len(block)
                    self._progress(sent)
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.failure = exc
            raise
