"""HTTP as the clients of registries and of Charmhub use it: bounded, and silent about secrets.

It is urllib3, which neither keeps cookies nor reads ~/.netrc; its redirects and retries are off.
"""

import contextlib
import logging
import re
import time
import typing

import urllib3

from container_image import _pools, _tls, addresses, http_problems

Proxies = typing.Mapping[str, str]

MAX_TEXT_BYTES = 64 << 10  # enough for tokens and errors, which are JSON

#: Seconds to wait before the second, third… attempt, if the server does not say.
DELAYS = (0.5, 1.0, 2.0, 4.0)

_T = typing.TypeVar('_T')

_MAX_REDIRECTS = 5
_MAX_DATE_CHARACTERS = 50
_BLOCK_BYTES = 1 << 20

_log = logging.getLogger(__name__)

#: Returns the error to raise for a problem.
Describe = typing.Callable[[http_problems.Problem], Exception]


class _ProblemError(Exception):
    """A problem on its way to where it is put into words; it refers to no request."""

    def __init__(self, kind: str, url: str, proxy: str = '', detail: str = '') -> None:
        super().__init__(kind)
        self.problem = http_problems.Problem(kind, url, proxy, detail)


class Stream:
    """A body that is read as it comes."""

    def __init__(
        self, received: urllib3.HTTPResponse, url: str, proxy: str, describe: Describe
    ) -> None:
        self._response = received
        self._url = url
        self._proxy = proxy
        self._describe = describe

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end, or if the connection broke."""
        try:
            return self._response.read(size)
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
            return float(urllib3.Retry().parse_retry_after(value[:_MAX_DATE_CHARACTERS]))
        except Exception:  # an invalid date raises nearly anything
            return None


class Authorization:
    """The value of an Authorization header, in an object because its repr shows nothing."""

    def __init__(self, value: str) -> None:
        self.value = value


class Http:
    """Makes requests within one limit; safe to use from several threads.

    `describe` returns the error to raise for a problem; `limit` is in seconds from now; `timeouts`
    are those to connect and to read, in seconds; `proxies`, `user_agent` and `certificates` are as
    for `registry.Client`.
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
        self._user_agent = user_agent
        self._limit = limit
        self._deadline = float('inf') if limit is None else time.monotonic() + limit
        self._timeouts = timeouts
        self._pools = _pools.Pools(proxies or {}, certificates)

    def close(self) -> None:
        """Close the connections."""
        self._pools.close()

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
        seconds = min(2, *self._timeouts)
        try:
            self._request('HEAD', f'https://{netloc}/v2/', seconds, seconds).close()
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
        proxy = self._pools.proxy(url)
        connect, read = timeouts
        if body:
            connect = read  # urllib3 sends, too, under the time-out for connecting
        content = None
        try:
            if self.seconds_left() <= 0:
                raise _ProblemError('limit', url, proxy, f'{self._limit:g}')
            content = body() if body else None
            received = self._request(method, url, connect, read, authorization, headers, content)
            if stream and received.status in (200, 206):
                opened = Stream(received, url, proxy, self._describe)
                return Response(received.status, received.headers, b'', url, opened)
            with contextlib.closing(received):
                response = self._read(method, received, url, proxy, max_bytes)
            _log.debug('%s at %s: %s', method, addresses.host(url), response.status)
            return response
        except _ProblemError as exc:
            problem = exc.problem
        except Exception as exc:  # with a bad proxy or address, urllib3 raises nearly anything
            problem = http_problems.find_problem(exc, url, proxy)
        # Not inside `except`: what urllib3 raises refers to the request and its headers.
        failure = getattr(content, 'failure', None)
        if failure:
            raise failure
        error = self._describe(problem)
        _log.debug('%s at %s: %s', method, addresses.host(url), error)
        raise error

    def _request(
        self,
        method: str,
        url: str,
        connect: float,
        read: float,
        authorization: typing.Optional[Authorization] = None,
        headers: typing.Optional[typing.Mapping[str, str]] = None,
        body: typing.Any = None,
    ) -> urllib3.HTTPResponse:
        """Return the response, of which no body was read yet; `body` has a length.

        `connect` and `read` are time-outs in seconds, of which no more is used than is left.
        """

        def timeout() -> urllib3.Timeout:
            left = max(0.01, self.seconds_left())
            return urllib3.Timeout(connect=min(connect, left), read=min(read, left))

        sent = {'Accept': '*/*', 'User-Agent': self._user_agent, 'Accept-Encoding': 'identity'}
        sent.update(headers or {})
        if body is not None:
            sent['Content-Length'] = str(len(body))
        if authorization:
            sent['Authorization'] = authorization.value
        return self._pools.request(method, url, timeout, headers=sent, body=body)

    def _read(
        self, method: str, received: urllib3.HTTPResponse, url: str, proxy: str, max_bytes: int
    ) -> Response:
        content = b''
        status = received.status
        if status == 407:
            raise _ProblemError('proxy-login', url, proxy)
        if status < 300 and _is_compressed(received):
            raise _ProblemError('compressed', url)
        while len(content) <= max_bytes:
            block = received.read(min(_BLOCK_BYTES, max_bytes + 1 - len(content)))
            if not block:
                break
            content += block
            if self.seconds_left() <= 0:
                raise _ProblemError('late', url, detail=f'{self._limit:g}')
        if method != 'HEAD' and len(content) < min(_length(received), max_bytes):
            raise _ProblemError('unfinished', url)
        if len(content) > max_bytes and status < 300:
            raise _ProblemError('large', url, detail=str(max_bytes))
        return Response(status, received.headers, content, url)


def _is_compressed(received: urllib3.HTTPResponse) -> bool:
    """Return whether a body has to be unpacked; `aws-chunked` only says how it was uploaded."""
    codings = received.headers.get('Content-Encoding', '').lower().split(',')
    return not {coding.strip() for coding in codings} <= {'', 'identity', 'aws-chunked'}


def _length(received: urllib3.HTTPResponse) -> int:
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
