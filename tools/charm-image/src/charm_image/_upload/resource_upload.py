"""Uploads a file or an image as a resource revision."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import stat
import sys
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple, cast

from charm_image import _errors, _progress, _texts
from charm_image._oci import images
from charm_image._oci.platforms import Platform
from charm_image._upload import architectures as charmhub
from charm_image._upload import (
    canonical_registry,
    checks,
    combination,
    comparison,
    multipart,
    pushed,
    values,
)
from charm_image._upload import store as stores
from container_image import messages, registry
from container_image import reference as references

if TYPE_CHECKING:
    # imported when needed, like archives and push
    from charm_image._oci import engine, remote_image

_FOUND = "Using the OCI image from Canonical's registry"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a resource.

    Attributes:
        charm: the name of the charm
        resource: the name of the resource
        type: `file` or `oci-image`; '' after `resume`
        status: `uploaded`; in `upload_charm` also `checked` (a dry run), `failed` or `left-out`
        revision: the number of the revision, None if there is none
        existed: whether the revision existed before: this upload did not create it
        upload_id: the ID of the upload, '' if nothing was sent to Charmhub
        digest: the digest of the image in Canonical's registry, or ''
        architectures: Charmhub's names of the architectures of the image
        missing_architectures: those in the index of the image that this machine does not have
        reference: the image in the registry that it was copied from, or ''. If it has a different
            digest, only some platforms were copied
        platforms: those that were chosen, () for all
        signatures: tags or digests of the signatures, attestations and other artifacts of an image
            that were copied with it
        signatures_left: those that were not copied
        error: why it failed
    """

    charm: str
    resource: str
    type: Literal['file', 'oci-image', '']
    status: Literal['uploaded', 'checked', 'failed', 'left-out'] = 'uploaded'
    revision: int | None = None
    existed: bool = False
    upload_id: str = ''
    digest: str = ''
    architectures: tuple[str, ...] = ()
    missing_architectures: tuple[str, ...] = ()
    reference: str = ''
    platforms: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    signatures_left: tuple[str, ...] = ()
    error: _errors.Error | None = None


class Settings(NamedTuple):
    """What all uploads have in common.

    `engine` is a docker context, a URL or ''; `platforms` are those to copy of images in other
    registries, all if it is empty; `with_signatures` copies what belongs to them, too.
    """

    store: stores.Store
    engine: str
    registry_url: str
    spell: values.Spell
    review_timeout: float
    platforms: Sequence[Platform] = ()
    with_signatures: bool = False
    skip_known_content: bool = False
    dry_run: bool = False


class ResourceUpload:
    """The upload of one resource; `result` is what became of it so far.

    `types` are those of `checks.types`, if the caller has them. With `skip_known_content`, content
    that a revision already has is not sent to Charmhub. With `dry_run`, nothing is sent, and no
    revision is created.
    """

    def __init__(
        self,
        charm: str,
        resource: str,
        *,
        settings: Settings,
        report: _progress.Reporter,
        types: Mapping[str, str] | None = None,
    ) -> None:
        self.result = Result(charm=charm, resource=resource, type='')
        self._charm, self._resource = charm, resource
        self._settings, self._store, self._report = settings, settings.store, report
        self._types = types
        self._title = f'resource {_texts.quoted(resource)} of charm {_texts.quoted(charm)}'

    def send_file(self, file: BinaryIO, name: str, architectures: Sequence[str]) -> None:
        """Upload an opened file for some architectures, and wait for its revision."""
        self._check('file')
        name = messages.printable(name)
        before = os.fstat(file.fileno())
        if not before.st_size:
            self._report.note(f'{name} is empty: the resource will be empty too.')
        if self._find_revision(file, before.st_size) or self._settings.dry_run:
            return
        upload_id = self._send(file, before.st_size, name)
        after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise multipart.file_changed()
        self._create_revision(upload_id, architectures)

    def send_image(self, names: Sequence[values.ImageName]) -> None:
        """Upload an image of this machine or Canonical's registry, and wait for its revision.

        Several images, each for different platforms, become one.
        """
        self._check('oci-image')
        with contextlib.ExitStack() as stack:
            remote = stack.enter_context(self._registry())
            found = [self._find(remote, stack, name) for name in names]
            if len(names) > 1:
                combination.check(each for image in found for each in _platforms(remote, image))
            stored = [
                self._store_image(remote, image, name)
                for image, name in zip(found, names, strict=True)
            ]
            digest = stored[0][0]
            if len(names) > 1 and not self._settings.dry_run:
                digests = [each for each, _, _ in stored]
                digest = combination.combine(remote.client, remote.repository, digests)
                self._report.report('uploaded', f'Images combined, new remote digest: {digest}')
        architectures = list(dict.fromkeys(name for _, names, _ in stored for name in names))
        missing = [
            name
            for name in dict.fromkeys(name for _, _, indexed in stored for name in indexed)
            if name not in architectures
        ]
        self._note_architectures(architectures, missing, in_archive=any(n.path for n in names))
        self._send_reference(digest, architectures)

    def copy_image(self, reference: references.Reference) -> None:
        """Copy an image from its registry, and wait for its revision."""
        self._check('oci-image')
        platforms = tuple(map(str, self._settings.platforms))
        self._update(reference=str(reference), platforms=platforms)
        with self._registry() as remote:
            digest, architectures = self._find_or_copy(remote, reference)
        self._note_architectures(architectures, ())
        self._send_reference(digest, architectures)

    def wait(self, upload_id: str) -> None:
        """Wait for the revision of an upload."""
        self._update(upload_id=upload_id)
        reviewed = self._store.review(self._charm, upload_id)
        self._wait(upload_id, [reviewed.revision] if reviewed else [])

    def _wait(self, upload_id: str, existing: Collection[int | None]) -> None:
        with self._report.step('Waiting for the review'):
            revision = self._store.wait(self._charm, upload_id, self._settings.review_timeout)
        self._update(revision=revision, existed=revision in existing)

    def _update(self, **fields: object) -> None:
        # mypy knows no types of such fields
        self.result = dataclasses.replace(self.result, **fields)  # type: ignore[arg-type]

    def _check(self, type_: Literal['file', 'oci-image']) -> None:
        self._update(type=type_)
        types = self._types
        if types is None:
            with self._report.step(f'Checking {self._title}'):
                types = checks.types(self._store, self._charm, self._report.note)
        checks.check(types, self._charm, self._resource, type_, self._settings.spell)

    def _registry(self) -> canonical_registry.Repository:
        credentials = self._store.upload_credentials(self._charm, self._resource)
        return canonical_registry.Repository(
            credentials, url=self._settings.registry_url, on_retry=self._report.note
        )

    def _note_architectures(
        self, architectures: Sequence[str], missing: Sequence[str], *, in_archive: bool = False
    ) -> None:
        self._update(architectures=tuple(architectures), missing_architectures=tuple(missing))
        self._report.note(f'Architectures of the revision: {", ".join(architectures)}')
        if missing and in_archive:
            self._report.note(
                f'Architectures missing from the archive, but in its index: {", ".join(missing)}'
            )
        elif missing:
            self._report.note(
                f'Architectures missing from the engine, but in the index: {", ".join(missing)}. '
                'To include them, run `docker pull --platform=…` for each, and upload again.'
            )

    def _send_reference(self, digest: str, architectures: Sequence[str]) -> None:
        """Send what Charmhub stores of an image, and wait for its revision."""
        self._update(digest=digest)
        if self._settings.dry_run:
            return
        blob = self._store.image_blob(self._charm, self._resource, digest)
        if self._find_revision(io.BytesIO(blob), len(blob)):
            return
        # charmcraft's name for it, without its random letters
        upload_id = self._send(io.BytesIO(blob), len(blob), 'image-resource.json')
        self._create_revision(upload_id, architectures)

    def _find_or_copy(
        self, remote: canonical_registry.Repository, reference: references.Reference
    ) -> tuple[str, tuple[str, ...]]:
        """Return digest and architectures of an image of another registry; copy it if needed."""
        from charm_image._oci import remote_image
        from charm_image._upload import registry_copy, signature_copy

        platforms, signed = self._settings.platforms, self._settings.with_signatures
        reads_source = platforms or signed
        if not reads_source and (names := self._find_complete(remote, reference.digest)):
            return reference.digest, names
        with remote_image.Source(reference, on_retry=self._report.note) as source:
            with self._report.step(f'Reading the manifests of {reference}'):
                image = source.read(frozenset(platforms))
                names = charmhub.of(image)
                self._refuse_foreign(image)
            if platforms and image.id != reference.digest:
                chosen = ', '.join(map(str, platforms))
                self._report.note(
                    f'Only {chosen} of {reference}: this is {image.id}, '
                    + (
                        'a different index, of these manifests'
                        if len(image.manifests) > 1
                        else 'its manifest without the index'
                    )
                )
            found = signature_copy.read(source, image, self._report) if signed else None
            is_found = reads_source and self._find_complete(remote, image.id)
            if not is_found and not self._settings.dry_run:
                self._report.report(
                    'uploading', f'Remote image not found, uploading from {reference.name}'
                )
                registry_copy.copy(image, remote.client, remote.repository, self._report)
                self._report.report('uploaded', f'Image uploaded, new remote digest: {image.id}')
            copied: list[str] = []
            left: list[str] = []
            if found:
                copied, left = signature_copy.copy(
                    found, reference, remote, self._report, dry_run=self._settings.dry_run
                )
            elif not is_found:
                advice = self._settings.spell('signatures')
                left = signature_copy.find_left(reference, image, self._report, advice)
            self._update(signatures=tuple(copied), signatures_left=tuple(left))
        return image.id, names

    def _refuse_foreign(self, image: remote_image.RemoteImage) -> None:
        """Raise InvalidImageError for layers that registries reject."""
        if not image.foreign:
            return
        known = filter(None, (Platform.of(c.platform) for c in image.contents().configs))
        usable = [str(each) for each in known if charmhub.of_platforms([each.descriptor])]
        option = self._settings.spell('platform', ','.join(usable))
        raise _errors.InvalidImageError(
            f'{image.foreign[0]} has foreign layers, which only their vendor distributes, so the '
            'registry would reject the index',
            f'copy only what charms can run, with {option}',
        )

    def _find_complete(
        self, remote: canonical_registry.Repository, digest: str
    ) -> tuple[str, ...] | None:
        """Return the architectures of an image in the registry, None if it lacks a part of it."""
        from charm_image._oci import remote_image

        looking = self._report.step(f'Looking for {digest}')
        # an index of which a manifest was deleted is copied again
        with contextlib.suppress(registry.NotFoundError), looking:
            if remote.find_manifest(digest):
                image = remote_image.get(
                    remote.client, remote.repository, digest, attestations=True
                )
                self._report.report('found', _FOUND)
                return charmhub.of(image)
        return None

    def _find(
        self,
        remote: canonical_registry.Repository,
        stack: contextlib.ExitStack,
        name: values.ImageName,
    ) -> pushed.Pushed | images.Image:
        """Return an image in the registry, or on this machine."""
        if name.long:
            with self._report.step(f'Looking for {name.long}'):
                found = remote.find(name.long, all_of=True)
            if found:
                return found
        if name.path:
            from charm_image._oci import archives

            return archives.open(name.path, name.tag)
        return self._local(stack, name)

    def _store_image(
        self,
        remote: canonical_registry.Repository,
        image: pushed.Pushed | images.Image,
        name: values.ImageName,
    ) -> tuple[str, tuple[str, ...], Sequence[str]]:
        """Return the digest in the registry of what `_find` found; push it if needed.

        Also return its architectures, and those in the index of the local image.
        """

        def result(image: pushed.Pushed) -> tuple[str, tuple[str, ...], Sequence[str]]:
            if image.image:
                names = charmhub.of(image.image)
            else:
                names = pushed.architectures(remote.client, remote.repository, image.digest)
            return image.digest, names, charmhub.of_platforms(image.platforms)

        if isinstance(image, pushed.Pushed):
            self._report.report('found', _FOUND)
            return result(image)
        others = (known for known in comparison.digests(image) if known != name.long)
        done = next(filter(None, map(remote.find, others)), None)
        if done:
            done = done._replace(platforms=comparison.platforms(image))
        if not done:
            with self._report.step('Looking for an earlier upload of the image'):
                done = remote.find_pushed(image)
        if done:
            self._report.report('found', _FOUND)
            return result(done)
        if self._settings.dry_run:
            return '', charmhub.of(image), charmhub.of_platforms(comparison.platforms(image))
        source = repr(name.path) if name.path else 'local registry'
        self._report.report('uploading', f'Remote image not found, uploading from {source}')
        from charm_image._upload import push

        done = push.push(image, remote.client, remote.repository, self._report)
        self._report.report('uploaded', f'Image uploaded, new remote digest: {done.digest}')
        return result(done)

    def _local(self, stack: contextlib.ExitStack, name: values.ImageName) -> engine.LocalImage:
        with _without_paramiko():
            import docker  # noqa: F401

            from charm_image._oci import engine

        try:
            environ = engine.environment(self._settings.engine)
            return stack.enter_context(engine.connect(environ)).find(name.long or name.short)
        except (_errors.ImageNotFoundError, _errors.EngineError) as error:
            if not name.long:
                raise _errors.UploadError(
                    f'{error}.',
                    "If the image is only in Canonical's registry, give its full digest.",
                ) from None
            reference = str(name.reference or '')
            elsewhere = reference or f'REGISTRY/NAME@{name.long}'
            raise _errors.UploadError(
                f"The image is not in Canonical's registry for {self._title}, and {error}.",
                f'To copy it from {"its" if reference else "a different"} registry, use '
                f'{self._settings.spell("source", elsewhere)}.',
            ) from None

    def _find_revision(self, file: BinaryIO, size: int) -> bool:
        """With `skip_known_content`, find the revision that already has this content."""
        if not self._settings.skip_known_content:
            return False
        revisions = self._revisions()
        if all(size != known for known, _ in revisions):
            return False
        file.seek(0)
        revision = revisions.get((size, images.digest_of(file).removeprefix('sha256:')))
        self._update(revision=revision, existed=revision is not None)
        return self.result.existed

    def _revisions(self) -> Mapping[tuple[int, str], int]:
        """Return those that exist, as `Store.revisions`; {} if the credentials do not allow it."""
        try:
            return self._store.revisions(self._charm, self._resource)
        except (_errors.NotAllowedError, _errors.NotFoundError):
            return {}

    def _send(self, file: BinaryIO, size: int, name: str) -> str:
        step = self._report.step(f'Sending {name} ({_progress.amount(size)})', size)
        with step as progress:
            return self._store.send(file, size, name, progress)

    def _create_revision(self, upload_id: str, architectures: Sequence[str]) -> None:
        # Charmhub creates none for content that one has
        existing = self._revisions().values()
        # from here on a revision may exist, even after an error
        self._update(upload_id=upload_id)
        self._report.report('sent', f'Sent as upload {upload_id}', upload_id=upload_id)
        self._store.create_revision(
            self._charm, self._resource, upload_id, self.result.type, architectures
        )
        self._wait(upload_id, existing)


@contextlib.contextmanager
def _without_paramiko() -> Iterator[None]:
    """Hide it from Docker's SDK: its import takes longer than the upload of a small image.

    The SDK would use it for ssh://; this command runs `ssh` instead.
    """
    if 'paramiko' in sys.modules:
        yield
        return
    sys.modules['paramiko'] = cast(types.ModuleType, None)
    try:
        yield
    finally:
        sys.modules.pop('paramiko', None)  # a different thread may have removed it


@contextlib.contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Open a file to upload. Raises UploadError for a fifo or device, without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or 'not a valid path'
        raise _errors.UploadError(f'{_texts.quoted(path)} cannot be read: {reason}.') from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise _errors.UploadError(
                f'{_texts.quoted(path)} is a directory', 'give a file, such as an archive of it.'
            )
        raise _errors.UploadError(
            f'{_texts.quoted(path)} is not a regular file', 'copy its content into one.'
        )
    with open(descriptor, 'rb', buffering=0) as file:
        yield file


def _platforms(
    remote: canonical_registry.Repository, image: pushed.Pushed | images.Image
) -> Sequence[Mapping[str, Any]]:
    """Return the platforms of what was found, without reading its layers."""
    if isinstance(image, pushed.Pushed):
        from charm_image._oci import remote_image

        image = image.image or remote_image.get(remote.client, remote.repository, image.digest)
    return comparison.present_platforms(image)
