"""Requests to Charmhub: credentials, retries, and the errors in its responses."""

from __future__ import annotations

import contextlib
import email.utils
import re
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import requests
import requests.auth

from charm_image import _errors
from charm_image._upload import credentials as credentials_

DELAYS = (0.5, 1, 2, 4)
"""Seconds to wait before the second, third… attempt."""

_LONGEST_WAIT = 60  # seconds; longer waits that a server requests are errors
_TIMEOUT = (10, 60)  # seconds to connect, to respond
# plain http is only for this machine, without a proxy; '' overrides the environment
_NO_PROXIES = {'http': '', 'all': ''}


class Connection:
    """Sends requests to Charmhub with credentials, and retries them after server errors.

    `on_retry` is called with a sentence about each wait.

    Raises:
        _errors.StoreError: from every method.
    """

    def __init__(
        self, credentials: credentials_.Credentials, api_url: str, on_retry: Callable[[str], None]
    ) -> None:
        self.api_url = api_url
        self._credentials = credentials
        self._on_retry = on_retry
        self._secrets = list(credentials.secrets)
        self._session = requests.Session()
        self._session.headers['User-Agent'] = (
            f'charm-upload-resource python/{sys.version.split()[0]}'
        )
        self._session.headers['Accept'] = 'application/json'
        self._token = credentials.token

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def hide(self, secret: str) -> None:
        """Keep `secret` out of all messages."""
        self._secrets.append(secret)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path` of the API."""
        return self.content(self.request('GET', self.api_url + path))

    def content(self, response: requests.Response) -> dict[str, Any]:
        """Return the JSON object in `response`."""
        with self.reading():
            content = response.json()
            if isinstance(content, dict):
                return content
            raise ValueError

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Raise Unavailable if a response is not in the expected format."""
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError):
            # not chained: the cause may contain the response, with a password
            raise _errors.UnavailableError(
                f"{host_of(self.api_url)} sent a response that is not Charmhub's.",
                'Check the URL and any proxy.',
            ) from None

    def request(
        self, method: str, url: str, *, repeat: bool = True, **kwargs: Any
    ) -> requests.Response:
        """Send a request; if `repeat`, retry it after server errors."""
        if not self._token:
            self._token = self._exchange()
        return self._persist(
            lambda: self._once(method, url, f'Macaroon {self._token}', **kwargs), repeat
        )

    def _persist(
        self, attempt: Callable[[], requests.Response], repeat: bool = True
    ) -> requests.Response:
        for delay in DELAYS:
            try:
                return attempt()
            except _errors.UnavailableError as error:
                wait = delay if error.retry_after is None else error.retry_after
                # a request that the server did not process can always be repeated
                if not (repeat or isinstance(error, _errors.BusyError)) or wait > _LONGEST_WAIT:
                    raise
                self._on_retry(f'{error.message} Retrying in {wait:g} s.')
            time.sleep(wait)
        return attempt()

    def _once(
        self,
        method: str,
        url: str,
        authorization: str,
        *,
        timeout: tuple[float, float] = _TIMEOUT,
        **kwargs: Any,
    ) -> requests.Response:
        try:
            response = self._session.request(
                method,
                url,
                auth=_Authorization(authorization),
                proxies=_NO_PROXIES if url.startswith('http:') else None,
                timeout=timeout,
                allow_redirects=False,
                **kwargs,
            )
        except requests.RequestException as fault:
            # not chained: the cause contains the request, with the credentials
            raise _no_response(host_of(url), fault) from None
        except OSError:  # before anything is sent
            raise _errors.StoreError(
                'The bundle of CA certificates cannot be read.',
                'Set REQUESTS_CA_BUNDLE to an existing file.',
            ) from None
        if response.status_code >= 300:
            raise self._refusal(response)
        return response

    def _exchange(self) -> str:
        """Exchange a login at Ubuntu One for a token of the store, as craft-store 3.4 does."""
        root = self._credentials.root
        discharge = credentials_.bind(root, self._credentials.discharge)
        self._secrets.append(discharge)
        response = self._persist(
            lambda: self._once(
                'POST',
                f'{self.api_url}/v1/tokens/usso/exchange',
                f'Macaroon root={root}, discharge={discharge}',
                json={'client-description': 'charm-upload-resource'},
            )
        )
        token = self.content(response).get('macaroon')
        if not isinstance(token, str) or not credentials_.is_token(token):
            raise _errors.StoreError(
                'Charmhub did not return a token for the login.', self._credentials.renewal
            )
        self._secrets.append(token)
        return token

    def _refusal(self, response: requests.Response) -> _errors.StoreError:
        status = response.status_code
        try:
            errors = response.json().get('error-list') or response.json().get('error_list') or []
            codes = [str(error.get('code', '')) for error in errors]
            said = '; '.join(self.clean(str(error.get('message', ''))) for error in errors)
        except (ValueError, TypeError, AttributeError):
            codes, said = [], ''
        fields: Any = {'status': status, 'codes': codes}
        said = said or f'{status} {self.clean(response.reason or "")}'.strip()
        host = host_of(response.url)
        # check the code first: a missing permission is returned as 401 or 403
        if 'permission-required' in codes or status == 403:
            return _errors.NotAllowedError(f'Charmhub says: {said}.'.replace('..', '.'), **fields)
        if status == 401:
            return _errors.NotLoggedInError(
                f'Charmhub rejected the credentials from {self._credentials.origin}: '
                'they have expired, were revoked or are for a different store.',
                self._credentials.renewal,
                **fields,
            )
        if status == 404:
            return _errors.NotFoundError(f'{host} says: {said}.', **fields)
        if status == 429 or status >= 500:
            wait = _retry_after(response)
            later = 'Try again later.' if wait is None else f'Try again in {wait:g} s.'
            if status == 429:
                return _errors.BusyError(
                    f'{host} is rate-limiting requests (429).', later, retry_after=wait, **fields
                )
            return _errors.UnavailableError(
                f'{host} reported a server error ({said}).', later, retry_after=wait, **fields
            )
        if status == 413:
            return _errors.StoreError(f'{host} rejected the file as too large.', **fields)
        if 300 <= status < 400:
            return _errors.StoreError(f'{host} redirects ({status}).', 'Check the URL.', **fields)
        return _errors.StoreError(f'Charmhub rejected the request: {said}.', **fields)

    def clean(self, text: str) -> str:
        """Return a server's message without secrets and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, '***')
        return (
            ''.join(char if char.isprintable() else ' ' for char in text)[:500].strip().rstrip('.')
        )


class _Authorization(requests.auth.AuthBase):
    """Sets the header; .netrc does not replace it, and its repr does not show it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers['Authorization'] = self._value
        return request


def secure(url: str) -> str:
    """Return `url` without a trailing slash, username and password.

    Raises:
        InsecureURLError: it is not https and not on this machine.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.scheme in ('https', 'http') and parts.port != 0 else None
    except ValueError:  # the address or port is not valid
        host = None
    if not host:
        raise _errors.InsecureURLError(
            f'{_shown(url)} is not a valid server URL.', 'Use a form such as https://HOST.'
        )
    local = host in ('localhost', '::1') or re.fullmatch(r'127(\.\d{1,3}){3}', host)
    if parts.scheme == 'http' and not local:
        raise _errors.InsecureURLError(
            f'{_shown(url)} would send your credentials unencrypted.', 'Use an https:// URL.'
        )
    return parts._replace(netloc=host_of(url)).geturl().rstrip('/')


def _shown(url: str) -> str:
    """Return `url` without username and password."""
    return re.sub('//.*@', '//', url)


def host_of(url: str) -> str:
    """Return host and port of `url`."""
    return urllib.parse.urlsplit(url).netloc.rpartition('@')[2]


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds in the Retry-After header (RFC 9110, 10.2.3), or None."""
    value = response.headers.get('Retry-After', '')
    if value.isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def _no_response(host: str, fault: requests.RequestException) -> _errors.UnavailableError:
    """Return the error for a request that `host` did not answer."""
    if isinstance(fault, requests.exceptions.SSLError):
        distrust = re.search(r'certificate verify failed: (.*?)\.? \(_ssl', str(fault))
        if distrust:
            return _errors.UnavailableError(
                f'The certificate of {host} is not trusted ({distrust[1]}).',
                'Set REQUESTS_CA_BUNDLE to a bundle that contains its CA.',
            )
        return _errors.UnavailableError(f'TLS with {host} failed.', 'Check the URL and any proxy.')
    return _errors.UnavailableError(
        f'{host} {_what_happened(fault)}.', 'Check the network and try again.'
    )


def _what_happened(fault: requests.RequestException) -> str:
    """Describe why there was no response, without the library's repr of its objects."""
    if isinstance(fault, requests.exceptions.ProxyError):
        return 'cannot be reached through the proxy'
    if isinstance(fault, requests.Timeout):
        return 'does not respond'
    reason = str(fault)
    if 'refused' in reason or 'NewConnectionError' in reason or 'NameResolution' in reason:
        return 'cannot be reached'
    return 'closed the connection'
