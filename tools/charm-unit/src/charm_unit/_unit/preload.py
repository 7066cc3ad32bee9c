"""Hooks that share what they import, through in_hooks/charm_unit_preload.py.

A `Server` is an interpreter that has imported it and forks for each hook. It serves every unit of
this program that has the same environment and, in its charm, the same files of these modules.
"""

import array
import functools
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import typing

_MOST = 4
"""The servers that run at most; the least recently used one ends first."""

_servers: 'list[Server]' = []
_imported: 'dict[pathlib.Path, set[str]]' = {}
"""The large modules that hooks of an environment have imported: the next server imports them."""
_lock = threading.Lock()


class Process:
    """The process of a hook that a server forked."""

    def __init__(self, pid: int, reply: socket.socket, environment: pathlib.Path) -> None:
        self.pid = pid
        self._reply = reply
        self._environment = environment

    def wait(self) -> tuple[int, float]:
        """Wait for its end; return the wait status and seconds of CPU."""
        with self._reply:
            told = b''
            while part := self._reply.recv(4096):
                told += part
        if not told:  # the server is gone, and nobody knows
            return signal.SIGKILL, 0
        end = json.loads(told)
        if end['imported']:
            with _lock:
                _imported.setdefault(self._environment, set()).update(end['imported'])
        return end['status'], end['cpu']


class Server:
    """An interpreter with the modules that a charm shares with others, and files of theirs."""

    def __init__(
        self,
        environment: pathlib.Path,
        python: pathlib.Path,
        root: pathlib.Path,
        charm: pathlib.Path,
        variables: typing.Mapping[str, str],
        imported: frozenset[str],
    ) -> None:
        self.environment = environment
        self.imported = imported
        self._root = root
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = environment / 'in_hooks' / 'charm_unit_preload.py'
        with theirs, tempfile.TemporaryFile() as printed:
            self._process = subprocess.Popen(
                [python, script, str(theirs.fileno()), root, *sorted(imported)],
                cwd=charm,
                env={k: v for k, v in variables.items() if not k.startswith('CHARM_UNIT_')},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        told = self._control.recv(1 << 20)
        known = json.loads(told) if told else {}
        self._files: dict[str, str] | None = known.get('files')
        self._shadowing: list[str] = known.get('shadowing', [])
        self._moves = bool(known.get('moves'))

    def suits(self, environment: pathlib.Path, root: pathlib.Path, charm: pathlib.Path) -> bool:
        """Return whether the hooks of a unit would import the same files."""
        if self._files is None or self._process.poll() is not None:
            return False
        if self.environment != environment or not (self._moves or self._root == root):
            return False
        folder = str(charm)
        if any(os.path.exists(f'{folder}/{file}') for file in self._shadowing):
            return False
        return all(_digest(f'{folder}/{file}') == it for file, it in self._files.items())

    def start(
        self,
        python: pathlib.Path,
        script: pathlib.Path,
        folder: pathlib.Path,
        root: pathlib.Path,
        variables: dict[str, str],
        output: int,
    ) -> Process:
        """Start a hook; raise OSError if the server is gone."""
        ours, theirs = socket.socketpair()
        message = {
            'python': str(python),
            'script': str(script),
            'folder': str(folder),
            'root': str(root),
            'environ': dict(variables),
        }
        descriptors = array.array('i', [output, theirs.fileno()])
        with theirs:
            self._control.sendmsg(
                [json.dumps(message).encode()],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
            )
        pid = b''
        while not pid.endswith(b'\n'):
            part = ours.recv(1)
            if not part:
                raise ConnectionError('the process that forks hooks has ended')
            pid += part
        return Process(int(pid), ours, self.environment)

    def close(self) -> None:
        """End the interpreter once no hook runs."""
        self._control.close()
        threading.Thread(target=self._process.wait, daemon=True).start()


def server(
    environment: pathlib.Path,
    python: pathlib.Path,
    root: pathlib.Path,
    charm: pathlib.Path,
    variables: typing.Mapping[str, str],
) -> 'Server | None':
    """Return a server for the hooks of a unit; None if they must import everything themselves."""
    with _lock:
        imported = frozenset(_imported.get(environment, ()))
        for known in _servers:
            if imported <= known.imported and known.suits(environment, root, charm):
                _servers.remove(known)
                _servers.append(known)
                return known
        new = Server(environment, python, root, charm, variables, imported)
        if not new.suits(environment, root, charm):
            new.close()
            return None
        for known in _servers.copy():
            if known.environment == environment and known.imported < imported:
                _servers.remove(known)  # it is never chosen again
                known.close()
        _servers.append(new)
        while len(_servers) > _MOST:
            _servers.pop(0).close()
        return new


def _digest(file: str) -> str:
    try:
        stat = os.stat(file)
        return _digest_of(file, stat.st_mtime_ns, stat.st_size, stat.st_ino)
    except OSError:
        return ''


@functools.lru_cache(maxsize=4096)
def _digest_of(file: str, *_changed: int) -> str:
    return hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
