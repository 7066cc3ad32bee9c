"""Whether an engine can run the programs of a platform: its own, or by QEMU and binfmt_misc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charm_image import errors
from charm_image.image import platforms

if TYPE_CHECKING:
    import docker

# what processors run of others
_ALSO = {'amd64': ('386',), 'arm64': ('arm',)}
_FAILURE = 'exec format error'


def check(client: docker.APIClient, image: str, platform: platforms.Platform, place: str) -> None:
    """Refuse a platform whose programs the engine can't run.

    Args:
        client: the engine
        image: one for that platform, which the engine has
        platform: what to run
        place: what the author calls the engine; '' if it is that of the docker command

    Raises:
        errors.BuildError: it can't; the message says what helps
    """
    native = engines_own(client)
    if platform.architecture in (native.architecture, *_ALSO.get(native.architecture, ())):
        return
    if not _fails(client, image, platform):
        return
    if place:
        raise errors.BuildError(
            f'the engine {place} is for {native} and cannot run {platform}: '
            'install qemu-user-static there (apt install qemu-user-static)'
        )
    raise errors.BuildError(
        f'{platform} needs qemu-user-static here (apt install qemu-user-static), '
        f'or an engine of its own: --engine {platform}=CONTEXT_OR_URL'
    )


def engines_own(client: docker.APIClient) -> platforms.Platform:
    """The platform of the engine itself."""
    version = client.version()
    return platforms.parse(f'{version["Os"]}/{version["Arch"]}'.lower())


def _fails(client: Any, image: str, platform: platforms.Platform) -> bool:
    """Run the shell, as each step does; any other fault is for the build to tell."""
    import docker

    made = client.create_container(
        image,
        ['-c', ':'],
        entrypoint=['/bin/sh'],
        user='0',
        platform=str(platform),
        host_config=client.create_host_config(network_mode='none'),
    )
    try:
        client.start(made)
        status = client.wait(made)['StatusCode']
        said = client.logs(made).decode(errors='replace') if status else ''
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
    finally:
        client.remove_container(made, force=True)
    return _FAILURE in said.lower()
