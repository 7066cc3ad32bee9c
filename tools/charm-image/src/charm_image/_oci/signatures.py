"""Signatures, attestations and other artifacts that belong to an image in a registry.

cosign stores them under tags that contain the image's digest (its SIGNATURE_SPEC). Others refer to
the image as their subject, and are found with the referrers API of the OCI distribution-spec 1.1,
or by the tag that takes its place in registries without it.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from charm_image import _concurrently, _errors
from charm_image._oci import images, manifests, remote_image
from container_image import reference as references
from container_image import registry

_TAGS = {'.sig': 'signature', '.att': 'attestation', '.sbom': 'SBOM'}
_INDEX = 'application/vnd.oci.image.index.v1+json'
_THREADS = 6
_MAX_SUBJECTS = 100
_MAX_ARTIFACTS = 100


@dataclasses.dataclass(frozen=True)
class Artifact:
    """What belongs to the manifest `subject`; `tag` is '' if it only refers to that.

    `kind` is signature, attestation, SBOM, or artifact for others. `descriptor` is how the list of
    referrers names it.
    """

    digest: str
    subject: str
    kind: str
    tag: str = ''
    descriptor: Any = dataclasses.field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Its tag, or else its digest."""
        return self.tag or self.digest


def find(client: registry.Client, repository: str, digests: Iterable[str]) -> list[Artifact]:
    """Return what belongs to these manifests, and what belongs to that.

    Raises:
        InvalidImageError: there are too many of them.
        RegistryError: the registry cannot be asked.
    """
    found: dict[tuple[str, str], Artifact] = {}
    looked_at: set[str] = set()
    subjects = list(dict.fromkeys(digests))
    with _concurrently.Workers(_THREADS, name='signatures') as workers:
        while subjects:
            looked_at.update(subjects)
            if len(looked_at) > _MAX_SUBJECTS + _MAX_ARTIFACTS:
                raise _errors.InvalidImageError('the image has too many manifests to look at')
            of_each = workers.map(functools.partial(_of, client, repository), subjects)
            artifacts = list(itertools.chain(*of_each))
            found.update({(each.name, each.subject): each for each in artifacts})
            if len(found) > _MAX_ARTIFACTS:
                raise _errors.InvalidImageError(
                    f'the image has more than {_MAX_ARTIFACTS} signatures and other artifacts'
                )
            later = dict.fromkeys(artifact.digest for artifact in artifacts)
            subjects = [digest for digest in later if digest not in looked_at]
    return list(found.values())


def _of(client: registry.Client, repository: str, subject: str) -> list[Artifact]:
    artifacts = []
    for suffix, kind in _TAGS.items():
        tag = _tag(subject) + suffix
        if digest := head(client, repository, tag):
            artifacts.append(Artifact(digest, subject, kind, tag))
    for descriptor in referrers(client, repository, subject):
        if isinstance(descriptor, dict) and references.is_digest(str(descriptor.get('digest'))):
            kind = _kind(str(descriptor.get('artifactType')))
            artifacts.append(Artifact(descriptor['digest'], subject, kind, descriptor=descriptor))
    return artifacts


def referrers(client: registry.Client, repository: str, subject: str) -> list[Any]:
    """Return the descriptors of what refers to a manifest, [] without any."""
    listed = remote_image.unless_absent(lambda: client.get_referrers(repository, subject))
    return list_by_tag(client, repository, subject) if listed is None else listed


def list_by_tag(client: registry.Client, repository: str, subject: str) -> list[Any]:
    """Return the descriptors of referrers under the tag for registries without referrers API."""
    # asked with HEAD, which Docker Hub does not count as a pull
    digest = head(client, repository, _tag(subject))
    if digest is None:
        return []
    manifest = client.get_manifest(repository, digest)
    name = f'the index of the tag {_tag(subject)}'
    content = images.parse_json(manifest.content, name)
    with manifests.valid(name):
        return list(content.get('manifests') or ())


def make_list(subject: str, descriptors: Sequence[Any]) -> tuple[str, registry.Manifest]:
    """Return the tag that lists referrers in registries without referrers API, and its index."""
    content = {'schemaVersion': 2, 'mediaType': _INDEX, 'manifests': list(descriptors)}
    return _tag(subject), manifests.encode(content, _INDEX)


def head(client: registry.Client, repository: str, name: str) -> str | None:
    """Return the digest of a manifest, None if it does not exist."""
    return remote_image.unless_absent(lambda: client.head_manifest(repository, name))


def read(client: registry.Client, repository: str, artifact: Artifact) -> remote_image.RemoteImage:
    """Read an artifact without its blobs. Raises InvalidImageError and RegistryError."""
    return remote_image.read_artifact(
        client, repository, client.get_manifest(repository, artifact.digest)
    )


def count(artifacts: Iterable[Artifact]) -> str:
    """Return how many there are of each kind, such as `2 signatures, 1 SBOM`."""
    kinds = collections.Counter(artifact.kind for artifact in artifacts)
    return ', '.join(f'{number} {kind}{"s" * (number > 1)}' for kind, number in kinds.items())


def _tag(digest: str) -> str:
    return digest.replace(':', '-')


def _kind(artifact_type: str) -> str:
    """Return what people call an artifact, as far as its type tells."""
    for word, kind in (
        ('signature', 'signature'),
        ('sigstore', 'signature'),
        ('in-toto', 'attestation'),
        ('attestation', 'attestation'),
        ('spdx', 'SBOM'),
        ('cyclonedx', 'SBOM'),
    ):
        if word in artifact_type.lower():
            return kind
    return 'artifact'
