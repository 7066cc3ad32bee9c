"""Connects to the engines that build: by DOCKER_HOST, docker context or URL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from charm_image import _errors
from charm_image._build import buildx
from container_image import messages

if TYPE_CHECKING:
    from charm_image._oci import engine


def connect(name: str = '', environ: Mapping[str, str] = os.environ) -> engine.Engine:
    """Connect to an engine.

    Args:
        name: a docker context or a URL as in DOCKER_HOST; '' for the engine of the docker command
        environ: the environment

    Raises:
        _errors.BuildError: it cannot be reached
    """
    from charm_image._oci import engine, images, local_image

    try:
        return engine.connect(engine.environment(name, environ))
    except _errors.ContextNotFoundError as error:
        if not name:
            raise _errors.BuildError(error.message, error.resolution) from None
        raise _errors.BuildError(
            f'no docker context or buildx builder is named {name!r}',
            'check with `docker context ls` and `docker buildx ls`. If buildx is missing, '
            f'{buildx.INSTALL}, then create the builder with `docker buildx create`',
        ) from None
    except _errors.ImageError as error:
        raise _errors.BuildError(error.message, error.resolution) from None


@contextlib.contextmanager
def as_build_error() -> Iterator[None]:
    """Raise the errors of an engine, or of its connection, as _errors.BuildError."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        reason = messages.printable(str(error.explanation or error))
        raise _errors.BuildError(f'the engine reported an error: {reason}') from None
    except (docker.errors.DockerException, requests.RequestException) as error:
        reason = messages.printable(str(error))
        raise _errors.BuildError(f'the engine does not respond: {reason}') from None
