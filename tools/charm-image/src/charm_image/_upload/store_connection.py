"""Requests to Charmhub: credentials, retries, and the errors in its responses."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from charm_image import _errors
from charm_image._upload import credentials as credentials_
from container_image import addresses, http_client, http_problems, messages, registry_errors

_MAX_WAIT = 60  # seconds; longer waits that a server requests are errors
_MAX_BYTES = 64 << 20  # of a response: a list of revisions may be long
_TIMEOUTS = (10, 60)  # seconds to connect, to respond
_NETWORK = 'Check the network and try again.'
_PROXY = 'Check the URL and any proxy.'
_BUNDLE = (
    'The bundle of CA certificates cannot be read.',
    'Set REQUESTS_CA_BUNDLE to an existing file.',
)


class Connection:
    """Sends requests to Charmhub with credentials, and retries them after server errors.

    `on_retry` is called with a sentence about each wait.

    Raises:
        StoreError: from every method.
    """

    def __init__(
        self, credentials: credentials_.Credentials, api_url: str, on_retry: Callable[[str], None]
    ) -> None:
        self.api_url = api_url
        self._credentials = credentials
        self._on_retry = on_retry
        self._secrets = list(credentials.secrets)
        self._http = http_client.Http(
            _describe,
            timeouts=_TIMEOUTS,
            user_agent=f'charm-upload-resource python/{sys.version.split()[0]}',
        )
        self._token = credentials.token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def hide(self, secret: str) -> None:
        """Keep `secret` out of all messages."""
        self._secrets.append(secret)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path` of the API."""
        return self.content(self.request('GET', self.api_url + path))

    def get_public(self, url: str, max_bytes: int = _MAX_BYTES) -> http_client.Response:
        """Return the response of a public URL, asked once and without credentials."""
        try:
            addresses.check_url(url, self.api_url)
        except registry_errors.RegistryError:
            raise _errors.StoreError('Charmhub named an invalid URL.') from None
        response = self._http.send('GET', url, max_bytes=max_bytes)
        if response.status in (401, 403, 404):
            raise _errors.NotFoundError(
                f'{addresses.host(url)} does not show it to everybody (HTTP {response.status}).',
                status=response.status,
            )
        if response.status >= 300:
            raise self._refusal(response)
        return response

    def content(self, response: http_client.Response) -> dict[str, Any]:
        """Return the JSON object in `response`."""
        with self.reading():
            content = json.loads(response.content)
            if isinstance(content, dict):
                return content
            raise ValueError

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Raise UnavailableError if a response is not in the expected format."""
        try:
            yield
        except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # not chained: the cause may contain the response, with a password
            raise _errors.UnavailableError(
                f"{addresses.host(self.api_url)} sent a response that is not Charmhub's.", _PROXY
            ) from None

    def post(self, url: str, content: object, *, repeat: bool = True) -> http_client.Response:
        """Send a JSON document; if `repeat`, retry it after server errors."""
        body = json.dumps(content).encode()
        headers = {'Content-Type': 'application/json'}
        return self.request('POST', url, repeat=repeat, headers=headers, body=lambda: body)

    def request(
        self,
        method: str,
        url: str,
        *,
        repeat: bool = True,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Any] | None = None,
        timeouts: tuple[float, float] | None = None,
    ) -> http_client.Response:
        """Send a request; if `repeat`, retry it after server errors.

        `body` returns a new body for each attempt; what its attribute `failure` has afterwards is
        raised.
        """
        if not self._token:
            self._token = self._exchange()
        return self._send(self._token, method, url, repeat, headers, body, timeouts)

    def _send(
        self,
        credentials: str,
        method: str,
        url: str,
        repeat: bool,
        headers: Mapping[str, str] | None,
        body: Callable[[], Any] | None,
        timeouts: tuple[float, float] | None = None,
    ) -> http_client.Response:
        def attempt() -> http_client.Response:
            response = self._http.send(
                method,
                url,
                http_client.Authorization(f'Macaroon {credentials}'),
                addresses.origin(url),
                {'Accept': 'application/json', **(headers or {})},
                body,
                _MAX_BYTES,
                redirects=0,
                timeouts=timeouts,
            )
            if response.status >= 300:
                raise self._refusal(response)
            return response

        def is_temporary(error: Exception) -> bool:
            # a request that the server did not process can always be repeated
            return isinstance(error, _errors.UnavailableError if repeat else _errors.BusyError)

        def on_wait(error: _errors.UnavailableError, seconds: float) -> None:
            self._on_retry(f'{error.message} Retrying in {seconds:g} s.')

        return http_client.retry(attempt, is_temporary, on_wait, lambda: _MAX_WAIT)

    def _exchange(self) -> str:
        """Exchange a login at Ubuntu One for a token of the store, as craft-store 3.4 does."""
        root = self._credentials.root
        discharge = credentials_.bind(root, self._credentials.discharge)
        self._secrets.append(discharge)
        body = json.dumps({'client-description': 'charm-upload-resource'}).encode()
        response = self._send(
            f'root={root}, discharge={discharge}',
            'POST',
            f'{self.api_url}/v1/tokens/usso/exchange',
            True,
            {'Content-Type': 'application/json'},
            lambda: body,
        )
        token = self.content(response).get('macaroon')
        if not isinstance(token, str) or not credentials_.is_token(token):
            raise _errors.StoreError(
                'Charmhub did not return a token for the login.', self._credentials.renewal
            )
        self._secrets.append(token)
        return token

    def _refusal(self, response: http_client.Response) -> _errors.StoreError:
        status = response.status
        try:
            content = json.loads(response.content)
            errors = content.get('error-list') or content.get('error_list') or []
            codes = [str(error.get('code', '')) for error in errors]
            reason = '; '.join(self.clean(str(error.get('message', ''))) for error in errors)
        except (ValueError, TypeError, AttributeError, RecursionError):
            codes, reason = [], ''
        fields: Any = {'status': status, 'codes': codes}
        reason = reason or f'{status} {http.client.responses.get(status, "")}'.strip()
        host = addresses.host(response.url)
        # check the code first: a missing permission is returned as 401 or 403
        if 'permission-required' in codes or status == 403:
            return _errors.NotAllowedError(
                f'Charmhub says: {reason}.'.replace('..', '.'), **fields
            )
        if status == 401:
            return _errors.NotLoggedInError(
                f'Charmhub rejected the credentials from {self._credentials.origin}: '
                'they have expired, were revoked or are for a different store.',
                self._credentials.renewal,
                **fields,
            )
        if status == 404:
            return _errors.NotFoundError(f'{host} says: {reason}.', **fields)
        if status == 429 or status >= 500:
            wait = response.retry_after
            later = 'Try again later.' if wait is None else f'Try again in {wait:g} s.'
            if status == 429:
                return _errors.BusyError(
                    f'{host} is rate-limiting requests (429).', later, retry_after=wait, **fields
                )
            return _errors.UnavailableError(
                f'{host} reported a server error ({reason}).', later, retry_after=wait, **fields
            )
        if status == 413:
            return _errors.StoreError(f'{host} rejected the file as too large.', **fields)
        if 300 <= status < 400:
            return _errors.StoreError(f'{host} redirects ({status}).', 'Check the URL.', **fields)
        return _errors.StoreError(f'Charmhub rejected the request: {reason}.', **fields)

    def clean(self, text: str) -> str:
        """Return a server's message without secrets, printable."""
        for secret in self._secrets:
            text = text.replace(secret, '***')
        return messages.printable(' '.join(text.split())).rstrip('.')


def _describe(problem: http_problems.Problem) -> _errors.StoreError:
    """Return the error for a problem of a request."""
    kind, url, proxy, detail = problem
    host = addresses.host(url)
    if kind == 'bundle':  # before anything is sent
        return _errors.StoreError(*_BUNDLE)
    if kind == 'large':
        return _errors.StoreError(
            f'{host} sent a response over the limit of {detail} bytes.', _PROXY
        )
    return _errors.UnavailableError(
        *{
            'certificate': (
                f'The certificate of {host} is not trusted ({detail}).',
                'Add its CA to the certificates of the system, or set REQUESTS_CA_BUNDLE to a '
                'bundle that contains it.',
            ),
            'proxy': (f'{host} cannot be reached through the proxy {proxy}.', _NETWORK),
            'proxy-login': (
                f'The proxy {proxy} requires valid credentials.',
                'Check the URL of the proxy.',
            ),
            'resolve': (f'{host} cannot be reached.', _NETWORK),
            'refused': (f'{host} cannot be reached.', _NETWORK),
            'timeout': (f'{host} does not respond.', _NETWORK),
            'plain': (f'{host} gave an HTTP response to an HTTPS request.', _PROXY),
            'tls': (f'TLS with {host} failed.', _PROXY),
            'compressed': (f'{host} sent a compressed response.', _PROXY),
        }.get(kind, (f'{host} closed the connection.', _NETWORK))
    )


def secure(url: str) -> str:
    """Return `url` without a trailing slash, username and password.

    Raises:
        InsecureURLError: it is not https and not on this machine.
    """
    public = re.sub('//.*@', '//', url)  # without username and password
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.scheme in ('https', 'http') and parts.port != 0 else None
    except ValueError:  # the address or port is not valid
        host = None
    if not host:
        raise _errors.InsecureURLError(
            f'{public} is not a valid server URL.', 'Use a form such as https://HOST.'
        )
    if parts.scheme == 'http' and not addresses.is_loopback(url):
        raise _errors.InsecureURLError(
            f'{public} would send your credentials unencrypted.', 'Use an https:// URL.'
        )
    netloc = parts.netloc.rpartition('@')[2]
    return parts._replace(netloc=netloc).geturl().rstrip('/')
