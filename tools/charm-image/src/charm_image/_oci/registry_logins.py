"""Finds the logins of `docker login` and `podman login` for a registry.

docker: https://docs.docker.com/reference/cli/docker/login (config.json and credential helpers);
podman: containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from charm_image import _errors
from container_image import reference as references

_HUB = ('https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io')
_HELPER_TIMEOUT = 60  # seconds: it may prompt for a password
_NOT_FOUND = b'credentials not found'


@dataclasses.dataclass(frozen=True)
class Login:
    """Username and password for one registry; both are '' if there is no login."""

    username: str = ''
    password: str = dataclasses.field(default='', repr=False)


def find(reference: references.Reference, environment: Mapping[str, str] = os.environ) -> Login:
    """Return the login for an image: podman's for it, its namespace or registry, else docker's.

    Raises:
        _errors.LoginError: a file cannot be read, or a credential helper failed.
    """
    for path in _files(environment):
        config = _read(path)
        if config and (login := _login(config, path, reference)):
            return login
    return Login()


def _files(environment: Mapping[str, str]) -> Iterator[pathlib.Path]:
    home = pathlib.Path(environment.get('HOME') or pathlib.Path.home())
    if named := environment.get('REGISTRY_AUTH_FILE'):
        yield pathlib.Path(named)
    else:
        user = str(os.getuid()) if hasattr(os, 'getuid') else ''
        runtime = environment.get('XDG_RUNTIME_DIR')
        base = pathlib.Path(runtime or f'/run/containers/{user}')
        yield (base / 'containers' if runtime else base) / 'auth.json'
        settings = environment.get('XDG_CONFIG_HOME')
        yield (pathlib.Path(settings) if settings else home / '.config') / 'containers/auth.json'
    docker = environment.get('DOCKER_CONFIG')
    yield (pathlib.Path(docker) if docker else home / '.docker') / 'config.json'


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes() or b'{}')
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _errors.LoginError(f'{path} cannot be read: {error.strerror}') from None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        # not chained: the parser's error contains the text
        raise _errors.LoginError(
            f'{path} is not a valid JSON file of `docker login` or `podman login`'
        )
    return config


def _login(
    config: dict[str, Any], path: pathlib.Path, reference: references.Reference
) -> Login | None:
    servers = _servers(reference.domain)
    helpers = _mapping(config, 'credHelpers', path)
    auths = _mapping(config, 'auths', path)
    for server in servers:
        if helper := helpers.get(server):
            return _ask(str(helper), server, path)
    spaces = []
    space = reference.name
    while '/' in space:
        spaces.append(space)
        space = space.rpartition('/')[0]
    for server in (*spaces, *servers):
        entry = auths.get(server)
        if isinstance(entry, dict) and (login := _decoded(entry, server, path)):
            return login
    if helper := config.get('credsStore'):
        for server in servers:
            if login := _ask(str(helper), server, path):
                return login
    return None


def _servers(domain: str) -> tuple[str, ...]:
    """Return the names that a registry may have in a file, the most common one first."""
    if domain == 'docker.io':
        return _HUB
    return (domain, f'https://{domain}', f'https://{domain}/v1/', f'https://{domain}/v2/')


def _mapping(config: dict[str, Any], key: str, path: pathlib.Path) -> dict[str, Any]:
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise _errors.LoginError(f'{key} in {path} is not a mapping')
    return found


def _decoded(entry: dict[str, Any], server: str, path: pathlib.Path) -> Login | None:
    if entry.get('identitytoken'):
        raise _identity_token(server, path)
    username, password = entry.get('username') or '', entry.get('password') or ''
    if auth := entry.get('auth'):
        try:
            text = base64.b64decode(str(auth), validate=True).decode()
        except (binascii.Error, ValueError):
            text = ''
        username, colon, password = text.partition(':')
        if not colon:
            raise _errors.LoginError(
                f'the login for {server} in {path} cannot be read: log in again'
            )
        password = password.rstrip('\0')
    return Login(str(username), str(password)) if password else None


def _ask(helper: str, server: str, path: pathlib.Path) -> Login | None:
    program = f'docker-credential-{helper}'
    if '/' in helper:
        raise _errors.LoginError(f'{path} names a credential helper with a slash: {helper!r}')
    try:
        done = subprocess.run(
            [program, 'get'], input=server.encode(), capture_output=True, timeout=_HELPER_TIMEOUT
        )
    except FileNotFoundError:
        raise _errors.LoginError(
            f'{program}, which {path} names for {server}, is not on PATH'
        ) from None
    except OSError as error:
        raise _errors.LoginError(f'{program} cannot be started: {error.strerror}') from None
    except subprocess.TimeoutExpired:
        raise _errors.LoginError(f'{program} did not respond within {_HELPER_TIMEOUT} s') from None
    if done.returncode:
        if _NOT_FOUND in done.stdout or _NOT_FOUND in done.stderr:
            return None
        raise _errors.LoginError(f'{program} failed for {server} (exit status {done.returncode})')
    try:
        found = json.loads(done.stdout)
        username, password = str(found['Username']), str(found['Secret'])
    except (ValueError, KeyError, TypeError):
        raise _errors.LoginError(f'{program} printed unexpected output for {server}') from None
    if username == '<token>':
        raise _identity_token(server, path)
    return Login(username, password) if password else None


def _identity_token(server: str, path: pathlib.Path) -> _errors.LoginError:
    return _errors.LoginError(
        f'the login for {server} in {path} is an identity token, which is not supported: log in '
        f'with a username and password, or with a token as the password'
    )
