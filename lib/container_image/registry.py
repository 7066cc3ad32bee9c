"""A client for image registries: units look images up, workstations push and copy them.

It speaks the OCI distribution-spec 1.1 and the token protocol of the CNCF distribution project.

A charm asks for all its images at once, within one limit::

    results = registry.look_up({'db': (reference, username, password), ...}, limit=30)

and gets, for each, the digest of the manifest (str), a `RejectedError`, which lasts until somebody
changes the image, the credentials or the rights, or an `UnavailableError`, after which a retry may
succeed. Nothing is raised. To push::

    with registry.Client(host, username, password) as client:
        if not client.has_blob(repository, digest):
            client.push_blob(repository, digest, size, lambda: open(path, 'rb'))
        client.put_manifest(repository, 'latest', content, media_type)

It always uses HTTPS, except that a registry on localhost or 127.0.0.0/8 may speak plain HTTP;
[::1] may not. No proxy is used on loopback. Trusted are the CAs of certifi and of the system, or
instead those of the bundle that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names. Proxies are those of
the caller or else of the environment. ~/.netrc is not read.

Importing it takes nearly a tenth of a second, because of urllib3.
"""

import functools
import hashlib
import json
import queue
import re
import threading
import time
import typing

from container_image import _connection, _media_types, _tls, _upload, addresses, messages
from container_image import reference as references
from container_image._connection import Advice
from container_image._download import Download
from container_image._tls import Certificates
from container_image.registry_errors import (
    CHECK,
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

__all__ = [
    'MEDIA_TYPES',
    'Advice',
    'BadCredentialsError',
    'BlobUnknownError',
    'CertificateNotTrustedError',
    'Certificates',
    'Client',
    'Download',
    'Lookup',
    'Manifest',
    'ProtocolError',
    'AccessDeniedError',
    'NotFoundError',
    'NotReachableError',
    'NotResolvedError',
    'LookupResult',
    'OverloadedError',
    'RejectedError',
    'RegistryError',
    'UnavailableError',
    'look_up',
]

MEDIA_TYPES = _media_types.MANIFESTS

# Some registries reject those of HTTP libraries.
USER_AGENT = 'docker-resource'

_MAX_PAGES = 10
_MAX_MANIFEST_BYTES = 4 << 20  # the distribution-spec wants every registry to take them

LookupResult = typing.Union[str, RegistryError]

# Who runs a unit cannot change what it trusts.
_IN_UNITS = Advice(authority='get one of a public authority: units trust no others')


class Lookup(typing.NamedTuple):
    """What to look up: a `reference.Reference`, and '' twice if it is public."""

    reference: references.Reference
    username: str = ''
    password: str = ''

    def __repr__(self) -> str:
        return f'Lookup({self.reference!r}, {self.username!r}, <hidden>)'


class Manifest(typing.NamedTuple):
    """A manifest with exactly the bytes that the registry stores."""

    digest: str
    media_type: str
    content: bytes


def look_up(
    images: typing.Mapping[str, typing.Tuple[references.Reference, str, str]],
    limit: float = 30.0,
    proxies: typing.Optional[typing.Mapping[str, str]] = None,
) -> typing.Dict[str, LookupResult]:
    """Look up the manifests of all `images` at the same time.

    Return, by the names in `images`, the manifest's digest or a `RegistryError`, after at most
    `limit` seconds in all. `proxies` is as for `Client`.
    """
    # Time-outs alone do not keep a limit: they start again with every byte, and DNS has none. So
    # each look-up has a thread that can be left behind, even by an interpreter that exits.
    deadline = time.monotonic() + limit
    answers: queue.Queue[typing.Tuple[str, LookupResult]] = queue.Queue()

    def look_up_one(name: str, lookup: Lookup) -> None:
        reference = lookup.reference
        result: LookupResult
        try:
            # A little less, so that there is time to report the error.
            with Client(
                reference.domain,
                lookup.username,
                lookup.password,
                proxies=proxies,
                limit=limit - min(limit / 2, 2),
                tries=3,
                timeouts=(10, 15),
                advice=_IN_UNITS,
            ) as client:
                result = client.head_manifest(
                    reference.path, reference.digest or reference.tag or 'latest'
                )
        except RegistryError as exc:
            result = exc.with_traceback(None)  # it leads to the password
        except Exception as exc:
            # Its text comes from elsewhere, and may have a password in it.
            result = ProtocolError(
                f'the request to {messages.printable(reference.domain)} failed '
                f'({type(exc).__name__})'
            )
        answers.put((name, result))

    results: typing.Dict[str, LookupResult] = {}
    for name, arguments in images.items():
        lookup = Lookup(*arguments)
        domain = messages.printable(lookup.reference.domain)
        results[name] = NotReachableError(
            f'the registry {domain} did not respond within {limit:.0f} s', 'check the network'
        )
        threading.Thread(target=look_up_one, args=(name, lookup), daemon=True).start()
    for _ in images:
        try:
            name, result = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        results[name] = result
    return results


class _Page(typing.NamedTuple):
    descriptors: typing.List[typing.Any]
    next_url: typing.Optional[str]


class Client:
    """One registry, with one account or none; safe to use from several threads.

    Methods raise `RegistryError`.

    Args:
        host: the registry's host as in references, with its port if it has one
        username: the account
        password: its password; without one, all requests are anonymous
        proxies: maps `http`, `https`, `all` and `no_proxy` to what the environment variables of
            these names would have, and takes precedence over those
        limit: the seconds from now after which the client gives up whatever it does
        tries: how often each operation is tried if the registry is overloaded or the connection
            breaks
        timeouts: the time-outs of each request, to connect and to read, in seconds
        on_retry: is called with a sentence before each wait for a retry
        user_agent: names the program to the registry, as in RFC 7231 (User-Agent)
        identity_token: what OAuth2 exchanges for a token, instead of username and password
        certificates: files of authorities to trust, and of the client
        advice: what to do, for messages
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
        on_retry: typing.Callable[[str], None] = lambda sentence: None,
        user_agent: str = USER_AGENT,
        identity_token: str = '',
        certificates: Certificates = _tls.NONE,
        advice: Advice = _connection.ADVICE,
    ) -> None:
        self._registry = _connection.Connection(
            host,
            username,
            password,
            proxies=proxies,
            limit=limit,
            tries=tries,
            timeouts=timeouts,
            on_retry=on_retry,
            user_agent=user_agent,
            identity_token=identity_token,
            certificates=certificates,
            advice=advice,
        )
        self._name = messages.printable(host)

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._registry.close()

    def head_manifest(
        self, repository: str, tag_or_digest: str, tries: typing.Optional[int] = None
    ) -> str:
        """Return the digest of a manifest. Docker Hub does not count this as a pull.

        `tries` replaces that of the client.
        """
        return self._registry.retry(
            lambda: self._head_manifest(repository, tag_or_digest), tries=tries
        )

    def get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        """Return a manifest of at most 4 MiB, checked against its digest."""
        return self._registry.retry(lambda: self._get_manifest(repository, tag_or_digest))

    def put_manifest(
        self, repository: str, tag_or_digest: str, content: bytes, media_type: str
    ) -> str:
        """Store exactly these bytes as a manifest; return its digest."""
        digest = 'sha256:' + hashlib.sha256(content).hexdigest()
        display_name = self._display_name(repository, tag_or_digest)

        def put() -> str:
            response = self._registry.request(
                'PUT',
                self._registry.url(repository, 'manifests', tag_or_digest),
                repository,
                display_name,
                headers={'Content-Type': media_type},
                body=lambda: content,
            )
            self._registry.raise_for_status(response, display_name, 200, 201, 202)
            stored = response.headers.get('Docker-Content-Digest', digest)
            if stored.startswith('sha256:') and stored != digest:
                raise ProtocolError(
                    f'{self._name} stored {display_name} under a different digest: '
                    f'{messages.printable(stored)}'
                )
            return digest

        # docker-registry 2.8 says so, too, while something else is pushed to the repository.
        return self._registry.retry(put, also=(BlobUnknownError,))

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether the repository has a blob."""
        return self._registry.retry(lambda: self._has_blob(repository, digest))

    def get_blob(
        self, repository: str, digest: str, max_bytes: int = _MAX_MANIFEST_BYTES
    ) -> bytes:
        """Return a blob of at most `max_bytes` bytes, checked against its digest."""
        display_name = self._display_name(repository, digest)

        def get() -> bytes:
            url = self._registry.url(repository, 'blobs', digest)
            response = self._registry.request(
                'GET', url, repository, display_name, max_bytes=max_bytes
            )
            self._registry.raise_for_status(response, display_name, 200)
            if _digest_of(response.content, digest) != digest:
                raise ProtocolError(
                    f'{self._name} returned content that does not match {display_name}', CHECK
                )
            return response.content

        return self._registry.retry(get)

    def get_referrers(
        self, repository: str, digest: str
    ) -> typing.Optional[typing.List[typing.Any]]:
        """Return the descriptors of what refers to a manifest, such as its signatures.

        None means that the registry does not list referrers. Of a long list, it is the beginning.
        See "Listing Referrers" in the distribution-spec 1.1.
        """
        display_name = self._display_name(repository, digest)
        descriptors: typing.List[typing.Any] = []
        url: typing.Optional[str] = self._registry.url(repository, 'referrers', digest)
        for _ in range(_MAX_PAGES):
            if url is None:
                break
            page = self._registry.retry(
                functools.partial(self._referrers, repository, url, display_name)
            )
            if page is None:
                return None
            descriptors += page.descriptors
            url = page.next_url
        return descriptors

    def _referrers(self, repository: str, url: str, display_name: str) -> typing.Optional['_Page']:
        response = self._registry.request(
            'GET', url, repository, display_name, max_bytes=_MAX_MANIFEST_BYTES
        )
        if response.status in (400, 404, 405, 501):
            return None
        self._registry.raise_for_status(response, display_name, 200)
        try:
            descriptors = json.loads(response.content.decode())['manifests']
        except (ValueError, KeyError, TypeError, RecursionError):
            descriptors = None
        if not isinstance(descriptors, list):
            raise ProtocolError(
                f'{self._name} returned unexpected content '
                f'instead of the referrers of {display_name}',
                IS_REGISTRY,
            )
        link = re.match('<([^>]*)>; *rel="?next"?', response.headers.get('Link', ''))
        next_url = link and addresses.resolve(url, link.group(1))
        is_own = next_url and addresses.origin(next_url) == addresses.origin(url)
        return _Page(descriptors, next_url if is_own else None)

    def open_blob(self, repository: str, digest: str, size: int) -> Download:
        """Return a blob of `size` bytes, to be read like a file and closed.

        The first read sends the first request. If the connection breaks, a new one continues where
        it broke. The last read raises `ProtocolError` if the content does not match the digest.
        """
        display_name = self._display_name(repository, digest)
        return Download(self._registry, repository, display_name, digest, size)

    def push_blob(
        self,
        repository: str,
        digest: str,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[typing.Callable[[int], None]] = None,
    ) -> None:
        """Upload a blob of `size` bytes.

        Args:
            repository: the repository
            digest: the digest of the blob
            size: its size in bytes
            open_blob: returns the blob as a new binary file at its beginning, each time that the
                upload starts again; the file is closed after use
            progress: is called with the number of bytes sent, from 0 again after a restart

        Raises:
            RegistryError: the registry rejected it or is unavailable
            ValueError: the file does not have `size` bytes
            Exception: whatever `open_blob` and `progress` raise
        """
        display_name = self._display_name(repository, digest)
        upload = _upload.Upload(
            self._registry, repository, display_name, digest, size, open_blob, progress
        )
        began: typing.List[bool] = []

        def push() -> None:
            # The answer to the last request may be all that was lost.
            if began and self._has_blob(repository, digest):
                return
            began.append(True)
            upload.run()

        self._registry.retry(push)

    def _head_manifest(self, repository: str, tag_or_digest: str) -> str:
        display_name = self._display_name(repository, tag_or_digest)
        response = self._registry.request(
            'HEAD',
            self._registry.url(repository, 'manifests', tag_or_digest),
            repository,
            display_name,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
        )
        digest = response.headers.get('Docker-Content-Digest', '')
        # Some servers only know GET, or redirect to storage whose signed URLs are for GET only.
        # Docker Hub knows HEAD, and counts each GET as a pull.
        unsure = response.status in (403, 404) and not self._registry.is_docker_hub
        unknown = response.status in (400, 405, 501)
        if unsure or unknown or (response.status == 200 and not digest):
            return self._get_manifest(repository, tag_or_digest).digest
        self._registry.raise_for_status(response, display_name, 200)
        algorithm = digest.partition(':')[0]
        if not references.is_digest(digest):
            raise ProtocolError(
                f'{self._name} returned an invalid digest for {display_name}', CHECK
            )
        if ':' in tag_or_digest and tag_or_digest != digest:
            if tag_or_digest.startswith(algorithm + ':'):
                raise ProtocolError(
                    f'{self._name} returned a different digest for {display_name}, {digest}', CHECK
                )
            return self._get_manifest(repository, tag_or_digest).digest
        return digest

    def _get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        display_name = self._display_name(repository, tag_or_digest)
        response = self._registry.request(
            'GET',
            self._registry.url(repository, 'manifests', tag_or_digest),
            repository,
            display_name,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
            max_bytes=_MAX_MANIFEST_BYTES,
        )
        self._registry.raise_for_status(response, display_name, 200)
        header = response.headers.get('Content-Type', '')
        media_type = _media_types.of_manifest(header, response.content)
        stated = response.headers.get('Docker-Content-Digest', '')
        requested = tag_or_digest if ':' in tag_or_digest else ''
        if media_type == _media_types.SCHEMA_1:
            raise RejectedError(
                f'{display_name} has a manifest of schema 1, which is no longer supported',
                'push it again with a current tool',
            )
        if not media_type:
            is_page = header.strip().lower().startswith('text/html')
            kind = 'a web page' if is_page else 'unexpected content'
            raise ProtocolError(
                f'{self._name} returned {kind} instead of a manifest for {display_name}',
                IS_REGISTRY,
            )
        for digest in filter(None, (stated, requested)):
            if references.is_digest(digest) and _digest_of(response.content, digest) != digest:
                raise ProtocolError(
                    f'{self._name} returned a manifest '
                    f'that does not match the digest of {display_name}',
                    CHECK,
                )
        digest = (
            requested
            or (stated if references.is_digest(stated) else '')
            or _digest_of(response.content)
        )
        return Manifest(digest, media_type, response.content)

    def _has_blob(self, repository: str, digest: str) -> bool:
        display_name = self._display_name(repository, digest)
        response = self._registry.request(
            'HEAD', self._registry.url(repository, 'blobs', digest), repository, display_name
        )
        if response.status == 404:
            return False
        self._registry.raise_for_status(response, display_name, 200)
        return True

    def _display_name(self, repository: str, tag_or_digest: str) -> str:
        mark = '@' if ':' in tag_or_digest else ':'
        return messages.printable(f'{self._name}/{repository}{mark}{tag_or_digest}')


def _digest_of(content: bytes, like: str = 'sha256:') -> str:
    """Return the digest of `content`, by the algorithm of the digest `like`."""
    algorithm = like.partition(':')[0]
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'
