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

HTTPS always; a registry on localhost or 127.0.0.0/8 may speak plain HTTP, and is never asked
through a proxy. [::1] is no exception to HTTPS. The CA bundle is what REQUESTS_CA_BUNDLE or
CURL_CA_BUNDLE names, or certifi's. Proxies come from the caller or else from the environment.
~/.netrc is not read.

It takes a tenth of a second to import, because of requests.
"""

import base64
import hashlib
import json
import logging
import queue
import re
import threading
import time
import typing
import urllib.parse

from container_image import _http
from container_image.registry_errors import (
    BadCredentials,
    CertificateNotTrusted,
    Misbehaving,
    NoRight,
    NotFound,
    NotReachable,
    NotResolved,
    Overloaded,
    Refused,
    RegistryError,
    Unavailable,
)

__all__ = [
    'MEDIA_TYPES',
    'BadCredentials',
    'CertificateNotTrusted',
    'Client',
    'Image',
    'Manifest',
    'Misbehaving',
    'NoRight',
    'NotFound',
    'NotReachable',
    'NotResolved',
    'Outcome',
    'Overloaded',
    'Refused',
    'RegistryError',
    'Unavailable',
    'look_up',
    'parse_challenges',
]

MEDIA_TYPES = (
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.docker.distribution.manifest.v2+json',
)

_MOST_MANIFEST = 4 << 20  # bytes that the distribution-spec wants every registry to take
_LONGEST_WAIT = 120.0  # seconds
_BLOCK = 1 << 20
_HEX_DIGITS = {'sha256': 64, 'sha512': 128}
# Only these get into messages: anything else in an error's body may echo the request's header.
_CODE = re.compile(
    r'(BLOB|MANIFEST|NAME|TAG|DIGEST|SIZE|RANGE)(_BLOB|_UPLOAD)?_(UNKNOWN|INVALID|UNVERIFIED)\Z'
    r'|(UNAUTHORIZED|DENIED|UNSUPPORTED|TOOMANYREQUESTS)\Z'
)

_log = logging.getLogger(__name__)

Outcome = typing.Union[str, RegistryError]

_T = typing.TypeVar('_T')


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


def look_up(
    images: typing.Mapping[str, typing.Tuple[typing.Any, str, str]],
    limit: float = 30.0,
    proxies: typing.Optional[typing.Mapping[str, str]] = None,
) -> typing.Dict[str, Outcome]:
    """Ask the registries of all `images` at the same time which manifests they mean.

    Return, under each name in `images`, the manifest's digest or a `RegistryError`, after at most
    `limit` seconds in all. `proxies` is as for `Client`.
    """
    # Time-outs alone do not hold a limit: they start anew with every byte, and DNS has none. So
    # each question has a thread that can be left behind, even by an interpreter that exits.
    deadline = time.monotonic() + limit
    answered: queue.Queue[typing.Tuple[str, Outcome]] = queue.Queue()

    def ask(name: str, image: Image) -> None:
        reference = image.reference
        answer: Outcome
        try:
            # A little less, so that what is wrong can still be told.
            with Client(
                reference.domain,
                image.username,
                image.password,
                proxies=proxies,
                limit=limit - min(limit / 2, 2),
                tries=3,
                timeouts=(10, 15),
            ) as client:
                answer = client.head_manifest(
                    reference.path, reference.digest or reference.tag or 'latest'
                )
        except RegistryError as exc:
            answer = exc.with_traceback(None)  # it leads to the password
        except Exception as exc:
            # Its text is not ours, so it may hold anything.
            answer = Misbehaving(f'asking {reference.domain} failed ({type(exc).__name__})')
        answered.put((name, answer))

    answers: typing.Dict[str, Outcome] = {}
    for name, image in images.items():
        image = Image(*image)
        domain = image.reference.domain
        answers[name] = NotReachable(
            f'{domain} did not answer in the {limit:.0f} s there were: check the network'
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
        hub = host in ('docker.io', 'index.docker.io')
        self._address = 'registry-1.docker.io' if hub else host
        if not _http.is_address(self._address):
            raise Refused(f'{host} is not an address: check host and port')
        # On loopback plain HTTP goes first: a server that speaks it may wait for ever for the end
        # of a TLS hello, and the first request never has credentials.
        loopback = _http.is_loopback(f'//{self._address}')
        self._base = f'{"http" if loopback else "https"}://{self._address}'
        self._basic = None
        if password:
            account = base64.b64encode(f'{username}:{password}'.encode()).decode()
            self._basic = _http.Authorization(f'Basic {account}')
        self._basic_wanted = False
        self._tokens: typing.Dict[str, _Token] = {}
        self._renewing = threading.Lock()
        self._tries = tries
        self._http = _http.Http(limit, timeouts, proxies)

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._http.close()

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
            self._expect(answer, image, 200, 201, 202)
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
        progress: typing.Optional[typing.Callable[[int], None]] = None,
    ) -> None:
        """Upload a blob of `size` bytes.

        `open_blob` returns a new binary file at its beginning each time, for an upload that was
        cut off starts again; it is closed after use. `progress` is told how many bytes have gone,
        from 0 again after a cut. Raise also what these two raise, and ValueError if the file
        does not have `size` bytes.
        """
        began: typing.List[bool] = []

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
            kind = 'a web page' if media_type == 'text/html' else 'something else'
            raise Misbehaving(
                f'{self._name} answers with {kind} instead of a manifest for {image}: check that '
                f'it is a registry'
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
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        image = self._image(repository, digest)
        answer = self._ask('POST', self._url(repository, 'blobs', 'uploads/'), repository, image)
        self._expect(answer, image, 202)
        where = self._upload_location(answer, image)
        if size:  # requests would send an empty body in chunks
            answer = self._patch(
                where, repository, image, lambda: _Body(size, open_blob, progress)
            )
            self._expect_upload(answer, image, 201, 202, 204)
            where = self._upload_location(answer, image)
        where = _http.with_query(where, [('digest', digest)])
        answer = self._ask('PUT', where, repository, image)
        self._expect_upload(answer, image, 201)

    def _patch(
        self, where: str, repository: str, image: str, make_body: typing.Callable[[], '_Body']
    ) -> _http.Answer:
        bodies: typing.List[_Body] = []

        def body() -> '_Body':
            bodies.append(make_body())
            return bodies[-1]

        headers = {'Content-Type': 'application/octet-stream'}
        try:
            return self._ask('PATCH', where, repository, image, headers=headers, body=body)
        except RegistryError as exc:
            failure = exc
        if bodies and bodies[-1].failure:
            raise bodies[-1].failure
        # It may be that the token was refused, and the connection cut before we could see that.
        self._tokens.pop(repository, None)
        raise failure

    def _upload_location(self, answer: _http.Answer, image: str) -> str:
        location = answer.headers.get('Location')
        if not location:
            raise Misbehaving(f'{self._name} does not say where to upload {image}')
        return _http.joined(answer.url, location)

    def _expect_upload(self, answer: _http.Answer, image: str, *statuses: int) -> None:
        codes = _codes(answer)
        lost = {'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'RANGE_INVALID'}
        if answer.status in (404, 416) or (answer.status == 400 and lost.intersection(codes)):
            raise NotReachable(f'{self._name} lost the upload of {image}: try again')
        self._expect(answer, image, *statuses)

    def _expect(self, answer: _http.Answer, image: str, *statuses: int) -> None:
        if answer.status in statuses:
            return
        where = _http.host(answer.url)
        if _http.origin(answer.url) != _http.origin(self._base):
            raise Misbehaving(
                f'{where}, to which {self._name} sends on, does not give {image} '
                f'(HTTP {answer.status}): try again'
            )
        if answer.status == 404:
            raise NotFound(f'{image} is not in the registry: check its name and tag')
        if answer.status in (401, 403):
            raise self._no_right(image)
        if 400 <= answer.status < 500:
            codes = ''.join(f', {code}' for code in _codes(answer))
            raise Refused(f'{self._name} refuses {image} (HTTP {answer.status}{codes})')
        raise Misbehaving(
            f'{where} gives an answer that no registry gives '
            f'(HTTP {answer.status}) about {image}: check that it is a registry'
        )

    def _bad_credentials(self, image: str) -> BadCredentials:
        return BadCredentials(
            f'the registry refuses the username or the password for {image}: check both'
        )

    def _no_right(self, image: str) -> NoRight:
        if self._basic:
            return NoRight(
                f'this username may not use {image}, or there is none: check the name, and what '
                f'the account may do'
            )
        return NoRight(
            f'{image} needs a username and a password, or there is none: check the name, or '
            f'give both'
        )

    def _image(self, repository: str, tag_or_digest: str) -> str:
        mark = '@' if ':' in tag_or_digest else ':'
        return f'{self._name}/{repository}{mark}{tag_or_digest}'

    def _url(self, repository: str, kind: str, name: str) -> str:
        path = urllib.parse.quote(f'/v2/{repository}/{kind}/{name}', safe='/:')
        return self._base + path

    def _persist(self, operation: typing.Callable[[], _T]) -> _T:
        tried = 0
        while True:
            try:
                return operation()
            except (NotReachable, Overloaded) as exc:
                failure = exc
            wait = failure.retry_after
            if wait is None:
                wait = min(0.5 * 2**tried, 30.0)
            tried += 1
            if tried == self._tries or wait > min(_LONGEST_WAIT, self._http.left()):
                raise failure
            _log.debug('%s; again in %.1f s', failure, wait)
            time.sleep(wait)

    # Authentication: docs/content/spec/auth of the distribution project, RFC 7235 and 7617.

    def _ask(
        self,
        method: str,
        url: str,
        repository: str,
        image: str,
        headers: typing.Optional[typing.Dict[str, str]] = None,
        body: typing.Optional[typing.Callable[[], typing.Any]] = None,
        most: int = _http.MOST_TEXT,
    ) -> _http.Answer:
        """Make one request, and again with a new authorization if the registry wants one."""
        token = self._tokens.get(repository)
        if token and token.expires < time.monotonic():
            self._renew(repository, token, token.realm, token.service, token.scopes, image)
        renewed = False
        while True:
            token = self._tokens.get(repository)
            authorization = self._basic if self._basic_wanted else token and token.authorization
            answer = self._exchange(method, url, authorization, headers, body, most)
            if answer.status != 401 or _http.origin(answer.url) != _http.origin(self._base):
                return answer
            # The first of each kind counts.
            challenges = dict(parse_challenges(answer.headers.get('WWW-Authenticate', ''))[::-1])
            bearer = challenges.get('bearer')
            if not challenges:
                return answer
            if bearer is not None and not renewed:
                renewed = True
                scopes = token.scopes if token else []
                actions = 'pull' if method in ('GET', 'HEAD') else 'pull,push'
                asked = bearer.get('scope', '').split() or [f'repository:{repository}:{actions}']
                self._renew(
                    repository,
                    token,
                    _http.checked(bearer.get('realm', '')),
                    bearer.get('service', ''),
                    _united(scopes + asked),
                    image,
                )
            elif bearer is None and 'basic' not in challenges:
                raise Misbehaving(
                    f'{self._name} wants an authentication for {image} that is neither Basic nor '
                    f'Bearer: check that it is a registry'
                )
            elif bearer is not None or not self._basic:
                raise self._no_right(image)
            elif authorization is self._basic:
                raise self._bad_credentials(image)
            else:
                self._basic_wanted = True

    def _exchange(
        self,
        method: str,
        url: str,
        authorization: typing.Optional[_http.Authorization],
        headers: typing.Optional[typing.Dict[str, str]],
        body: typing.Optional[typing.Callable[[], typing.Any]],
        most: int,
    ) -> _http.Answer:
        """Make one request, over TLS if the registry turns out to speak it."""
        plain, encrypted = f'http://{self._address}/', f'https://{self._address}/'
        failure = None
        if self._base + '/' == encrypted and url.startswith(plain):
            url = encrypted + url[len(plain) :]
        try:
            home = _http.origin(self._base)
            answer = self._http.exchange(method, url, authorization, home, headers, body, most)
        except NotReachable as exc:
            failure = exc
        # What servers that want TLS do with plain HTTP.
        unsuited = failure or answer.status == 400
        if unsuited and url.startswith(plain) and self._http.speaks_tls(self._address):
            self._base = f'https://{self._address}'
            return self._exchange(method, url, authorization, headers, body, most)
        if failure:
            raise failure
        return answer

    def _renew(
        self,
        repository: str,
        old: typing.Optional['_Token'],
        realm: str,
        service: str,
        scopes: typing.List[str],
        image: str,
    ) -> None:
        with self._renewing:
            if self._tokens.get(repository) is old:  # or another thread was faster
                self._tokens[repository] = self._new_token(realm, service, scopes, image)

    def _new_token(
        self, realm: str, service: str, scopes: typing.List[str], image: str
    ) -> '_Token':
        query = [('service', service)] if service else []
        query += [('scope', scope) for scope in scopes]
        url = _http.with_query(realm, query)
        began = time.monotonic()
        answer = self._http.exchange('GET', url, self._basic, _http.origin(url))
        if answer.status == 401 and self._basic:
            raise self._bad_credentials(image)
        if answer.status in (401, 403):
            raise self._no_right(image)
        document = _json(answer) if answer.status == 200 else {}
        value = document.get('token') or document.get('access_token')
        # requests would repeat a value with a line break in its exception.
        if not isinstance(value, str) or not re.match(r'[\x21-\x7e]+\Z', value):
            raise Misbehaving(
                f'{_http.host(url)} gives no token for {image} (HTTP {answer.status}): check that '
                f'{self._name} is a registry'
            )
        lifetime = document.get('expires_in')
        if not isinstance(lifetime, (int, float)) or lifetime <= 0:
            lifetime = 60  # the specification's default
        expires = began + 0.9 * min(lifetime, 86400)
        bearer = _http.Authorization(f'Bearer {value}')
        return _Token(bearer, expires, realm, service, scopes)


class _Token(typing.NamedTuple):
    authorization: _http.Authorization
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
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        self._size = size
        self._open_blob = open_blob
        self._progress = progress or (lambda sent: None)
        self.failure: typing.Optional[BaseException] = None

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
    challenges: typing.List[typing.Tuple[str, typing.Dict[str, str]]] = []
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
    united: typing.Dict[str, typing.List[str]] = {}
    for scope in scopes:
        resource, colon, actions = scope.rpartition(':')  # some registries' scopes have none
        known = united.setdefault(resource + colon, [])
        known.extend(action for action in actions.split(',') if action not in known)
    return [resource + ','.join(actions) for resource, actions in united.items()]


def _is_digest(text: str) -> bool:
    algorithm, _, digits = text.partition(':')
    return bool(re.match(r'[0-9a-f]+\Z', digits)) and len(digits) == _HEX_DIGITS.get(algorithm)


def _digest_of(content: bytes, like: str = 'sha256:') -> str:
    """Return the digest of `content`, by the algorithm of the digest `like`."""
    algorithm = like.partition(':')[0]
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'


def _json(answer: _http.Answer) -> typing.Dict[str, typing.Any]:
    try:
        document = json.loads(answer.content.decode())
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {}


def _codes(answer: _http.Answer) -> typing.List[str]:
    errors = _json(answer).get('errors')
    codes = (
        [error.get('code') for error in errors if isinstance(error, dict)]
        if isinstance(errors, list)
        else []
    )
    return [code for code in codes if isinstance(code, str) and _CODE.match(code)]
