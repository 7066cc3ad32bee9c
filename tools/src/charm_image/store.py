"""Charmhub's publisher API, as far as a resource's upload needs it.

https://api.charmhub.io/docs/default.html, and the calls of charmcraft 4.5.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import platform
import re
import secrets
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import requests
import requests.auth

from charm_image import credentials as credentials_

API_URL = 'https://api.charmhub.io'
STORAGE_URL = 'https://storage.snapcraftcontent.com'

_DELAYS = (0.5, 1, 2, 4)  # seconds before the second, third… attempt
_LONGEST_WAIT = 60  # seconds that a server may ask us to wait
_TIMEOUT = (10, 60)  # seconds to connect, to answer
_STORAGE_TIMEOUT = (10, 600)  # the storage hashes all of it before it answers
_REVIEW_DELAYS = (0.2, 0.3, 0.5, 1, 1, 1, 2)  # then 3 s each, as charmcraft
_CHUNK = 1 << 20
# plain http is for this machine, and a proxy is another one; '' goes before the environment
_NO_PROXIES = {'http': '', 'all': ''}


class StoreError(Exception):
    """Charmhub can't or won't do it. `code` is its own word, where it gave one."""

    def __init__(self, message: str, resolution: str = '', code: str = '') -> None:
        super().__init__(f'{message} {resolution}'.strip())
        self.message = message
        self.resolution = resolution
        self.code = code


class NotLoggedIn(StoreError):
    """The credentials are expired, revoked or wrong."""


class NotAllowed(StoreError):
    """The account, or its token, has no right to do this."""


class NotFound(StoreError):
    """There is no such charm or resource, or it is hidden from this account."""


class WrongType(StoreError):
    """The resource is of another type."""


class Rejected(StoreError):
    """The review found the content wanting. `errors` has a code and a message each."""

    def __init__(self, message: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message)
        self.errors = errors


class ReviewPending(StoreError):
    """The review takes longer than we wait."""


class Unavailable(StoreError):
    """Charmhub can't be reached, or has a fault of its own. `retry_after` is in seconds."""

    def __init__(
        self, message: str, resolution: str, code: str = '', retry_after: float | None = None
    ) -> None:
        super().__init__(message, resolution, code)
        self.retry_after = retry_after


class Busy(Unavailable):
    """Charmhub did not look at the request: there are too many."""


class InsecureURL(StoreError):
    """Credentials would cross a network readable."""


class FileChanged(StoreError):
    """The file is not what it was when its upload began."""


@dataclasses.dataclass(frozen=True)
class Account:
    """Whose credentials these are, and what they are restricted to (None: not restricted)."""

    username: str
    permissions: frozenset[str] | None
    packages: frozenset[str] | None

    def permits(self, permission: str) -> bool:
        """Tell whether the token has a permission, or the one that includes it."""
        included_in = permission.rpartition('-')[0]
        return self.permissions is None or not self.permissions.isdisjoint(
            {permission, included_in}
        )


@dataclasses.dataclass(frozen=True)
class UploadCredentials:
    """Where in Canonical's registry a resource's images live, and how to get in."""

    host: str
    repository: str
    username: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Review:
    """What Charmhub thinks of an upload."""

    status: str
    revision: int | None
    errors: Sequence[Mapping[str, str]]


class Store:
    """A client of Charmhub.

    `tell` hears, in a sentence, of each wait that the user should know about.

    Raises:
        InsecureURL: a URL is http and leads off this machine.
        StoreError: from every method.
    """

    def __init__(
        self,
        credentials: credentials_.Credentials,
        *,
        api_url: str = API_URL,
        storage_url: str = STORAGE_URL,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._credentials = credentials
        self._api_url = secure(api_url)
        self._storage_url = secure(storage_url)
        self._tell = tell
        self._secrets = list(credentials.secrets)
        self._session = requests.Session()
        self._session.headers['User-Agent'] = (
            f'charm-upload-resource python/{platform.python_version()}'
        )
        self._session.headers['Accept'] = 'application/json'
        self._token = credentials.token
        self._status_paths: dict[str, str] = {}

    def whoami(self) -> Account:
        """Return the account behind the credentials."""
        answer = self._get('/v1/tokens/whoami')
        with self._reading():
            names = {package.get('name') for package in answer.get('packages') or ()}
            return Account(
                username=self._clean(str(answer['account'].get('username'))),
                permissions=frozenset(answer.get('permissions') or ()) or None,
                # a package that is told by its id can't be told by its name
                packages=None if None in names else frozenset(names) or None,
            )

    def resources(self, charm: str) -> dict[str, str]:
        """Return the type of each resource that `charm` declares, by name."""
        answer = self._get(f'/v1/charm/{_quoted(charm)}/resources')
        with self._reading():
            # listed for each revision of the charm that declares it: the last one rules
            declared = sorted(answer['resources'], key=lambda found: found.get('revision') or 0)
            return {str(found['name']): str(found['type']) for found in declared}

    def revisions(self, charm: str, resource: str) -> dict[tuple[int, str], int]:
        """Return the revisions of a resource by size in bytes and SHA-256 in hex digits."""
        answer = self._get(f'{_resource_path(charm, resource)}/revisions')
        with self._reading():
            return {
                (int(found['size']), str(found['sha256'])): int(found['revision'])
                for found in answer['revisions']
                if found.get('sha256') and found.get('size') is not None
            }

    def upload_credentials(self, charm: str, resource: str) -> UploadCredentials:
        """Return the way into Canonical's registry for this resource's images."""
        answer = self._get(f'{_resource_path(charm, resource)}/oci-image/upload-credentials')
        with self._reading():
            self._secrets.append(str(answer['password']))
            host, repository = str(answer['image-name']).split('/', 1)
            return UploadCredentials(
                host, repository, str(answer['username']), str(answer['password'])
            )

    def image_blob(self, charm: str, resource: str, digest: str) -> bytes:
        """Return, byte for byte, what the resource has to hold for an image to be used."""
        path = f'{_resource_path(charm, resource)}/oci-image/blob'
        # asking twice makes nothing twice
        return self._request('POST', self._api_url + path, json={'image-digest': digest}).content

    def send(
        self, file: BinaryIO, size: int, name: str, progress: Callable[[int], None] | None = None
    ) -> str:
        """Send `size` bytes of a seekable file to the storage and return the upload's id.

        `progress` hears how many bytes are sent, and less than before where it starts again.

        Raises:
            FileChanged: the file has not, or no longer, `size` bytes.
        """
        body = _Body(file, size, name, progress)
        # bytes sent twice are no revision yet, so this may be repeated
        answer = self._request(
            'POST',
            f'{self._storage_url}/unscanned-upload/',
            data=body,
            headers={'Content-Type': body.content_type},
            timeout=_STORAGE_TIMEOUT,
        )
        content = self._content(answer)
        if not content.get('successful') or not content.get('upload_id'):
            raise StoreError("Charmhub's storage did not take the upload.", 'Try again.')
        return str(content['upload_id'])

    def create_revision(
        self, charm: str, resource: str, upload_id: str, type_: str, architectures: Sequence[str]
    ) -> None:
        """Let an upload become a revision of the resource, once."""
        url = f'{self._api_url}{_resource_path(charm, resource)}/revisions'
        base = {'name': 'all', 'channel': 'all', 'architectures': list(architectures)}
        content = {'upload-id': upload_id, 'type': type_, 'bases': [base]}

        def ask() -> None:
            answer = self._content(self._request('POST', url, json=content, repeat=False))
            self._status_paths[upload_id] = str(answer.get('status-url'))

        try:
            return ask()
        except Unavailable as error:
            lost = error
        # The request may have been carried out though its answer was lost, and a second one could
        # make a second revision. So: look, and only then ask again.
        for delay in _DELAYS:
            self._tell(f'{lost.message} Looking in {delay:g} s whether it was done.')
            time.sleep(delay)
            if self.review(charm, upload_id):
                return None
            try:
                return ask()
            except Unavailable as error:
                lost = error
            except StoreError:
                if self.review(charm, upload_id):
                    return None
                raise
        raise lost

    def review(self, charm: str, upload_id: str) -> Review | None:
        """Return the review of an upload; None where no revision was asked for."""
        path = self._status_paths.get(upload_id, '')
        if not path.startswith('/'):
            query = urllib.parse.urlencode({'upload-id': upload_id})
            path = f'/v1/charm/{_quoted(charm)}/revisions/review?{query}'
        try:
            answer = self._get(path)
        except NotFound:
            return None
        with self._reading():
            for found in answer['revisions']:
                if found.get('upload-id', upload_id) == upload_id:
                    errors = [
                        {key: self._clean(str(error.get(key, ''))) for key in ('code', 'message')}
                        for error in found.get('errors') or ()
                    ]
                    revision = found.get('revision')
                    return Review(
                        str(found['status']), None if revision is None else int(revision), errors
                    )
        return None

    def wait(self, charm: str, upload_id: str, timeout: float) -> int:
        """Wait `timeout` seconds at most for the review and return the revision.

        Raises:
            Rejected: the review says no.
            ReviewPending: it says nothing yet.
            NotFound: there is nothing to review.
        """
        deadline = time.monotonic() + timeout
        delays = iter(_REVIEW_DELAYS)
        while True:
            found = self.review(charm, upload_id)
            if found is None:
                if upload_id not in self._status_paths:
                    raise NotFound(
                        f'Charmhub knows no revision of {charm!r} made of the upload {upload_id}.',
                        'Upload again: the same content makes no second revision.',
                    )
                found = Review('not yet known', None, [])  # although it was just asked for
            if found.status == 'rejected':
                reasons = '; '.join(
                    ': '.join(filter(None, (error['code'], error['message'])))
                    for error in found.errors
                )
                raise Rejected(
                    f'Charmhub rejected the upload: {reasons or "no reason given"}.', found.errors
                )
            if found.status == 'approved' and found.revision is not None:
                return found.revision
            left = deadline - time.monotonic()
            if left <= 0:
                raise ReviewPending(f'Charmhub is still reviewing the upload {upload_id}.')
            time.sleep(min(next(delays, 3), left))

    def _get(self, path: str) -> dict[str, Any]:
        return self._content(self._request('GET', self._api_url + path))

    def _content(self, response: requests.Response) -> dict[str, Any]:
        with self._reading():
            content = response.json()
            if isinstance(content, dict):
                return content
            raise ValueError

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise an `Unavailable` where an answer has not the form that it ought to have."""
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError):
            # not chained: the cause may hold the answer, and that a password
            raise Unavailable(
                f'{_host(self._api_url)} did not answer as Charmhub does.',
                'Check the URL, and whether a proxy stands between.',
            ) from None

    def _request(
        self, method: str, url: str, *, repeat: bool = True, **kwargs: Any
    ) -> requests.Response:
        """Make a request; unless `repeat` is false, again where Charmhub has a fault."""
        if not self._token:
            self._token = self._exchange()
        return self._persist(
            lambda: self._once(method, url, f'Macaroon {self._token}', **kwargs), repeat
        )

    def _persist(
        self, attempt: Callable[[], requests.Response], repeat: bool = True
    ) -> requests.Response:
        for delay in _DELAYS:
            try:
                return attempt()
            except Unavailable as error:
                wait = delay if error.retry_after is None else error.retry_after
                # a request that was turned away at the door may be repeated, whatever it is
                if not (repeat or isinstance(error, Busy)) or wait > _LONGEST_WAIT:
                    raise
                self._tell(f'{error.message} Trying again in {wait:g} s.')
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
            # not chained: the cause holds the request, and that the credentials
            raise Unavailable(
                f'{_host(url)} {_what_happened(fault)}.', 'Check the network, and try again.'
            ) from None
        if response.status_code >= 300:
            raise self._refusal(response)
        return response

    def _exchange(self) -> str:
        """Trade a login at Ubuntu One for a token of the store, as craft-store 3.4 does."""
        root = self._credentials.root
        discharge = credentials_.bind(root, self._credentials.discharge)
        self._secrets.append(discharge)
        response = self._persist(
            lambda: self._once(
                'POST',
                f'{self._api_url}/v1/tokens/usso/exchange',
                f'Macaroon root={root}, discharge={discharge}',
                json={'client-description': 'charm-upload-resource'},
            )
        )
        token = self._content(response).get('macaroon')
        if not isinstance(token, str) or not credentials_.is_token(token):
            raise StoreError('Charmhub gave no token for the login.', self._credentials.renewal)
        self._secrets.append(token)
        return token

    def _refusal(self, response: requests.Response) -> StoreError:
        status = response.status_code
        try:
            errors = response.json().get('error-list') or response.json().get('error_list') or []
            codes = [str(error.get('code', '')) for error in errors]
            said = '; '.join(self._clean(str(error.get('message', ''))) for error in errors)
        except (ValueError, TypeError, AttributeError):
            codes, said = [], ''
        code = codes[0] if codes else ''
        said = said or f'{status} {self._clean(response.reason or "")}'.strip()
        host = _host(response.url)
        # the code first: a missing right comes as 401 or as 403
        if 'permission-required' in codes or status == 403:
            return NotAllowed(f'Charmhub says: {said}.'.replace('..', '.'), code=code)
        if status == 401:
            return NotLoggedIn(
                f'Charmhub does not accept the credentials from {self._credentials.origin}: '
                'they are expired, revoked or not for it.',
                self._credentials.renewal,
                code,
            )
        if status == 404:
            return NotFound(f'{host} says: {said}.', code=code)
        if status == 429 or status >= 500:
            wait = _retry_after(response)
            later = 'Try again later.' if wait is None else f'Try again in {wait:g} s.'
            if status == 429:
                return Busy(f'{host} is busy (429).', later, code, wait)
            return Unavailable(f'{host} has a fault ({said}).', later, code, wait)
        if status == 413:
            return StoreError(f'{host} does not take so large a file.', code=code)
        if 300 <= status < 400:
            return StoreError(f'{host} sends us elsewhere ({status}).', 'Check the URL.')
        return StoreError(f'Charmhub refused: {said}.', code=code)

    def _clean(self, text: str) -> str:
        """Return a server's words without secrets and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, '***')
        return (
            ''.join(char if char.isprintable() else ' ' for char in text)[:500].strip().rstrip('.')
        )


class _Authorization(requests.auth.AuthBase):
    """A header that no .netrc replaces and no repr shows."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers['Authorization'] = self._value
        return request


class _Body:
    """A multipart/form-data body with a length, read from its file as it is sent."""

    def __init__(
        self, file: BinaryIO, size: int, name: str, progress: Callable[[int], None] | None
    ) -> None:
        boundary = secrets.token_hex(16)
        # as browsers do it, https://html.spec.whatwg.org/#multipart-form-data
        quoted = name.replace('"', '%22').replace('\r', '%0D').replace('\n', '%0A')
        self.content_type = f'multipart/form-data; boundary={boundary}'
        self._head = (
            f'--{boundary}\r\n'
            f'Content-Disposition: form-data; name="binary"; filename="{quoted}"\r\n'
            'Content-Type: application/octet-stream\r\n\r\n'
        ).encode('utf-8', 'replace')
        self._tail = f'\r\n--{boundary}--\r\n'.encode()
        self._file, self._size, self._progress = file, size, progress

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        self._file.seek(0)
        left = self._size
        while left:
            try:
                chunk = self._file.read(min(left, _CHUNK))
            except OSError as error:  # else it would pass for a fault of the connection
                raise StoreError(f'The file cannot be read: {error.strerror}.') from None
            if not chunk:
                break
            left -= len(chunk)
            yield chunk
            if self._progress:
                self._progress(self._size - left)
        if left or self._file.read(1):
            # before the tail, so that the storage never has it whole
            raise FileChanged(
                'The file changed while it was sent.', 'Nothing was created: try again.'
            )
        yield self._tail


def secure(url: str) -> str:
    """Return `url` without a slash at its end, and without a user and password.

    Raises:
        InsecureURL: it is neither https nor on this machine.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.scheme in ('https', 'http') and parts.port != 0 else None
    except ValueError:  # an address or a port that is none
        host = None
    if not host:
        raise InsecureURL(
            f'{_shown(url)} is not the URL of a server.', 'Give one like https://HOST.'
        )
    local = host in ('localhost', '::1') or re.fullmatch(r'127(\.\d{1,3}){3}', host)
    if parts.scheme == 'http' and not local:
        raise InsecureURL(
            f'{_shown(url)} would carry your credentials unencrypted.', 'Give an https:// URL.'
        )
    return parts._replace(netloc=_host(url)).geturl().rstrip('/')


def _shown(url: str) -> str:
    """Return `url` without the user and password that someone may have put into it."""
    return re.sub('//.*@', '//', url)


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition('@')[2]


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe='')


def _resource_path(charm: str, resource: str) -> str:
    return f'/v1/charm/{_quoted(charm)}/resources/{_quoted(resource)}'


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a server asks for, RFC 9110 10.2.3."""
    value = response.headers.get('Retry-After', '')
    if value.isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def _what_happened(fault: requests.RequestException) -> str:
    """Say why there is no answer, without the library's repr of its objects."""
    if isinstance(fault, requests.exceptions.SSLError):
        return 'has a certificate that is not trusted'
    if isinstance(fault, requests.exceptions.ProxyError):
        return 'cannot be reached through the proxy'
    if isinstance(fault, requests.Timeout):
        return 'does not answer'
    reason = str(fault)
    if 'refused' in reason or 'NewConnectionError' in reason or 'NameResolution' in reason:
        return 'cannot be reached'
    return 'cut the connection'
