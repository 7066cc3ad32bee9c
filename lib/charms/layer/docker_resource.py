"""Functions that return the images attached to a charm as resources.

Flags report the state of each resource NAME:

- ``layer.docker-resource.NAME.fetched``: the charm asked for it, with `fetch` or with
  ``auto-fetch: true`` in metadata.yaml.
- ``layer.docker-resource.NAME.available``: its image is valid, and `get_info` returns it.
- ``layer.docker-resource.NAME.failed``: it is missing or invalid; the unit's status says why.
- ``layer.docker-resource.NAME.changed``: the image or its credentials differ from what `get_info`
  last returned. It is cleared at the end of the hook in which `get_info` returns the new ones.
"""

import typing

# Other modules are imported where they are used: idle hooks import this one, too.

__all__ = ['DockerImageInfo', 'fetch', 'get_info']


class DockerImageInfo:
    """An image and the credentials for its registry.

    All properties but `image_details` are plain ``str``, as a pod spec needs them.
    Neither ``repr`` nor ``str`` shows the password.
    """

    def __init__(
        self, registry_path: str, username: str = '', password: str = '', digest: str = ''
    ) -> None:
        self._registry_path = registry_path
        self._username = username
        self._password = password
        self._digest = digest

    @property
    def registry_path(self) -> str:
        """The image reference, exactly as it was attached."""
        return self._registry_path

    @property
    def username(self) -> str:
        """The username for the registry, or ``''``."""
        return self._username

    @property
    def password(self) -> str:
        """The password for the registry, or ``''``."""
        return self._password

    @property
    def digest(self) -> str:
        """The digest that the registry returned, or ``''`` without the option ``verify-image``."""
        return self._digest

    @property
    def pinned_path(self) -> str:
        """The full reference with the digest instead of the tag; `registry_path` without a digest.

        Every node then runs the image that was verified, even if the tag moves.
        """
        if not self._digest:
            return self._registry_path
        from container_image import reference

        image = reference.Reference.parse(self._registry_path)
        return str(image.pinned(self._digest))

    @property
    def image_details(self) -> typing.Dict[str, str]:
        """The value for ``imageDetails`` in a pod spec of version 1, 2 or 3.

        A new mapping with the keys ``imagePath``, ``username`` and ``password``.
        """
        return {
            'imagePath': self._registry_path,
            'username': self._username,
            'password': self._password,
        }

    def __repr__(self) -> str:
        return f'<DockerImageInfo {self._registry_path!r}>'


def fetch(resource_name: str) -> None:
    """Ask for the image resource `resource_name`.

    It is read in this hook, once, and again whenever it may have changed. Flags report the result.
    A resource with ``auto-fetch: true`` in metadata.yaml needs no call.

    Args:
        resource_name: the name of the resource in metadata.yaml, a ``str``
    """
    from image_resource import hook

    hook.request(resource_name)


def get_info(resource_name: str) -> DockerImageInfo:
    """Return the `DockerImageInfo` of the resource `resource_name`.

    Args:
        resource_name: the name of the resource in metadata.yaml, a ``str``

    Raises:
        ValueError: the resource is not available. The message names the flag to wait for, or the
            resources that metadata.yaml has, if this is not one of them.
    """
    from image_resource import hook

    return DockerImageInfo(*hook.get_image(resource_name))
