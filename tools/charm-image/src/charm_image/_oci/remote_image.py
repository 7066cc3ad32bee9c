"""Reads an image in any registry: the digest of a reference, its manifests and blobs.

Formats: OCI image-spec 1.1, and Docker's image manifest schema 2 and manifest lists.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from charm_image import _errors
from charm_image._oci import images, registry_logins
from container_image import reference as references
from container_image import registry

_INDEXES = registry.MEDIA_TYPES[0], registry.MEDIA_TYPES[2]
_CONFIGS = {
    'application/vnd.docker.container.image.v1+json',
    'application/vnd.oci.image.config.v1+json',
}
_LAYERS = {
    f'{base}{compression}'
    for base in (
        'application/vnd.oci.image.layer.v1.tar',
        'application/vnd.docker.image.rootfs.diff.tar',
    )
    for compression in ('', '+gzip', '.gzip', '+zstd', '.zstd')
}
# base layers of Windows, which registries may lack
_FOREIGN = ('nondistributable', 'foreign')
_MAX_NESTED = 4
_MAX_DOCUMENTS = 32 << 20  # the limit in bytes for all manifests and configurations


@dataclasses.dataclass(frozen=True)
class RemoteImage:
    """The blobs and manifests to copy, each after those that it refers to.

    `manifests` ends with the one that the reference names; `documents` are the configurations by
    digest, which are blobs that were already read.
    """

    digest: str
    blobs: tuple[images.Blob, ...]
    manifests: tuple[registry.Manifest, ...]
    documents: Mapping[str, bytes] = dataclasses.field(repr=False)
    architectures: tuple[str, ...]

    @property
    def size(self) -> int:
        """The size of its blobs in bytes, each counted once."""
        return sum(blob.size for blob in self.blobs)


class Source:
    """The registry of an image, with the login of docker or podman for it.

    Methods raise `registry.RegistryError`, the constructor `_errors.LoginError`.
    """

    def __init__(self, reference: references.Reference, **options: Any) -> None:
        login = registry_logins.find(reference)
        self.reference = reference
        self.repository = reference.path
        self.client = registry.Client(
            reference.domain, login.username, login.password, user_agent='charm-image', **options
        )

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()

    def read(self) -> RemoteImage:
        """Read the image without its layers.

        Raises:
            InvalidImageError: it is not an image, or no charm can run it.
        """
        return read(self.client, self.repository, self.reference.digest)


def resolve(reference: references.Reference, limit: float = 20) -> references.Reference:
    """Return a reference with the digest that its tag, or `latest`, has now.

    `limit` is in seconds. A reference that already has a digest is not looked up.

    Raises:
        LoginError: a login exists but cannot be used.
        RegistryError: the registry did not return the digest.
    """
    if not reference.digest:
        login = registry_logins.find(reference)
        asked = {'': (reference, login.username, login.password)}
        answer = registry.look_up(asked, limit)['']
        if isinstance(answer, registry.RegistryError):
            raise answer
        return reference.pinned(answer)
    return reference.pinned(reference.digest)


def read(client: registry.Client, repository: str, digest: str) -> RemoteImage:
    """Read an image without its layers.

    Raises:
        RegistryError: the registry does not have it, or only a part of it.
        InvalidImageError: it is not an image, or no charm can run it.
    """
    return _Reader(client, repository).read(digest)


class _Reader:
    def __init__(self, client: registry.Client, repository: str) -> None:
        self._client = client
        self._repository = repository
        self._manifests: dict[str, registry.Manifest] = {}
        self._blobs: dict[str, images.Blob] = {}
        self._documents: dict[str, bytes] = {}
        self._configs: list[images.Config] = []
        self._artifact = ''
        self._size = 0

    def read(self, digest: str) -> RemoteImage:
        self._add_manifest(digest, 0, attestation=False)
        if not self._configs:
            raise _errors.InvalidImageError(
                self._artifact or f'the index {digest} does not name an image'
            )
        return RemoteImage(
            digest,
            tuple(self._blobs.values()),
            tuple(self._manifests.values()),
            self._documents,
            images.charmhub_architectures(self._configs),
        )

    def _add_manifest(self, digest: str, depth: int, attestation: bool) -> None:
        if digest in self._manifests:
            return
        if depth > _MAX_NESTED:
            raise _errors.InvalidImageError('the indexes of the image are nested too deeply')
        manifest = self._client.get_manifest(self._repository, digest)
        self._count(len(manifest.content))
        content = images.parse_json(manifest.content, f'the manifest {digest}')
        try:
            if manifest.media_type in _INDEXES:
                for child in content['manifests']:
                    apart = attestation or images.is_attestation(child)
                    self._add_manifest(_digest(child), depth + 1, apart)
            else:
                self._add_image(digest, content, attestation)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _errors.InvalidImageError(
                f'the manifest {digest} is not valid: it lacks {error}'
            ) from None
        # after those that it refers to
        self._manifests[digest] = manifest

    def _add_image(self, digest: str, content: Any, attestation: bool) -> None:
        config, layers = content['config'], content['layers']
        if not attestation and (kind := _artifact(content, config, layers)):
            # in an index with images, it is copied like an attestation
            attestation = True
            self._artifact = self._artifact or (
                f'{digest} is not an image but a different artifact ({kind[:80]})'
            )
        for descriptor in (config, *layers):
            if not any(word in str(descriptor.get('mediaType')) for word in _FOREIGN):
                blob = images.Blob(_digest(descriptor), _size(descriptor))
                self._blobs.setdefault(blob.digest, blob)
        if attestation or config['digest'] in self._documents:
            return
        data = self._client.get_blob(self._repository, config['digest'])
        self._count(len(data))
        if len(data) != config['size']:
            raise ValueError('the right size of its configuration')
        self._documents[config['digest']] = data
        self._configs.append(images.Config.parse(data))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > _MAX_DOCUMENTS:
            raise _errors.InvalidImageError(
                f'the image has more than {_MAX_DOCUMENTS >> 20} MiB of manifests and '
                'configurations'
            )


def _artifact(content: Any, config: Any, layers: Any) -> str | None:
    """Return the type of an artifact such as a Helm chart or a signature; None for an image."""
    kinds = [content.get('artifactType')]
    if config.get('mediaType') not in _CONFIGS:
        kinds.append(config.get('mediaType'))
    kinds += [kind for kind in _kinds(layers) if kind not in _LAYERS]
    return next((str(kind) for kind in kinds if kind), None)


def _kinds(layers: Any) -> Iterator[str]:
    for layer in layers:
        kind = str(layer.get('mediaType'))
        if not any(word in kind for word in _FOREIGN):
            yield kind


def _digest(descriptor: Any) -> str:
    digest = descriptor['digest']
    if not isinstance(digest, str) or not references.is_digest(digest):
        raise ValueError('a valid digest')
    return digest


def _size(descriptor: Any) -> int:
    size = descriptor['size']
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError('a valid size')
    return size
