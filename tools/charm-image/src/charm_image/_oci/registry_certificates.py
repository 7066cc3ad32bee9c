"""Finds the certificates that Docker, podman and skopeo use for a registry, in their certs.d.

docker: https://docs.docker.com/engine/security/certificates; podman and skopeo:
containers-certs.d(5).
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping

from charm_image import _errors
from container_image import registry

#: Directories of all users.
SYSTEM = ('/etc/docker/certs.d', '/etc/containers/certs.d')


def find(host: str, environment: Mapping[str, str] = os.environ) -> registry.Certificates:
    """Return the certificates for a registry, which is named as in references.

    *.crt are authorities; the first *.cert with its *.key is that of the client. What only Docker,
    as root, can read is left out.

    Raises:
        _errors.LoginError: a *.cert lacks its *.key.
    """
    files = [file for directory in _directories(host, environment) for file in _files(directory)]
    clients = [
        (str(file), str(_key(file)))
        for file in files
        if file.suffix == '.cert' and os.access(_key(file), os.R_OK)
    ]
    authorities = tuple(str(file) for file in files if file.suffix == '.crt')
    return registry.Certificates(authorities, clients[0] if clients else None)


def _key(certificate: pathlib.Path) -> pathlib.Path:
    key = certificate.with_suffix('.key')
    if not key.exists():
        raise _errors.LoginError(
            f'{certificate} has no {key.name} beside it: the certificate of a client needs its '
            'key, and that of a CA must end in .crt'
        )
    return key


def _directories(host: str, environment: Mapping[str, str]) -> Iterator[pathlib.Path]:
    home = pathlib.Path(environment.get('HOME') or pathlib.Path.home())
    settings = pathlib.Path(environment.get('XDG_CONFIG_HOME') or home / '.config')
    for parent in (
        settings / 'containers/certs.d',
        settings / 'docker/certs.d',  # of Docker without root
        home / '.docker/certs.d',  # of Docker Desktop
        *map(pathlib.Path, SYSTEM),
    ):
        yield parent / host


def _files(directory: pathlib.Path) -> list[pathlib.Path]:
    try:
        return sorted(file for file in directory.iterdir() if os.access(file, os.R_OK))
    except OSError:
        return []
