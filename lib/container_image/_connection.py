"""Requests to one registry, with one account or none: authentication, retries, errors.

Authentication follows docs/content/spec/auth of the distribution project, RFC 7235 and 7617.
"""

import base64
import json
import logging
import re
import threading
import time
import typing
import urllib.parse

from container_image import _tls, addresses, challenges, http_client, http_problems, messages
from container_image.registry_errors import (
    IS_REGISTRY,
    AccessDeniedError,
    BadCredentialsError,
    BlobUnknownError,
    CertificateNotTrustedError,
    NotFoundError,
    NotReachableError,
    NotResolvedError,
    OverloadedError,
    ProtocolError,
    RegistryError,
    RejectedError,
    UnavailableError,
)

_HUB = 'registry-1.docker.io'
_MAX_WAIT_SECONDS = 120.0
# Only these get into messages: anything else in an error's body may echo the request's header.
_CODE = re.compile(
    r'(BLOB|MANIFEST|NAME|TAG|DIGEST|SIZE|RANGE)(_BLOB|_UPLOAD)?_(UNKNOWN|INVALID|UNVERIFIED)\Z'
    r'|(UNAUTHORIZED|DENIED|UNSUPPORTED|TOOMANYREQUESTS)\Z'
)


_log = logging.getLogger(__name__)

_T = typing.TypeVar('_T')


class Advice(typing.NamedTuple):
    """What to do, in the imperative, where that depends on the program: for messages."""

    login: str = 'add username and password'
    https: str = 'set up HTTPS there'
    authority: str = 'add its CA to the certificates of the system'
    client: str = 'a unit has none to show'


ADVICE = Advice()


class Connection:
    """Sends requests to one registry; safe to use from several threads.

    The arguments are those of `registry.Client`. `display_name` is what messages call the image.
    """

    def __init__(
        self,
        host: str,
        username: str,
        password: str,
        *,
        proxies: typing.Optional[http_client.Proxies],
        limit: typing.Optional[float],
        tries: int,
        timeouts: typing.Tuple[float, float],
        on_retry: typing.Callable[[str], None],
        user_agent: str,
        identity_token: str,
        certificates: _tls.Certificates,
        advice: Advice,
    ) -> None:
        self._on_retry = on_retry
        self._identity_token = identity_token
        self._advice = advice
        self._name = messages.printable(host)
        hub = host in ('docker.io', 'index.docker.io', _HUB)
        self._address = _HUB if hub else host
        if not addresses.is_address(self._address):
            raise RejectedError(
                f'the registry {self._name} is not a valid address', 'check host and port'
            )
        # On loopback plain HTTP goes first: a server that speaks it may wait for ever for the end
        # of a TLS hello, and the first request never has credentials.
        loopback = addresses.is_loopback(f'//{self._address}')
        self._base = f'{"http" if loopback else "https"}://{self._address}'
        self._basic = None
        if password:
            account = base64.b64encode(f'{username}:{password}'.encode()).decode()
            self._basic = http_client.Authorization(f'Basic {account}')
        self._uses_basic = False
        self._tokens: typing.Dict[str, _Token] = {}
        self._renewing = threading.Lock()
        self._tries = tries
        self._http = http_client.Http(
            self._describe,
            timeouts=timeouts,
            user_agent=user_agent,
            limit=limit,
            proxies=proxies,
            certificates=certificates,
        )

    def close(self) -> None:
        """Close the connections of all threads."""
        self._http.close()

    @property
    def is_docker_hub(self) -> bool:
        """Return whether it is Docker Hub, which limits how many manifests are read with GET."""
        return self._address == _HUB

    def url(self, repository: str, kind: str, name: str) -> str:
        """Return the URL of a manifest, a blob or an upload."""
        path = urllib.parse.quote(f'/v2/{repository}/{kind}/{name}', safe='/:')
        return self._base + path

    def forget_token(self, repository: str) -> None:
        """Ask for a new token, for the same scopes, before the next request."""
        with self._renewing:
            token = self._tokens.get(repository)
            if token:
                self._tokens[repository] = token._replace(expires=0.0)

    def retry(
        self,
        operation: typing.Callable[[], _T],
        also: typing.Tuple[typing.Type[RegistryError], ...] = (),
        tries: typing.Optional[int] = None,
    ) -> _T:
        """Return what `operation` returns; retry if that may help, and after the errors `also`."""

        def is_temporary(error: Exception) -> bool:
            if isinstance(error, RegistryError):
                error.registry = error.registry or self._name
            # Docker Hub limits an address or account for hours, unless it says for how long.
            if self.is_docker_hub and getattr(error, 'status', None) == 429:
                return getattr(error, 'retry_after', None) is not None
            return isinstance(error, (NotReachableError, OverloadedError) + also)

        def on_wait(error: Exception, seconds: float) -> None:
            _log.debug('%s; again in %.1f s', error, seconds)
            self._on_retry(f'{error} (retrying in {seconds:.3g} s)')

        return http_client.retry(
            operation,
            is_temporary,
            on_wait,
            lambda: min(_MAX_WAIT_SECONDS, self._http.seconds_left()),
            tries or self._tries,
        )

    def _describe(self, problem: http_problems.Problem) -> RegistryError:
        """Return the error for a problem of a request."""
        kind, url, proxy, detail = problem
        where = self._where(url)
        via = f'{where} (through the proxy {proxy})' if proxy else where
        problems: typing.Dict[str, typing.Tuple[typing.Type[UnavailableError], str, str]] = {
            'resolve': (
                NotResolvedError,
                f'cannot resolve {via}',
                'check the name and the network',
            ),
            'bundle': (CertificateNotTrustedError, f'{via} was not asked: {detail}', ''),
            'certificate': (
                CertificateNotTrustedError,
                f'the certificate of {via} is not trusted ({detail})',
                f'if it is valid, {self._advice.authority}',
            ),
            'proxy': (NotReachableError, f'{via} cannot be reached', 'check the proxy'),
            'proxy-login': (
                NotReachableError,
                f'{via} cannot be reached, because the proxy requires valid credentials',
                'check its URL',
            ),
            'plain': (
                ProtocolError,
                f'{via} gave an HTTP response to an HTTPS request',
                f'check the port, or {self._advice.https}',
            ),
            'client': (
                CertificateNotTrustedError,
                f'{via} rejected the certificate of the client, or requires one',
                self._advice.client,
            ),
            'tls': (NotReachableError, f'TLS with {via} failed', 'check the port'),
            'refused': (
                NotReachableError,
                f'{via} refused the connection',
                'check host and port',
            ),
            'timeout': (
                NotReachableError,
                f'{via} did not respond in time',
                'check host and firewall',
            ),
            'broken': (
                NotReachableError,
                f'the connection to {via} broke',
                f'check the {"proxy and the " if proxy else ""}network',
            ),
            'limit': (
                NotReachableError,
                f'{where} was not asked: the limit of {detail} s was reached',
                '',
            ),
            'late': (
                NotReachableError,
                f'{where} did not finish its response within {detail} s',
                '',
            ),
            'unfinished': (
                NotReachableError,
                f'{where} closed the connection before the end of its response',
                '',
            ),
            'compressed': (
                ProtocolError,
                f'{where} sent a compressed response, which was not requested',
                'check for a proxy',
            ),
            'large': (
                ProtocolError,
                f'{where} sent a response over the limit of {detail} bytes',
                '',
            ),
            'redirect': (
                ProtocolError,
                f'{where} sent an invalid redirect for {detail}',
                IS_REGISTRY,
            ),
            'redirects': (ProtocolError, f'{where} redirected too many times', IS_REGISTRY),
        }
        error, message, resolution = problems[kind]
        return error(message, resolution)

    def _where(self, url: str) -> str:
        """Return what messages call the server at `url`: the registry, or one that it named."""
        host = addresses.host(url)
        registry = f'the registry {self._address}'
        return registry if host == self._address else f'{host} (used by {registry})'

    def _exchange(self, *args: typing.Any) -> http_client.Response:
        """Send a request as `Http.send`; raise an error if the server is overloaded."""
        response = self._http.send(*args)
        status = response.status
        # With an error code of the specification, a 5xx is about the request, and lasts.
        unknown = set(codes(response)) <= {'TOOMANYREQUESTS'}
        if status in (408, 429) or (status >= 500 and status != 501 and unknown):
            trouble = 'is rate-limiting requests' if status == 429 else 'is unavailable'
            resolution = ''
            if status == 429 and self.is_docker_hub:
                if self._basic or self._identity_token:
                    trouble += ' of this account'
                else:
                    resolution = f'{self._advice.login} to raise the limit'
            error = OverloadedError(
                f'{self._where(response.url)} {trouble} (HTTP {status})',
                resolution,
                retry_after=response.retry_after,
            )
            error.status, error.codes = status, tuple(codes(response))
            raise error
        return response

    def raise_for_status(
        self, response: http_client.Response, display_name: str, *statuses: int
    ) -> None:
        """Raise the error that a response means, unless it has one of `statuses`."""
        if response.status not in statuses:
            error = self._error(response, display_name)
            error.status, error.codes = response.status, tuple(codes(response))
            error.reference = display_name
            raise error

    def _error(self, response: http_client.Response, display_name: str) -> RegistryError:
        where = addresses.host(response.url)
        if addresses.origin(response.url) != addresses.origin(self._base):
            hint = ''
            if urllib.parse.urlsplit(response.url).path.startswith('/v2/'):
                hint = f'it is a different registry, so use its name, {where}'
            return ProtocolError(
                f'{where}, where {self._name} redirects, did not return {display_name} '
                f'(HTTP {response.status})',
                hint,
            )
        if 'MANIFEST_BLOB_UNKNOWN' in codes(response):
            return BlobUnknownError(
                f'{self._name} rejected {display_name} '
                f'(HTTP {response.status}, MANIFEST_BLOB_UNKNOWN): '
                f'a blob that it references is missing'
            )
        if response.status == 404:
            return NotFoundError(
                f'{display_name} is not in the registry', 'check its name and tag'
            )
        if response.status in (401, 403):
            return self._access_denied(display_name, response)
        if 400 <= response.status < 500 or codes(response):
            listed = ''.join(f', {code}' for code in codes(response))
            return RejectedError(
                f'{self._name} rejected {display_name} (HTTP {response.status}{listed})'
            )
        return ProtocolError(
            f'{where} returned an unexpected response (HTTP {response.status}) for {display_name}',
            IS_REGISTRY,
        )

    def _bad_credentials(self, display_name: str) -> BadCredentialsError:
        return BadCredentialsError(
            f'the registry rejected the username or password for {display_name}', 'check both'
        )

    def _access_denied(
        self, display_name: str, response: http_client.Response
    ) -> AccessDeniedError:
        # A firewall says 403 as well, and a registry that does not like the client or its country.
        if response.status == 403 and not {'DENIED', 'UNAUTHORIZED'}.intersection(codes(response)):
            return AccessDeniedError(
                f'{addresses.host(response.url)} denied access to {display_name} (HTTP 403)',
                'check the name, the permissions and any firewall',
            )
        if self._basic or self._identity_token:
            return AccessDeniedError(
                f'{display_name} does not exist or this account has no access',
                'check the name and permissions',
            )
        return AccessDeniedError(
            f'{display_name} does not exist or needs credentials',
            f'check the name, or {self._advice.login}',
        )

    def request(
        self,
        method: str,
        url: str,
        repository: str,
        display_name: str,
        headers: typing.Optional[typing.Dict[str, str]] = None,
        body: typing.Optional[typing.Callable[[], typing.Any]] = None,
        max_bytes: int = http_client.MAX_TEXT_BYTES,
        stream: bool = False,
    ) -> http_client.Response:
        """Send one request, and repeat it with new credentials if the registry requires that."""
        token = self._tokens.get(repository)
        if token and token.expires < time.monotonic():
            self._renew(repository, token, token.realm, token.service, token.scopes, display_name)
        renewed = False
        while True:
            token = self._tokens.get(repository)
            authorization = self._basic if self._uses_basic else token and token.authorization
            response = self._send(method, url, authorization, headers, body, max_bytes, stream)
            if response.status != 401 or addresses.origin(response.url) != addresses.origin(
                self._base
            ):
                return response
            # The first of each kind counts.
            required = dict(challenges.parse(response.headers.get('WWW-Authenticate', ''))[::-1])
            bearer = required.get('bearer')
            if not required:
                return response
            if bearer is not None and not renewed:
                renewed = True
                scopes = token.scopes if token else []
                actions = 'pull' if method in ('GET', 'HEAD') else 'pull,push'
                required_scopes = bearer.get('scope', '').split() or [
                    f'repository:{repository}:{actions}'
                ]
                if not required_scopes:
                    required_scopes = [f'repository:{repository}:{actions}']
                self._renew(
                    repository,
                    token,
                    addresses.check_url(
                        bearer.get('realm', ''), response.url, 'names a token server'
                    ),
                    bearer.get('service', ''),
                    challenges.merge_scopes(scopes + required_scopes),
                    display_name,
                )
            elif bearer is None and 'basic' not in required:
                raise ProtocolError(
                    f'{self._name} requires an authentication scheme other than Basic or Bearer '
                    f'for {display_name}',
                    IS_REGISTRY,
                )
            elif bearer is not None or not self._basic:
                raise self._access_denied(display_name, response)
            elif authorization is self._basic:
                raise self._bad_credentials(display_name)
            else:
                self._uses_basic = True

    def _send(
        self,
        method: str,
        url: str,
        authorization: typing.Optional[http_client.Authorization],
        headers: typing.Optional[typing.Dict[str, str]],
        body: typing.Optional[typing.Callable[[], typing.Any]],
        max_bytes: int,
        stream: bool,
    ) -> http_client.Response:
        """Send one request, over TLS if the registry turns out to speak it."""
        plain, encrypted = f'http://{self._address}/', f'https://{self._address}/'
        failure = None
        if self._base + '/' == encrypted and url.startswith(plain):
            url = encrypted + url[len(plain) :]
        try:
            trusted_origin = addresses.origin(self._base)
            response = self._exchange(
                method, url, authorization, trusted_origin, headers, body, max_bytes, stream
            )
        except NotReachableError as exc:
            failure = exc
        # What servers that want TLS do with plain HTTP.
        unsuited = failure or response.status == 400
        if unsuited and url.startswith(plain) and self._http.speaks_tls(self._address):
            self._base = f'https://{self._address}'
            return self._send(method, url, authorization, headers, body, max_bytes, stream)
        if failure:
            raise failure
        return response

    def _renew(
        self,
        repository: str,
        old: typing.Optional['_Token'],
        realm: str,
        service: str,
        scopes: typing.List[str],
        display_name: str,
    ) -> None:
        with self._renewing:
            current = self._tokens.get(repository)
            known = current.scopes if current else []
            scopes = challenges.merge_scopes(known + scopes)
            # Another thread may have been faster, but for less.
            if current is old or scopes != known:
                self._tokens[repository] = self._new_token(realm, service, scopes, display_name)

    def _new_token(
        self, realm: str, service: str, scopes: typing.List[str], display_name: str
    ) -> '_Token':
        query = [('service', service)] if service else []
        query += [('scope', scope) for scope in scopes]
        url = addresses.with_query(realm, query)
        began = time.monotonic()
        if self._identity_token:
            response = self._exchange_identity_token(realm, service, scopes)
        else:
            response = self._exchange('GET', url, self._basic, addresses.origin(url))
        if response.status == 401 and (self._basic or self._identity_token):
            raise self._bad_credentials(display_name)
        # not every token server knows OAuth2
        if response.status in (401, 403) or (
            self._identity_token and 400 <= response.status < 500
        ):
            raise self._access_denied(display_name, response)
        document = _json(response) if response.status == 200 else {}
        value = document.get('token') or document.get('access_token')
        # http.client would repeat a value with a line break in its exception.
        if not isinstance(value, str) or not re.match(r'[\x21-\x7e]+\Z', value):
            raise ProtocolError(
                f'{addresses.host(url)} returned no token for {display_name} '
                f'(HTTP {response.status})',
                f'check that {self._name} is a registry',
            )
        lifetime = document.get('expires_in')
        if not isinstance(lifetime, (int, float)) or lifetime <= 0:
            lifetime = 60  # the specification's default
        expires = began + 0.9 * min(lifetime, 86400)
        bearer = http_client.Authorization(f'Bearer {value}')
        return _Token(bearer, expires, realm, service, scopes)

    def _exchange_identity_token(
        self, realm: str, service: str, scopes: typing.List[str]
    ) -> http_client.Response:
        """Ask for a token with an identity token, as docs/content/spec/auth/oauth.md says."""

        def form() -> bytes:  # not a variable here: an error would lead to it
            fields = [
                ('grant_type', 'refresh_token'),
                ('service', service),
                ('client_id', 'charm-image'),
                ('scope', ' '.join(scopes)),
                ('refresh_token', self._identity_token),
            ]
            return urllib.parse.urlencode(fields).encode()

        headers = {'Content-Type': 'application/x-www-form-urlencoded'}
        return self._exchange('POST', realm, None, '', headers, form)


class _Token(typing.NamedTuple):
    authorization: http_client.Authorization
    expires: float  # time.monotonic()
    realm: str
    service: str
    scopes: typing.List[str]


def _json(response: http_client.Response) -> typing.Dict[str, typing.Any]:
    try:
        document = json.loads(response.content.decode())
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {}


def codes(response: http_client.Response) -> typing.List[str]:
    """Return the error codes of the distribution-spec in a response."""
    errors = _json(response).get('errors')
    found = (
        [error.get('code') for error in errors if isinstance(error, dict)]
        if isinstance(errors, list)
        else []
    )
    return [code for code in found if isinstance(code, str) and _CODE.match(code)]
