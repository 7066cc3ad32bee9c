"""A client of Charmhub's publisher API, for the upload of resources.

https://api.charmhub.io/docs/default.html, and the calls of charmcraft 4.5.

charmcraft's own library, craft-store, does most of this, too. It is not used, because it leaves
lost responses to its caller and repeats no POST, knows nothing of reviews, sends files in small
blocks, and takes longer to import than a small upload takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from charm_image import _errors, _texts
from charm_image._upload import credentials as credentials_
from charm_image._upload import multipart, store_connection
from container_image import http_client

API_URL = 'https://api.charmhub.io'
STORAGE_URL = 'https://storage.snapcraftcontent.com'

_STORAGE_TIMEOUTS = (10, 600)  # the storage hashes the whole file before it responds
_MAX_CONTENT_BYTES = 64 << 10  # of what refers to an image
_REVIEW_DELAYS = (0.2, 0.3, 0.5, 1, 1, 1, 2)  # then 3 s each, as in charmcraft


class Account(NamedTuple):
    """The account of the credentials, and what they are restricted to (None: not restricted)."""

    username: str
    permissions: frozenset[str] | None
    packages: frozenset[str] | None
    channels: tuple[str, ...] | None = None

    def permits(self, permission: str) -> bool:
        """Return whether the token has a permission, or the one that includes it."""
        included_in = permission.rpartition('-')[0]
        return self.permissions is None or not self.permissions.isdisjoint(
            {permission, included_in}
        )


@dataclasses.dataclass(frozen=True)
class UploadCredentials:
    """The repository of a resource's images in Canonical's registry, and the login for it."""

    host: str
    repository: str
    username: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Release:
    """What is in a channel.

    Attributes:
        channel: the full name of the channel, such as `latest/edge`
        revision: the revision of the charm
        resources: the revisions of its resources, by their names; None where it is not known
        time: when it was released, in ISO 8601; '' if it is not known
    """

    channel: str
    revision: int
    resources: Mapping[str, int | None]
    time: str = ''


class Channels(NamedTuple):
    """The channels of a charm by their full names, and what is released to them."""

    names: tuple[str, ...]
    releases: tuple[Release, ...]

    def of(self, names: Sequence[str]) -> list[Release]:
        """Return what is released to these channels."""
        return [release for release in self.releases if release.channel in names]


class Stored(NamedTuple):
    """A revision of a resource, as Charmhub stores it; `type` is `file` or `oci-image`.

    Of an image, `size` in bytes and `sha256` in hex digits are those of the small file that refers
    to it.
    """

    revision: int
    type: str
    time: str
    architectures: tuple[str, ...]
    size: int | None
    sha256: str


class Review(NamedTuple):
    """The review of an upload."""

    status: str
    revision: int | None
    errors: Sequence[Mapping[str, str]]


class Store:
    """A client of Charmhub.

    `on_retry` is called with a sentence about each wait.

    Raises:
        InsecureURLError: a URL is http and not on this machine.
        StoreError: from every method.
    """

    def __init__(
        self,
        credentials: credentials_.Credentials,
        *,
        api_url: str = API_URL,
        storage_url: str = STORAGE_URL,
        on_retry: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._connection = store_connection.Connection(
            credentials, store_connection.secure(api_url), on_retry
        )
        self._storage_url = store_connection.secure(storage_url)
        self._on_retry = on_retry
        self._status_paths: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def whoami(self) -> Account:
        """Return the account behind the credentials."""
        answer = self._connection.get('/v1/tokens/whoami')
        with self._connection.reading():
            names = {package.get('name') for package in answer.get('packages') or ()}
            return Account(
                username=self._connection.clean(str(answer['account'].get('username'))),
                permissions=frozenset(answer.get('permissions') or ()) or None,
                # packages may be restricted by ID, without their names
                packages=None if None in names else frozenset(names) or None,
                channels=tuple(map(str, answer.get('channels') or ())) or None,
            )

    def resources(self, charm: str) -> dict[str, str]:
        """Return the type of each resource that `charm` declares, by name."""
        # listed for each revision of the charm that declares it: use the last one
        return {
            name: type_
            for _, types in sorted(self.declared(charm).items())
            for name, type_ in types.items()
        }

    def declared(self, charm: str) -> dict[int, dict[str, str]]:
        """Return the types of the resources that each revision of `charm` declares, by name."""
        answer = self._connection.get(f'{_charm_path(charm)}/resources')
        types: dict[int, dict[str, str]] = {}
        with self._connection.reading():
            for entry in answer['resources']:
                of_revision = types.setdefault(int(entry.get('revision') or 0), {})
                of_revision[str(entry['name'])] = str(entry['type'])
        return types

    def charm_revisions(self, charm: str) -> dict[int, str]:
        """Return the status of each revision of `charm`, such as approved or rejected."""
        answer = self._connection.get(f'{_charm_path(charm)}/revisions')
        with self._connection.reading():
            return {
                int(entry['revision']): str(entry.get('status')) for entry in answer['revisions']
            }

    def channels(self, charm: str) -> Channels:
        """Return the channels of `charm`, and what is released to them now."""
        answer = self._connection.get(f'{_charm_path(charm)}/releases')
        with self._connection.reading():
            names = tuple(str(channel['name']) for channel in answer['package']['channels'])
            return Channels(names, tuple(map(_release, answer['channel-map'])))

    def release(
        self, charm: str, revision: int, channels: Sequence[str], resources: Mapping[str, int]
    ) -> list[Release]:
        """Release a revision of `charm` to channels, with these revisions of its resources.

        Charmhub adds the revisions of other resources that were released before. The release is
        requested again only if the channels are as they were before the request.

        Returns:
            what is in the channels now.
        """
        url = f'{self._connection.api_url}{_charm_path(charm)}/releases'
        attached = [{'name': name, 'revision': number} for name, number in resources.items()]
        content = [
            {'channel': channel, 'revision': revision, 'resources': attached}
            for channel in channels
        ]
        before: list[Release] | None = None
        with contextlib.suppress(_errors.NotAllowedError):
            before = self.channels(charm).of(channels)
        lost: _errors.UnavailableError | None = None
        for delay in (0, *http_client.DELAYS):
            if lost:
                if before is None:
                    break
                self._on_retry(f'{lost.message} Checking in {delay:g} s whether it succeeded.')
                time.sleep(delay)
                now = self.channels(charm).of(channels)
                released = {
                    release.channel: release
                    for release in now
                    if release.revision == revision
                    and resources.items() <= release.resources.items()
                }
                if len(released) == len(channels):
                    return list(released.values())
                if now != before:
                    break  # by a different release, which must not be overwritten
            try:
                answer = self._connection.content(
                    self._connection.post(url, content, repeat=False)
                )
                with self._connection.reading():
                    return [
                        _release({'resources': attached, **entry}) for entry in answer['released']
                    ]
            except _errors.UnavailableError as error:
                lost = error
        raise _errors.UnavailableError(
            f'{lost.message if lost else ""} It is not known whether revision {revision} was '
            'released.',
            f'Run `charmcraft status {_texts.word(charm)}`.',
            status=lost.status if lost else None,
        )

    def revisions(self, charm: str, resource: str) -> dict[tuple[int, str], int]:
        """Return the revisions of a resource by size in bytes and SHA-256 in hex digits."""
        return {
            (stored.size, stored.sha256): stored.revision
            for stored in self.stored(charm, resource)
            if stored.sha256 and stored.size is not None
        }

    def stored(self, charm: str, resource: str) -> list[Stored]:
        """Return the revisions of a resource, the newest one first."""
        answer = self._connection.get(f'{_resource_path(charm, resource)}/revisions')
        with self._connection.reading():
            revisions = [
                Stored(
                    revision=int(entry['revision']),
                    type=str(entry.get('type') or ''),
                    time=str(entry.get('created-at') or ''),
                    architectures=tuple(
                        dict.fromkeys(
                            str(name)
                            for base in entry.get('bases') or ()
                            if base
                            for name in base.get('architectures') or ()
                        )
                    ),
                    size=None if entry.get('size') is None else int(entry['size']),
                    sha256=str(entry.get('sha256') or ''),
                )
                for entry in answer['revisions']
            ]
        return sorted(revisions, key=lambda stored: -stored.revision)

    def public_urls(self, charm: str, resource: str) -> dict[int, str]:
        """Return where everybody can download the revisions of a resource, as Juju does.

        https://api.snapcraft.io/docs/charms.html#list_resource_revisions, without credentials.
        """
        path = f'/v2/charms/resources/{_quoted(charm)}/{_quoted(resource)}/revisions'
        answer = self._connection.content(
            self._connection.get_public(self._connection.api_url + path)
        )
        with self._connection.reading():
            return {
                int(entry['revision']): str(entry['download']['url'])
                for entry in answer['revisions']
            }

    def public_content(self, url: str) -> bytes:
        """Return the content of a small resource at one of `public_urls`."""
        return self._connection.get_public(url, max_bytes=_MAX_CONTENT_BYTES).content

    def upload_credentials(self, charm: str, resource: str) -> UploadCredentials:
        """Return repository and login for this resource's images in Canonical's registry."""
        answer = self._connection.get(
            f'{_resource_path(charm, resource)}/oci-image/upload-credentials'
        )
        with self._connection.reading():
            self._connection.hide(str(answer['password']))
            host, repository = str(answer['image-name']).split('/', 1)
            return UploadCredentials(
                host, repository, str(answer['username']), str(answer['password'])
            )

    def image_blob(self, charm: str, resource: str, digest: str) -> bytes:
        """Return the exact content of the resource that refers to an image."""
        path = f'{_resource_path(charm, resource)}/oci-image/blob'
        # safe to repeat
        return self._connection.post(
            self._connection.api_url + path, {'image-digest': digest}
        ).content

    def send(
        self, file: BinaryIO, size: int, name: str, progress: Callable[[int], None] | None = None
    ) -> str:
        """Send `size` bytes of a seekable file to the storage and return the upload's ID.

        `progress` is called with the number of bytes sent, which restarts from 0 after an error.

        Raises:
            FileChangedError: the size of the file is not `size`.
        """
        body = multipart.Body(file, size, name, progress)
        # safe to repeat: this does not create a revision
        answer = self._connection.request(
            'POST',
            f'{self._storage_url}/unscanned-upload/',
            headers={'Content-Type': body.content_type},
            body=lambda: body,
            timeouts=_STORAGE_TIMEOUTS,
        )
        content = self._connection.content(answer)
        upload_id = str(content.get('upload_id') or '')
        # shown as a word of a command
        if not content.get('successful') or not re.fullmatch(
            '[A-Za-z0-9][A-Za-z0-9_.-]*', upload_id
        ):
            raise _errors.StoreError("Charmhub's storage did not accept the upload.", 'Try again.')
        return upload_id

    def create_revision(
        self, charm: str, resource: str, upload_id: str, type_: str, architectures: Sequence[str]
    ) -> None:
        """Create a revision of the resource from an upload, at most once."""
        url = f'{self._connection.api_url}{_resource_path(charm, resource)}/revisions'
        base = {'name': 'all', 'channel': 'all', 'architectures': list(architectures)}
        content = {'upload-id': upload_id, 'type': type_, 'bases': [base]}

        def ask() -> None:
            answer = self._connection.content(self._connection.post(url, content, repeat=False))
            self._status_paths[upload_id] = str(answer.get('status-url'))

        try:
            return ask()
        except _errors.UnavailableError as error:
            lost = error
        # The request may have succeeded although its response was lost, and repeating it could
        # create a second revision. So check first.
        for delay in http_client.DELAYS:
            self._on_retry(f'{lost.message} Checking in {delay:g} s whether it succeeded.')
            time.sleep(delay)
            if self.review(charm, upload_id):
                return None
            try:
                return ask()
            except _errors.UnavailableError as error:
                lost = error
            except _errors.StoreError:
                if self.review(charm, upload_id):
                    return None
                raise
        raise lost

    def review(self, charm: str, upload_id: str) -> Review | None:
        """Return the review of an upload; None if no revision was requested."""
        path = self._status_paths.get(upload_id, '')
        if not path.startswith('/'):
            query = urllib.parse.urlencode({'upload-id': upload_id})
            path = f'{_charm_path(charm)}/revisions/review?{query}'
        try:
            answer = self._connection.get(path)
        except _errors.NotFoundError:
            return None
        with self._connection.reading():
            for entry in answer['revisions']:
                if entry.get('upload-id', upload_id) == upload_id:
                    errors = [
                        {
                            key: self._connection.clean(str(error.get(key, '')))
                            for key in ('code', 'message')
                        }
                        for error in entry.get('errors') or ()
                    ]
                    revision = entry.get('revision')
                    return Review(
                        str(entry['status']), None if revision is None else int(revision), errors
                    )
        return None

    def wait(self, charm: str, upload_id: str, timeout: float) -> int:
        """Wait at most `timeout` seconds for the review and return the revision.

        Raises:
            RejectedError: the review failed.
            ReviewPendingError: the review is not finished.
            NotFoundError: Charmhub does not know the upload.
        """
        deadline = time.monotonic() + timeout
        delays = iter(_REVIEW_DELAYS)
        while True:
            review = self.review(charm, upload_id)
            if review is None:
                if upload_id not in self._status_paths:
                    raise _errors.NotFoundError(
                        f'Charmhub has no revision of {_texts.quoted(charm)} for upload '
                        f'{upload_id}.',
                        'Upload again: identical content does not create a second revision.',
                    )
                review = Review('not yet known', None, [])  # the revision was requested just now
            if review.status == 'rejected':
                reasons = '; '.join(
                    ': '.join(filter(None, (error['code'], error['message'])))
                    for error in review.errors
                )
                raise _errors.RejectedError(
                    f'Charmhub rejected the upload: {reasons or "no reason was given"}.',
                    review.errors,
                )
            if review.status == 'approved' and review.revision is not None:
                return review.revision
            left = deadline - time.monotonic()
            if left <= 0:
                raise _errors.ReviewPendingError(
                    f'Charmhub is still reviewing upload {upload_id}.'
                )
            time.sleep(min(next(delays, 3), left))


def _release(entry: Mapping[str, Any]) -> Release:
    return Release(
        str(entry['channel']),
        int(entry['revision']),
        {
            str(resource['name']): None
            if resource.get('revision') is None
            else int(resource['revision'])
            for resource in entry.get('resources') or ()
        },
        str(entry.get('when') or ''),
    )


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe='', errors='replace')


def _charm_path(charm: str) -> str:
    return f'/v1/charm/{_quoted(charm)}'


def _resource_path(charm: str, resource: str) -> str:
    return f'{_charm_path(charm)}/resources/{_quoted(resource)}'
