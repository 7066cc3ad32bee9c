"""The container engine that the `docker` command would use, and its images.

Docker Engine, or podman through its Docker-compatible socket, with Docker's API 1.24 or later.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from charm_image import _errors, _texts
from charm_image._oci import digests, docker_config, engine_address, local_image
from charm_image._oci.local_image import LocalImage
from container_image import messages

__all__ = ['Engine', 'LocalImage', 'connect']

if TYPE_CHECKING:
    import docker

# by what OpenSSL and Docker say
_TLS_ADVICE = {
    'CERTIFICATE_VERIFY_FAILED': (
        'check that ca.pem in DOCKER_CERT_PATH, or in the docker context, has the CA that signed '
        "the engine's certificate, and that the certificate names this address"
    ),
    'HTTP request to an HTTPS server': (
        'the engine requires TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or use a docker '
        'context with certificates'
    ),
    **dict.fromkeys(
        ('ALERT', 'EOF occurred in violation of protocol'),
        'if the engine rejected the client certificate, check cert.pem and key.pem in '
        'DOCKER_CERT_PATH, or in the docker context',
    ),
}
_MAKING = threading.Lock()


class Engine:
    """A connection to an engine: a client of Docker's SDK; `host` is its address."""

    def __init__(self, client: docker.APIClient, host: str):
        self.host = host
        self.client = client

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the engine."""
        self.client.close()

    def find(self, digest: str) -> LocalImage:
        """Return the image with a digest.

        `digest` is an image ID or the digest in a registry (a RepoDigest): sha256: and 64 hex
        digits, or the first 12 or more of these digits; `sha256:` may be left out.

        Raises:
            ImageNotFoundError: the engine does not have the image.
            AmbiguousImageError: a short digest matches several images.
            EngineError: the engine failed.
            ValueError: `digest` is not valid.
        """
        full = digests.full(digest)
        prefix = full.removeprefix('sha256:') or digests.short(digest)
        if not prefix:
            raise ValueError(f'{digest!r} is not a valid digest')
        # first, since listing many images takes time
        if full and (found := self._inspect(full)):
            return found
        candidates = {
            summary['Id']: summary
            for summary in self._ask(self.client.images, all=True)
            if any(
                candidate.partition(':')[2].startswith(prefix)
                for candidate in (summary['Id'], *local_image.repo_digests(summary))
            )
        }
        if not candidates:
            raise _errors.ImageNotFoundError(
                f'the engine at {self.host} has no image {full or digest} '
                '(`docker images --digests --no-trunc` lists its images)'
            )
        if len(candidates) > 1:
            raise _errors.AmbiguousImageError(
                f'{full or digest} matches several images',
                'give more digits. Candidates: '
                + ', '.join(_called(summary) for summary in candidates.values()),
                candidates,
            )
        identity = next(iter(candidates))
        found = self._inspect(identity)
        if not found:
            raise _errors.ImageNotFoundError(f'the image {identity} was removed just now')
        return found

    def _inspect(self, digest: str) -> LocalImage | None:
        import docker

        try:
            found: LocalImage = self._ask(local_image.inspect, self.client, digest, self.host)
        except docker.errors.NotFound:
            return None
        if digest not in (found.id, *found.repo_digests):
            return None  # an image that has the digits as its name
        return found

    def _ask(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        import docker
        import requests

        try:
            return call(*args, **kwargs)
        except docker.errors.NotFound:
            raise
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _errors.EngineError(
                f'the engine at {self.host} failed: {local_image.explain_missing(error)}'
            ) from None


def environment(name: str, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment in which `docker` uses an engine, by its docker context or URL."""
    if not name:
        return environ
    chosen = {k: v for k, v in environ.items() if k not in ('DOCKER_HOST', 'DOCKER_CONTEXT')}
    return {**chosen, 'DOCKER_HOST' if engine_address.is_address(name) else 'DOCKER_CONTEXT': name}


def connect(environ: Mapping[str, str] = os.environ) -> Engine:
    """Connect to the engine that the `docker` command would use.

    That is DOCKER_HOST (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), else the context in
    DOCKER_CONTEXT or in the configuration of the docker command, else /var/run/docker.sock.

    Raises:
        EngineError: the engine is not running, denies access, or its settings are wrong.
    """
    import docker.constants
    import requests

    host, tls = _address(environ)
    try:
        with _client(host, tls, docker.constants.DEFAULT_DOCKER_API_VERSION) as probe:
            # podman takes 0.3 s for /version
            ping = probe.get(f'{probe.base_url}/_ping', timeout=local_image.TIMEOUT)
            version = ping.headers.get('API-Version')
            version = version or probe.version(api_version=False)['ApiVersion']
        return Engine(_client(host, tls, version), host)
    except (
        docker.errors.DockerException,
        requests.RequestException,
        OSError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        _refuse(host, error)


def _client(host: str, tls: docker.tls.TLSConfig | bool, version: str) -> docker.APIClient:
    if host.startswith('ssh://'):
        from charm_image._oci import ssh

        client = _without_logins('http://docker:80', version=version)
        client.mount('http://', ssh.Adapter(host))
        return client
    client = _without_logins(host, version=version, tls=tls)
    # requests would use REQUESTS_CA_BUNDLE instead of the engine's CA
    client.trust_env = not tls
    return client


def _without_logins(host: str, **options: Any) -> docker.APIClient:
    """Return a client that knows no logins of `docker login`.

    The SDK reads all of them when a client is made, and fails if one is damaged, whichever
    registry it is for.
    """
    import docker.auth

    with _MAKING:
        load = docker.auth.load_config
        docker.auth.load_config = lambda *args, **kwargs: docker.auth.AuthConfig({})
        try:
            return docker.APIClient(host, timeout=local_image.TIMEOUT, **options)
        finally:
            docker.auth.load_config = load


def _address(environ: Mapping[str, str]) -> tuple[str, docker.tls.TLSConfig | bool]:
    import docker.utils

    if host := environ.get('DOCKER_HOST'):
        host = engine_address.parse(host, tls=bool(environ.get('DOCKER_TLS_VERIFY')))
        try:
            settings = docker.utils.kwargs_from_env(environment={**environ, 'DOCKER_HOST': host})
        except (docker.errors.DockerException, OSError) as error:
            reason = local_image.explain(error)
            raise _errors.EngineError(
                f'cannot use the TLS settings in DOCKER_TLS_VERIFY and DOCKER_CERT_PATH: {reason}'
            ) from None
        return settings['base_url'], settings.get('tls', False)
    config = docker_config.directory(environ)
    context = environ.get('DOCKER_CONTEXT')
    context = context or docker_config.read(config / 'config.json').get('currentContext')
    if not context or context == 'default':
        return engine_address.DEFAULT, False
    return _context(config, context)


def _context(config: pathlib.Path, name: str) -> tuple[str, docker.tls.TLSConfig | bool]:
    """Read a context that the docker command has stored.

    The SDK's function finds contexts only with a config.json, and ignores a CA without a client
    certificate.
    """
    import docker

    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        endpoint = docker_config.read(config / 'contexts/meta' / key / 'meta.json')['Endpoints'][
            'docker'
        ]
        host, skip = str(endpoint['Host']), bool(endpoint.get('SkipTLSVerify'))
    except (KeyError, TypeError):
        raise _errors.ContextNotFoundError(
            f'no docker context {_texts.quoted(name)} in {config}',
            'choose one of `docker context ls` with DOCKER_CONTEXT or `docker context use`',
        ) from None
    tls = config / 'contexts/tls' / key / 'docker'
    ca, certificate, private = (tls / f'{part}.pem' for part in ('ca', 'cert', 'key'))
    host = engine_address.parse(host, tls=tls.is_dir())
    if not tls.is_dir():
        return host, False
    try:
        return host, docker.tls.TLSConfig(
            client_cert=(str(certificate), str(private)) if certificate.exists() else None,
            ca_cert=str(ca) if ca.exists() else None,
            verify=not skip,
        )
    except docker.errors.TLSParameterError as error:
        raise _errors.EngineError(
            f'cannot use the TLS files of docker context {name!r}: {local_image.explain(error)}'
        ) from None


def _refuse(host: str, error: Exception) -> NoReturn:
    """Raise an EngineError that says why the engine did not respond, and what to do."""
    reason = local_image.explain(error)
    causes = list(local_image.causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        advice = (
            'add your user to the group `docker` and log in again, '
            'or set DOCKER_HOST to a rootless engine'
        )
    elif host.startswith('ssh://'):
        advice = (
            'check that `ssh` logs in there without a prompt, and that docker is installed there'
        )
    elif any(isinstance(c, (FileNotFoundError, ConnectionRefusedError)) for c in causes):
        advice = 'the engine is not running: start it (`sudo systemctl start docker`)'
        for socket_path in _podman_sockets():
            advice += f', or use podman: DOCKER_HOST=unix://{socket_path}'
        if host != engine_address.DEFAULT:
            advice += '; the address comes from DOCKER_HOST or the docker context'
    elif found := next((text for sign, text in _TLS_ADVICE.items() if sign in reason), ''):
        advice = found
    else:
        advice = 'check that the engine is running, and check DOCKER_HOST or the docker context'
    raise _errors.EngineError(f'no engine responds at {host} ({reason})', advice) from None


def _podman_sockets() -> list[str]:
    runtime = os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'
    paths = [f'{runtime}/podman/podman.sock', '/run/podman/podman.sock']
    return [path for path in paths if os.path.exists(path)]


def _called(summary: Mapping[str, Any]) -> str:
    tags = summary.get('RepoTags') or ()
    names = [messages.printable(name) for name in tags if name != '<none>:<none>']
    return str(summary['Id']) + (f' ({", ".join(names)})' if names else '')
