"""HTTP servers on loopback whose answers a test writes, byte for byte where it has to."""

import contextlib
import http.server
import socketserver
import ssl
import threading

_TLS_HANDSHAKE = b'\x16'


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request, as `answer` gets it: `.command`, `.path`, `.headers`, `.body()`, `.wfile`."""

    protocol_version = 'HTTP/1.1'
    stopped = None  # a threading.Event: the server is being stopped, so end what never ends
    _body = None

    def reply(self, status, content=b'', **headers):
        """Send a whole answer; headers are named with underscores: Docker_Content_Digest."""
        self.body()
        self.send_response(status)
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        named.setdefault('Content-Length', str(len(content)))
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)

    def body(self):
        """Return the body of the request, which has a length."""
        if self._body is None:
            self._body = self.rfile.read(int(self.headers.get('Content-Length', '0')))
        return self._body

    def endless(self, block, pause=0.0):
        """Send `block` for as long as somebody listens."""
        with contextlib.suppress(OSError):
            while not self.stopped.wait(pause):
                self.wfile.write(block)
                self.wfile.flush()
        self.close_connection = True

    def handle_one_request(self):
        """Tell whoever begins a TLS handshake that this is HTTP, at which they may go on so."""
        if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:
            self.wfile.write(b'HTTP/1.0 400 Bad Request\r\n\r\n')
            self.close_connection = True
        else:
            super().handle_one_request()

    def log_message(self, *args):
        """Be silent."""


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *args):
        """Be silent: clients that go away are what many tests are about."""


@contextlib.contextmanager
def serving(answer, certificate=None, name='127.0.0.1'):
    """Run an HTTP server, or with a `certificate` HTTPS, and yield its URL without a path.

    `answer` is called with an `Exchange` for each request, in a thread of its own.
    """
    stopped_ = threading.Event()

    class Handler(Exchange):
        stopped = stopped_

        def __getattr__(self, attribute):
            if not attribute.startswith('do_'):
                raise AttributeError(attribute)
            self._body = None
            return lambda: answer(self)

    server = _Server(('127.0.0.1', 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate.certificate), str(certificate.key))
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.005})
    thread.start()
    try:
        yield f'{"https" if certificate else "http"}://{name}:{server.server_address[1]}'
    finally:
        stopped_.set()
        server.shutdown()
        thread.join()
        server.socket.close()
