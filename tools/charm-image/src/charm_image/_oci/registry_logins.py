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
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from charm_image import _errors
from charm_image._oci import docker_config
from container_image import reference as references

_HUB = ('https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io')
# the key of a registry, as docker and skopeo compare it: a host, or its URL in some form
_KEY = re.compile(r'https?://([^/]+)(?:/.*)?|([^/]+)(?:/(?:v[12]/?)?)?')
_HELPER_TIMEOUT = 60  # seconds: it may prompt for a password
_NOT_FOUND = b'credentials not found'


@dataclasses.dataclass(frozen=True)
class Login:
    """Username and password, or an identity token, for a registry; all are '' without a login."""

    username: str = ''
    password: str = dataclasses.field(default='', repr=False)
    identity_token: str = dataclasses.field(default='', repr=False)


def find(reference: references.Reference, environment: Mapping[str, str] = os.environ) -> Login:
    """Return the login for an image: podman's for it, its namespace or registry, else docker's.

    Entries for other registries are not looked at.

    Raises:
        _errors.LoginError: a file cannot be read, or a credential helper failed.
    """
    for path in _files(environment):
        config = _read(path)
        if config and (login := _login(config, path, reference)):
            return login
    return Login()


def find_usable(
    reference: references.Reference, environment: Mapping[str, str] = os.environ
) -> tuple[Login, _errors.LoginError | None]:
    """Return the login for an image, or no login and why there is none that can be used.

    A public image needs none, and `docker pull` takes it without: say why once it is refused.
    """
    try:
        return find(reference, environment), None
    except _errors.LoginError as error:
        return Login(), error


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
    yield docker_config.directory(environment) / 'config.json'


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
    for server in _keys(helpers, servers):
        if helper := helpers[server]:
            return _ask(str(helper), server, path)
    spaces = []
    space = reference.name
    while '/' in space:
        spaces.append(space)
        space = space.rpartition('/')[0]
    for server in (*spaces, *_keys(auths, servers)):
        entry = auths.get(server)
        if isinstance(entry, dict) and (login := _decoded(entry, server, path)):
            return login
    if helper := config.get('credsStore'):
        for server in servers:
            if login := _ask(str(helper), server, path):
                return login
    return None


def _servers(domain: str) -> tuple[str, ...]:
    """Return the names of a registry for credential helpers, the most common one first."""
    return _HUB if domain == 'docker.io' else (domain, f'https://{domain}')


def _keys(section: Mapping[str, Any], servers: Sequence[str]) -> list[str]:
    """Return the keys of a registry in a file, those that are spelled as usual first."""
    hosts = {_host(server) for server in servers}
    keys = [server for server in servers if server in section]
    return keys + [key for key in section if key not in keys and _host(key) in hosts]


def _host(key: str) -> str:
    found = _KEY.fullmatch(key)
    return (found[1] or found[2]) if found else ''


def _mapping(config: dict[str, Any], key: str, path: pathlib.Path) -> dict[str, Any]:
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise _errors.LoginError(f'{key} in {path} is not a mapping')
    return found


def _decoded(entry: dict[str, Any], server: str, path: pathlib.Path) -> Login | None:
    if token := entry.get('identitytoken'):
        return Login(identity_token=str(token))
    username, password = entry.get('username') or '', entry.get('password') or ''
    if auth := entry.get('auth'):
        try:
            # as in Go, line breaks do not count
            text = base64.b64decode(re.sub(r'[\r\n]', '', str(auth)), validate=True).decode()
        except (binascii.Error, ValueError):
            text = ''
        username, colon, password = text.partition(':')
        if not colon:
            raise _errors.LoginError(
                f'the login for {server} in {path} cannot be read', 'log in again'
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
        return Login(identity_token=password)
    return Login(username, password) if password else None
