"""Copies the signatures, attestations and other artifacts of an image, or says what is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from charm_image import _errors, _progress
from charm_image._oci import remote_image, signatures
from charm_image._upload import canonical_registry, registry_copy
from container_image import reference as references
from container_image import registry

_LIMIT = 20  # seconds, to look for what is only named


@dataclasses.dataclass(frozen=True)
class Found:
    """What belongs to an image, with its content.

    `of_whole` belongs to the image at its source, of which only some platforms were chosen.
    """

    artifacts: Sequence[tuple[signatures.Artifact, remote_image.RemoteImage]]
    of_whole: Sequence[signatures.Artifact]


def read(
    source: remote_image.Source, image: remote_image.RemoteImage, report: _progress.Reporter
) -> Found:
    """Return what belongs to an image. Raises InvalidImageError and RegistryError."""
    client, repository = source.client, source.repository
    with report.step('Looking for signatures'):
        found = signatures.find(client, repository, _subjects(image))
        contents = [signatures.read(client, repository, artifact) for artifact in found]
        return Found(list(zip(found, contents, strict=True)), _of_whole(source, image))


def copy(
    found: Found,
    reference: references.Reference,
    remote: canonical_registry.Repository,
    report: _progress.Reporter,
    *,
    dry_run: bool,
) -> tuple[list[str], list[str]]:
    """Copy what was found; say, and return by their names, what is copied and what is left.

    Raises RegistryError if one of the registries is unavailable.
    """
    copied, left = [], list(found.of_whole)
    for artifact, content in found.artifacts:
        try:
            if not dry_run:
                registry_copy.copy_artifact(
                    artifact, content, remote.client, remote.repository, report
                )
            copied.append(artifact)
        except registry.RejectedError as error:
            left.append(artifact)
            report.note(f'The {artifact.kind} {artifact.name} was not copied: {error}')
    if copied:
        when = 'To be copied' if dry_run else 'Copied'
        report.note(f'{when} with the image: {signatures.count(copied)}')
    elif not left:
        report.note('The image has no signatures.')
    _note_of_whole(reference, found.of_whole, report)
    return [each.name for each in copied], [each.name for each in left]


def find_left(
    reference: references.Reference,
    image: remote_image.RemoteImage,
    report: _progress.Reporter,
    advice: str,
) -> list[str]:
    """Say, and return by its names, what belongs to an image and is not copied.

    `advice` is how to copy it. A registry that cannot be asked now is not waited for.
    """
    try:
        with (
            report.step('Looking for signatures'),
            remote_image.Source(reference, tries=1, limit=_LIMIT) as source,
        ):
            left = signatures.find(source.client, source.repository, _subjects(image))
            of_whole = _of_whole(source, image)
    except (_errors.ImageError, registry.RegistryError) as error:
        report.note(f'Signatures of the image were not looked for: {error}')
        return []
    if left:
        report.note(
            f'Left in {reference.name}: {signatures.count(left)}. To copy what belongs to the '
            f'image, too, use {advice}.'
        )
    _note_of_whole(reference, of_whole, report)
    return [each.name for each in (*left, *of_whole)]


def _subjects(image: remote_image.RemoteImage) -> list[str]:
    return [image.id, *(platform.manifest.digest for platform in image.platforms)]


def _of_whole(
    source: remote_image.Source, image: remote_image.RemoteImage
) -> list[signatures.Artifact]:
    digest = source.reference.digest
    if digest == image.id:
        return []
    return signatures.find(source.client, source.repository, [digest])


def _note_of_whole(
    reference: references.Reference,
    artifacts: Sequence[signatures.Artifact],
    report: _progress.Reporter,
) -> None:
    if artifacts:
        report.note(
            f'Left in {reference.name}, because it is for {reference.digest}, the index of all '
            f'platforms: {signatures.count(artifacts)}'
        )
