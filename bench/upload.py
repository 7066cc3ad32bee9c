"""What it costs to upload an image: ours, charmcraft 4.5.0, skopeo, docker push, and the floor.

An image of about 500 MB in 5 layers, made of this machine's own files, goes from a Docker Engine
to a docker-registry on loopback that wants tokens; ours and charmcraft also make a resource
revision at a stand-in for Charmhub. Each runs in turn, first to an empty repository, then again.
The floor is the engine's export, thrown away. Needs root, dockerd, docker-registry and skopeo.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import venv

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

from container_image import registry
from services import charmhub, engine, isolation, layouts

CHARMCRAFT = 'charmcraft==4.5.0'
MB = 1_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=3, help='(default: %(default)s)')
    parser.add_argument('--size', type=int, default=500, help='MB in all (default: %(default)s)')
    parser.add_argument('--layers', type=int, default=5, help='(default: %(default)s)')
    args = parser.parse_args()
    with (
        # for bytes on disk, a directory that isn't memory
        tempfile.TemporaryDirectory(prefix='bench-upload-', dir='/var/tmp') as directory,
        isolation.network(),
        engine.running(engine.KINDS['docker']) as dockerd,
        charmhub.running(directory) as hub,
    ):
        measure = Measure(pathlib.Path(directory), dockerd, hub)
        size = measure.make_image(args.size * MB, args.layers)
        print(f'image: {size / MB:.0f} MB in {args.layers} layers, {os.cpu_count()} processors')
        for number in range(args.rounds):
            print(f'round {number + 1} of {args.rounds}', file=sys.stderr)
            measure.round(number)
        measure.print()


class Measure:
    def __init__(self, directory, dockerd, hub):
        self.directory, self.dockerd, self.hub = directory, dockerd, hub
        self.image = ''
        self.results = collections.defaultdict(list)
        self.home = charmhub.home_for_skopeo(directory, hub.registry_host)
        self.charmcraft = _charmcraft()

    def make_image(self, size, count):
        """Load an image with this machine's files into the engine; give its size in bytes."""
        files = (
            path
            for path in sorted(pathlib.Path('/usr').rglob('*'))
            if path.is_file() and not path.is_symlink() and path.stat().st_size < size // 10
        )
        layers = []
        for number in range(count):
            layer = self.directory / f'{number}.tar'
            with tarfile.open(layer, 'w') as archive:
                while archive.offset < size // count and (path := next(files, None)):
                    archive.add(path, recursive=False)
            layers.append(layer)
        contents = tuple(layer.read_bytes() for layer in layers)
        image = layouts.Image(contents, command=('/bin/true',))
        (self.directory / 'image.tar').write_bytes(layouts.docker_20(image))
        with (self.directory / 'image.tar').open('rb') as archive:
            self.dockerd.client.images.load(archive)
        self.image = image.id
        self.dockerd.client.images.get(image.id).tag('bench', 'latest')
        for path in (*layers, self.directory / 'image.tar'):
            path.unlink()
        return sum(map(len, contents))

    def round(self, number):
        export = ['docker', 'save', self.image]
        self.run('floor: export to nothing', 'first', export, self.dockerd.environ)
        for name, way in (
            ('ours', self.ours),
            ('skopeo copy docker-daemon:', self.skopeo),
            ('docker push', self.docker_push),
            (CHARMCRAFT, self.charmcraft_upload),
        ):
            charm = f'charm-{number}-{name.split()[0].split("=")[0]}'
            self.hub.add(charm, {'image': 'oci-image'})
            way(name, charm)

    def ours(self, name, charm):
        program = pathlib.Path(sys.executable).with_name('charm-upload-resource')
        command = [program, charm, 'image', f'--image={self.image}', '--quiet']
        self.twice(name, charm, command, self.dockerd.environ | self.hub.environment)

    def skopeo(self, name, charm):
        target, user, password = self.way_in(charm)
        command = ['skopeo', 'copy', f'--src-daemon-host={self.dockerd.host}', '--quiet']
        command += [f'--dest-creds={user}:{password}', 'docker-daemon:bench:latest']
        self.twice(name, charm, [*command, f'docker://{target}:latest'], self.home)

    def docker_push(self, name, charm):
        target, user, password = self.way_in(charm)
        self.dockerd.client.images.get(self.image).tag(target, 'latest')
        login = ['docker', 'login', '--username', user, '--password-stdin', self.hub.registry_host]
        subprocess.run(
            login,
            env=self.dockerd.environ,
            input=password.encode(),
            check=True,
            capture_output=True,
        )
        self.twice(name, charm, ['docker', 'push', '--quiet', target], self.dockerd.environ)

    def charmcraft_upload(self, name, charm):
        if not self.charmcraft:
            return
        # half of charmcraft knows only the default socket; this hides the machine's own from it
        shell = (
            'mount -t tmpfs tmpfs /run && '
            f'ln -s {self.dockerd.host.removeprefix("unix://")} /run/docker.sock && exec "$@"'
        )
        command = [
            'unshare',
            '--mount',
            'sh',
            '-c',
            shell,
            'sh',
            self.charmcraft,
            'upload-resource',
        ]
        command += [charm, 'image', f'--image={self.image}']
        self.twice(name, charm, command, self.hub.environment | self.home)

    def way_in(self, charm):
        found = self.hub.upload_credentials('author', charm, 'image')
        return found['image-name'], found['username'], found['password']

    def twice(self, name, charm, command, environ):
        self.run(name, 'first', command, environ)
        self.results[name, 'stored'].append(self.stored(charm))
        self.run(name, 'again', command, environ)

    def run(self, name, when, command, environ=None):
        with tempfile.TemporaryDirectory(dir=self.directory) as temporary:
            environ = {'PATH': os.environ['PATH'], **(environ or {}), 'TMPDIR': temporary}
            used = _cpu()
            before = time.perf_counter()
            process = subprocess.Popen(
                command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            watch = Watch(process.pid, temporary)
            _, stderr = process.communicate()
            seconds = time.perf_counter() - before
            watch.stop()
        if process.returncode:
            sys.exit(f'{name} ended with {process.returncode}:\n{stderr.decode()[-2000:]}')
        self.results[name, when].append(seconds)
        self.results[name, f'{when}, CPU'].append(_cpu() - used)
        self.results[name, 'memory'].append(watch.memory)
        self.results[name, 'disk'].append(watch.disk)

    def stored(self, charm):
        """Count the bytes that the registry keeps for a charm's image."""
        target, user, password = self.way_in(charm)
        with registry.Client(self.hub.registry_host, user, password) as client:
            repository, tag = target.partition('/')[2], 'latest'
            if charm.endswith('-ours'):
                tag = f'image-{self.image.removeprefix("sha256:")}'
            manifest = json.loads(client.get_manifest(repository, tag).content)
        return manifest['config']['size'] + sum(layer['size'] for layer in manifest['layers'])

    def print(self):
        names = list(dict.fromkeys(name for name, _ in self.results))
        median = {key: statistics.median(values) for key, values in self.results.items()}
        heads = ('first', 'CPU', 'again', 'CPU', 'stored', 'memory', 'disk')
        print(f'{"medians":27}', *(f'{head:>8}' for head in heads))
        for name in names:
            cells = [
                f'{median[key]:6.2f} s' if (key := (name, when)) in median else ''
                for when in ('first', 'first, CPU', 'again', 'again, CPU')
            ]
            stored = median.get((name, 'stored'), 0)
            for size in (stored, *(max(self.results[name, what]) for what in ('memory', 'disk'))):
                cells.append(f'{size / MB:5.1f} MB')
            print(f'{name:27}', *(f'{cell:>8}' for cell in cells))
        print('CPU, memory and disk are those of the client, peaks where that makes a difference')
        for name in names:
            if (name, 'stored') in median and name != 'ours':
                print(
                    f'{name} takes {_ratio(median, name, "first")} as long as ours first, '
                    f'{_ratio(median, name, "again")} again, '
                    f'and stores {_ratio(median, name, "stored")} the bytes'
                )


def _ratio(median, name, what):
    return f'{median[name, what] / median["ours", what]:.2f} times'


def _cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _charmcraft():
    """Install charmcraft, once for this checkout; give its program, or '' without it."""
    place = ROOT / '.cache' / CHARMCRAFT
    program = place / 'bin' / 'charmcraft'
    if not program.exists():
        venv.create(place, with_pip=True, clear=True)
        done = subprocess.run(
            [*isolation.on_the_machines_network()]
            + [place / 'bin' / 'pip', 'install', '--quiet', CHARMCRAFT],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f'{CHARMCRAFT} cannot be installed:\n{done.stderr[-1000:]}', file=sys.stderr)
    return str(program) if program.exists() else ''


class Watch:
    """Peaks of a process and its children: memory, and disk below a directory, in bytes."""

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
                # files without a name are on the disk too
                for path in _open_files(pid):
                    files.update(_file(path))
            self.disk = max(self.disk, sum(files.values()))


def _children(pid):
    try:
        tasks = pathlib.Path(f'/proc/{pid}/task').iterdir()
        return [int(child) for task in tasks for child in (task / 'children').read_text().split()]
    except OSError:
        return []


def _peak_memory(pid):
    try:
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
        return int(status.partition('VmHWM:')[2].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def _open_files(pid):
    try:
        found = list(pathlib.Path(f'/proc/{pid}/fd').iterdir())
        return [path for path in found if os.readlink(path).startswith('/var/tmp/')]
    except OSError:
        return []


def _file(path):
    try:
        status = path.stat()
    except OSError:
        return {}
    return {(status.st_dev, status.st_ino): status.st_blocks * 512}


if __name__ == '__main__':
    main()
