"""Canonical's registry, which stores the images of Charmhub's resources."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

from charm_image._oci import images, registry_certificates, remote_image
from charm_image._upload import pushed, store
from container_image import registry


class Repository:
    """The `repository` of a resource's images, and a `client` of its registry.

    `url` replaces the host that Charmhub names.
    """

    def __init__(
        self,
        credentials: store.UploadCredentials,
        *,
        url: str = '',
        on_retry: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.repository = credentials.repository
        host = urllib.parse.urlsplit(url).netloc or credentials.host
        self.client = registry.Client(
            host,
            credentials.username,
            credentials.password,
            on_retry=on_retry,
            user_agent='charm-image',
            certificates=registry_certificates.find(host),
        )

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()

    def find(self, digest: str, *, all_of: bool = False) -> pushed.Pushed | None:
        """Return the image whose manifest has `digest`, or which has it as its ID.

        With `all_of`, it may also be the ID of an index, all of which was pushed.
        """
        image = self.find_pushed(digest, all_of=all_of)
        if image is None and self.find_manifest(digest):
            image = pushed.Pushed(digest)
        return image

    def find_manifest(self, digest: str) -> str | None:
        """Return `digest` if a manifest has it, else None."""
        return remote_image.unless_absent(lambda: self._manifest(digest))

    def find_pushed(
        self, image: images.Image | str, *, all_of: bool = False
    ) -> pushed.Pushed | None:
        """Return what an earlier push made of an image or image ID, as `pushed.find`."""
        return remote_image.unless_absent(
            lambda: pushed.find(self.client, self.repository, image, all_of=all_of)
        )

    def _manifest(self, digest: str) -> str | None:
        try:
            return self.client.head_manifest(self.repository, digest, tries=1)
        except registry.UnavailableError:
            # docker-registry 2.8 always answers 500 if the digest is that of a configuration
            if self.client.has_blob(self.repository, digest):
                return None
            return self.client.head_manifest(self.repository, digest)
