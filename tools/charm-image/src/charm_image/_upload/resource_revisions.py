"""Lists the revisions of a resource, with the images that they refer to.

Charmhub's publisher API tells of an image only the size and hash of the small file that refers to
it. That file itself is public for a public charm; Juju downloads it. It has the digest, and what
the registry wants to know before it returns the image.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import urllib.parse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from charm_image import _errors
from charm_image._oci import images, remote_image
from charm_image._upload import store as stores
from container_image import messages, registry
from container_image import reference as references

_THREADS = 6
_LABEL = 'org.opencontainers.image.version'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision of a resource.

    Attributes:
        revision: its number
        time: when it was created, in ISO 8601; '' if Charmhub does not tell
        architectures: Charmhub's names of those that it is for
        digest: the digest of the file, or of the image; '' if it is not known
        size: of the file, or of the image as it is compressed in the registry, in bytes; None if
            it is not known
        version: the label org.opencontainers.image.version of the image, or ''
        channels: the full names of the channels that release it now; None if it is not known
    """

    revision: int
    time: str = ''
    architectures: tuple[str, ...] = ()
    digest: str = ''
    size: int | None = None
    version: str = ''
    channels: tuple[str, ...] | None = None


class _Content(NamedTuple):
    digest: str = ''
    size: int | None = None
    version: str = ''


def read(
    store: stores.Store,
    charm: str,
    resource: str,
    registry_url: str,
    note: Callable[[str], None],
) -> list[Revision]:
    """Return the revisions of a resource, the newest one first.

    `registry_url` replaces the host of Canonical's registry, if it is not ''.

    Raises:
        NotFoundError: there is no such charm or resource.
        StoreError: Charmhub does not tell.
    """
    try:
        stored = store.stored(charm, resource)
    except _errors.NotFoundError as error:
        advice = f'Check the names: `charmcraft resources {charm}` lists the resources.'
        raise _errors.reworded(error, error.message, advice) from None
    releases: Sequence[stores.Release] | None = None
    try:
        releases = store.channels(charm).releases
    except _errors.NotAllowedError:
        note('The credentials lack the permission package-view: channels are left out.')
    if any(each.type == 'oci-image' for each in stored):
        contents = _images(store, charm, resource, registry_url, stored, note)
    else:
        contents = {
            each.revision: _Content(f'sha256:{each.sha256}' if each.sha256 else '', each.size)
            for each in stored
        }
    return [
        Revision(
            revision=each.revision,
            time=each.time,
            architectures=each.architectures,
            channels=None
            if releases is None
            else tuple(
                dict.fromkeys(
                    release.channel
                    for release in releases
                    if release.resources.get(resource) == each.revision
                )
            ),
            **contents.get(each.revision, _Content())._asdict(),
        )
        for each in stored
    ]


def _images(
    store: stores.Store,
    charm: str,
    resource: str,
    registry_url: str,
    stored: Sequence[stores.Stored],
    note: Callable[[str], None],
) -> dict[int, _Content]:
    """Return the images of revisions, as far as they are public."""
    try:
        urls = store.public_urls(charm, resource)
    except _errors.StoreError as error:
        note(f'Which images they are is only known of public charms: {error}')
        return {}
    listed = [each.revision for each in stored if each.revision in urls]

    def look_up(revision: int) -> _Content:
        try:
            return _image(store.public_content(urls[revision]), registry_url)
        except _errors.StoreError:  # another one may be there
            return _Content()

    from charm_image import _concurrently

    with _concurrently.Workers(_THREADS, name='revisions') as workers:
        found = dict(zip(listed, workers.map(look_up, listed), strict=True))
    if absent := sorted(number for number, image in found.items() if image.size is None):
        note(
            'Not in the registry, or not readable there: the images of revisions '
            + messages.printable(', '.join(map(str, absent)))
        )
    return found


def _image(content: bytes, registry_url: str) -> _Content:
    """Return the image that the content of a resource refers to."""
    try:
        document = json.loads(content)
        reference = references.Reference.parse(str(document['ImageName']))
        username, password = (str(document.get(key) or '') for key in ('Username', 'Password'))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _Content()
    host = urllib.parse.urlsplit(registry_url).netloc or reference.domain
    # an image that is gone still has a digest
    with (
        contextlib.suppress(registry.RegistryError, _errors.InvalidImageError),
        registry.Client(host, username, password, tries=1, user_agent='charm-image') as client,
    ):
        image = remote_image.get(client, reference.path, reference.digest)
        versions = dict.fromkeys(filter(None, map(_version, image.contents().configs)))
        return _Content(reference.digest, image.size, ', '.join(versions))
    return _Content(reference.digest)


def _version(config: images.Config) -> str:
    try:
        version = json.loads(config.data)['config']['Labels'][_LABEL]
    except (KeyError, TypeError):
        return ''
    return messages.printable(version, 40)
