"""The base image of a build, in an engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from charm_image import _concurrently, _errors, _progress
from charm_image._build import events, pull_progress
from charm_image._oci import engine_push, local_image, platforms, registry_logins
from container_image import messages
from container_image import reference as references

if TYPE_CHECKING:
    import docker

# since that API version, inspecting an image takes a platform
_INSPECTS_PLATFORMS = (1, 49)
_PINNED = 'localhost/charm-image/base'


class Base:
    """The base image, for one platform.

    Args:
        client: the engine
        name: the name or ID of the base, or scratch
        platform: the platform of the base; None for any that the engine has

    Once it was found, `id` is the ID of the image, '' for scratch, and `config` the part of its
    configuration that says how to run it.
    """

    def __init__(
        self, client: docker.APIClient, name: str, platform: platforms.Platform | None
    ) -> None:
        self._client: Any = client  # its type stubs are incomplete
        self.name = name
        self._platform = platform
        self.config: dict[str, Any] = {}
        self.id = ''
        self._digests: list[str] = []
        self._before = ''
        self._pin = ''

    def pull(self, newer: bool = False) -> Iterator[_progress.Progress | None]:
        """Pull it if the engine does not have it, or to get a newer one.

        Yields the progress, and None for each second without any.

        Raises:
            _errors.BuildError: it cannot be pulled
        """
        if self.name == 'scratch' or self.found() and not (newer and self._has_name):
            return
        for_platform = f' for {self._platform}' if self._platform else ''
        if self.name.startswith('sha256:'):
            raise _errors.BuildError(f'the engine has no image {self.name}{for_platform}')
        self._before = '' if newer else str((self._inspect() or {}).get('Id') or '')
        yield from self._pull()
        if not self.found():
            raise _errors.BuildError(
                f'the engine pulled {self.name}, but does not have it{for_platform}'
            )

    @property
    def _has_name(self) -> bool:
        return self.name != 'scratch' and not self.name.startswith('sha256:')

    @property
    def pinned_name(self) -> str:
        """What a tag means in the engine now: NAME@sha256:…, or an ID if it is of no registry."""
        if not self._has_name or '@' in self.name or not self.id:
            return ''
        repository, _ = split(self.name)
        base = references.Reference.parse(self.name)
        for digest in self._digests:
            pinned = references.Reference.parse(digest)
            if (pinned.domain, pinned.path) == (base.domain, base.path):
                return f'{repository}@{pinned.digest}'
        return f'the local image {self.id.removeprefix("sha256:")}'

    def pin(self) -> str:
        """Return a name for the pulled image that a pull for a different platform does not move.

        Only with containerd's image store can one name have several platforms.
        """
        if not self._has_name:
            return self.name
        if engine_push.has_containerds_store(self._client):
            return self.name
        platform = str(self._platform).replace('/', '-')
        tag = f'{platform}-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}'
        self._client.tag(self.id, _PINNED, tag)
        self._pin = f'{_PINNED}:{tag}'
        return self._pin

    def unpin(self) -> None:
        """Remove that name, and tag the image that had the base's name before."""
        if self._pin:
            self._client.remove_image(self._pin, noprune=True)
            self._pin = ''
            if self._before and '@' not in self.name:
                self._client.tag(self._before, *split(self.name))

    def found(self) -> bool:
        """Return whether the engine has it."""
        config = self._configuration()
        self.config = config or {}
        return config is not None

    def _configuration(self) -> dict[str, Any] | None:
        description = self._inspect() or {}
        self.id = str(description.get('Id') or '')
        self._digests = [str(digest) for digest in description.get('RepoDigests') or ()]
        if not description:
            return None
        if self._platform is None or self._is_for_platform(description):
            return description.get('Config') or {}
        # with containerd's image store, a name may have more platforms than the one reported
        version = tuple(map(int, self._client.api_version.split('.')))
        if version >= _INSPECTS_PLATFORMS:
            description = self._inspect(platform=self._platform) or {}
            return description.get('Config') or {} if self._is_for_platform(description) else None
        has_store = engine_push.has_containerds_store(self._client)
        return self._configuration_of_container() if has_store else None

    def _is_for_platform(self, image: Mapping[str, Any]) -> bool:
        return platforms.Platform.of(image) == self._platform

    def _inspect(self, platform: platforms.Platform | None = None) -> dict[str, Any] | None:
        parameters = {'platform': json.dumps(platform.descriptor)} if platform else {}
        return local_image.describe(self._client, self.name, **parameters)

    def _configuration_of_container(self) -> dict[str, Any] | None:
        """Return the configuration of a container for the platform; None if the image lacks it."""
        import docker

        try:
            container = self._client.create_container(
                self.name, ['/none'], platform=str(self._platform)
            )
        except docker.errors.NotFound:
            return None
        try:
            content: dict[str, Any] = self._client.inspect_container(container)['Config']
        finally:
            self._client.remove_container(container, force=True)
        return content

    def _pull(self) -> Iterator[_progress.Progress | None]:
        import docker

        repository, reference = split(self.name)
        platform = str(self._platform) if self._platform else None
        # not docker's own finder, which fails for a damaged login for any registry
        login, unusable = registry_logins.find_usable(references.Reference.parse(self.name))
        hint = f' ({unusable})' if unusable else ''

        def reports() -> Iterator[dict[str, Any]]:
            yield from self._client.pull(
                repository,
                reference,
                stream=True,
                decode=True,
                platform=platform,
                auth_config=_auth_config(login),
            )

        progress = pull_progress.PullProgress(self.name, events.INTERVAL)
        try:
            for report in _concurrently.with_ticks(reports()):
                if report and 'error' in report:
                    reason = messages.printable(report['error'])
                    raise _errors.BuildError(f'{self.name} cannot be pulled: {reason}{hint}')
                yield from progress.follow(report)
                if report is None:
                    yield None
        except docker.errors.APIError as error:
            reason = messages.printable(str(error.explanation or error))
            raise _errors.BuildError(f'{self.name} cannot be pulled: {reason}{hint}') from None


def _auth_config(login: registry_logins.Login) -> dict[str, str]:
    """Return a login for the X-Registry-Auth of Docker's API; {} is none."""
    parts = {
        'username': login.username,
        'password': login.password,
        'identitytoken': login.identity_token,
    }
    return {name: value for name, value in parts.items() if value}


def split(name: str) -> tuple[str, str]:
    """Return the repository of a reference, as it is written, and its digest or tag."""
    reference = references.Reference.parse(name)
    without_digest = name.partition('@')[0]
    repository = (
        without_digest.removesuffix(f':{reference.tag}') if reference.tag else without_digest
    )
    return repository, reference.digest or reference.tag or 'latest'


def user_of(name: str, config: Mapping[str, Any]) -> str:
    """Return the user in the configuration of the image `name`; '' for root.

    Raises:
        _errors.BuildError: a Dockerfile cannot name the user
    """
    user = str(config.get('User') or '')
    if not user.isprintable():
        raise _errors.BuildError(
            f'{name} runs as user {user!r:.80}, whose name contains an unprintable character',
            'use a different base image',
        )
    return '' if user.partition(':')[0] in ('', '0', 'root') else user
