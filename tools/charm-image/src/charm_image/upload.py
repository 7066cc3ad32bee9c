"""Upload files and OCI images to Charmhub as revisions of a charm's resources.

    from charm_image import upload

    with upload.Uploader() as uploader:
        result = uploader.upload_image('my-charm', 'my-image', '70aa8983ec5c', progress=print)
        print(result.revision, result.digest, result.architectures)

The errors are those of `charm_image`, the root of which is `charm_image.Error`.
"""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from charm_image import _errors, _progress
from charm_image._oci.platforms import Platform
from charm_image._progress import Progress
from charm_image._upload import (
    charm_release,
    credentials,
    resource_revisions,
    resource_upload,
    store,
    store_connection,
    values,
)
from charm_image._upload.resource_revisions import Revision
from charm_image._upload.resource_upload import Result
from charm_image._upload.store import Release

if TYPE_CHECKING:
    from typing_extensions import Self

    from charm_image._upload import charm_upload

__all__ = ['Progress', 'Release', 'Result', 'Revision', 'Uploader']

#: The seconds that an upload waits for Charmhub's review.
_REVIEW_TIMEOUT = 300.0

_Callback = Callable[[Progress], object]


class Uploader:
    """Uploads resources with one account; a context manager, which closes its connections.

    One upload at a time: several threads need one each. All methods block, and raise
    `charm_image.Error`. `progress` is called with the events of an upload, from one thread at a
    time; what it raises ends the upload. `review_timeout` is how many seconds to wait for
    Charmhub's review; after it, `ReviewPendingError` has the `upload_id` for `resume`. No error
    leads to a second revision, and Charmhub makes none of what it already has.

    Args:
        credentials: what `charmcraft login --export` wrote; default: the environment variable
            CHARMCRAFT_AUTH, or else charmcraft's entry in the keyring
        engine: a docker context, or a URL such as `unix:///run/podman/podman.sock`; default: the
            engine that the `docker` command would use
        api_url: Charmhub's API; default: CHARMCRAFT_STORE_API_URL, or https://api.charmhub.io
        storage_url: its storage; default: CHARMCRAFT_UPLOAD_URL, or
            https://storage.snapcraftcontent.com
        registry_url: the registry of images; default: CHARMCRAFT_REGISTRY_URL, or the one that
            Charmhub names

    Raises:
        InsecureURLError: a URL is not valid, or neither https nor on this machine.
    """

    _spell = staticmethod(values.as_method)

    def __init__(
        self,
        *,
        credentials: str = '',
        engine: str = '',
        api_url: str = '',
        storage_url: str = '',
        registry_url: str = '',
    ) -> None:
        environ = os.environ
        self._api_url = store_connection.secure(
            api_url or environ.get('CHARMCRAFT_STORE_API_URL') or store.API_URL
        )
        self._storage_url = store_connection.secure(
            storage_url or environ.get('CHARMCRAFT_UPLOAD_URL') or store.STORAGE_URL
        )
        url = registry_url or environ.get('CHARMCRAFT_REGISTRY_URL')
        self._registry_url = store_connection.secure(url) if url else ''
        self._credentials = credentials
        self._engine = engine
        self._store: store.Store | None = None
        self._reporter = _progress.Reporter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next upload opens new ones."""
        if self._store:
            self._store.close()
            self._store = None

    def upload_file(
        self,
        charm: str,
        resource: str,
        path: str | os.PathLike[str],
        *,
        architectures: Collection[str] = ('all',),
        progress: _Callback | None = None,
        review_timeout: float = _REVIEW_TIMEOUT,
    ) -> Result:
        """Upload a file as a revision of a resource of type `file`.

        Args:
            charm: the name of the charm
            resource: the name of the resource
            path: the path of the file
            architectures: Charmhub's names of those that the file is for
            progress: see the class
            review_timeout: see the class

        Raises:
            ArgumentError: an architecture is not one of Charmhub's.
            NotFoundError: there is no such charm or resource.
            WrongTypeError: the resource is not of this type.
            UploadError: the file cannot be read, changed meanwhile, or Charmhub did not take it.
        """
        path = os.fspath(path)
        names = values.parse_architectures(','.join(architectures) or 'all', self._spell)
        with (
            resource_upload.open_file(path) as file,
            self._uploading(charm, resource, progress, review_timeout) as one,
        ):
            one.send_file(file, os.path.basename(path), names)
        return one.result

    def upload_image(
        self,
        charm: str,
        resource: str,
        image: str | Sequence[str],
        *,
        progress: _Callback | None = None,
        review_timeout: float = _REVIEW_TIMEOUT,
    ) -> Result:
        """Upload an image as a revision of a resource of type `oci-image`.

        Args:
            charm: the name of the charm
            resource: the name of the resource
            image: the digest or ID of an image in Canonical's registry or in the engine, or the
                first 12 or more digits of it; or the path of an OCI archive or layout, or of an
                archive of `docker save`, with `:TAG` behind it if it has several images. Several
                images, each for different platforms, become one revision
            progress: see the class
            review_timeout: see the class

        Raises:
            ArgumentError: `image` is none of these, such as a tag.
            NotFoundError: there is no such charm or resource.
            WrongTypeError: the resource is not of this type.
            ImageError: the image cannot be read, or no charm can run it.
            RegistryError: Canonical's registry did not take it.
            UploadError: the image does not exist, or Charmhub did not take it.
        """
        given = [image] if isinstance(image, str) else image
        names = [values.parse_image(each, self._spell) for each in given]
        if not names:
            raise _errors.ArgumentError('give at least one image')
        with self._uploading(charm, resource, progress, review_timeout) as one:
            one.send_image(names)
        return one.result

    def copy_image(
        self,
        charm: str,
        resource: str,
        reference: str,
        *,
        platforms: Collection[str] = (),
        with_signatures: bool = False,
        progress: _Callback | None = None,
        review_timeout: float = _REVIEW_TIMEOUT,
    ) -> Result:
        """Copy an image from its registry, unchanged and with all architectures.

        Args:
            charm: the name of the charm
            resource: the name of the resource, which is of type `oci-image`
            reference: the image, as REGISTRY/NAME@sha256:…
            platforms: copy only these, such as `linux/amd64`, with their attestations. Then the
                digest is that of an index of them, which is a different one, or for a single
                platform without attestations that of its manifest
            with_signatures: also copy the signatures, attestations and other artifacts of what is
                copied; those that Canonical's registry rejects are in `Result.signatures_left`
            progress: see the class
            review_timeout: see the class

        Raises:
            ArgumentError: `reference` is not valid, or has no digest; the message has the one that
                a tag has now.
            ImageError: it is not an image, lacks a platform, or the login for its registry cannot
                be used.
            RegistryError: one of the registries rejects a request, or is unavailable.
            UploadError: as for the other uploads
        """
        source = values.parse_source(reference, self._spell)
        options = {
            'platforms': self._parse_platforms(platforms),
            'with_signatures': with_signatures,
        }
        with self._uploading(charm, resource, progress, review_timeout, **options) as one:
            one.copy_image(source)
        return one.result

    def resume(
        self,
        charm: str,
        resource: str,
        upload_id: str,
        *,
        progress: _Callback | None = None,
        review_timeout: float = _REVIEW_TIMEOUT,
    ) -> Result:
        """Wait on for the review of an earlier upload, of which everything was sent."""
        values.parse_name(upload_id, self._spell)
        with self._uploading(charm, resource, progress, review_timeout) as one:
            one.wait(upload_id)
        return one.result

    def upload_charm(
        self,
        path: str | os.PathLike[str],
        *,
        files: Mapping[str, str] | None = None,
        images: Mapping[str, str] | None = None,
        sources: Mapping[str, str] | None = None,
        only: Collection[str] = (),
        platforms: Collection[str] = (),
        with_signatures: bool = False,
        dry_run: bool = False,
        progress: _Callback | None = None,
        review_timeout: float = _REVIEW_TIMEOUT,
    ) -> list[Result]:
        """Upload all resources of a charm, up to four at a time.

        Images with an `upstream-source` are copied from there. Resources without one, and that no
        argument names, are left out. Content that a revision already has is not sent again.

        Args:
            path: a charm's directory, its metadata.yaml or charmcraft.yaml, or a built charm
            files: paths of files, by the names of resources
            images: images, as for `upload_image`, by the names of resources
            sources: references, as for `copy_image`, by the names of resources
            only: the resources to upload; default: all
            platforms: as for `copy_image`, for all images that are copied from registries
            with_signatures: as for `copy_image`, for all of them
            dry_run: resolve and check everything, without sending it
            progress: see the class
            review_timeout: see the class

        Returns:
            a result for each resource, in the order of the charm's metadata. One that fails does
            not stop the others: its `status` is `failed`, and `error` says why.

        Raises:
            ArgumentError: an argument does not fit the charm.
            CharmError: `path` is not a charm.
            StoreError: what concerns all resources, such as a wrong name of the charm.
        """
        from charm_image._upload import charm_upload

        plan = charm_upload.make_plan(
            os.fspath(path), files or {}, images or {}, sources or {}, only, self._spell
        )
        return self._upload_planned(
            plan,
            platforms,
            progress,
            review_timeout,
            with_signatures=with_signatures,
            dry_run=dry_run,
        )

    def _upload_planned(
        self,
        plan: charm_upload.Plan,
        platforms: Collection[str],
        progress: _Callback | None,
        review_timeout: float,
        **options: bool,
    ) -> list[Result]:
        """Upload as `upload_charm`, whose other arguments `plan` has."""
        from charm_image._upload import charm_upload

        reporter = _progress.Reporter(progress)
        settings = self._settings(
            reporter,
            review_timeout,
            platforms=self._parse_platforms(platforms),
            skip_known_content=True,
            **options,
        )
        with _errors.translated():
            return charm_upload.upload(plan, settings, reporter)

    def release(
        self,
        charm: str,
        channels: Sequence[str],
        resources: Mapping[str, int | None] | None = None,
        *,
        charm_revision: int | None = None,
        dry_run: bool = False,
        progress: _Callback | None = None,
    ) -> list[Release]:
        """Release a revision of a charm to channels, as `charmcraft release` does.

        Resources that are not named keep the revision that was released before. If a response of
        Charmhub is lost, the channels are compared before it is asked again, so that no release of
        somebody else is overwritten.

        Args:
            charm: the name of the charm
            channels: their names, as [TRACK/]RISK[/BRANCH]
            resources: the revisions of its resources, by their names; None is for a dry run, where
                the revision is not known yet
            charm_revision: the revision of the charm; default: the newest one
            dry_run: check everything, without a release
            progress: see the class

        Returns:
            what each channel has now, the resources that were not named included; in a dry run,
            what would be released.

        Raises:
            ArgumentError: a channel is not valid.
            NotFoundError: there is no such charm, revision or track, or the revision does not
                declare a resource.
            StoreError: Charmhub did not release it.
        """
        values.parse_name(charm, self._spell)
        names = values.parse_channels(','.join(channels), self._spell)
        resources = resources or {}
        numbers = {name: number for name, number in resources.items() if number is not None}
        if not dry_run and len(numbers) < len(resources):
            raise _errors.ArgumentError(
                'a resource is released with a revision', 'give its number'
            )
        self._reporter = _progress.Reporter(progress)
        client = self._connect()
        planned = charm_release.check(
            client, charm, names, charm_revision, resources, self._reporter.note
        )
        if dry_run:
            return planned
        return charm_release.release(client, charm, names, planned[0].revision, numbers)

    def revisions(
        self, charm: str, resource: str, *, progress: _Callback | None = None
    ) -> list[Revision]:
        """Return the revisions of a resource, the newest one first.

        Which images they are is known only of a charm that is public: see `Revision`.

        Args:
            charm: the name of the charm
            resource: the name of the resource
            progress: see the class

        Raises:
            NotFoundError: there is no such charm or resource.
            StoreError: Charmhub does not tell.
        """
        for name in (charm, resource):
            values.parse_name(name, self._spell)
        self._reporter = _progress.Reporter(progress)
        with self._reporter.step(f'Reading the revisions of {resource!r}'):
            return resource_revisions.read(
                self._connect(), charm, resource, self._registry_url, self._reporter.note
            )

    @contextlib.contextmanager
    def _uploading(
        self,
        charm: str,
        resource: str,
        progress: _Callback | None,
        review_timeout: float,
        **options: Any,
    ) -> Iterator[resource_upload.ResourceUpload]:
        """Yield the upload of one resource; errors are told with its resource and its ID."""
        for name in (charm, resource):
            values.parse_name(name, self._spell)
        reporter = _progress.Reporter(progress)
        with _errors.translated():
            one = resource_upload.ResourceUpload(
                charm,
                resource,
                settings=self._settings(reporter, review_timeout, **options),
                report=reporter,
            )
            try:
                yield one
            except _errors.UploadError as error:
                error.resource = error.resource or resource
                error.upload_id = one.result.upload_id
                raise

    def _connect(self) -> store.Store:
        """Return the client of Charmhub; the first time, find the credentials."""
        if self._store is None:
            host = urllib.parse.urlsplit(self._api_url).netloc
            given = self._credentials
            self._store = store.Store(
                credentials.parse(given) if given else credentials.find(host),
                api_url=self._api_url,
                storage_url=self._storage_url,
                on_retry=lambda sentence: self._reporter.note(sentence),
            )
        return self._store

    def _parse_platforms(self, platforms: Collection[str]) -> list[Platform]:
        return values.parse_platforms(','.join(platforms), self._spell) if platforms else []

    def _settings(
        self, reporter: _progress.Reporter, review_timeout: float, **options: Any
    ) -> resource_upload.Settings:
        """Return the settings of an upload; `options` are those that have a default."""
        self._reporter = reporter
        return resource_upload.Settings(
            store=self._connect(),
            engine=self._engine,
            registry_url=self._registry_url,
            spell=self._spell,
            review_timeout=review_timeout,
            **options,
        )
