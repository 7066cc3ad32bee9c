"""Runs a command, and measures its time, CPU, memory, disk and bytes through loopback."""

import contextlib
import dataclasses
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time


@dataclasses.dataclass
class Cost:
    """The cost of a run: peaks of the process and its children, and bytes through loopback."""

    seconds: float
    cpu: float  # seconds
    memory: int  # bytes, peak
    disk: int  # bytes, peak, below TMPDIR and without a name in /var/tmp
    network: int  # bytes


def run(name, command, directory, environ=None):
    """Run a command, which must succeed; return its `Cost`."""
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        environ = {'PATH': os.environ['PATH'], **(environ or {}), 'TMPDIR': temporary}
        used, crossed = _cpu(), _loopback()
        before = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        watch = _Watch(process.pid, temporary)
        _, stderr = process.communicate()
        seconds = time.perf_counter() - before
        watch.stop()
    if process.returncode:
        sys.exit(f'{name} ended with {process.returncode}:\n{stderr.decode()[-2000:]}')
    return Cost(seconds, _cpu() - used, watch.memory, watch.disk, _loopback() - crossed)


def _cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _loopback():
    for line in pathlib.Path('/proc/net/dev').read_text().splitlines():
        if line.strip().startswith('lo:'):
            return int(line.partition(':')[2].split()[0])
    return 0


class _Watch:
    def __init__(self, pid, directory):
        self.memory = self.disk = 0
        self._pid, self._directory = pid, directory
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()

    def _watch(self):
        while not self._stopped.wait(0.05):
            pids = [self._pid]
            for pid in pids:
                pids += _children(pid)
            self.memory = max(self.memory, sum(map(_peak_memory, pids)))
            files = {}
            for path in pathlib.Path(self._directory).rglob('*'):
                files.update(_file(path))
            for pid in pids:
                # unnamed files use disk space too
                for path in _open_files(pid):
                    files.update(_file(path))
            self.disk = max(self.disk, sum(files.values()))


def _children(pid):
    with contextlib.suppress(OSError):
        tasks = pathlib.Path(f'/proc/{pid}/task').iterdir()
        return [int(child) for task in tasks for child in (task / 'children').read_text().split()]
    return []


def _peak_memory(pid):
    with contextlib.suppress(OSError, IndexError):
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
        return int(status.partition('VmHWM:')[2].split()[0]) * 1024
    return 0


def _open_files(pid):
    with contextlib.suppress(OSError):
        found = list(pathlib.Path(f'/proc/{pid}/fd').iterdir())
        return [path for path in found if os.readlink(path).startswith('/var/tmp/')]
    return []


def _file(path):
    with contextlib.suppress(OSError):
        status = path.stat()
        return {(status.st_dev, status.st_ino): status.st_blocks * 512}
    return {}
