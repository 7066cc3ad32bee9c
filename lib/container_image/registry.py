"""A client for image registries: units look images up, workstations push and copy them.

It speaks the OCI distribution-spec 1.1 and the token protocol of the CNCF distribution project.

A charm asks for all its images at once, within one limit::

    answers = registry.look_up({'db': (reference, username, password), ...}, limit=30)

and gets, for each, the digest of the manifest (str), a `Refused`, which lasts until somebody
changes the image, the credentials or the rights, or an `Unavailable`, after which a retry may
succeed. Nothing is raised. To push::

    with registry.Client(host, username, password) as client:
        if not client.has_blob(repository, digest):
            client.push_blob(repository, digest, size, lambda: open(path, 'rb'))
        client.put_manifest(repository, 'latest', content, media_type)

It always uses HTTPS, except that a registry on localhost or 127.0.0.0/8 may speak plain HTTP;
[::1] may not. No proxy is used on loopback. The CA bundle is that of REQUESTS_CA_BUNDLE or
CURL_CA_BUNDLE, or certifi's. Proxies are those of the caller or else of the environment.
~/.netrc is not read.

Importing it takes a tenth of a second, because of requests.
"""

import hashlib
import queue
import threading
import time
import typing

from container_image import _connection, _upload, messages
from container_image import reference as references
from container_image._download import Download
from container_image.registry_errors import (
    CHECK,
    BadCredentials,
    BlobUnknown,
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
    'BlobUnknown',
    'CertificateNotTrusted',
    'Client',
    'Download',
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
]

MEDIA_TYPES = (
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.docker.distribution.manifest.v2+json',
)

_MOST_MANIFEST = 4 << 20  # bytes that the distribution-spec wants every registry to take

Outcome = typing.Union[str, RegistryError]


class Image(typing.NamedTuple):
    """What to look up: a `reference.Reference`, and '' twice if it is public."""

    reference: references.Reference
    username: str = ''
    password: str = ''

    def __repr__(self) -> str:
        return f'Image({self.reference!r}, {self.username!r}, <hidden>)'


class Manifest(typing.NamedTuple):
    """A manifest with exactly the bytes that the registry stores."""

    digest: str
    media_type: str
    content: bytes


def look_up(
    images: typing.Mapping[str, typing.Tuple[references.Reference, str, str]],
    limit: float = 30.0,
    proxies: typing.Optional[typing.Mapping[str, str]] = None,
) -> typing.Dict[str, Outcome]:
    """Look up the manifests of all `images` at the same time.

    Return, by the names in `images`, the manifest's digest or a `RegistryError`, after at most
    `limit` seconds in all. `proxies` is as for `Client`.
    """
    # Time-outs alone do not keep a limit: they start again with every byte, and DNS has none. So
    # each look-up has a thread that can be left behind, even by an interpreter that exits.
    deadline = time.monotonic() + limit
    answered: queue.Queue[typing.Tuple[str, Outcome]] = queue.Queue()

    def ask(name: str, image: Image) -> None:
        reference = image.reference
        answer: Outcome
        try:
            # A little less, so that there is time to report the error.
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
            # Its text comes from elsewhere, and may have a password in it.
            answer = Misbehaving(
                f'the request to {messages.printable(reference.domain)} failed '
                f'({type(exc).__name__})'
            )
        answered.put((name, answer))

    answers: typing.Dict[str, Outcome] = {}
    for name, image in images.items():
        image = Image(*image)
        domain = messages.printable(image.reference.domain)
        answers[name] = NotReachable(
            f'{domain} did not respond within {limit:.0f} s: check the network'
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

    Methods raise `RegistryError`.

    Args:
        host: the registry's host as in references, with its port if it has one
        username: the account
        password: its password; without one, all requests are anonymous
        proxies: maps `http`, `https` and `no_proxy` to what the environment variables of these
            names would have, and takes precedence over those
        limit: the seconds from now after which the client gives up whatever it does
        tries: how often each operation is tried if the registry is overloaded or the connection
            breaks
        timeouts: the connect and read time-outs of requests, in seconds
        tell: is called with a sentence before each wait for a retry
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
        tell: typing.Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._registry = _connection.Connection(
            host,
            username,
            password,
            proxies=proxies,
            limit=limit,
            tries=tries,
            timeouts=timeouts,
            tell=tell,
        )
        self._name = messages.printable(host)

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._registry.close()

    def head_manifest(self, repository: str, tag_or_digest: str) -> str:
        """Return the digest of a manifest. Docker Hub does not count this as a pull."""
        return self._registry.persist(lambda: self._head_manifest(repository, tag_or_digest))

    def get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        """Return a manifest of at most 4 MiB, checked against its digest."""
        return self._registry.persist(lambda: self._get_manifest(repository, tag_or_digest))

    def put_manifest(
        self, repository: str, tag_or_digest: str, content: bytes, media_type: str
    ) -> str:
        """Store exactly these bytes as a manifest; return its digest."""
        digest = 'sha256:' + hashlib.sha256(content).hexdigest()
        image = self._image(repository, tag_or_digest)

        def put() -> str:
            answer = self._registry.ask(
                'PUT',
                self._registry.url(repository, 'manifests', tag_or_digest),
                repository,
                image,
                headers={'Content-Type': media_type},
                body=lambda: content,
            )
            self._registry.expect(answer, image, 200, 201, 202)
            stored = answer.headers.get('Docker-Content-Digest', digest)
            if stored.startswith('sha256:') and stored != digest:
                raise Misbehaving(
                    f'{self._name} stored {image} under a different digest: '
                    f'{messages.printable(stored)}'
                )
            return digest

        # docker-registry 2.8 says so, too, while something else is pushed to the repository.
        return self._registry.persist(put, also=(BlobUnknown,))

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether the repository has a blob."""
        return self._registry.persist(lambda: self._has_blob(repository, digest))

    def get_blob(self, repository: str, digest: str, most: int = _MOST_MANIFEST) -> bytes:
        """Return a blob of at most `most` bytes, checked against its digest."""
        image = self._image(repository, digest)

        def get() -> bytes:
            url = self._registry.url(repository, 'blobs', digest)
            answer = self._registry.ask('GET', url, repository, image, most=most)
            self._registry.expect(answer, image, 200)
            if _digest_of(answer.content, digest) != digest:
                raise Misbehaving(
                    f'{self._name} returned content that does not match {image}: {CHECK}'
                )
            return answer.content

        return self._registry.persist(get)

    def open_blob(self, repository: str, digest: str, size: int) -> Download:
        """Return a blob of `size` bytes, to be read like a file and closed.

        The first read sends the first request. If the connection breaks, a new one continues where
        it broke. The last read raises `Misbehaving` if the content does not match the digest.
        """
        image = self._image(repository, digest)
        return Download(self._registry, repository, image, digest, size)

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
        image = self._image(repository, digest)
        upload = _upload.Upload(
            self._registry, repository, image, digest, size, open_blob, progress
        )
        began: typing.List[bool] = []

        def push() -> None:
            # The answer to the last request may be all that was lost.
            if began and self._has_blob(repository, digest):
                return
            began.append(True)
            upload.run()

        self._registry.persist(push)

    def _head_manifest(self, repository: str, tag_or_digest: str) -> str:
        image = self._image(repository, tag_or_digest)
        answer = self._registry.ask(
            'HEAD',
            self._registry.url(repository, 'manifests', tag_or_digest),
            repository,
            image,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
        )
        digest = answer.headers.get('Docker-Content-Digest', '')
        if answer.status in (400, 405, 501) or (answer.status == 200 and not digest):
            return self._get_manifest(repository, tag_or_digest).digest
        self._registry.expect(answer, image, 200)
        algorithm = digest.partition(':')[0]
        if not references.is_digest(digest):
            raise Misbehaving(f'{self._name} returned an invalid digest for {image}: {CHECK}')
        if ':' in tag_or_digest and tag_or_digest != digest:
            if tag_or_digest.startswith(algorithm + ':'):
                raise Misbehaving(
                    f'{self._name} returned a different digest for {image}, {digest}: {CHECK}'
                )
            return self._get_manifest(repository, tag_or_digest).digest
        return digest

    def _get_manifest(self, repository: str, tag_or_digest: str) -> Manifest:
        image = self._image(repository, tag_or_digest)
        answer = self._registry.ask(
            'GET',
            self._registry.url(repository, 'manifests', tag_or_digest),
            repository,
            image,
            headers={'Accept': ', '.join(MEDIA_TYPES)},
            most=_MOST_MANIFEST,
        )
        self._registry.expect(answer, image, 200)
        media_type = answer.headers.get('Content-Type', '').partition(';')[0].strip().lower()
        said = answer.headers.get('Docker-Content-Digest', '')
        asked = tag_or_digest if ':' in tag_or_digest else ''
        if media_type.startswith('application/vnd.docker.distribution.manifest.v1+'):
            raise Refused(
                f'{image} has a manifest of schema 1, which is no longer supported: push it again '
                f'with a current tool'
            )
        if media_type not in MEDIA_TYPES:
            kind = 'a web page' if media_type == 'text/html' else 'unexpected content'
            raise Misbehaving(
                f'{self._name} returned {kind} instead of a manifest for {image}: check that it '
                f'is a registry'
            )
        for digest in filter(None, (said, asked)):
            if references.is_digest(digest) and _digest_of(answer.content, digest) != digest:
                raise Misbehaving(
                    f'{self._name} returned a manifest that does not match the digest of {image}: '
                    f'{CHECK}'
                )
        digest = (
            asked or (said if references.is_digest(said) else '') or _digest_of(answer.content)
        )
        return Manifest(digest, media_type, answer.content)

    def _has_blob(self, repository: str, digest: str) -> bool:
        image = self._image(repository, digest)
        answer = self._registry.ask(
            'HEAD', self._registry.url(repository, 'blobs', digest), repository, image
        )
        if answer.status == 404:
            return False
        self._registry.expect(answer, image, 200)
        return True

    def _image(self, repository: str, tag_or_digest: str) -> str:
        mark = '@' if ':' in tag_or_digest else ':'
        return messages.printable(f'{self._name}/{repository}{mark}{tag_or_digest}')


def _digest_of(content: bytes, like: str = 'sha256:') -> str:
    """Return the digest of `content`, by the algorithm of the digest `like`."""
    algorithm = like.partition(':')[0]
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'
