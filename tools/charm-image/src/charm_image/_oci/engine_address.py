"""Addresses of engines, as in DOCKER_HOST and docker contexts."""

from __future__ import annotations

import os
import re

from charm_image import _errors, _texts

DEFAULT = 'unix:///var/run/docker.sock'

_SCHEMES = ('unix', 'tcp', 'ssh', 'http', 'https')
_HOST = re.compile(r'([A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?')
_PORT, _TLS_PORT = 2375, 2376


def is_address(name: str) -> bool:
    """Return whether the name of an engine is an address, not that of a docker context."""
    return '/' in name or ':' in name


def parse(address: str, *, tls: bool = False) -> str:
    """Return an address with its scheme; as for docker, a host is one of TCP.

    Raises:
        EngineError: it is not an address. The message says which one may be meant.
    """
    scheme, separator, rest = address.partition('://')
    if separator and scheme == 'unix':
        return address if rest else DEFAULT
    tcp = _HOST.fullmatch(rest if separator else address)
    if tcp and scheme == ('tcp' if separator else address) and (tcp[1] or tcp[2]):
        if int(tcp[2] or 1) >= 1 << 16:
            raise _refusal(address, 'a port is at most 65535')
        return f'tcp://{tcp[1] or "localhost"}:{tcp[2] or (_TLS_PORT if tls else _PORT)}'
    if separator and scheme in _SCHEMES:
        return address
    if scheme.startswith('npipe'):
        raise _refusal(address, 'npipe: is for Windows: on this machine, use unix:///PATH')
    path = address.removeprefix('unix:') if not separator else ''
    if path.startswith(('/', '.', '~')):
        absolute = os.path.abspath(os.path.expanduser(path))
        raise _refusal(address, f'use unix://{absolute}')
    raise _refusal(address, 'use a form such as unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST')


def _refusal(address: str, resolution: str) -> _errors.EngineError:
    return _errors.EngineError(
        f'{_texts.quoted(address)} is not the address of an engine', f'{resolution} (DOCKER_HOST)'
    )
