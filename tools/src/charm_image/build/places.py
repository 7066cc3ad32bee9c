"""Where platforms are built: the engines that DOCKER_HOST, contexts and URLs lead to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from charm_image import errors
from charm_image.build import buildx

if TYPE_CHECKING:
    from charm_image.image import engine


def connect(name: str = '', environ: Mapping[str, str] = os.environ) -> engine.Engine:
    """Connect to an engine.

    Args:
        name: a docker context or a URL as in DOCKER_HOST; '' for what the docker command would use
        environ: the environment

    Raises:
        errors.BuildError: it can't be reached
    """
    from charm_image.image import engine, images, local_image

    chosen = dict(environ)
    if name:
        chosen.pop('DOCKER_HOST', None)
        chosen.pop('DOCKER_CONTEXT', None)
        chosen['DOCKER_HOST' if '://' in name else 'DOCKER_CONTEXT'] = name
    try:
        return engine.connect(chosen)
    except local_image.ContextNotFound as error:
        if not name:
            raise errors.BuildError(str(error)) from None
        raise errors.BuildError(
            f'there is neither a docker context nor a builder of buildx called {name!r}: '
            '`docker context ls` and `docker buildx ls` list them. If buildx is missing, '
            f'{buildx.INSTALL}, and create the builder with `docker buildx create`'
        ) from None
    except images.ImageError as error:
        raise errors.BuildError(str(error)) from None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell what an engine answers, or that it doesn't, as an error of ours."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        reason = error.explanation or error
        raise errors.BuildError(f'the engine refuses: {reason}') from None
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise errors.BuildError(f'the engine does not answer: {error}') from None
