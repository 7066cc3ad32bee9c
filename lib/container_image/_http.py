"""HTTP for a registry client: bounded, encrypted, and silent about secrets.

The automatisms of requests for redirects, ~/.netrc, cookies and proxies are switched off.
"""

import email.utils
import http.cookiejar
import ipaddress
import logging
import os
import re
import threading
import time
import typing
import urllib.parse
import urllib.request

import requests
import requests.auth
import requests.utils

from container_image import _addresses, _http_failures, messages
from container_image import registry_errors as errors

Proxies = typing.Mapping[str, str]

MAX_TEXT_BYTES = 64 << 10  # enough for tokens and errors, which are JSON

_MAX_REDIRECTS = 5
_BLOCK_BYTES = 1 << 20

_log = logging.getLogger(__name__)
_logging = threading.local()


def _is_logged(record: logging.LogRecord) -> bool:
    return not getattr(_logging, 'on', False)


# urllib3 logs whole addresses, and those that registries redirect to are often signed: whoever
# has one has the access. What others do with urllib3 is logged as ever.
for _logger in ('urllib3.connectionpool', 'urllib3.connection'):
    logging.getLogger(_logger).addFilter(_is_logged)


class Stream:
    """A body that is read as it comes; each read raises `registry_errors.RegistryError`."""

    def __init__(self, received: requests.Response, where: str, has_proxy: bool) -> None:
        self._response = received
        self._where = where
        self._has_proxy = has_proxy

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end, or if the connection broke."""
        try:
            return typing.cast(bytes, self._response.raw.read(size, decode_content=False))
        except Exception as exc:
            failure = _http_failures.failure(exc, self._where, self._has_proxy)
        raise failure

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


class Authorization(requests.auth.AuthBase):
    """The value of an Authorization header, in an object because its repr shows nothing."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers['Authorization'] = self._value
        return request


_ANONYMOUS = Authorization(
    ''
)  # requests takes a user from the address or ~/.netrc if it gets none


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: requests would read the body of a redirect that it must not follow."""


class Http:
    """Makes requests within one limit, over one session for each thread.

    `host` is the registry's, for messages; `limit` is in seconds from now; `timeouts` are
    requests' connect and read time-outs in seconds; `proxies` and `user_agent` are as for
    `registry.Client`.
    """

    def __init__(
        self,
        host: str,
        limit: typing.Optional[float],
        timeouts: typing.Tuple[float, float],
        proxies: typing.Optional[Proxies],
        user_agent: str,
    ) -> None:
        self._host = host
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
    ) -> Response:
        """Send a request and follow redirects; read at most `max_bytes`, or none with `stream`.

        Only the origin `trusted_origin` gets `authorization`. `body` returns a new body for each
        attempt. Raise `registry_errors.RegistryError`, also for 429 and 5xx.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            allowed = authorization if _addresses.origin(url) == trusted_origin else None
            response = self._send_once(method, url, allowed, headers, body, max_bytes, stream)
            if response.status not in (301, 302, 303, 307, 308):
                return response
            location = response.headers.get('Location')
            if not location or (method not in ('GET', 'HEAD') and response.status < 307):
                raise errors.ProtocolError(
                    f'{self._name(url)} sent an invalid redirect for {method}: check that it '
                    f'is a registry'
                )
            url = _addresses.resolve(url, location)
        raise errors.ProtocolError(
            f'{self._name(url)} redirected too many times: check that it is a registry'
        )

    def speaks_tls(self, netloc: str) -> bool:
        """Return whether a server on loopback speaks TLS, with a trusted certificate or not."""
        try:
            with self._request(
                'HEAD',
                f'https://{netloc}/v2/',
                timeout=max(0.01, min(2, self.seconds_left(), *self._timeouts)),
                verify=_ca_bundle(),
                auth=_ANONYMOUS,
            ):
                return True
        except Exception as exc:
            return _http_failures.is_distrust(exc)

    def _send_once(
        self,
        method: str,
        url: str,
        authorization: typing.Optional[Authorization],
        headers: typing.Optional[typing.Mapping[str, str]],
        body: typing.Optional[typing.Callable[[], typing.Any]],
        max_bytes: int,
        stream: bool,
    ) -> Response:
        left = self.seconds_left()
        if left <= 0:
            raise errors.NotReachableError(
                f'{self._name(url)} was not asked: the limit of {self._limit:g} s was reached'
            )
        verify = _ca_bundle()
        connect, read = self._timeouts
        if body:
            connect = read  # urllib3 sends, too, under the time-out for connecting
        where, has_proxy = self._where(url)
        failure: typing.Optional[errors.RegistryError] = None
        try:
            received = self._request(
                method,
                url,
                data=body() if body else None,
                headers=dict(headers or {}, **{'Accept-Encoding': 'identity'}),
                auth=authorization or _ANONYMOUS,
                timeout=(min(connect, left), min(read, left)),
                proxies=self._proxies_for(url),
                verify=verify,
            )
            if stream and received.status_code in (200, 206):
                opened = Stream(received, where, has_proxy)
                response = Response(received.status_code, received.headers, b'', url, opened)
            else:
                with received:
                    response = self._read(method, received, url, max_bytes)
        except errors.RegistryError as exc:
            failure = exc
        except Exception as exc:  # with a bad proxy or address, requests raises nearly anything
            failure = _http_failures.failure(exc, where, has_proxy)
        _log.debug('%s at %s: %s', method, _addresses.host(url), failure or response.status)
        # Not inside `except`: what requests raises refers to the request and its headers.
        if failure:
            raise failure
        status = response.status
        if status in (408, 429) or (status >= 500 and status != 501):
            wait = _retry_after(response.headers.get('Retry-After', ''))
            trouble = 'is rate-limiting requests' if status == 429 else 'is unavailable'
            raise errors.OverloadedError(f'{self._name(url)} {trouble} (HTTP {status})', wait)
        return response

    def _request(self, method: str, url: str, **arguments: typing.Any) -> requests.Response:
        session = getattr(self._local, 'session', None)
        if session is None:
            session = self._local.session = _Session()
            session.trust_env = False
            session.headers['User-Agent'] = self._user_agent
            # Some registries take a client with a cookie for a browser.
            session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
            self._sessions.append(session)
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
        if status == 407:
            raise _http_failures.proxy_refuses(self._where(url)[0])
        if status < 300 and _is_compressed(received):
            raise errors.ProtocolError(
                f'{self._name(url)} sent a compressed response, which was not requested: '
                f'check for a proxy'
            )
        while len(content) <= max_bytes:
            block = received.raw.read(
                min(_BLOCK_BYTES, max_bytes + 1 - len(content)), decode_content=False
            )
            if not block:
                break
            content += block
            if self.seconds_left() <= 0:
                raise errors.NotReachableError(
                    f'{self._name(url)} did not finish its response within {self._limit:g} s'
                )
        if method != 'HEAD' and len(content) < min(_length(received), max_bytes):
            raise errors.NotReachableError(
                f'{self._name(url)} closed the connection before the end of its response'
            )
        if len(content) > max_bytes and status < 300:
            raise errors.ProtocolError(
                f'{self._name(url)} sent a response over the limit of {max_bytes} bytes'
            )
        return Response(status, received.headers, content, url)

    def _name(self, url: str) -> str:
        """Return what messages call the server at `url`: the registry, or one that it named."""
        host = _addresses.host(url)
        registry = f'the registry {self._host}'
        return registry if host == self._host else f'{host} (used by {registry})'

    def _where(self, url: str) -> typing.Tuple[str, bool]:
        """Return the name of the server at `url` and of the proxy before it, if there is one."""
        proxy = requests.utils.select_proxy(url, self._proxies_for(url))
        if not proxy:
            return self._name(url), False
        # Its password may hold a slash, so it is no use to parse this as a URL.
        host = proxy.rpartition('@')[2].rpartition('//')[2].partition('/')[0]
        return f'{self._name(url)} (through the proxy {messages.printable(host)})', True

    def _proxies_for(self, url: str) -> typing.Dict[str, str]:
        # requests' own way changes os.environ for a moment, under all the other threads.
        proxies = urllib.request.getproxies_environment()
        proxies['no_proxy'] = proxies.pop('no', '')
        proxies.update(self._proxies)
        if _addresses.is_loopback(url) or _bypasses(url, proxies.pop('no_proxy')):
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


def _ca_bundle() -> typing.Union[bool, str]:
    for variable in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
        path = os.environ.get(variable)
        if path and not os.path.exists(path):
            raise errors.CertificateNotTrustedError(
                f'{variable} names {messages.printable(path)}, which does not exist: it must '
                f'name a bundle of CA certificates'
            )
        if path:
            return path
    return True


def _is_compressed(received: requests.Response) -> bool:
    """Return whether a body has to be unpacked; `aws-chunked` only says how it was uploaded."""
    codings = received.headers.get('Content-Encoding', '').lower().split(',')
    return not {coding.strip() for coding in codings} <= {'', 'identity', 'aws-chunked'}


def _length(received: requests.Response) -> int:
    """Return the Content-Length of a response, which urllib3 1 does not check."""
    value = received.headers.get('Content-Length', '')
    return int(value) if re.match(r'[0-9]{1,18}\Z', value) else 0


def _retry_after(value: str) -> typing.Optional[float]:
    """Return the seconds in a Retry-After header (RFC 7231), which is a number or a date."""
    if re.match(r'[0-9]{1,9}\Z', value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
