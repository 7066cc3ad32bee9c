"""Build the OCI image of a Juju Kubernetes charm from Python, and upload it to Charmhub."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from charm_image._errors import (
    AmbiguousImageError,
    ArgumentError,
    BuildError,
    BusyError,
    CharmError,
    ContextNotFoundError,
    CredentialsError,
    EngineError,
    Error,
    FileChangedError,
    ImageError,
    ImageNotFoundError,
    InsecureURLError,
    InvalidImageError,
    LoginError,
    NotAllowedError,
    NotFoundError,
    NotLoggedInError,
    RegistryError,
    RejectedError,
    ResourceError,
    ReviewPendingError,
    StepError,
    StoreError,
    UnavailableError,
    UploadError,
    WrongTypeError,
)
from charm_image._version import VERSION as __version__

if TYPE_CHECKING:
    from charm_image._build.builder import DockerBuilder
    from charm_image._build.bundle import ResourceBundle
    from charm_image._progress import Progress

__all__ = [
    'AmbiguousImageError',
    'ArgumentError',
    'BuildError',
    'BusyError',
    'CharmError',
    'ContextNotFoundError',
    'CredentialsError',
    'DockerBuilder',
    'EngineError',
    'Error',
    'FileChangedError',
    'ImageError',
    'ImageNotFoundError',
    'InsecureURLError',
    'InvalidImageError',
    'LoginError',
    'NotAllowedError',
    'NotFoundError',
    'NotLoggedInError',
    'Progress',
    'RegistryError',
    'RejectedError',
    'ResourceBundle',
    'ResourceError',
    'ReviewPendingError',
    'StepError',
    'StoreError',
    'UnavailableError',
    'UploadError',
    'WrongTypeError',
    '__version__',
]

_MODULES = {
    'DockerBuilder': '_build.builder',
    'Progress': '_progress',
    'ResourceBundle': '_build.bundle',
}


def __getattr__(name: str) -> object:
    # imported when asked for: an upload builds nothing, and would wait for these imports
    if name in _MODULES:
        return getattr(importlib.import_module(f'.{_MODULES[name]}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return __all__
