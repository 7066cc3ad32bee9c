"""Connects to the engines that build: by DOCKER_HOST, docker context or URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from charm_image import _errors
from charm_image._build import buildx
from container_image import messages

if TYPE_CHECKING:
    from charm_image._oci import engine


def connect(name: str = '') -> engine.Engine:
    """Connect to an engine: a docker context, a URL, or '' for that of the docker command.

    Raises:
        _errors.BuildError: it cannot be reached
    """
    from charm_image._oci import engine

    with as_build_error():
        try:
            return engine.connect(engine.environment(name))
        except _errors.ContextNotFoundError:
            if not name:
                raise
            raise _errors.BuildError(
                f'no docker context or buildx builder is named {name!r}',
                'check with `docker context ls` and `docker buildx ls`. If buildx is missing, '
                f'{buildx.INSTALL}, then create the builder with `docker buildx create`',
            ) from None


@contextlib.contextmanager
def as_build_error() -> Iterator[None]:
    """Raise the errors of images, of an engine or of its connection as _errors.BuildError."""
    try:
        yield
    except _errors.ImageError as error:
        raise _errors.BuildError(error.message, error.resolution) from None
    except _sdk_errors() as error:
        problem = 'reported an error' if hasattr(error, 'explanation') else 'does not respond'
        reason = messages.printable(str(getattr(error, 'explanation', None) or error))
        raise _errors.BuildError(f'the engine {problem}: {reason}') from None


def _sdk_errors() -> tuple[type[Exception], ...]:
    # imported only after an error: a dry run needs neither
    import docker
    import requests

    return docker.errors.DockerException, requests.RequestException
