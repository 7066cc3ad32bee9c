"""Charmhub's API as HTTP: what `charmhub.Charmhub` answers, and the faults that come first."""

import contextlib
import http.server
import json
import re
import sys
import threading
import urllib.parse


class Refusal(Exception):
    """An answer that isn't a success."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.content = json.dumps({'error-list': [{'code': code, 'message': message}]}).encode()


class _Cut(Exception):
    """The connection ends here."""


class _Body:
    """A request's body: reads no further than its length, and is cut where a fault says so."""

    def __init__(self, file, length, cut_at=None):
        self._file, self._left, self._cut_at = file, length, cut_at
        self._read = 0

    def _took(self, data):
        self._left -= len(data)
        self._read += len(data)
        if self._cut_at is not None and self._read >= self._cut_at:
            raise _Cut
        if not data and self._left:
            raise _Cut
        return data

    def read(self, size=None):
        return self._took(self._file.read(self._left if size is None else min(size, self._left)))

    def readline(self):
        return self._took(self._file.readline(self._left))

    def drain(self):
        while self._left:
            self.read(1 << 18)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers, unless a fault of `self.server.charmhub` comes first."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def _serve(self):
        hub = self.server.charmhub
        fault = hub.take_fault(self.command, self.path)
        body = _Body(
            self.rfile, int(self.headers.get('Content-Length') or 0), fault.at if fault else None
        )
        status = None
        try:
            if fault is None or fault.after or fault.at is not None:
                status, headers, content = self._answer(hub, body)
            body.drain()
            if fault and fault.hold:
                fault.hold.wait(60)
            if fault:
                status, headers, content = fault.status, fault.headers, fault.body
            if status is None:
                raise _Cut
        except _Cut:
            status = None
            self.close_connection = True
            self.connection.close()
            return
        finally:
            hub.requests.append((self.command, self.path, status))
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {'Content-Length': str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = _serve

    def _answer(self, hub, body):
        try:
            content = self._content(hub, body)
        except Refusal as refusal:
            return refusal.status, {'Content-Type': 'application/json'}, refusal.content
        if isinstance(content, bytes):
            return 200, {'Content-Type': 'application/octet-stream'}, content
        if isinstance(content, str):
            return 200, {'Content-Type': 'text/plain; charset=utf-8'}, content.encode()
        return 200, {'Content-Type': 'application/json'}, json.dumps(content).encode()

    def _content(self, hub, body):
        url = urllib.parse.urlsplit(self.path)
        path, query = url.path, urllib.parse.parse_qs(url.query)
        authorization = self.headers.get('Authorization', '')
        if (self.command, path) == ('POST', '/v1/tokens/usso/exchange'):
            return hub.exchange(authorization.partition(' ')[2])
        for pattern, answer in _PUBLIC_ROUTES:
            if self.command == 'GET' and (match := re.fullmatch(pattern, path)):
                if authorization:
                    raise Refusal(400, 'invalid-request', 'A token was sent where Juju sends none')
                return getattr(hub, answer)(*map(urllib.parse.unquote, match.groups()))
        account = hub.account(authorization)
        if (self.command, path) == ('POST', '/unscanned-upload/'):
            if 'Content-Length' not in self.headers:
                raise Refusal(411, 'length-required', 'A Content-Length is required')
            length = int(self.headers['Content-Length'])
            return hub.store(self.headers.get('Content-Type', ''), length, body)
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                args = [account, *map(urllib.parse.unquote, match.groups())]
                if method == 'POST':
                    args.append(json.loads(body.read()))
                if answer == 'review':
                    args.append(query['upload-id'][0])
                return getattr(hub, answer)(*args)
        raise Refusal(404, 'api-error', f'No endpoint {self.command} {path}')


_PUBLIC_ROUTES = [
    ('/v2/charms/resources/([^/]+)/([^/]+)/revisions', 'public_revisions'),
    (r'/api/v1/resources/download/charm_([^/.]+)\.([^/]+)_(\d+)', 'public_download'),
]

_ROUTES = [
    ('GET', '/v1/tokens/whoami', 'whoami'),
    ('GET', '/v1/charm/([^/]+)', 'metadata'),
    ('GET', '/v1/charm/([^/]+)/resources', 'resources'),
    ('GET', '/v1/charm/([^/]+)/revisions', 'charm_revisions'),
    ('GET', '/v1/charm/([^/]+)/releases', 'releases'),
    ('POST', '/v1/charm/([^/]+)/releases', 'release'),
    ('GET', '/v1/charm/([^/]+)/revisions/review', 'review'),
    ('GET', '/v1/charm/([^/]+)/resources/([^/]+)/revisions', 'resource_revisions'),
    ('POST', '/v1/charm/([^/]+)/resources/([^/]+)/revisions', 'push_revision'),
    (
        'GET',
        '/v1/charm/([^/]+)/resources/([^/]+)/oci-image/upload-credentials',
        'upload_credentials',
    ),
    ('POST', '/v1/charm/([^/]+)/resources/([^/]+)/oci-image/blob', 'blob'),
]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may leave
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(hub):
    """Serve `hub` on loopback and yield its URL."""
    server = _Server(('127.0.0.1', 0), _Handler)
    server.charmhub = hub
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
