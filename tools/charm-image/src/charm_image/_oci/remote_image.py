"""Reads an image in any registry: the digest of a reference, its manifests and blobs.

Formats: OCI image-spec 1.1, and Docker's image manifest schema 2 and manifest lists.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

from charm_image import _errors
from charm_image._oci import images, manifests, registry_certificates, selection
from charm_image._oci.platforms import Platform
from container_image import messages, registry
from container_image import reference as references

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
_MAX_TOTAL_BYTES = 32 << 20  # of all manifests and configurations
T = TypeVar('T')


class PlatformImage(NamedTuple):
    """The image for one platform; `sources` are the digests of its layers where they came from.

    `sources` has '' where that is the diff ID, or is not known.
    """

    manifest: registry.Manifest
    config: images.Config
    layers: tuple[images.Blob, ...]
    sources: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class RemoteImage:
    """An image in a registry.

    `blobs` and `manifests` are what makes it complete elsewhere, each manifest after those that it
    refers to. `id` is the digest of the last one, which leads to all; `documents` are the
    configurations by digest, which are blobs that were already read. `foreign` are the parts of it
    with layers that only their vendor distributes.
    """

    id: str
    platforms: tuple[PlatformImage, ...]
    blobs: tuple[images.Blob, ...]
    manifests: tuple[registry.Manifest, ...]
    documents: Mapping[str, bytes] = dataclasses.field(repr=False)
    foreign: tuple[str, ...]
    _name: str
    _parts: Mapping[str, str] = dataclasses.field(repr=False, compare=False)
    _client: registry.Client = dataclasses.field(repr=False, compare=False)
    _repository: str = dataclasses.field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """The size of its blobs in bytes, each counted once."""
        return sum(blob.size for blob in self.blobs)

    @property
    def diff_ids_by_platform(self) -> tuple[tuple[str, ...], ...]:
        """Diff IDs of the layers of each platform, from the lowest up."""
        return tuple(platform.config.diff_ids for platform in self.platforms)

    def contents(self) -> images.Contents:
        """Return its configurations."""
        configs = tuple(platform.config for platform in self.platforms)
        return images.Contents(configs, tuple(config.platform for config in configs))

    def open(self, blob: images.Blob) -> BinaryIO:
        """Return a blob, to be read once and closed. Reading raises RegistryError."""
        if (data := self.documents.get(blob.digest)) is not None:
            return io.BytesIO(data)
        download = self._client.open_blob(self._repository, blob.digest, blob.size)
        return cast(BinaryIO, download)

    def explain(self, error: registry.RegistryError, blob: images.Blob) -> registry.RegistryError:
        """Return an error of reading a blob, with what it is of if the registry has lost it."""
        if not isinstance(error, registry.NotFoundError):
            return error
        return manifests.lost(error, self._name, self._parts[blob.digest], blob.digest)

    def files(self) -> Generator[images.File]:
        """Yield its files, as in an OCI layout. Raises RegistryError."""
        from charm_image._oci import tar

        index = {'manifests': [{'digest': self.id}]}
        yield tar.document('index.json', json.dumps(index).encode())
        for manifest in self.manifests:
            yield tar.document(_path(manifest.digest), manifest.content)
        for blob in self.blobs:
            with contextlib.closing(self.open(blob)) as content:
                yield images.File(_path(blob.digest), blob.size, tar.Part(content, blob.size))


class Source:
    """The registry of an image, with the login of docker or podman for it.

    A public image is read without a login that cannot be used. Methods raise
    `registry.RegistryError`, or LoginError if such a login may be what is missing.
    """

    def __init__(self, reference: references.Reference, **options: Any) -> None:
        from charm_image._oci import registry_logins

        login, self._login_error = registry_logins.find_usable(reference)
        self.reference = reference
        self.repository = reference.path
        self.client = registry.Client(
            reference.domain,
            login.username,
            login.password,
            user_agent='charm-image',
            identity_token=login.identity_token,
            certificates=registry_certificates.find(reference.domain),
            advice=registry.Advice(
                login='log in with `docker login` or `podman login`',
                https='pull it with an engine that is set up for it, and upload it from there',
                authority=f'put its CA into /etc/docker/certs.d/{reference.domain}/ca.crt, or '
                'into the certificates of the system',
                client=f'put one that it accepts into /etc/docker/certs.d/{reference.domain}, as '
                'client.cert and client.key',
            ),
            **options,
        )

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()

    def read(self, platforms: Set[Platform] = frozenset()) -> RemoteImage:
        """Read the image, or only these platforms of it, without its layers.

        Raises InvalidImageError if it is not an image, or lacks a platform.
        """
        with self._explained():
            manifest = self.client.get_manifest(self.repository, self.reference.digest)
        if platforms:
            manifest = selection.select(
                self.client, self.repository, manifest, platforms, str(self.reference)
            )
        return read(
            self.client, self.repository, manifest, attestations=True, name=str(self.reference)
        )

    def resolve(self) -> str:
        """Return the digest that the tag, or `latest`, has now."""
        with self._explained():
            return self.client.head_manifest(self.repository, self.reference.tag or 'latest')

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise a LoginError for a refusal that a login which cannot be used may explain."""
        try:
            yield
        except registry.AccessDeniedError as error:
            if self._login_error is None:
                raise
            raise _errors.LoginError(f'{error} ({self._login_error})') from None


def resolve(reference: references.Reference, limit: float = 20) -> references.Reference:
    """Return a reference with the digest that its tag, or `latest`, has now.

    `limit` is in seconds. A reference that already has a digest is not looked up.

    Raises:
        LoginError: the registry wants a login, and the one that exists cannot be used.
        RegistryError: the registry did not return the digest.
    """
    if not reference.digest:
        with Source(reference, limit=limit) as source:
            return reference.pinned(source.resolve())
    return reference.pinned(reference.digest)


def read(
    client: registry.Client,
    repository: str,
    manifest: registry.Manifest,
    *,
    attestations: bool = False,
    name: str = '',
) -> RemoteImage:
    """Read an image without its layers; `attestations`: with what BuildKit says of it.

    `name` is what messages call the image.

    Raises:
        RegistryError: the registry has only a part of it.
        InvalidImageError: it is not an image.
    """
    name = name or f'the image {manifest.digest}'
    return _Reader(client, repository, name).read(manifest, attestations)


def get(
    client: registry.Client, repository: str, digest: str, *, attestations: bool = False
) -> RemoteImage:
    """Read the image with this digest, or tag, as `read`; NotFoundError if there is none."""
    manifest = client.get_manifest(repository, digest)
    return read(client, repository, manifest, attestations=attestations)


def unless_absent(ask: Callable[[], T | None]) -> T | None:
    """Return a registry's answer, None if absent: some return 403 for what is absent."""
    try:
        return ask()
    except (registry.NotFoundError, registry.AccessDeniedError):
        return None


def read_artifact(
    client: registry.Client, repository: str, manifest: registry.Manifest
) -> RemoteImage:
    """Read what need not be an image, such as a signature, without its blobs. Raises as `read`."""
    name = f'the artifact {manifest.digest}'
    return _Reader(client, repository, name).read_artifact(manifest)


class _Reader:
    def __init__(self, client: registry.Client, repository: str, name: str) -> None:
        self._client = client
        self._repository = repository
        self._name = name
        self._parts: dict[str, str] = {}
        self._foreign: dict[str, None] = {}
        self._manifests: dict[str, registry.Manifest] = {}
        self._blobs: dict[str, images.Blob] = {}
        self._documents: dict[str, bytes] = {}
        self._platforms: list[PlatformImage] = []
        self._artifact = ''
        self._size = 0

    def read(self, manifest: registry.Manifest, attestations: bool) -> RemoteImage:
        image = self._read(manifest, self._add_image, attestations)
        if not image.platforms:
            raise _errors.InvalidImageError(
                self._artifact or f'the index {image.id} does not name an image'
            )
        return image

    def read_artifact(self, manifest: registry.Manifest) -> RemoteImage:
        return self._read(manifest, self._add_artifact, attestations=True)

    def _read(
        self,
        manifest: registry.Manifest,
        add: Callable[[str, manifests.Node], None],
        attestations: bool,
    ) -> RemoteImage:
        """Read all manifests; `add` takes digest and content of each that is not an index."""
        ordered = []
        content, name = self._parsed(manifest), f'the manifest {manifest.digest}'
        for node in manifests.walk(content, self._get, name=name, attestations=attestations):
            digest = node.descriptor.get('digest', manifest.digest)
            ordered.append(self._manifests[digest])
            if 'manifests' not in node.content:
                with manifests.valid(f'the manifest {digest}'):
                    add(digest, node)
        return RemoteImage(
            manifest.digest,
            tuple(self._platforms),
            tuple(self._blobs.values()),
            tuple(ordered),
            self._documents,
            tuple(self._foreign),
            self._name,
            self._parts,
            self._client,
            self._repository,
        )

    def _add_blobs(self, part: str, config: Any, layers: Sequence[Any]) -> None:
        for descriptor in (config, *layers):
            if _is_foreign(descriptor):
                self._foreign[part] = None
            else:
                blob = _blob(descriptor)
                self._blobs.setdefault(blob.digest, blob)
                kind = 'the configuration' if descriptor is config else 'a layer'
                self._parts.setdefault(blob.digest, f'{kind} of {part}')

    def _get(self, child: Mapping[str, Any], part: str) -> Any:
        self._parts[child['digest']] = part
        found = manifests.get_child(self._client, self._repository, child, part, self._name)
        return self._parsed(found)

    def _parsed(self, manifest: registry.Manifest) -> Any:
        self._count(len(manifest.content))
        self._manifests[manifest.digest] = manifest
        return images.parse_json(manifest.content, f'the manifest {manifest.digest}')

    def _add_artifact(self, digest: str, node: manifests.Node) -> None:
        self._add_blobs('it', node.content['config'], node.content.get('layers') or ())

    def _add_image(self, digest: str, node: manifests.Node) -> None:
        config, layers = node.content['config'], node.content['layers'] or ()
        artifact = None if node.is_attestation else _artifact(node.content, config, layers)
        if artifact:
            # in an index with images, it is copied like an attestation
            kind = messages.printable(artifact)
            self._artifact = self._artifact or (
                f'{digest} is not an image but a different artifact ({kind})'
            )
        self._add_blobs(self._parts.get(digest, 'the image'), config, layers)
        if node.is_attestation or artifact or config['digest'] in self._documents:
            return
        try:
            data = self._client.get_blob(self._repository, config['digest'])
        except registry.NotFoundError as error:
            part = self._parts[config['digest']]
            raise manifests.lost(error, self._name, part, config['digest']) from None
        self._count(len(data))
        if len(data) != config['size']:
            raise ValueError('the right size of its configuration')
        self._documents[config['digest']] = data
        self._platforms.append(
            PlatformImage(
                self._manifests[digest],
                images.Config.parse(data, node.descriptor.get('platform')),
                tuple(map(_blob, layers)),
                tuple(map(manifests.source_of, layers)),
            )
        )

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > _MAX_TOTAL_BYTES:
            raise _errors.InvalidImageError(
                f'the image has more than {_MAX_TOTAL_BYTES >> 20} MiB of manifests and '
                'configurations'
            )


def _artifact(content: Any, config: Any, layers: Any) -> str | None:
    """Return the type of an artifact such as a Helm chart or a signature; None for an image."""
    kinds = [content.get('artifactType')]
    if config.get('mediaType') not in manifests.CONFIG_TYPES:
        kinds.append(config.get('mediaType'))
    kinds += [str(each.get('mediaType')) for each in layers if not _is_foreign(each)]
    return next((str(kind) for kind in kinds if kind and kind not in _LAYERS), None)


def _is_foreign(descriptor: Any) -> bool:
    return any(word in str(descriptor.get('mediaType')) for word in _FOREIGN)


def _blob(descriptor: Any) -> images.Blob:
    digest, size = descriptor['digest'], descriptor['size']
    if not isinstance(digest, str) or not references.is_digest(digest):
        raise ValueError('a valid digest')
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError('a valid size')
    return images.Blob(digest, size)


def _path(digest: str) -> str:
    return f'blobs/{digest.replace(":", "/")}'
