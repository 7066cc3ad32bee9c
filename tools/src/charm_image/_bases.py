"""The image that a build starts from, in an engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from charm_image import errors, platforms

if TYPE_CHECKING:
    import docker

# from then on, inspecting an image takes a platform
_INSPECTS_PLATFORMS = (1, 49)


class Base:
    """The base of an image, for one platform."""

    def __init__(
        self, client: docker.APIClient, name: str, platform: platforms.Platform | None
    ) -> None:
        """
        Args:
            client: the engine
            name: the name or ID of the base, or scratch
            platform: the one that is wanted; None for whichever the engine has
        """
        self._client: Any = client  # its stubs say little
        self._name = name
        self._platform = platform
        self._config: dict[str, Any] = {}

    def pull(self) -> Iterator[str]:
        """Have it, pulled if it isn't there; yield what the engine reports.

        Raises:
            errors.BuildError: it can't be had
        """
        if self._name == 'scratch' or self._found():
            return
        wanted = f' for {self._platform}' if self._platform else ''
        if self._name.startswith('sha256:'):
            raise errors.BuildError(f'the engine has no image {self._name}{wanted}')
        yield from self._pull()
        if not self._found():
            raise errors.BuildError(f'{self._name} was pulled, but not{wanted or " found then"}')

    @property
    def user(self) -> str:
        """Whom it runs as once it was pulled; '' for root.

        Raises:
            errors.BuildError: it is nobody whom a Dockerfile could name
        """
        user = str(self._config.get('User') or '')
        if not user.isprintable():
            raise errors.BuildError(
                f'{self._name} runs as the user {user!r:.80}, which has an unprintable '
                'character: build from an image that was made without it'
            )
        return '' if user.partition(':')[0] in ('', '0', 'root') else user

    def _found(self) -> bool:
        config = self._configuration()
        self._config = config or {}
        return config is not None

    def _configuration(self) -> dict[str, Any] | None:
        found = self._inspect()
        if found is None or self._platform is None or self._platform.is_of(found):
            return None if found is None else found.get('Config') or {}
        # with containerd's image store, a name may have other platforms beside the one told
        version = tuple(map(int, self._client.api_version.split('.')))
        if version >= _INSPECTS_PLATFORMS:
            found = self._inspect(platform=self._platform)
            is_it = found is not None and self._platform.is_of(found)
            return (found or {}).get('Config') or {} if is_it else None
        return self._configuration_of_container() if self._has_containerds_store() else None

    def _inspect(self, platform: platforms.Platform | None = None) -> dict[str, Any] | None:
        client = self._client
        parameters = {'platform': platform.json} if platform else {}
        response = client.get(
            f'{client.base_url}/v{client.api_version}/images/{self._name}/json', params=parameters
        )
        if response.status_code == 404:
            return None
        client._raise_for_status(response)
        content: dict[str, Any] = response.json()
        return content

    def _has_containerds_store(self) -> bool:
        status = self._client.info().get('DriverStatus') or []
        return ['driver-type', 'io.containerd.snapshotter.v1'] in status

    def _configuration_of_container(self) -> dict[str, Any] | None:
        """What a container of that platform would have; None where the image lacks it."""
        import docker

        try:
            made = self._client.create_container(
                self._name, ['/none'], platform=str(self._platform)
            )
        except docker.errors.NotFound:
            return None
        try:
            content: dict[str, Any] = self._client.inspect_container(made)['Config']
        finally:
            self._client.remove_container(made, force=True)
        return content

    def _pull(self) -> Iterator[str]:
        import docker

        name, _, digest = self._name.partition('@')
        repository, _, tag = (
            name.rpartition(':') if ':' in name.rpartition('/')[2] else (name, '', '')
        )
        platform = str(self._platform) if self._platform else None
        told: dict[str, str] = {}  # layers come at once, each repeating what it does
        try:
            for line in self._client.pull(
                repository, digest or tag or 'latest', stream=True, decode=True, platform=platform
            ):
                if 'error' in line:
                    raise errors.BuildError(f'{self._name} cannot be pulled: {line["error"]}')
                layer, status = line.get('id') or '', line.get('status') or ''
                if told.get(layer) != status:
                    told[layer] = status
                    yield f'{self._name}: {f"{layer} {status}".strip()}'
        except docker.errors.APIError as error:
            reason = error.explanation or error
            raise errors.BuildError(f'{self._name} cannot be pulled: {reason}') from None
