"""A way to a registry on which things go wrong, when a test wants it."""

import contextlib
import dataclasses
import http.client
import http.server
import re
import threading


@dataclasses.dataclass
class Fault:
    """What becomes of the next `times` requests that fit: `act` is called with each handler."""

    method: str
    path: str
    act: object
    times: int


class FaultyProxy:
    """Listens on `host`; `requests` lists what was asked: pairs of method and path."""

    def __init__(self, host):
        self.host = host
        self.requests = []
        self._faults = []
        self._lock = threading.Lock()

    def answer(self, method, path, status, headers=None, times=1):
        """Let requests be answered with an error."""

        def act(handler):
            handler.skip_body()
            handler.send_response(status)
            for name, value in {**(headers or {}), 'Content-Length': '0'}.items():
                handler.send_header(name, value)
            handler.end_headers()

        self._faults.append(Fault(method, path, act, times))

    def cut(self, method, path, at=0, times=1):
        """Cut the connection after so many bytes of the request's body."""

        def act(handler):
            handler.rfile.read(at)
            handler.close_connection = True

        self._faults.append(Fault(method, path, act, times))

    def hold(self, method, path):
        """Let requests hang; give an event that is set once one does."""
        hangs = threading.Event()

        def act(handler):
            hangs.set()
            handler.stopped.wait(60)
            handler.close_connection = True

        self._faults.append(Fault(method, path, act, 100))
        return hangs

    def forget(self):
        """Let nothing go wrong any more, and no request have been asked."""
        self._faults.clear()
        self.requests.clear()

    def count(self, method, path):
        """Tell how many requests fitted."""
        return sum(m == method and bool(re.search(path, p)) for m, p in self.requests)

    def take_fault(self, method, path):
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


@contextlib.contextmanager
def running(registry_host):
    stopped_ = threading.Event()

    class Handler(_Handler):
        upstream = registry_host
        stopped = stopped_

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    Handler.proxy = FaultyProxy(f'127.0.0.1:{server.server_address[1]}')
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
    thread.start()
    try:
        yield Handler.proxy
    finally:
        stopped_.set()
        server.shutdown()
        thread.join()
        server.socket.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def skip_body(self):
        self.rfile.read(int(self.headers.get('Content-Length', 0)))

    def _pass_on(self):
        fault = self.proxy.take_fault(self.command, self.path)
        with contextlib.suppress(OSError):
            if fault:
                fault.act(self)
            else:
                self._forward()

    def _forward(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        # the Host of the request goes along, so that the registry redirects to here
        connection.request(self.command, self.path, body, dict(self.headers))
        response = connection.getresponse()
        content = response.read()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ('transfer-encoding', 'connection', 'date', 'server'):
                self.send_header(name, value)
        if response.headers['Content-Length'] is None:
            self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on
