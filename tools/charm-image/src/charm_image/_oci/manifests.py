"""Manifests and indexes of images: reading them, and making those that a registry stores.

Formats: OCI image specification 1.1, and Docker's image manifest schema 2 and manifest lists.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from charm_image import _errors
from charm_image._oci import images
from charm_image._oci.platforms import Platform
from container_image import messages, registry_errors
from container_image import reference as references

if TYPE_CHECKING:
    from container_image import registry

#: The maximum nesting of indexes.
MAX_NESTING = 4

#: The media types of the configurations of images.
CONFIG_TYPES = {
    'application/vnd.docker.container.image.v1+json',
    'application/vnd.oci.image.config.v1+json',
    'application/octet-stream',  # of images that were made before 2016
}

#: The annotation of a layer with its digest at the image's source.
SOURCE = 'charm-image.source'

_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
_CONFIG = 'application/vnd.docker.container.image.v1+json'
_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'


class Node(NamedTuple):
    """A manifest or index of an image.

    `descriptor` is how an index names it, {} for the first one; `content` is None if the source
    lacks it. `is_attestation`: it, or an index above it, describes an image instead of being one.
    """

    descriptor: Mapping[str, Any]
    content: Any
    is_attestation: bool

    @property
    def is_image(self) -> bool:
        """Whether it is the manifest of an image for one platform."""
        with valid(f'the manifest {self.descriptor.get("digest", "")}'.rstrip()):
            return (
                self.content is not None
                and not self.is_attestation
                and 'manifests' not in self.content
                and self.content['config'].get('mediaType') in CONFIG_TYPES
            )


def walk(
    content: Any,
    get: Callable[[Mapping[str, Any], str], Any],
    *,
    name: str = 'the manifest',
    attestations: bool = False,
) -> Iterator[Node]:
    """Yield the manifests and indexes of an image, each once, and after those that it names.

    Args:
        content: the parsed manifest or index that leads to all others
        get: returns the parsed content of a descriptor, which is also described for messages, as
            by `part`; None if the source lacks it
        name: the name of `content` for messages
        attestations: whether to yield those, too

    Raises:
        InvalidImageError: an index is not valid, or they are nested too deeply.
    """
    seen: set[str] = set()

    def below(node: Node, name: str, depth: int) -> Iterator[Node]:
        if depth > MAX_NESTING:
            raise _errors.InvalidImageError('the indexes of the image are nested too deeply')
        with valid(name):
            children = node.content.get('manifests') or ()
            for child in children:
                apart = node.is_attestation or is_attestation(child)
                digest = child['digest']
                # once each: indexes may refer to each other
                if digest in seen or (apart and not attestations):
                    continue
                seen.add(digest)
                named = Node(child, get(child, part(child, children)), apart)
                if named.content is None:
                    yield named
                else:
                    yield from below(named, f'the manifest {digest}', depth + 1)
        yield node

    return below(Node({}, content, False), name, 0)


def is_attestation(descriptor: Any) -> bool:
    """Return whether a descriptor is of BuildKit's provenance or SBOM, not of an image."""
    if 'vnd.docker.reference.type' in (descriptor.get('annotations') or {}):
        return True
    return (descriptor.get('platform') or {}).get('os') == 'unknown'


def part(child: Mapping[str, Any], siblings: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return what a descriptor in an index is of, for messages."""

    def platform(descriptor: Mapping[str, Any]) -> str:
        named = Platform.of(descriptor.get('platform') or {})
        return f'the image for {messages.printable(str(named), 60)}' if named else ''

    if not is_attestation(child):
        return platform(child) or 'one of its manifests'
    subject = (child.get('annotations') or {}).get('vnd.docker.reference.digest')
    of = next((platform(each) for each in siblings if each.get('digest') == subject), '')
    return f'the attestation of {of}' if of else 'an attestation'


def get_child(
    client: registry.Client, repository: str, child: Mapping[str, Any], part: str, name: str
) -> registry.Manifest:
    """Return a manifest that the index `name` has, and which `part` describes.

    Raises:
        ValueError: its digest is not valid.
        RegistryError: the registry did not return it; NotFoundError: it has lost it.
    """
    digest = child['digest']
    if not isinstance(digest, str) or not references.is_digest(digest):
        raise ValueError('a valid digest')
    try:
        return client.get_manifest(repository, digest)
    except registry_errors.NotFoundError as error:
        raise lost(error, name, part, digest) from None


def lost(
    error: registry_errors.NotFoundError, name: str, part: str, digest: str
) -> registry_errors.NotFoundError:
    """Return the error for a part of the image `name` that its registry does not have any more."""
    advice = 'push the image again'
    if 'attestation' in part:
        advice += ', or build it without attestations (--provenance=false --sbom=false)'
    elif 'the image for' in part:
        advice += ', or choose its other platforms'
    found = registry_errors.NotFoundError(
        f'{name} is incomplete: its registry has lost {part}, {digest}', advice
    )
    found.status, found.codes = error.status, error.codes
    found.registry, found.reference = error.registry, error.reference
    return found


def source_of(layer: Any) -> str:
    """Return the digest of a layer at the image's source, from its descriptor; '' if not there."""
    return str((layer.get('annotations') or {}).get(SOURCE, ''))


@contextlib.contextmanager
def valid(name: str) -> Iterator[None]:
    """Raise InvalidImageError if the content of a manifest is not what is expected of one."""
    name = messages.printable(name)
    try:
        yield
    except (KeyError, ValueError) as error:
        raise _errors.InvalidImageError(f'{name} is not valid: it lacks {error}') from None
    except (TypeError, AttributeError):
        raise _errors.InvalidImageError(
            f'{name} is not valid: it lacks a value of the right type'
        ) from None


def make(
    configs: Sequence[images.Config],
    blobs: Mapping[str, images.Blob],
    sources: Mapping[str, str] | None = None,
) -> list[registry.Manifest]:
    """Return the manifests of an image, one for each platform.

    For several, and for one whose configuration does not name it, their list comes last. `blobs`,
    and `sources`, the digests of layers at the image's source, are by diff ID.
    """
    manifests = [_manifest(config, blobs, sources or {}) for config in configs]
    if len(manifests) > 1 or not all(config.names_platform for config in configs):
        manifests.append(make_list(configs, manifests))
    return manifests


def _manifest(
    config: images.Config, blobs: Mapping[str, images.Blob], sources: Mapping[str, str]
) -> registry.Manifest:
    content = {
        'schemaVersion': 2,
        'mediaType': _MANIFEST,
        'config': {'mediaType': _CONFIG, 'size': len(config.data), 'digest': config.digest},
        'layers': [_layer(blobs[d], sources.get(d, d), d) for d in config.diff_ids],
    }
    return encode(content, _MANIFEST)


def _layer(blob: images.Blob, source: str, diff_id: str) -> dict[str, Any]:
    descriptor = {'mediaType': _LAYER, 'size': blob.size, 'digest': blob.digest}
    if source == diff_id:
        return descriptor
    return {**descriptor, 'annotations': {SOURCE: source}}


def make_list(
    configs: Sequence[images.Config], leaves: Sequence[registry.Manifest]
) -> registry.Manifest:
    """Return the manifest list of images, each with its configuration."""
    content = {
        'schemaVersion': 2,
        'mediaType': _MANIFEST_LIST,
        'manifests': [
            {
                'mediaType': leaf.media_type,
                'size': len(leaf.content),
                'digest': leaf.digest,
                'platform': config.platform,
            }
            for config, leaf in zip(configs, leaves, strict=True)
        ],
    }
    return encode(content, _MANIFEST_LIST)


def encode(content: object, media_type: str) -> registry.Manifest:
    """Return a manifest or index with this content."""
    from container_image import registry  # takes a tenth of a second, and reading needs none

    data = json.dumps(content, separators=(',', ':')).encode()
    return registry.Manifest(images.digest(data), media_type, data)
