"""Copies an image from one registry to another: byte for byte, in memory only.

    with remote_image.Source(reference) as source:
        image = source.read()
        registry_copy.copy(image, client, repository, report)

Several blobs are copied in parallel, each read while it is sent. Blobs that the target has are not
read.
"""

from __future__ import annotations

from typing import BinaryIO, cast

from charm_image import _concurrently, _progress
from charm_image._oci import images, remote_image, signatures
from charm_image._upload import architectures
from container_image import registry

_THREADS = 6


def copy(
    image: remote_image.RemoteImage,
    client: registry.Client,
    repository: str,
    report: _progress.Reporter | None = None,
) -> None:
    """Copy an image to a repository of the registry behind `client`.

    Raises:
        InvalidImageError: no charm can run it.
        RegistryError: one of the registries rejects a request, or is unavailable for too long.
    """
    architectures.of(image)  # raises, before anything is sent, if no charm can run it
    report = report or _progress.Reporter()
    _copy_blobs(image, client, repository, report)
    # one at a time: while docker-registry 2.8 stores a manifest under one name, it may return
    # 500 for a different name
    for manifest in image.manifests:
        client.put_manifest(repository, manifest.digest, manifest.content, manifest.media_type)


def copy_artifact(
    artifact: signatures.Artifact,
    content: remote_image.RemoteImage,
    client: registry.Client,
    repository: str,
    report: _progress.Reporter,
) -> None:
    """Copy an artifact of an image, with its tag, or else so that it is listed as a referrer.

    Raises:
        RegistryError: one of the registries rejects a request, or is unavailable for too long.
    """
    if signatures.head(client, repository, artifact.name) != artifact.digest:
        _copy_blobs(content, client, repository, report)
        for manifest in content.manifests[:-1]:
            client.put_manifest(repository, manifest.digest, manifest.content, manifest.media_type)
        last = content.manifests[-1]
        client.put_manifest(repository, artifact.name, last.content, last.media_type)
    if artifact.tag or client.get_referrers(repository, artifact.subject) is not None:
        return
    listed = signatures.list_by_tag(client, repository, artifact.subject)
    known = [each.get('digest') for each in listed if isinstance(each, dict)]
    if artifact.digest not in known:
        tag, index = signatures.make_list(artifact.subject, [*listed, artifact.descriptor])
        client.put_manifest(repository, tag, index.content, index.media_type)


def _copy_blobs(
    image: remote_image.RemoteImage,
    client: registry.Client,
    repository: str,
    report: _progress.Reporter,
) -> None:
    """Copy the blobs that the target lacks, the largest first. Raises the first error."""

    def copy_blob(blob: images.Blob) -> None:
        if client.has_blob(repository, blob.digest):
            return
        step = f'Copying {blob.digest[7:19]}'

        def watched(sent: int) -> None:
            workers.check()
            show(step, sent, blob.size)

        client.push_blob(
            repository,
            blob.digest,
            blob.size,
            lambda: cast(BinaryIO, _Reading(image, blob)),
            watched,
        )

    with report.steps() as show, _concurrently.Workers(_THREADS, name='copy') as workers:
        try:
            workers.map(copy_blob, sorted(image.blobs, key=lambda blob: -blob.size))
        except _SourceFailed as failed:
            raise failed.error from None


class _SourceFailed(Exception):
    """The source failed with `error`, not the target."""

    def __init__(self, error: registry.RegistryError) -> None:
        super().__init__(str(error))
        self.error = error


class _Reading:
    """A blob of the source, whose errors are distinguished from those of the target."""

    def __init__(self, image: remote_image.RemoteImage, blob: images.Blob) -> None:
        self._image = image
        self._descriptor = blob
        self._blob = image.open(blob)

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._blob.close()

    def read(self, size: int) -> bytes:
        try:
            return self._blob.read(size)
        except registry.RegistryError as error:
            # an error of one registry is not retried at the other
            raise _SourceFailed(self._image.explain(error, self._descriptor)) from None
