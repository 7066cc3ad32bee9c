"""A client for image registries: looks images up inside a unit, pushes them from a workstation.

It speaks the OCI distribution-spec 1.1 and the token protocol of the CNCF distribution project.

A charm asks for all its images at once, within one limit::

    answers = registry.look_up({'db': (reference, username, password), ...}, limit=30)

and gets, for each, the digest of the manifest (str), a `Refused`, which lasts until someone
changes the image, the credentials or the rights, or an `Unavailable`, which may be gone the next
time. Nothing is raised. To push::

    with registry.Client(host, username, password) as client:
        if not client.has_blob(repository, digest):
            client.push_blob(repository, digest, size, lambda: open(path, 'rb'))
        client.put_manifest(repository, 'latest', content, media_type)

Every error is a `RegistryError`, whose text is one line for an operator: what is wrong, where, and
what to do. No error, log record or `repr` holds credentials or tokens, nor does anything that
an error refers to.

HTTPS always; a registry on localhost or 127.0.0.0/8 may speak plain HTTP, and is never asked
through a proxy. [::1] is no exception to HTTPS. The CA bundle comes from REQUESTS_CA_BUNDLE or
CURL_CA_BUNDLE; proxies come from the caller or else from the environment; ~/.netrc is not read.
"""

import base64
import email.utils
import hashlib
import http.client
import http.cookiejar
import ipaddress
import json
import logging
import os
import queue
import re
import socket
import ssl
import threading
import time
import typing
import urllib.parse

import requests
import requests.auth
import requests.utils
import urllib3.exceptions

MEDIA_TYPES = (
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.docker.distribution.manifest.v2+json',
)

_log = logging.getLogger(__name__)

_MOST_MANIFEST = 4 << 20  # what the distribution-spec wants every registry to take
_MOST_TEXT = 1 << 20
_MOST_REDIRECTS = 5
_LONGEST_WAIT = 120.0
_BLOCK = 1 << 20
_HEX_DIGITS = {'sha256': 64, 'sha512': 128}
# Only these are repeated in messages: what else an error body holds may echo a request's header.
_CODE = re.compile(
    r'(BLOB|MANIFEST|NAME|TAG|DIGEST|SIZE|RANGE)(_BLOB|_UPLOAD)?_(UNKNOWN|INVALID|UNVERIFIED)\Z'
    r'|(UNAUTHORIZED|DENIED|UNSUPPORTED|TOOMANYREQUESTS)\Z'
)

T = typing.TypeVar('T')
Progress = typing.Callable[[int], None]


class RegistryError(Exception):
    """Anything that a registry did not do. Its text is for an operator, and has no secrets."""


class Refused(RegistryError):
    """The registry said no, and will go on saying so until somebody changes something."""


class BadCredentials(Refused):
    """The username or the password is wrong."""


class NoRight(Refused):
    """These credentials, or nobody's, give no access to the repository, or it does not exist."""


class NotFound(Refused):
    """There is no such repository, tag, manifest or blob."""


class Unavailable(RegistryError):
    """The registry gave no answer that counts; another time it may."""


class NotResolved(Unavailable):
    """The registry's host name is not known to DNS."""


class NotReachable(Unavailable):
    """There is no connection to the registry, or it broke, or no answer came in time."""


class CertificateNotTrusted(Unavailable):
    """The registry's certificate is not signed by a trusted CA, is for another host, or is old."""


class Overloaded(Unavailable):
    """The registry answered 429 or 5xx. `retry_after` is how long to wait, in seconds, or None."""

    def __init__(self, message: str, retry_after: typing.Optional[float] = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misbehaving(Unavailable):
    """The answer is not one that a registry may give: another digest, a web page, no end."""


class Image(typing.NamedTuple):
    """What to look up: a `reference.Reference`, and '' for both others where it is public."""

    reference: typing.Any
    username: str = ''
    password: str = ''


class Manifest(typing.NamedTuple):
    """A manifest as the registry stores it, to the byte."""

    digest: str
    media_type: str
    content: bytes


class _Answer(typing.NamedTuple):
    status: int
    headers: typing.Mapping[str, str]
    content: bytes
    url: str


def look_up(
    images: typing.Mapping[str, typing.Tuple[typing.Any, str, str]],
    limit: float = 30.0,
    proxies: typing.Optional[typing.Mapping[str, str]] = None,
) -> typing.Dict[str, typing.Union[str, RegistryError]]:
    """Ask the registries of all `images` at the same time which manifests they mean.

    Return, under each name in `images`, the manifest's digest or a `RegistryError`, after at most
    `limit` seconds in all. `proxies` is as for `Client`.
    """
    # Time-outs alone do not hold a limit: they start anew with every byte, and DNS has none. So
    # each question has a thread that can be left behind, even by an interpreter that exits.
    deadline = time.monotonic() + limit
    answered = queue.Queue()  # type: queue.Queue[typing.Tuple[str, typing.Union[str, RegistryError]]]

    def ask(name: str, image: Image) -> None:
        reference = image.reference
        try:
            # A little less, so that what is wrong can still be told.
            with Client(
                reference.domain,
                image.username,
                image.password,
                proxies=proxies,
                limit=limit * 0.95,
                tries=3,
                timeouts=(10, 15),
            ) as client:
                answer = client.head_manifest(
                    reference.path, reference.digest or reference.tag or 'latest'
                )  # type: typing.Union[str, RegistryError]
        except RegistryError as exc:
            answer = exc
        except Exception as exc:
            # Its text is not ours, so it may hold anything.
            answer = Misbehaving(f'asking {reference.domain} failed ({type(exc).__name__})')
        answered.put((name, answer))

    answers = {}  # type: typing.Dict[str, typing.Union[str, RegistryError]]
    for name, image in images.items():
        image = Image(*image)
        domain = image.reference.domain
        answers[name] = NotReachable(
            f'{domain} did not answer within {limit:g} s: check that it can be reached from here'
        )
        threading.Thread(target=ask, args=(name, image), daemon=True).start()
    for _ in images:
        try:
            name, answer = answered.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        answers[name] = answer
    return answers


class Client:
    """One registry, with one account or none; safe to use from several threads.

    `host` is a registry's name as references have it, with its port if any. Without a `password`
    all is asked anonymously. `proxies` maps `http`, `https` and `no_proxy` to what the environment
    variables of these names would hold, and goes before those. `limit` ends all that the
    client does, that many seconds from its making; `tries` is how often each operation is tried
    where the registry is overloaded or the connection breaks; `timeouts` are requests'
    connect and read time-outs in seconds. Methods raise `RegistryError`.
    """

    def __init__(
        self,
        host: str,
        username: str = '',
        password: str = '',
        *,
        proxies: typing.Optional[typing.Mapping[str, str]] = None,
        limit: typing.Optional[float] = None,
        tries: int = 5,
        timeouts: typing.Tuple[float, float] = (10, 60),
    ) -> None:
        self._name = host
        address = 'registry-1.docker.io' if host in ('docker.io', 'index.docker.io') else host
        # On loopback plain HTTP goes first: a server that speaks it may wait for ever for the end
        # of a TLS hello, and the first request never has credentials.
        self._plain_first = _is_loopback(f'//{address}')
        self._base = f'{"http" if self._plain_first else "https"}://{address}'
        self._basic = _Authorization.basic(username, password) if password else None
        self._basic_wanted = False
        self._tokens = {}  # type: typing.Dict[str, _Token]
        self._proxies = dict(proxies or {})
        self._limit = limit
        self._deadline = None if limit is None else time.monotonic() + limit
        self._tries = tries
        self._timeouts = timeouts
        self._local = threading.local()
        self._sessions = []  # type: typing.List[requests.Session]

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._sessions:
            self._sessions.pop().close()

    def head_manifest(self, repository: str, tag_or_digest: str) -> str:
        """Return the digest of a manifest. Docker Hub does not count this as a pull."""
        return self._persist(lambda: self._head_manifest(repository, tag_or_digest))

    def get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        """Return a manifest of at most 4 MiB, checked against its digest."""
        return self._persist(lambda: self._get_manifest(repository, tag_or_digest))

    def put_manifest(
        self, repository: str, tag_or_digest: str, content: bytes, media_type: str
    ) -> str:
        """Store these very bytes as a manifest; return its digest."""
        digest = 'sha256:' + hashlib.sha256(content).hexdigest()
        image = self._image(repository, tag_or_digest)

        def put() -> str:
            answer = self._ask(
                'PUT',
                self._url(repository, 'manifests', tag_or_digest),
                repository,
                image,
                headers={'Content-Type': media_type},
                body=lambda: content,
            )
            self._expect(answer, image, 201)
            stored = answer.headers.get('Docker-Content-Digest', digest)
            if stored.startswith('sha256:') and stored != digest:
                raise Misbehaving(f'{self._name} stored {image} under another digest, {stored}')
            return digest

        return self._persist(put)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether the repository has a blob."""
        return self._persist(lambda: self._has_blob(repository, digest))

    def get_blob(self, repository: str, digest: str, most: int = _MOST_MANIFEST) -> bytes:
        """Return a blob of at most `most` bytes, checked against its digest."""
        image = self._image(repository, digest)

        def get() -> bytes:
            url = self._url(repository, 'blobs', digest)
            answer = self._ask('GET', url, repository, image, most=most)
            self._expect(answer, image, 200)
            if _digest_of(answer.content, digest) != digest:
                raise Misbehaving(f'{self._name} gave other bytes than those of {image}')
            return answer.content

        return self._persist(get)

    def push_blob(
        self,
        repository: str,
        digest: str,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[Progress] = None,
    ) -> None:
        """Upload a blob of `size` bytes.

        `open_blob` returns a new binary file at its beginning each time, for an upload that was
        cut off starts again; it is closed after use. `progress` is told how many bytes have gone,
        from 0 again after a cut. Raise also what these two raise, and ValueError if the file
        does not have `size` bytes.
        """
        began = []  # type: typing.List[bool]

        def push() -> None:
            # The answer to the last request may be all that was lost.
            if began and self._has_blob(repository, digest):
                return
            began.append(True)
            self._push_blob(repository, digest, size, open_blob, progress)

        self._persist(push)

    def _head_manifest(self, repository: str, tag_or_digest: str) -> str:
        image = self._image(repository, tag_or_digest)
        answer = self._ask(
            'HEAD',
            self._url(repository, 'manifests', tag_or_digest),
            repository,
            image,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
        )
        digest = answer.headers.get('Docker-Content-Digest', '')
        if answer.status in (400, 405, 501) or (answer.status == 200 and not digest):
            return self._get_manifest(repository, tag_or_digest).digest
        self._expect(answer, image, 200)
        algorithm = digest.partition(':')[0]
        if not _is_digest(digest):
            raise Misbehaving(f'{self._name} gives {image} a digest that is none')
        if ':' in tag_or_digest and tag_or_digest != digest:
            if tag_or_digest.startswith(algorithm + ':'):
                raise Misbehaving(f'{self._name} gives another digest for {image}, {digest}')
            return self._get_manifest(repository, tag_or_digest).digest
        return digest

    def _get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        image = self._image(repository, tag_or_digest)
        answer = self._ask(
            'GET',
            self._url(repository, 'manifests', tag_or_digest),
            repository,
            image,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
            most=_MOST_MANIFEST,
        )
        self._expect(answer, image, 200)
        media_type = answer.headers.get('Content-Type', '').partition(';')[0].strip().lower()
        said = answer.headers.get('Docker-Content-Digest', '')
        asked = tag_or_digest if ':' in tag_or_digest else ''
        if media_type not in MEDIA_TYPES:
            raise Misbehaving(
                f'{self._name} answers with {_printable(media_type) or "something"} instead of a '
                f'manifest for {image}: check that it is a registry'
            )
        for digest in filter(None, (said, asked)):
            if _is_digest(digest) and _digest_of(answer.content, digest) != digest:
                raise Misbehaving(f'{self._name} gives a manifest of another digest for {image}')
        digest = asked or (said if _is_digest(said) else '') or _digest_of(answer.content)
        return Manifest(digest, media_type, answer.content)

    def _has_blob(self, repository: str, digest: str) -> bool:
        image = self._image(repository, digest)
        answer = self._ask('HEAD', self._url(repository, 'blobs', digest), repository, image)
        if answer.status == 404:
            return False
        self._expect(answer, image, 200)
        return True

    def _push_blob(
        self,
        repository: str,
        digest: str,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[Progress],
    ) -> None:
        image = self._image(repository, digest)
        answer = self._ask('POST', self._url(repository, 'blobs', 'uploads/'), repository, image)
        self._expect(answer, image, 202)
        where = self._upload_location(answer, image)
        if size:  # requests would send an empty body in chunks
            bodies = []  # type: typing.List[_Body]

            def body() -> '_Body':
                bodies.append(_Body(size, open_blob, progress))
                return bodies[-1]

            try:
                answer = self._ask(
                    'PATCH',
                    where,
                    repository,
                    image,
                    headers={'Content-Type': 'application/octet-stream'},
                    body=body,
                )
                failure = None
            except RegistryError as exc:
                failure = exc
            if bodies and bodies[-1].failure:
                raise bodies[-1].failure
            if failure:
                # It may be that the token was refused and the connection cut before we saw it.
                self._tokens.pop(repository, None)
                raise failure
            self._expect_upload(answer, image, 202)
            where = self._upload_location(answer, image)
        where += ('&' if '?' in where else '?') + urllib.parse.urlencode({'digest': digest})
        answer = self._ask('PUT', where, repository, image)
        self._expect_upload(answer, image, 201)

    def _upload_location(self, answer: _Answer, image: str) -> str:
        location = answer.headers.get('Location')
        if not location:
            raise Misbehaving(f'{self._name} does not say where to upload {image}')
        return self._checked(urllib.parse.urljoin(answer.url, location))

    def _expect_upload(self, answer: _Answer, image: str, status: int) -> None:
        codes = _codes(answer)
        lost = {'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'RANGE_INVALID'}
        if answer.status in (404, 416) or (answer.status == 400 and lost.intersection(codes)):
            raise NotReachable(f'{self._name} lost the upload of {image}: try again')
        self._expect(answer, image, status)

    def _expect(self, answer: _Answer, image: str, status: int) -> None:
        if answer.status == status:
            return
        codes = ''.join(f', {code}' for code in _codes(answer))
        if answer.status == 404:
            raise NotFound(f'{image} is not in the registry: check its name and tag')
        if answer.status in (401, 403):
            raise self._no_right(image)
        if 400 <= answer.status < 500:
            raise Refused(f'{self._name} refuses {image} (HTTP {answer.status}{codes})')
        raise Misbehaving(
            f'{_netloc(answer.url)} gives an answer that no registry gives '
            f'(HTTP {answer.status}) about {image}: check that it is a registry'
        )

    def _no_right(self, image: str) -> NoRight:
        if self._basic:
            return NoRight(
                f'{self._name} gives this username no access to {image}, or there is none: check '
                f'the name, and the rights of the account'
            )
        return NoRight(
            f'{self._name} gives nobody access to {image} without a username and a password, '
            f'or there is none: check the name, or give both'
        )

    def _image(self, repository: str, tag_or_digest: str) -> str:
        mark = '@' if ':' in tag_or_digest else ':'
        return f'{self._name}/{repository}{mark}{tag_or_digest}'

    def _url(self, repository: str, kind: str, name: str) -> str:
        path = urllib.parse.quote(f'/v2/{repository}/{kind}/{name}', safe='/:')
        return self._base + path

    def _persist(self, operation: typing.Callable[[], T]) -> T:
        tried = 0
        while True:
            try:
                return operation()
            except _SpeaksTLS:
                continue
            except (NotReachable, Overloaded) as exc:
                failure = exc
            wait = getattr(failure, 'retry_after', None)
            if wait is None:
                wait = min(0.5 * 2**tried, 30.0)
            tried += 1
            if tried == self._tries or wait > min(_LONGEST_WAIT, self._left()):
                raise failure
            _log.debug('%s; again in %.1f s', failure, wait)
            time.sleep(wait)

    def _left(self) -> float:
        return float('inf') if self._deadline is None else self._deadline - time.monotonic()

    # Authentication: docs/content/spec/auth of the distribution project, RFC 7235 and 7617.

    def _ask(
        self,
        method: str,
        url: str,
        repository: str,
        image: str,
        headers: typing.Optional[typing.Dict[str, str]] = None,
        body: typing.Optional[typing.Callable[[], typing.Any]] = None,
        most: int = _MOST_TEXT,
    ) -> _Answer:
        """Make one request, authorized, with a new token where the registry wants one."""
        token = self._tokens.get(repository)
        if token and token.expires < time.monotonic():
            self._renew(repository, token.realm, token.service, token.scopes, image)
        renewed = False
        while True:
            token = self._tokens.get(repository)
            authorization = self._basic if self._basic_wanted else token and token.authorization
            answer = self._exchange(
                method, url, _origin(self._base), authorization, headers, body, most
            )
            if answer.status != 401 or _origin(answer.url) != _origin(self._base):
                return answer
            challenges = dict(
                reversed(parse_challenges(answer.headers.get('WWW-Authenticate', '')))
            )
            if 'bearer' in challenges:
                if renewed:
                    raise self._no_right(image)
                renewed = True
                bearer = challenges['bearer']
                scopes = bearer.get('scope', '').split() or [f'repository:{repository}:pull']
                known = token.scopes if token else []
                self._renew(
                    repository,
                    bearer.get('realm', ''),
                    bearer.get('service', ''),
                    _united(known + scopes),
                    image,
                )
            elif 'basic' in challenges:
                if not self._basic:
                    raise self._no_right(image)
                if self._basic_wanted:
                    raise BadCredentials(self._bad_credentials(image))
                self._basic_wanted = True
            else:
                raise Misbehaving(
                    f'{self._name} wants a kind of authentication for {image} that is neither '
                    f'Basic nor Bearer: check that it is a registry'
                )

    def _bad_credentials(self, image: str) -> str:
        return f'{self._name} refuses the username or password for {image}: check both'

    def _renew(
        self, repository: str, realm: str, service: str, scopes: typing.List[str], image: str
    ) -> None:
        query = [('service', service)] if service else []
        query += [('scope', scope) for scope in scopes]
        url = self._checked(realm)
        url += ('&' if '?' in url else '?') + urllib.parse.urlencode(query)
        began = time.monotonic()
        answer = self._exchange('GET', url, _origin(url), self._basic)
        where = _netloc(url)
        if answer.status == 401 and self._basic:
            raise BadCredentials(self._bad_credentials(image))
        if answer.status in (401, 403):
            raise self._no_right(image)
        if 400 <= answer.status < 500:
            raise Refused(f'{where} gives no token for {image} (HTTP {answer.status})')
        document = _json(answer) if answer.status == 200 else {}
        value = document.get('token') or document.get('access_token')
        # requests would repeat a value with a line break in its exception.
        if not isinstance(value, str) or not re.match(r'[\x21-\x7e]+\Z', value):
            raise Misbehaving(
                f'{where} answers with something else than a token for {image}: check that '
                f'{self._name} is a registry'
            )
        lifetime = document.get('expires_in')
        if not isinstance(lifetime, (int, float)) or lifetime <= 0:
            lifetime = 60  # the specification's default
        self._tokens[repository] = _Token(
            _Authorization(f'Bearer {value}'), began + lifetime * 0.9, realm, service, scopes
        )

    # HTTP: what requests does by itself about redirects, netrc and proxies is switched off.

    def _exchange(
        self,
        method: str,
        url: str,
        home: str,
        authorization: typing.Optional['_Authorization'],
        headers: typing.Optional[typing.Dict[str, str]] = None,
        body: typing.Optional[typing.Callable[[], typing.Any]] = None,
        most: int = _MOST_TEXT,
    ) -> _Answer:
        """Make one request and follow redirects; only the origin `home` gets `authorization`."""
        for _ in range(_MOST_REDIRECTS + 1):
            allowed = authorization if _origin(url) == home else None
            answer = self._send(method, url, allowed, headers, body, most)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            location = answer.headers.get('Location')
            if not location or (method not in ('GET', 'HEAD') and answer.status < 307):
                raise Misbehaving(f'{_netloc(url)} redirects {method} to nowhere')
            url = self._checked(urllib.parse.urljoin(url, location))
        raise Misbehaving(f'{self._name} redirects without end: check that it is a registry')

    def _checked(self, url: str) -> str:
        """Return a URL that the registry gave, if it is one that may be asked."""
        try:
            parts = urllib.parse.urlsplit(url)
            allowed = parts.scheme == 'https' or (parts.scheme == 'http' and _is_loopback(url))
        except ValueError:
            allowed = False
        if not allowed or not parts.hostname:
            raise Misbehaving(f'{self._name} sends on to an address that is not HTTPS')
        return url

    def _send(
        self,
        method: str,
        url: str,
        authorization: typing.Optional['_Authorization'],
        headers: typing.Optional[typing.Dict[str, str]],
        body: typing.Optional[typing.Callable[[], typing.Any]],
        most: int,
    ) -> _Answer:
        left = self._left()
        where = _netloc(url)
        if left <= 0:
            raise NotReachable(f'{where} did not answer within {self._limit:g} s: try again later')
        connect, read = (min(timeout, left) for timeout in self._timeouts)
        proxies = self._proxies_for(url)
        verify = _bundle()
        failure = None  # type: typing.Optional[RegistryError]
        answer = _Answer(0, {}, b'', url)
        _quiet.on = True
        try:
            response = self._session().request(
                method,
                url,
                data=body() if body else None,
                headers=dict(headers or {}, **{'Accept-Encoding': 'identity'}),
                auth=authorization or _Authorization(''),
                allow_redirects=False,
                stream=True,
                timeout=(connect, read),
                proxies=proxies,
                verify=verify,
            )
            try:
                answer = self._read(response, url, most)
            finally:
                response.close()
        except RegistryError as exc:
            failure = exc
        except (
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
            ValueError,
            OverflowError,
        ) as exc:
            failure = _failure(exc, url, proxies)
        finally:
            _quiet.on = False
        # Never inside `except`: what requests raises refers to the request and its headers.
        _log.debug('%s %s: %s', method, _without_query(url), failure or answer.status)
        if self._plain_first and url.startswith('http:') and where == _netloc(self._base):
            if not failure and answer.status != 400:
                self._plain_first = False
            elif self._base.startswith('https:') or self._answers_tls():
                self._base = f'https://{where}'
                raise _SpeaksTLS(where)
        if failure:
            raise failure
        if answer.status == 429 or answer.status >= 500 and answer.status != 501:
            wait = _retry_after(answer.headers.get('Retry-After', ''))
            again = 'later' if wait is None else f'in {wait:.0f} s'
            raise Overloaded(
                f'{where} is overloaded or broken (HTTP {answer.status}): try again {again}', wait
            )
        if answer.status == 407:
            raise NotReachable(f'the proxy to {where} wants other credentials (HTTP 407)')
        return answer

    def _read(self, response: requests.Response, url: str, most: int) -> _Answer:
        where = _netloc(url)
        content = b''
        if response.headers.get('Content-Encoding', 'identity').lower() != 'identity':
            raise Misbehaving(f'{where} sends a compressed answer, which was not asked for')
        while True:
            block = response.raw.read(min(_BLOCK, most + 1 - len(content)), decode_content=False)
            content += block
            if not block:
                break
            if len(content) > most:
                raise Misbehaving(f'{where} sends more than {most} bytes, where less was due')
            if self._left() <= 0:
                raise NotReachable(f'{where} did not end its answer within {self._limit:g} s')
        return _Answer(response.status_code, response.headers, content, url)

    def _session(self) -> requests.Session:
        session = getattr(self._local, 'session', None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
            # Some registries take a client with a cookie for a browser.
            session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
            self._sessions.append(session)
        return typing.cast(requests.Session, session)

    def _proxies_for(self, url: str) -> typing.Dict[str, str]:
        no_proxy = self._proxies.get('no_proxy') or None
        if _is_loopback(url) or requests.utils.should_bypass_proxies(url, no_proxy):
            return {}
        proxies = requests.utils.get_environ_proxies(url, no_proxy)
        proxies.update((scheme, proxy) for scheme, proxy in self._proxies.items() if proxy)
        proxies.pop('no_proxy', None)
        proxies.pop('no', None)
        return dict(proxies)

    def _answers_tls(self) -> bool:
        """Return whether the registry, which has not answered plain HTTP, speaks TLS."""
        answers = False
        _quiet.on = True
        try:
            self._session().request(
                'HEAD',
                f'https://{_netloc(self._base)}/v2/',
                auth=_Authorization(''),
                allow_redirects=False,
                timeout=2,
                verify=_bundle(),
            ).close()
            answers = True
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as exc:
            answers = _distrust(exc) is not None
        finally:
            _quiet.on = False
        return answers


class _SpeaksTLS(Exception):
    """The registry on loopback speaks TLS after all; the same again, then."""


class _Authorization(requests.auth.AuthBase):
    """The value of one Authorization header, or none; as an object, for its repr shows nothing."""

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def basic(cls, username: str, password: str) -> '_Authorization':
        return cls('Basic ' + base64.b64encode(f'{username}:{password}'.encode()).decode())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers['Authorization'] = self._value
        return request


class _Token(typing.NamedTuple):
    authorization: _Authorization
    expires: float  # time.monotonic()
    realm: str
    service: str
    scopes: typing.List[str]


class _Body:
    """A file's content as requests sends it fastest: blocks, and a length known before."""

    def __init__(
        self,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[Progress],
    ) -> None:
        self._size = size
        self._open_blob = open_blob
        self._progress = progress or (lambda sent: None)
        self.failure = None  # type: typing.Optional[BaseException]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> typing.Iterator[bytes]:
        # urllib3 would take a file's OSError for the network's.
        try:
            sent = 0
            with self._open_blob() as blob:
                self._progress(sent)
                while True:
                    block = blob.read(_BLOCK)
                    if sent + len(block) > self._size or (not block and sent < self._size):
                        raise ValueError(
                            f'the blob does not have the {self._size} bytes it should'
                        )
                    if not block:
                        return
                    yield block
                    sent += len(block)
                    self._progress(sent)
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.failure = exc
            raise


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE = re.compile(
    rf"""[\s,]*(?:
        (?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
        |(?P<scheme>{_WORD})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?
    )""",
    re.VERBOSE | re.DOTALL,
)


def parse_challenges(header: str) -> typing.List[typing.Tuple[str, typing.Dict[str, str]]]:
    """Return the challenges of a WWW-Authenticate header as RFC 7235 defines it.

    Each is its scheme and its parameters, names in lower case. What follows something that is not
    part of a challenge is left out.
    """
    challenges = []  # type: typing.List[typing.Tuple[str, typing.Dict[str, str]]]
    position = 0
    while True:
        match = _CHALLENGE.match(header, position)
        if not match:
            return challenges
        position = match.end()
        if match.group('scheme'):
            challenges.append((match.group('scheme').lower(), {}))
        elif challenges:
            quoted = match.group('quoted')
            value = match.group('plain') if quoted is None else re.sub(r'\\(.)', r'\1', quoted)
            challenges[-1][1].setdefault(match.group('name').lower(), value)


def _united(scopes: typing.Iterable[str]) -> typing.List[str]:
    """Unite the actions of scopes for the same resource, whose name may hold a colon."""
    actions = {}  # type: typing.Dict[str, typing.List[str]]
    for scope in scopes:
        resource, _, wanted = scope.rpartition(':')
        known = actions.setdefault(resource, [])
        known.extend(action for action in wanted.split(',') if action not in known)
    return [f'{resource}:{",".join(wanted)}' for resource, wanted in actions.items()]


def _is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ''
    try:
        return host == 'localhost' or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {'https': 443, 'http': 80}.get(parts.scheme)
    return f'{parts.scheme}://{parts.hostname}:{port}'


def _netloc(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition('@')[2]


def _without_query(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f'{parts.scheme}://{_netloc(url)}{parts.path}'


def _printable(text: str) -> str:
    return re.sub(r'[^\x20-\x7e]', '?', text)[:80]


def _is_digest(text: str) -> bool:
    algorithm, _, digits = text.partition(':')
    return bool(re.match(r'[0-9a-f]+\Z', digits)) and len(digits) == _HEX_DIGITS.get(algorithm)


def _digest_of(content: bytes, like: str = 'sha256:') -> str:
    """Return the digest of `content`, by the algorithm of the digest `like`."""
    algorithm = like.partition(':')[0]
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'


def _json(answer: _Answer) -> typing.Dict[str, typing.Any]:
    try:
        document = json.loads(answer.content.decode())
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {}


def _codes(answer: _Answer) -> typing.List[str]:
    errors = _json(answer).get('errors')
    codes = (
        [error.get('code') for error in errors if isinstance(error, dict)]
        if isinstance(errors, list)
        else []
    )
    return [code for code in codes if isinstance(code, str) and _CODE.match(code)]


def _retry_after(value: str) -> typing.Optional[float]:
    """Return the seconds that a Retry-After header asks for: RFC 7231, seconds or a date."""
    if re.match(r'[0-9]{1,9}\Z', value.strip()):
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
        return max(0.0, when.timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _bundle() -> typing.Union[bool, str]:
    for variable in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
        path = os.environ.get(variable)
        if path:
            if not os.path.exists(path):
                raise CertificateNotTrusted(
                    f'no certificate can be checked: {variable} names {path}, which is not there'
                )
            return path
    return True


def _causes(error: BaseException) -> typing.Iterator[BaseException]:
    """Everything that an exception of requests wraps, by whichever of its ways."""
    waiting, seen = [error], set()  # type: typing.List[typing.Any], typing.Set[int]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, 'reason', None), cause.__cause__, cause.__context__]
            waiting += cause.args


def _distrust(error: BaseException) -> typing.Optional[str]:
    """Return why a certificate was not trusted, or None if that is not what happened."""
    for cause in _causes(error):
        text = str(cause)
        if isinstance(cause, ssl.SSLError) and cause.library in ('PEM', 'X509'):
            return 'the CA bundle cannot be read'
        if isinstance(cause, (ssl.SSLError, ssl.CertificateError)):
            match = re.search(r'certificate verify failed(?:: (.*?))? ?(?:\(_ssl|$)', text)
            if match:
                return _printable(match.group(1) or 'not signed by a known CA')
            if isinstance(cause, ssl.CertificateError):
                return 'it is for another host'
    return None


def _failure(error: Exception, url: str, proxies: typing.Mapping[str, str]) -> RegistryError:
    """Return what an exception of requests or urllib3 means, with none of its text but ours."""
    where = _netloc(url)
    causes = list(_causes(error))
    proxy = requests.utils.select_proxy(url, proxies)
    via = f' through the proxy {_netloc(proxy)}' if proxy else ''

    def has(*types: typing.Any) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    if has(socket.gaierror):
        unknown = f'the proxy {_netloc(proxy)}' if proxy else where
        return NotResolved(f'{unknown} is not known to DNS: check the name, and the network')
    distrust = _distrust(error)
    if distrust:
        return CertificateNotTrusted(
            f'the certificate of {where} is not trusted ({distrust}): put its CA into the bundle '
            f'that REQUESTS_CA_BUNDLE names'
        )
    if has(
        requests.exceptions.InvalidURL,
        urllib3.exceptions.LocationParseError,
        UnicodeError,
        OverflowError,
    ):
        return Refused(f'{where} is no address of a registry: check host and port')
    if has(ssl.SSLError):
        return NotReachable(f'{where}{via} does not speak TLS as it should: check host and port')
    if has(requests.exceptions.ProxyError):
        return NotReachable(f'{where} cannot be reached{via}: check the proxy')
    if has(ConnectionRefusedError):
        return NotReachable(f'{where}{via} refuses connections: check host, port and firewall')
    if has(requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, socket.timeout):
        return NotReachable(f'{where}{via} does not answer in time: check host, port and firewall')
    return NotReachable(f'the connection to {where}{via} broke: check host and network')


_quiet = threading.local()


def _loud(record: logging.LogRecord) -> bool:
    return not getattr(_quiet, 'on', False)


# At DEBUG it would log whole URLs, and where a registry redirects to, they are signed: whoever has
# one has the access. The requests of others are logged as ever.
for _name in ('urllib3.connectionpool', 'urllib3.connection', 'urllib3.util.retry'):
    logging.getLogger(_name).addFilter(_loud)
