"""Chooses some platforms of an image in a registry.

Like `crane index filter`, it makes an index of them; like `crane copy --platform`, it takes the
manifest itself for a single one. See the OCI image index specification 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple

from charm_image import _errors
from charm_image._oci import images, manifests
from charm_image._oci.platforms import Platform
from container_image import messages, registry
from container_image import reference as references

_MAX_UNNAMED = 100  # manifests whose platform is not in the index
_MAX_NAMED = 40  # platforms in a message


class _Entry(NamedTuple):
    """A manifest in an index; `platform` is None for what is not an image."""

    descriptor: Mapping[str, Any]
    platform: Platform | None


def select(
    client: registry.Client,
    repository: str,
    manifest: registry.Manifest,
    platforms: Set[Platform],
    name: str,
) -> registry.Manifest:
    """Return the manifest or index of an image that has only these platforms.

    `name` is what messages call the image. It is `manifest` itself if that has no others. The
    index of several platforms, or of one with attestations, is a new one.

    Raises:
        InvalidImageError: the image lacks one of the platforms; the message names those it has.
        RegistryError: the registry has only a part of the image.
    """
    reader = _Reader(client, repository, name)
    entries = list(reader.entries(manifest))
    present = list(dict.fromkeys(entry.platform for entry in entries if entry.platform))
    if not present:  # whoever reads it says what it is
        return manifest
    if missing := [platform for platform in platforms if platform not in present]:
        shown = ', '.join(messages.printable(str(each), 60) for each in present[:_MAX_NAMED])
        raise _errors.InvalidImageError(
            f'the image has no {", ".join(map(str, missing))}: it has {shown}'
        )
    with manifests.valid(f'the manifest {manifest.digest}'):
        chosen = {entry.descriptor['digest'] for entry in entries if entry.platform in platforms}
        kept = [
            entry.descriptor
            for entry in entries
            if entry.platform in platforms
            or (entry.platform is None and _subject(entry.descriptor) in chosen)
        ]
        if len(kept) == len(entries):
            return manifest
        if len(kept) == 1:
            single = reader.child(kept[0])
            # otherwise only the index names the platform
            if reader.platform(images.parse_json(single.content, 'the manifest')):
                return single
        content = images.parse_json(manifest.content, 'the index')
        return manifests.encode({**content, 'manifests': kept}, manifest.media_type)


def _subject(descriptor: Mapping[str, Any]) -> object:
    return (descriptor.get('annotations') or {}).get('vnd.docker.reference.digest')


class _Reader:
    def __init__(self, client: registry.Client, repository: str, name: str) -> None:
        self._client = client
        self._repository = repository
        self._name = name
        self._unnamed = 0

    def entries(
        self,
        manifest: registry.Manifest,
        descriptor: Mapping[str, Any] | None = None,
        depth: int = 0,
    ) -> Iterator[_Entry]:
        """Yield the manifests in an index, and in the indexes without a platform in it."""
        if depth > manifests.MAX_NESTING:
            raise _errors.InvalidImageError('the indexes of the image are nested too deeply')
        name = f'the manifest {manifest.digest}'
        content = images.parse_json(manifest.content, name)
        with manifests.valid(name):
            if 'manifests' not in content:
                yield _Entry(descriptor or {'digest': manifest.digest}, self.platform(content))
                return
            for child in content['manifests']:
                platform = Platform.of(child.get('platform') or {})
                if manifests.is_attestation(child):
                    yield _Entry(child, None)
                elif platform:
                    yield _Entry(child, platform)
                else:
                    self._unnamed += 1
                    if self._unnamed > _MAX_UNNAMED:
                        raise _errors.InvalidImageError(
                            f'the index has more than {_MAX_UNNAMED} manifests without a platform'
                        )
                    yield from self.entries(self.child(child), child, depth + 1)

    def child(self, descriptor: Mapping[str, Any]) -> registry.Manifest:
        """Return a manifest in the index."""
        part = manifests.part(descriptor)
        return manifests.get_child(self._client, self._repository, descriptor, part, self._name)

    def platform(self, content: Any) -> Platform | None:
        """Return the platform that the configuration of a manifest names, None without one."""
        digest = content['config']['digest']
        if not references.is_digest(digest):
            raise ValueError('a valid digest')
        data = self._client.get_blob(self._repository, digest)
        try:
            return Platform.of(images.Config.parse(data).platform)
        except _errors.InvalidImageError:  # of an artifact that is not an image
            return None
