"""An engine that is only a socket and answers: for layouts and faults that no engine here has."""

import contextlib
import http.server
import json
import pathlib
import re
import socket
import socketserver
import ssl
import tempfile
import threading
import urllib.parse


class FakeEngine:
    """Answers on `host` for the images that were added to it; `exports` counts the exports."""

    def __init__(self, host):
        self.host = host
        self.images = {}
        self.exports = 0
        self.status = None
        self.reason = 'no space left on device'

    def add(self, inspected, export=b'', cut_at=None):
        """Have an image: what the engine tells, and its export (or parts), cut off somewhere."""
        self.images[inspected['Id']] = (inspected, export, cut_at)
        return inspected['Id']


@contextlib.contextmanager
def running():
    with tempfile.TemporaryDirectory(prefix='engine-', dir='/tmp') as directory:
        path = pathlib.Path(directory) / 'engine.sock'
        engine = FakeEngine(f'unix://{path}')

        class Handler(_Handler):
            fake = engine

        server = _Server(str(path), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextlib.contextmanager
def behind_tls(fake, certificate, authority):
    """Let `fake` be reached by TLS too, by clients whose certificate is of `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as there:
                there.connect(fake.host.removeprefix('unix://'))
                here = context.wrap_socket(self.request, server_side=True)
                answers = threading.Thread(target=_pump, args=(there, here), daemon=True)
                answers.start()
                _pump(here, there)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def address_string(self):
        return 'socket'

    def do_GET(self):
        path = urllib.parse.unquote(self.path).split('?')[0]
        path = re.sub(r'^/v1\.\d+', '', path)
        if path == '/_ping':
            self._answer(200, 'OK', API_Version='1.44')
        elif self.fake.status:
            self._answer(self.fake.status, {'message': self.fake.reason})
        elif path == '/images/json':
            self._answer(200, [inspected for inspected, *_ in self.fake.images.values()])
        elif match := re.fullmatch('/images/([^/]+)/json', path):
            found = self.fake.images.get(match[1])
            self._answer(*((200, found[0]) if found else (404, {'message': 'No such image'})))
        elif match := re.fullmatch('/images/([^/]+)/get', path):
            self._export(*self.fake.images[match[1]][1:])
        else:
            self._answer(404, {'message': 'page not found'})

    def _export(self, export, cut_at):
        self.fake.exports += 1
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        if isinstance(export, bytes):
            sent = export if cut_at is None else export[:cut_at]
            export = (sent[start : start + 32768] for start in range(0, len(sent), 32768))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in export:
                self.wfile.write(b'%x\r\n%b\r\n' % (len(part), part))
            if cut_at is None:
                self.wfile.write(b'0\r\n\r\n')
            else:
                self.close_connection = True

    def _answer(self, status, content, **headers):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
