"""The configuration of the docker command: https://docs.docker.com/reference/cli/docker."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from charm_image import _errors


def directory(environ: Mapping[str, str]) -> pathlib.Path:
    """Return the directory that has it."""
    home = environ.get('HOME') or os.path.expanduser('~')
    return pathlib.Path(environ.get('DOCKER_CONFIG') or f'{home}/.docker')


def read(path: pathlib.Path) -> dict[str, Any]:
    """Return the JSON object in one of its files; {} if it does not exist, or is none.

    Raises:
        EngineError: it cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # not chained, and not all of its text: the parser's error contains the file
        reason = getattr(error, 'strerror', None) or getattr(error, 'msg', type(error).__name__)
        raise _errors.EngineError(f'{path} cannot be read: {reason}') from None
    return content if isinstance(content, dict) else {}
