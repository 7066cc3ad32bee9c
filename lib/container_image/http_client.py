"""HTTP as the clients of registries and of Charmhub use it: bounded, and silent about secrets.

The automatisms of requests for redirects, ~/.netrc, cookies and proxies are switched off.
"""

import http.cookiejar
import ipaddress
import logging
import re
import ssl
import threading
import time
import typing
import urllib.parse
import urllib.request

import requests
import requests.adapters
import requests.auth
import requests.utils
import urllib3.util.retry

from container_image import _tls, addresses, http_problems, messages

Proxies = typing.Mapping[str, str]

MAX_TEXT_BYTES = 64 << 10  # enough for tokens and errors, which are JSON

#: Seconds to wait before the second, third… attempt, if the server does not say.
DELAYS = (0.5, 1.0, 2.0, 4.0)

_T = typing.TypeVar('_T')

_MAX_REDIRECTS = 5
_MAX_DATE_CHARACTERS = 50
_BLOCK_BYTES = 1 << 20

_log = logging.getLogger(__name__)
_logging = threading.local()


def _is_logged(record: logging.LogRecord) -> bool:
    return not getattr(_logging, 'on', False)


# urllib3 logs whole addresses, and those that registries redirect to are often signed: whoever
# has one has the access. What others do with urllib3 is logged as ever.
for _logger in ('urllib3.connectionpool', 'urllib3.connection'):
    logging.getLogger(_logger).addFilter(_is_logged)


#: Returns the error to raise for a problem.
Describe = typing.Callable[[http_problems.Problem], Exception]


class _ProblemError(Exception):
    """A problem on its way to where it is put into words; it refers to no request."""

    def __init__(self, problem: http_problems.Problem) -> None:
        super().__init__(problem.kind)
        self.problem = problem


class Stream:
    """A body that is read as it comes."""

    def __init__(
        self, received: requests.Response, url: str, proxy: str, describe: Describe
    ) -> None:
        self._response = received
        self._url = url
        self._proxy = proxy
        self._describe = describe

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end, or if the connection broke."""
        try:
            return typing.cast(bytes, self._response.raw.read(size, decode_content=False))
        except Exception as exc:
            problem = http_problems.find_problem(exc, self._url, self._proxy)
        raise self._describe(problem)

    def close(self) -> None:
        """Drop the unread rest."""
        self._response.close()


class Response(typing.NamedTuple):
    """A response, after redirects.

    A body that was requested as a stream is in `stream` if the status is 200 or 206.
    """

    status: int
    headers: typing.Mapping[str, str]
    content: bytes
    url: str
    stream: typing.Optional[Stream] = None

    def __repr__(self) -> str:  # tracebacks may show it, and it may be a token
        return f'<Response {self.status}>'

    @property
    def retry_after(self) -> typing.Optional[float]:
        """The seconds in the header Retry-After (RFC 9110), None without a valid one."""
        value = self.headers.get('Retry-After', '')
        try:
            return float(
                urllib3.util.retry.Retry().parse_retry_after(value[:_MAX_DATE_CHARACTERS])
            )
        except Exception:  # an invalid date raises nearly anything
            return None


class Authorization(requests.auth.AuthBase):
    """The value of an Authorization header, in an object because its repr shows nothing."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header."""
        if self._value:
            request.headers['Authorization'] = self._value
        return request


# requests takes a user from the address or ~/.netrc if it gets none
_ANONYMOUS = Authorization('')


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: requests would read the body of a redirect that it must not follow."""


class _Adapter(requests.adapters.HTTPAdapter):
    """HTTPS with one context for all connections; requests would read the bundle for each."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: typing.Any, **kwargs: typing.Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: typing.Any) -> typing.Any:
        kwargs['ssl_context'] = self._context
        if proxy.lower().startswith('https:'):
            kwargs['proxy_ssl_context'] = self._context
        return super().proxy_manager_for(proxy, **kwargs)

    def cert_verify(self, conn: typing.Any, *args: typing.Any) -> None:
        """Leave the authorities to the context."""
        conn.cert_reqs = 'CERT_REQUIRED'


class Http:
    """Makes requests within one limit, over one session for each thread.

    `describe` returns the error to raise for a problem; `limit` is in seconds from now; `timeouts`
    are requests' connect and read time-outs in seconds; `proxies`, `user_agent` and `certificates`
    are as for `registry.Client`.
    """

    def __init__(
        self,
        describe: Describe,
        *,
        timeouts: typing.Tuple[float, float],
        user_agent: str,
        limit: typing.Optional[float] = None,
        proxies: typing.Optional[Proxies] = None,
        certificates: _tls.Certificates = _tls.NONE,
    ) -> None:
        self._describe = describe
        self._certificates = certificates
        self._user_agent = user_agent
        self._limit = limit
        self._deadline = float('inf') if limit is None else time.monotonic() + limit
        self._timeouts = timeouts
        self._proxies = {scheme: proxy for scheme, proxy in (proxies or {}).items() if proxy}
        self._local = threading.local()
        self._sessions: typing.List[requests.Session] = []

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._sessions:
            self._sessions.pop().close()

    def seconds_left(self) -> float:
        """Return how many seconds are left of the limit."""
        return self._deadline - time.monotonic()

    def send(
        self,
        method: str,
        url: str,
        authorization: typing.Optional[Authorization] = None,
        trusted_origin: str = '',
        headers: typing.Optional[typing.Mapping[str, str]] = None,
        body: typing.Optional[typing.Callable[[], typing.Any]] = None,
        max_bytes: int = MAX_TEXT_BYTES,
        stream: bool = False,
        redirects: int = _MAX_REDIRECTS,
        timeouts: typing.Optional[typing.Tuple[float, float]] = None,
    ) -> Response:
        """Send a request and follow redirects; read at most `max_bytes`, or none with `stream`.

        Only the origin `trusted_origin` gets `authorization`. `body` returns a new body for each
        attempt; if it has a `failure` afterwards, that is raised. With 0 `redirects`, the response
        may be one. `timeouts` replace those of all requests. Raise what `describe` returns.
        """
        for left in range(redirects, -1, -1):
            allowed = authorization if addresses.origin(url) == trusted_origin else None
            response = self._send_once(
                method, url, allowed, headers, body, max_bytes, stream, timeouts or self._timeouts
            )
            if response.status not in (301, 302, 303, 307, 308) or not redirects:
                return response
            location = response.headers.get('Location')
            if not location or (method not in ('GET', 'HEAD') and response.status < 307):
                raise self._describe(http_problems.Problem('redirect', url, detail=method))
            if left:
                url = addresses.resolve(url, location)
        raise self._describe(http_problems.Problem('redirects', url))

    def speaks_tls(self, netloc: str) -> bool:
        """Return whether a server on loopback speaks TLS, with a trusted certificate or not."""
        try:
            with self._request(
                'HEAD',
                f'https://{netloc}/v2/',
                timeout=max(0.01, min(2, self.seconds_left(), *self._timeouts)),
                auth=_ANONYMOUS,
            ):
                return True
        except Exception as exc:
            return http_problems.is_of_tls(exc)

    def _send_once(
        self,
        method: str,
        url: str,
        authorization: typing.Optional[Authorization],
        headers: typing.Optional[typing.Mapping[str, str]],
        body: typing.Optional[typing.Callable[[], typing.Any]],
        max_bytes: int,
        stream: bool,
        timeouts: typing.Tuple[float, float],
    ) -> Response:
        left = self.seconds_left()
        proxy = self._proxy(url)
        connect, read = timeouts
        if body:
            connect = read  # urllib3 sends, too, under the time-out for connecting
        content = None
        try:
            if left <= 0:
                raise self._problem('limit', url, proxy, f'{self._limit:g}')
            content = body() if body else None
            received = self._request(
                method,
                url,
                data=content,
                headers=dict(headers or {}, **{'Accept-Encoding': 'identity'}),
                auth=authorization or _ANONYMOUS,
                timeout=(min(connect, left), min(read, left)),
                proxies=self._proxies_for(url),
            )
            if stream and received.status_code in (200, 206):
                opened = Stream(received, url, proxy, self._describe)
                return Response(received.status_code, received.headers, b'', url, opened)
            with received:
                response = self._read(method, received, url, max_bytes)
            _log.debug('%s at %s: %s', method, addresses.host(url), response.status)
            return response
        except _ProblemError as exc:
            problem = exc.problem
        except Exception as exc:  # with a bad proxy or address, requests raises nearly anything
            problem = http_problems.find_problem(exc, url, proxy)
        # Not inside `except`: what requests raises refers to the request and its headers.
        failure = getattr(content, 'failure', None)
        if failure:
            raise failure
        error = self._describe(problem)
        _log.debug('%s at %s: %s', method, addresses.host(url), error)
        raise error

    def _request(self, method: str, url: str, **arguments: typing.Any) -> requests.Response:
        session = getattr(self._local, 'session', None)
        if session is None:
            session = self._local.session = _Session()
            session.trust_env = False
            session.headers['User-Agent'] = self._user_agent
            # Some registries take a client with a cookie for a browser.
            session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
            self._sessions.append(session)
        if url.startswith('https:') and not isinstance(session.get_adapter(url), _Adapter):
            session.mount('https://', _Adapter(_tls.context(self._certificates)))
        _logging.on = True
        try:
            return typing.cast(
                requests.Response,
                session.request(method, url, allow_redirects=False, stream=True, **arguments),
            )
        finally:
            _logging.on = False

    def _read(
        self, method: str, received: requests.Response, url: str, max_bytes: int
    ) -> Response:
        content = b''
        status = received.status_code
        proxy = self._proxy(url)
        if status == 407:
            raise self._problem('proxy-login', url, proxy)
        if status < 300 and _is_compressed(received):
            raise self._problem('compressed', url)
        while len(content) <= max_bytes:
            block = received.raw.read(
                min(_BLOCK_BYTES, max_bytes + 1 - len(content)), decode_content=False
            )
            if not block:
                break
            content += block
            if self.seconds_left() <= 0:
                raise self._problem('late', url, detail=f'{self._limit:g}')
        if method != 'HEAD' and len(content) < min(_length(received), max_bytes):
            raise self._problem('unfinished', url)
        if len(content) > max_bytes and status < 300:
            raise self._problem('large', url, detail=str(max_bytes))
        return Response(status, received.headers, content, url)

    def _problem(self, kind: str, url: str, proxy: str = '', detail: str = '') -> _ProblemError:
        return _ProblemError(http_problems.Problem(kind, url, proxy, detail))

    def _proxy(self, url: str) -> str:
        """Return the host of the proxy before the server at `url`, or ''."""
        proxy = requests.utils.select_proxy(url, self._proxies_for(url)) or ''
        # Its password may hold a slash, so it is no use to parse this as a URL.
        host = proxy.rpartition('@')[2].rpartition('//')[2].partition('/')[0]
        return messages.printable(host) or ('?' if proxy else '')

    def _proxies_for(self, url: str) -> typing.Dict[str, str]:
        # requests' own way changes os.environ for a moment, under all the other threads.
        proxies = urllib.request.getproxies_environment()
        proxies['no_proxy'] = proxies.pop('no', '')
        proxies.update(self._proxies)
        if addresses.is_loopback(url) or _bypasses(url, proxies.pop('no_proxy')):
            return {}
        return proxies


def _bypasses(url: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY covers the host: by name, domain, network, or all."""
    parts = urllib.parse.urlsplit(url)
    name = parts.hostname or ''
    for entry in no_proxy.lower().replace(',', ' ').split():
        domain = entry.lstrip('*.')
        if entry == '*' or f'{name}:{parts.port}' == entry:
            return True
        if name == domain or (domain and name.endswith('.' + domain)):
            return True
        try:
            if ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _is_compressed(received: requests.Response) -> bool:
    """Return whether a body has to be unpacked; `aws-chunked` only says how it was uploaded."""
    codings = received.headers.get('Content-Encoding', '').lower().split(',')
    return not {coding.strip() for coding in codings} <= {'', 'identity', 'aws-chunked'}


def _length(received: requests.Response) -> int:
    """Return the Content-Length of a response, which urllib3 1 does not check."""
    value = received.headers.get('Content-Length', '')
    return int(value) if re.match(r'[0-9]{1,18}\Z', value) else 0


def retry(
    operation: typing.Callable[[], _T],
    is_temporary: typing.Callable[[Exception], bool],
    on_wait: typing.Callable[[typing.Any, float], None],
    max_wait: typing.Callable[[], float],
    tries: int = len(DELAYS) + 1,
) -> _T:
    """Return what `operation` returns; retry it after errors that are temporary.

    `on_wait` is called with the error and the seconds until the next attempt: those in the
    error's `retry_after`, if it has some. Longer waits than `max_wait` are not worth it.
    """
    tried = 0
    while True:
        try:
            return operation()
        except Exception as exc:
            if not is_temporary(exc):
                raise
            failure = exc
        wait = getattr(failure, 'retry_after', None)
        if wait is None:
            wait = DELAYS[tried] if tried < len(DELAYS) else 30.0
        tried += 1
        if tried == tries or wait > max_wait():
            raise failure
        on_wait(failure, wait)
        time.sleep(wait)
