"""Connects to an engine's API through the ssh command, as the docker command does.

The Docker SDK can do so too, but only with paramiko, which it then always imports.
"""

from __future__ import annotations

import socket
import subprocess
import urllib.parse
from typing import Any

import requests
import urllib3


class Adapter(requests.adapters.HTTPAdapter):
    """Connects requests to the engine at `host`, such as ssh://user@host:22/path/of/socket."""

    def __init__(self, host: str):
        super().__init__()
        url = urllib.parse.urlsplit(host)
        self._pool = _Pool('docker')
        self._pool.command = [
            *('ssh', '-T', '-o', 'ConnectTimeout=30'),
            *(('-l', url.username) if url.username else ()),
            *(('-p', str(url.port)) if url.port else ()),
            *('--', url.hostname or '', 'docker'),
            *(('--host', f'unix://{url.path}') if url.path.strip('/') else ()),
            *('system', 'dial-stdio'),
        ]

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> _Pool:
        """Return the only pool."""
        return self._pool

    def close(self) -> None:
        """End the ssh processes."""
        super().close()
        self._pool.close()


class _Connection(urllib3.connection.HTTPConnection):
    command: list[str]
    _process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # in a new session: Ctrl-C goes to this program only, which then closes the connection
            self._process = subprocess.Popen(
                self.command, stdin=theirs.fileno(), stdout=theirs.fileno(), start_new_session=True
            )
        ours.settimeout(self.timeout)
        self.sock = ours

    def close(self) -> None:
        super().close()
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None


class _Pool(urllib3.HTTPConnectionPool):
    command: list[str]

    def ConnectionCls(self, *args: Any, **kwargs: Any) -> _Connection:  # type: ignore[override]  # noqa: N802
        connection = _Connection(*args, **kwargs)
        connection.command = self.command
        return connection
