"""The upload of one blob by the distribution-spec: POST, one PATCH, PUT."""

import typing

from container_image import _addresses, _connection, _http
from container_image.registry_errors import Misbehaving, NotReachable, RegistryError

_BLOCK = 1 << 20


class Upload:
    """Sends a blob each time `run` is called. The arguments are those of `Client.push_blob`."""

    def __init__(
        self,
        connection: _connection.Connection,
        repository: str,
        image: str,
        digest: str,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        self._connection = connection
        self._repository = repository
        self._image = image
        self._digest = digest
        self._size = size
        self._open_blob = open_blob
        self._progress = progress

    def run(self) -> None:
        """Send the blob. Raise `RegistryError`, and the errors of reading the blob."""
        url = self._connection.url(self._repository, 'blobs', 'uploads/')
        answer = self._ask('POST', url)
        self._connection.expect(answer, self._image, 202)
        where = self._location(answer)
        if self._size:  # requests would send an empty body in chunks
            answer = self._patch(where)
            self._expect(answer, 201, 202, 204)
            where = self._location(answer)
        answer = self._ask('PUT', _addresses.with_query(where, [('digest', self._digest)]))
        self._expect(answer, 201)

    def _ask(self, method: str, url: str, **kwargs: typing.Any) -> _http.Answer:
        return self._connection.ask(method, url, self._repository, self._image, **kwargs)

    def _patch(self, where: str) -> _http.Answer:
        bodies: typing.List[_Body] = []

        def body() -> _Body:
            bodies.append(_Body(self._size, self._open_blob, self._progress))
            return bodies[-1]

        headers = {'Content-Type': 'application/octet-stream'}
        try:
            return self._ask('PATCH', where, headers=headers, body=body)
        except RegistryError as exc:
            failure = exc
        if bodies and bodies[-1].failure:
            raise bodies[-1].failure
        # It may be that the token was refused, and the connection cut before we could see that.
        self._connection.forget_token(self._repository)
        raise failure

    def _location(self, answer: _http.Answer) -> str:
        location = answer.headers.get('Location')
        if not location:
            raise Misbehaving(
                f'{_addresses.host(answer.url)} returned no upload location for {self._image}: '
                f'check that it is a registry'
            )
        return _addresses.joined(answer.url, location)

    def _expect(self, answer: _http.Answer, *statuses: int) -> None:
        codes = _connection.codes(answer)
        lost = {'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'RANGE_INVALID'}
        if answer.status in (404, 416) or (answer.status == 400 and lost.intersection(codes)):
            raise NotReachable(f'{_addresses.host(answer.url)} lost the upload of {self._image}')
        self._connection.expect(answer, self._image, *statuses)


class _Body:
    """A file's content as requests sends it fastest: in blocks, with a known length."""

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
                    block = blob.read(_BLOCK)
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
