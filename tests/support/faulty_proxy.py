"""A way to a registry on which things go wrong, when a test wants it."""

import contextlib
import http.client
import re
import threading
import urllib.parse

from support import loopback


class FaultyProxy:
    """Listens on `host`; `requests` lists what was asked: pairs of method and path."""

    def __init__(self, registry_host):
        self.host = ''
        self.requests = []
        self._registry = registry_host
        self._faults = []
        self._lock = threading.Lock()

    def answer(self, method, path, status, times=1, content=b'', **headers):
        """Let the next requests be answered with an error, or with some content."""

        def act(exchange):
            exchange.body()
            exchange.reply(status, content, **headers)

        self._faults += [(method, path, act)] * times

    def cut(self, method, path, at=0, times=1):
        """Cut the connection after so many bytes of the request's body."""

        def act(exchange):
            exchange.rfile.read(min(at, int(exchange.headers.get('Content-Length', '0'))))
            exchange.close_connection = True

        self._faults += [(method, path, act)] * times

    def cut_answer(self, method, path, at, times=1):
        """Cut the connection after so many bytes of the answer's body."""
        self._faults += [(method, path, lambda exchange: self._forward(exchange, at))] * times

    def redirect(self, method, path, url):
        """Send requests elsewhere: to `url`, and there to the same path."""

        def act(exchange):
            exchange.reply(307, Location=url + exchange.path)

        self._faults += [(method, path, act)] * 100

    def hold(self, method, path):
        """Let requests hang to the end; give an event that is set once one does."""
        hangs = threading.Event()

        def act(exchange):
            hangs.set()
            exchange.stopped.wait()
            exchange.close_connection = True

        self._faults += [(method, path, act)] * 100
        return hangs

    def forget(self):
        """Let nothing go wrong any more, and no request have been asked."""
        self._faults.clear()
        self.requests.clear()

    def count(self, method, path):
        """Tell how many requests fitted."""
        return len(self.paths(method, path))

    def paths(self, method, path):
        """Return the paths of the requests that fitted."""
        return [p for m, p in self.requests if m == method and re.search(path, p)]

    def serve(self, exchange):
        """Answer a request."""
        act = self._forward
        with self._lock:
            self.requests.append((exchange.command, exchange.path))
            for fault in self._faults:
                if fault[0] == exchange.command and re.search(fault[1], exchange.path):
                    self._faults.remove(fault)
                    act = fault[2]
                    break
        with contextlib.suppress(OSError):
            act(exchange)

    def _forward(self, exchange, cut_at=None):
        connection = http.client.HTTPConnection(self._registry, timeout=60)
        with contextlib.closing(connection):
            # the Host of the request goes along, so that the registry redirects to here
            headers = dict(exchange.headers)
            connection.request(exchange.command, exchange.path, exchange.body(), headers)
            response = connection.getresponse()
            dropped = ('transfer-encoding', 'connection', 'date', 'server')
            kept = [item for item in response.getheaders() if item[0].lower() not in dropped]
            content = response.read()
            if cut_at is not None and cut_at < len(content):
                kept.append(('Content-Length', str(len(content))))
                content = content[:cut_at]
                exchange.close_connection = True
            exchange.reply(response.status, content, **dict(kept))


@contextlib.contextmanager
def running(registry_host):
    proxy = FaultyProxy(registry_host)
    with loopback.serving(proxy.serve) as url:
        proxy.host = urllib.parse.urlsplit(url).netloc
        yield proxy
