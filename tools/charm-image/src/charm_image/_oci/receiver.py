"""A registry that receives one push from the engine on this machine.

    with receiver.Receiver(sizes) as registry:
        ...                                  # a thread asks the engine to push to registry.name
        for upload in registry.uploads():
            ...                              # read it to its end

An export has all layers of an image; a push has those that the registry lacks. So this one says
what it has, and hands out what comes. It serves what a push needs of the OCI distribution
specification 1.1 and nothing else, on 127.0.0.1, below a path and with a password that cannot be
guessed: nobody else on the machine can push to it or learn from it.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.server
import queue
import re
import secrets
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from charm_image import _errors
from charm_image._oci import images

_PATH = re.compile(r'/v2/([0-9a-f]+)/(blobs|manifests)/(.+)')
_MAX_LINE_BYTES = 1 << 10
_BLOCK_BYTES = 1 << 16
_TIMEOUT = 120  # seconds without a byte
_TLS_HANDSHAKE = b'\x16'
_NO_TLS = b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'


class Manifest(NamedTuple):
    """A manifest or index that was pushed."""

    media_type: str
    data: bytes


class Upload:
    """A blob that is being sent; the sender waits while nobody reads.

    `digest` is what the sender calls it, '' if it does not say so before.
    """

    def __init__(self, body: _Body, digest: str = ''):
        self.digest = digest
        self._body = body
        self._over = threading.Event()
        self.is_accepted = False

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes; fewer only at the end, when the sender is answered.

        Raises EngineError if the sender breaks off.
        """
        data = self._body.read(size)
        if len(data) < size:
            self.is_accepted = True
            self._over.set()
        return data

    def refuse(self) -> None:
        """Do not read the rest, if there is one."""
        self._over.set()

    def wait(self) -> bool:
        """Wait for the reader; return whether the blob is accepted."""
        self._over.wait()
        return self.is_accepted


class Receiver:
    """A registry on 127.0.0.1; `size` returns the size in bytes of a blob that need not be sent.

    podman asks for layers by diff ID, containerd's store by the digest of its blob.
    """

    def __init__(self, size: Callable[[str], int | None]):
        self.username = secrets.token_hex(8)
        self.password = secrets.token_hex(32)
        self.repository = secrets.token_hex(16)
        self.manifests: list[Manifest] = []
        self._size = size
        self._received: set[str] = set()
        self._uploads: queue.SimpleQueue[Upload | None] = queue.SimpleQueue()
        self._waiting: set[Upload] | None = set()  # None once it is stopped
        self._lock = threading.Lock()
        self._server = _Server(self)

    @property
    def name(self) -> str:
        """HOST:PORT/PATH, the name that the engine pushes to."""
        return f'127.0.0.1:{self._server.server_address[1]}/{self.repository}'

    def __enter__(self) -> Receiver:
        serve = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name='receiver', daemon=True
        )
        serve.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()

    def uploads(self) -> Iterator[Upload]:
        """Yield the blobs that are sent, until `stop` is called."""
        while (upload := self._uploads.get()) is not None:
            yield upload

    def stop(self) -> None:
        """End `uploads`, and refuse what was not accepted."""
        with self._lock:
            waiting, self._waiting = self._waiting or (), None
        for upload in waiting:
            upload.refuse()
        self._uploads.put(None)

    def is_authorized(self, header: str) -> bool:
        """Return whether a request has the username and password."""
        expected = base64.b64encode(f'{self.username}:{self.password}'.encode())
        return hmac.compare_digest(header.encode(), b'Basic ' + expected)

    def blob_size(self, digest: str) -> int | None:
        """Return the size of a blob that need not be sent, or was; 0 if only the sender knows."""
        if digest in self._received:  # Docker asks again, whether it arrived
            return 0
        return self._size(digest)

    def take(self, body: _Body, digest: str) -> bool:
        """Hand out a blob; return whether it was accepted."""
        upload = Upload(body, digest)
        with self._lock:
            if self._waiting is None:
                return False
            self._waiting.add(upload)
        self._uploads.put(upload)
        accepted = upload.wait()
        with self._lock:
            if self._waiting is not None:
                self._waiting.discard(upload)
        return accepted

    def finish(self, digest: str) -> None:
        """Note that the sender is done with a blob."""
        self._received.add(digest)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, receiver: Receiver):
        self.receiver = receiver
        self._connections: set[socket.socket] = set()
        super().__init__(('127.0.0.1', 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End what threads of this server wait for."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: who reads the push notices what did not arrive."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = _TIMEOUT
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def handle(self) -> None:
        """Answer a TLS handshake, so that engines go on without TLS, as they may on loopback."""
        with contextlib.suppress(OSError):
            if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:  # type: ignore[attr-defined]  # buffered
                self.connection.sendall(_NO_TLS)
            else:
                super().handle()

    def do_HEAD(self) -> None:
        """Serve any request."""
        if not self.server.receiver.is_authorized(self.headers.get('Authorization', '')):
            self.close_connection = True  # a body would not be read
            self._answer(401, {'WWW-Authenticate': 'Basic realm="push"'})
            return
        url = urllib.parse.urlsplit(self.path)
        match = _PATH.fullmatch(url.path)
        if url.path == '/v2/':
            self._answer(200)
        elif not match or not hmac.compare_digest(match[1], self.server.receiver.repository):
            self.close_connection = True
            self._answer(404)
        elif match[2] == 'manifests':
            self._serve_manifest()
        elif match[3].startswith('uploads/'):
            digest = urllib.parse.parse_qs(url.query).get('digest', [''])[0]
            self._receive(digest if self.command == 'PUT' else '')
        else:
            self._serve_blob(match[3])

    do_GET = do_POST = do_PATCH = do_PUT = do_HEAD

    def _serve_manifest(self) -> None:
        if self.command != 'PUT':
            self._answer(404)
            return
        data = _Body(self).read(images.MAX_DOCUMENT_BYTES + 1)
        if len(data) > images.MAX_DOCUMENT_BYTES:
            self.close_connection = True
            self._answer(413)
            return
        media_type = self.headers.get('Content-Type', '')
        self.server.receiver.manifests.append(Manifest(media_type, data))
        self._answer(201, {'Docker-Content-Digest': images.digest(data)})

    def _serve_blob(self, digest: str) -> None:
        size = self.server.receiver.blob_size(digest) if self.command == 'HEAD' else None
        if size is None:
            self._answer(404)
        else:
            self._answer(200, {'Docker-Content-Digest': digest}, length=size)

    def _receive(self, digest: str) -> None:
        """Receive a blob, or a part of one; `digest` ends it."""
        body = _Body(self)
        if not body.is_empty and not self.server.receiver.take(body, digest):
            self._answer(400)
        elif digest:
            self.server.receiver.finish(digest)
            self._answer(201, {'Docker-Content-Digest': digest})
        else:
            repository = self.path.partition('/blobs/')[0]
            location = f'{repository}/blobs/uploads/{secrets.token_hex(8)}'
            self._answer(202, {'Location': location, 'Range': f'0-{max(body.done - 1, 0)}'})
        # an engine that is refused stops sending; after a closed connection, it would try again
        while body.read(_BLOCK_BYTES):
            pass

    def _answer(self, status: int, headers: dict[str, str] | None = None, length: int = 0) -> None:
        self.send_response(status)
        self.send_header('Content-Length', str(length))
        if self.close_connection:
            self.send_header('Connection', 'close')
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()


class _Body:
    """The body of a request, of a given length or in chunks (RFC 9112).

    `done` are its bytes that were read.
    """

    def __init__(self, request: _Handler):
        self._file = request.rfile
        self._is_chunked = 'chunked' in request.headers.get('Transfer-Encoding', '').lower()
        length = request.headers.get('Content-Length', '')
        self._left = int(length) if length.isdecimal() and not self._is_chunked else 0
        self._is_over = self.is_empty = not self._is_chunked and not self._left
        self.done = 0

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes; fewer only at the end. Raises EngineError."""
        parts = []
        try:
            while size and not self._is_over:
                if not self._left and not self._next_chunk():
                    break
                data = self._file.read(min(size, self._left))
                if not data:
                    raise _errors.EngineError('the engine broke off its push')
                parts.append(data)
                size -= len(data)
                self.done += len(data)
                self._left -= len(data)
                if not self._left:
                    self._end_chunk()
        except (OSError, ValueError) as error:
            raise _errors.EngineError(f'the engine broke off its push: {error}') from None
        return b''.join(parts)

    def _next_chunk(self) -> bool:
        size = self._line().partition(b';')[0].strip()
        if not re.fullmatch(rb'[0-9A-Fa-f]{1,15}', size):
            raise _errors.EngineError('the engine sent an invalid chunk')
        self._left = int(size, 16)
        if not self._left:
            self._is_over = True
            while self._line().strip():  # trailers
                pass
        return not self._is_over

    def _end_chunk(self) -> None:
        if self._is_chunked:
            self._line()
        else:
            self._is_over = True

    def _line(self) -> bytes:
        line = self._file.readline(_MAX_LINE_BYTES)
        if not line.endswith(b'\n'):
            raise _errors.EngineError('the engine broke off its push')
        return line
