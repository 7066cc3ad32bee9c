"""Uploads a file or an image as a resource revision."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import stat
import sys
import types
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from charm_image import _errors, terminal
from charm_image._oci import images
from charm_image._upload import architectures as charmhub
from charm_image._upload import (
    arguments,
    canonical_registry,
    checks,
    comparison,
    credentials,
    pushed,
    store,
    store_connection,
)
from container_image import reference as references
from container_image import registry

if TYPE_CHECKING:
    # imported when needed, like archives and push
    from charm_image._oci import engine

_FOUND = "Using the OCI image from Canonical's registry"
_DAY = 86400  # seconds


class Shown(Protocol):
    """The methods of `terminal.Terminal` that an upload uses."""

    def say(self, sentence: str) -> None:
        """Print a line of the command's output."""

    def tell(self, sentence: str) -> None:
        """Print a line about the progress."""

    def step(
        self, name: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """Show one step; the yielded function takes how many of its `total` bytes are done."""

    def steps(
        self,
    ) -> contextlib.AbstractContextManager[Callable[[str, int, int | None], None]]:
        """Show several steps; the yielded function takes name, bytes done and total."""


class Upload:
    """The upload of one resource, with the arguments of `arguments.parse`.

    `upload_id` is '' until everything is sent; `facts` are the fields of the JSON output so far.
    `types` is the result of `checks.types`, if the caller has it. With `sparing`, content that a
    revision already has is not sent to Charmhub. With `dry_run`, nothing is sent, and no revision
    is created.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        shown: Shown,
        *,
        types: Mapping[str, str] | None = None,
        sparing: bool = False,
        dry_run: bool = False,
    ) -> None:
        self._charm: str = args.charm
        self._resource: str = args.resource
        self._args, self._shown = args, shown
        self._types, self._sparing, self._dry_run = types, sparing, dry_run
        self._revision: int | None = None
        self.facts: dict[str, Any] = {}
        self.upload_id: str = args.resume or ''

    def run(self) -> int | None:
        """Upload, and return the revision. Raises Error."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_errors.translated())
            path = self._args.filepath
            file = None if path is None else stack.enter_context(_open(path))
            hub = connect(self._shown.tell)
            if file:
                self._check(hub, 'file')
                self._send_file(hub, file, os.path.basename(path))
            elif self._args.image or self._args.source:
                self._check(hub, 'oci-image')
                self._send_image(hub)
            if self._revision is None and not self._dry_run:
                with self._shown.step('Waiting for the review'):
                    timeout = self._args.review_timeout
                    self._revision = hub.wait(self._charm, self.upload_id, timeout)
        return self._revision

    def _check(self, hub: store.Store, type_: str) -> None:
        types = self._types
        if types is None:
            name = f'Checking resource {self._resource!r} of charm {self._charm!r}'
            with self._shown.step(name):
                types = checks.types(hub, self._charm, self._shown.tell)
        checks.check(types, self._charm, self._resource, type_)

    def _send_file(self, hub: store.Store, file: BinaryIO, name: str) -> None:
        name = name if name.isprintable() else repr(name)
        before = os.fstat(file.fileno())
        if not before.st_size:
            self._shown.tell(f'{name} is empty: the resource will be empty too.')
        if self._is_known(hub, file, before.st_size) or self._dry_run:
            return
        upload_id = self._send(hub, file, before.st_size, name)
        after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise _errors.FileChangedError(
                'The file changed during the upload.', 'No revision was created: try again.'
            )
        self._create_revision(hub, upload_id, 'file', ['all'])

    def _send_image(self, hub: store.Store) -> None:
        way_in = hub.upload_credentials(self._charm, self._resource)
        with canonical_registry.Repository(way_in, self._shown.tell) as remote:
            named: Sequence[str] = ()
            if self._args.source:
                digest, architectures = self._copy(remote)
            else:
                digest, architectures, named = self._digest(remote)
        self.facts['image-digest'] = digest
        self._tell_architectures(architectures, named)
        if self._dry_run:
            return
        blob = hub.image_blob(self._charm, self._resource, digest)
        if self._is_known(hub, io.BytesIO(blob), len(blob)):
            return
        # charmcraft's name for it, without its random letters
        upload_id = self._send(hub, io.BytesIO(blob), len(blob), 'image-resource.json')
        self._create_revision(hub, upload_id, 'oci-image', architectures)

    def _tell_architectures(self, uploaded: Sequence[str], named: Sequence[str]) -> None:
        missing = [name for name in named if name not in uploaded]
        self.facts['architectures'] = list(uploaded)
        self.facts['missing-architectures'] = missing
        self._shown.tell(f'Architectures of the revision: {", ".join(uploaded)}')
        if missing and self._args.image.path:
            self._shown.tell(
                f'Architectures missing from the archive, but in its index: {", ".join(missing)}'
            )
        elif missing:
            self._shown.tell(
                f'Architectures missing from the engine, but in the index: {", ".join(missing)}. '
                'To include them, run `docker pull --platform=…` for each, and upload again.'
            )

    def _copy(self, remote: canonical_registry.Repository) -> tuple[str, tuple[str, ...]]:
        """Return digest and architectures of the image of --from; copy it if needed."""
        from charm_image._oci import remote_image
        from charm_image._upload import registry_copy

        reference: references.Reference = self._args.source
        digest = reference.digest
        looking = self._shown.step(f'Looking for {digest}')
        # an index of which a manifest was deleted is copied again
        with contextlib.suppress(registry.NotFoundError), looking:
            if remote.find_manifest(digest):
                manifest = remote.client.get_manifest(remote.repository, digest)
                image = remote_image.read(
                    remote.client, remote.repository, manifest, attestations=True
                )
                self._shown.say(_FOUND)
                return digest, charmhub.of(image)
        with remote_image.Source(reference, on_retry=self._shown.tell) as source:
            with self._shown.step(f'Reading the manifests of {reference}'):
                image = source.read()
                names = charmhub.of(image)
            if self._dry_run:
                return digest, names
            self._shown.say(f'Remote image not found, uploading from {reference.name}')
            with self._shown.steps() as progress:
                registry_copy.copy(image, remote.client, remote.repository, progress)
        self._shown.say(f'Image uploaded, new remote digest: {digest}')
        return digest, names

    def _digest(
        self, remote: canonical_registry.Repository
    ) -> tuple[str, tuple[str, ...], Sequence[str]]:
        """Return the digest of the image in the registry; push it if needed.

        Also return its architectures, and those in the index of the local image.
        """

        def result(image: pushed.Pushed) -> tuple[str, tuple[str, ...], Sequence[str]]:
            names = pushed.architectures(remote.client, remote.repository, image.digest)
            return image.digest, names, charmhub.of_platforms(image.platforms)

        wanted: arguments.ImageArgument = self._args.image
        if wanted.long:
            with self._shown.step(f'Looking for {wanted.long}'):
                found = remote.find(wanted.long)
            if found:
                self._shown.say(_FOUND)
                return result(pushed.Pushed(found))
        with contextlib.ExitStack() as stack:
            image: images.Image
            digest = None
            if wanted.path:
                from charm_image._oci import archives

                image = archives.open(wanted.path)
            else:
                image = local = self._local(stack, wanted)
                for known in dict.fromkeys((local.id, *local.repo_digests)):
                    if known != wanted.long:
                        digest = digest or remote.find(known)
            done = pushed.Pushed(digest, comparison.platforms(image)) if digest else None
            if not done:
                with self._shown.step('Looking for an earlier upload of the image'):
                    done = remote.find_pushed(image)
            if done:
                self._shown.say(_FOUND)
                return result(done)
            if self._dry_run:
                return '', charmhub.of(image), charmhub.of_platforms(comparison.platforms(image))
            source = repr(wanted.path) if wanted.path else 'local registry'
            self._shown.say(f'Remote image not found, uploading from {source}')
            from charm_image._upload import push

            with self._shown.steps() as progress:
                done = push.push(image, remote.client, remote.repository, progress)
        self._shown.say(f'Image uploaded, new remote digest: {done.digest}')
        return result(done)

    def _local(
        self, stack: contextlib.ExitStack, wanted: arguments.ImageArgument
    ) -> engine.LocalImage:
        with _left_out('paramiko'):
            import docker  # noqa: F401

            from charm_image._oci import engine

        try:
            return stack.enter_context(engine.connect()).find(wanted.long or wanted.short)
        except (_errors.ImageNotFoundError, _errors.EngineError) as error:
            message = (
                f"{error}. If the image is only in Canonical's registry, give its full digest."
            )
            if wanted.long:
                named = str(wanted.reference or '')
                elsewhere = named or f'REGISTRY/NAME@{wanted.long}'
                message = (
                    f"The image is not in Canonical's registry for resource {self._resource!r} of "
                    f'charm {self._charm!r}, and {error}. To copy it from '
                    f'{"its" if named else "a different"} registry, use --from={elsewhere}.'
                )
            raise _errors.UploadError(message) from None

    def _is_known(self, hub: store.Store, file: BinaryIO, size: int) -> bool:
        """With `sparing`, set the revision that already has this content, if there is one."""
        if not self._sparing:
            return False
        try:
            revisions = hub.revisions(self._charm, self._resource)
        except (_errors.NotAllowedError, _errors.NotFoundError):
            return False
        if all(size != known for known, _ in revisions):
            return False
        self._revision = revisions.get((size, _sha256(file)))
        return self._revision is not None

    def _send(self, hub: store.Store, file: BinaryIO, size: int, name: str) -> str:
        with self._shown.step(f'Sending {name} ({terminal.amount(size)})', size) as progress:
            return hub.send(file, size, name, progress)

    def _create_revision(
        self, hub: store.Store, upload_id: str, type_: str, architectures: Sequence[str]
    ) -> None:
        # from here on a revision may exist, even after an error
        self.upload_id = self.facts['upload-id'] = upload_id
        hub.create_revision(self._charm, self._resource, upload_id, type_, architectures)


def connect(tell: Callable[[str], None]) -> store.Store:
    """Return a client of Charmhub, configured by the environment."""
    api_url = store_connection.secure(os.environ.get('CHARMCRAFT_STORE_API_URL') or store.API_URL)
    return store.Store(
        credentials.find(urllib.parse.urlsplit(api_url).netloc),
        api_url=api_url,
        storage_url=os.environ.get('CHARMCRAFT_UPLOAD_URL') or store.STORAGE_URL,
        tell=tell,
    )


@contextlib.contextmanager
def _left_out(name: str) -> Iterator[None]:
    """Hide an optional module, whose import takes longer than the upload of a small image.

    Docker's SDK would use paramiko for ssh://; this command runs `ssh` instead.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast(types.ModuleType, None)
    try:
        yield
    finally:
        sys.modules.pop(name, None)  # a different thread may have removed it


@contextlib.contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    """Open a file to upload. Raises UploadError for a fifo or device, without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or 'not a valid path'
        raise _errors.UploadError(f'{path!r} cannot be read: {reason}.') from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise _errors.UploadError(
                f'{path!r} is a directory: give a file, such as an archive of it.'
            )
        raise _errors.UploadError(f'{path!r} is not a regular file: copy its content into one.')
    with open(descriptor, 'rb', buffering=0) as file:
        yield file


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def described(error: _errors.Error) -> tuple[str, Sequence[Mapping[str, str]]]:
    """Return the message of an error, and the list of errors for the JSON output."""
    if isinstance(error, _errors.RejectedError) and error.errors:
        return str(error), error.errors
    message = str(error)
    # the registry's message is that of a unit, which retries itself
    if isinstance(error, _errors.RegistryError) and error.code == 'overloaded':
        wait = error.retry_after
        again = 'later' if wait is None or wait > _DAY else f'in {wait:.0f} s'
        message += f': try again {again}'
    return message, [{'code': error.code, 'message': message}]
