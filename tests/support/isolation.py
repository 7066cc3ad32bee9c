"""Namespaces for the engines of the tests, so that they change nothing of the machine. Needs root.

The tests of an engine are in its network namespace, which has a loopback of its own and nothing
else: their registries and servers are on it. Mounts, processes and cgroups are the engine's alone.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)
_machines = []  # of the network namespaces that threads of ours have left, the last one last

_JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'


@contextlib.contextmanager
def network():
    """Have the calling thread, and what it starts, in a new network namespace with loopback."""
    with open('/proc/thread-self/ns/net', 'rb') as machine:
        _call(_libc.unshare, _CLONE_NEWNET)
        _machines.append(machine)
        try:
            with socket.socket() as any_socket:
                up = struct.pack('16sh14x', b'lo', _IFF_UP)
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, up)
            yield
        finally:
            _machines.pop()
            _call(_libc.setns, machine.fileno(), _CLONE_NEWNET)


def on_the_machines_network():
    """Give the beginning of a command that runs the rest of it where packages can be had."""
    if not _machines:
        return []
    return ['nsenter', f'--net=/proc/{os.getpid()}/fd/{_machines[0].fileno()}']


def _call(function, *args):
    if function(*args):
        number = ctypes.get_errno()
        raise OSError(number, f'{function.__name__}: {os.strerror(number)}')


class Room:
    """A directory, `path`, and a program that runs in a root of its own and shares only that.

    The root is `root` as it is now; what the program changes in it is in memory, and forgotten.
    """

    def __init__(self, path, root):
        self.path = path
        self._root = root
        self._cgroups = []
        self._process = None

    def start(self, command, environ):
        """Start the program; its output is in the file `log` of the directory."""
        assert _machines, 'an engine would share the network of the machine: isolation.network()'
        self._cgroups = make_cgroups(self.path.name)
        # a killed pytest leaves none running: the end of a namespace's first process is all's
        self._process = subprocess.Popen(
            ['setpriv', '--pdeathsig=KILL', *in_cgroups(self._cgroups)]
            + ['unshare', '--mount', '--pid', '--cgroup', '--fork', '--kill-child']
            + ['sh', str(pathlib.Path(__file__).with_name('room.sh'))]
            + [str(self._root), str(self.path), *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=(self.path / 'log').open('wb'),
            stderr=subprocess.STDOUT,
            start_new_session=True,  # ^C is for pytest, which then ends the engine in order
        )

    def running(self):
        """Tell whether the program still runs."""
        return self._process.poll() is None

    def end(self):
        """End the program and all that it started, at once: nothing that it has is kept."""
        if self._process:
            for first in _children(self._process.pid):
                os.kill(first, signal.SIGKILL)
            self._process.wait(30)
        remove_cgroups(self._cgroups)


def _children(pid):
    with contextlib.suppress(FileNotFoundError):
        return [
            int(c) for c in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        ]
    return []


def make_cgroups(name):
    """Make one below this process's own in each hierarchy; give their directories."""
    made = []
    for mount in pathlib.Path('/proc/self/mountinfo').read_text().splitlines():
        fields, _, more = mount.partition(' - ')
        root, where = fields.split()[3:5]
        kind, _, options = more.split()
        if kind in ('cgroup', 'cgroup2'):
            ours = os.path.relpath(_own_cgroup(kind, options.split(',')), root)
            cgroup = pathlib.Path(where) / ours / name
            cgroup.mkdir()
            for inherited in ('cpuset.cpus', 'cpuset.mems'):  # of version 1, which are empty
                if kind == 'cgroup' and (cgroup / inherited).exists():
                    (cgroup / inherited).write_text((cgroup.parent / inherited).read_text())
            made.append(cgroup)
    return made


def in_cgroups(cgroups):
    """Give the beginning of a command that runs the rest of it in `cgroups`."""
    return ['sh', '-c', _JOIN, 'sh', *map(str, cgroups), '--']


def _own_cgroup(kind, options):
    for line in pathlib.Path('/proc/self/cgroup').read_text().splitlines():
        _, controllers, path = line.split(':', 2)
        if not controllers and kind == 'cgroup2':
            return path
        if controllers and kind == 'cgroup' and set(controllers.split(',')) <= set(options):
            return path
    raise AssertionError(f'/proc/self/cgroup has no line for {kind} with {options}')


def remove_cgroups(cgroups):
    """Remove them with all below them; their processes have ended."""
    deadline = time.monotonic() + 10
    for cgroup in cgroups:
        while cgroup.exists():
            for below, _, _ in os.walk(cgroup, topdown=False):
                try:
                    os.rmdir(below)
                except OSError:  # the kernel notes the end of a process a little later
                    assert time.monotonic() < deadline, f'{below} has processes'
                    time.sleep(0.05)
