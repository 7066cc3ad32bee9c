"""Checks whether an engine can run programs of a platform, natively or with QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charm_image import _errors
from charm_image._oci import platforms

if TYPE_CHECKING:
    import docker

# architectures whose programs a processor also runs
_ALSO = {'amd64': ('386',), 'arm64': ('arm',)}
_FAILURE = 'exec format error'


def check(
    client: docker.APIClient, image: str, platform: platforms.Platform, engine_name: str
) -> None:
    """Check that the engine can run the programs of a platform.

    Args:
        client: the engine
        image: an image for that platform, in the engine
        platform: the platform of the programs
        engine_name: the author's name for the engine; '' for the engine of the docker command

    Raises:
        _errors.BuildError: it cannot; the message says what to install
    """
    native = engines_own(client)
    if platform.architecture in (native.architecture, *_ALSO.get(native.architecture, ())):
        return
    if not _fails(client, image, platform):
        return
    if engine_name:
        raise _errors.BuildError(
            f'the engine {engine_name} is for {native} and cannot run {platform}',
            'install qemu-user-static there (apt install qemu-user-static)',
        )
    raise _errors.BuildError(
        f'building for {platform} needs qemu-user-static (apt install qemu-user-static), or a '
        'different engine',
        f'--engine {platform}=CONTEXT_OR_URL',
    )


def engines_own(client: docker.APIClient) -> platforms.Platform:
    """Return the platform of the engine."""
    version = client.version()
    return platforms.parse(f'{version["Os"]}/{version["Arch"]}'.lower())


def _fails(client: Any, image: str, platform: platforms.Platform) -> bool:
    """Try to run the shell, as each step does; the build reports any other error."""
    import docker

    container = client.create_container(
        image,
        ['-c', ':'],
        entrypoint=['/bin/sh'],
        user='0',
        platform=str(platform),
        host_config=client.create_host_config(network_mode='none'),
    )
    try:
        client.start(container)
        status = client.wait(container)['StatusCode']
        output = client.logs(container).decode(errors='replace') if status else ''
    except docker.errors.APIError as error:
        output = str(error.explanation or error)
    finally:
        client.remove_container(container, force=True)
    return _FAILURE in output.lower()
