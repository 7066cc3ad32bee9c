"""Build the OCI image of a Juju Kubernetes charm from Python, and upload it to Charmhub."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charm_image._build.builder import DockerBuilder
    from charm_image._build.bundle import ResourceBundle
    from charm_image.errors import BuildError, ResourceError, StepError

__all__ = ['BuildError', 'DockerBuilder', 'ResourceBundle', 'ResourceError', 'StepError']

_MODULES = {
    'BuildError': 'errors',
    'DockerBuilder': '_build.builder',
    'ResourceBundle': '_build.bundle',
    'ResourceError': 'errors',
    'StepError': 'errors',
}


def __getattr__(name: str) -> Any:
    # imported when asked for: an upload builds nothing, and would wait for these imports
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'.{_MODULES[name]}', __name__), name)
