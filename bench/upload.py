"""Measures uploads of images: charm-upload-resource, charmcraft 4.5.0, skopeo and docker push.

From an engine: an image of about 500 MB in 5 layers, made of files of this machine, the last one
of 1 MB; the same with a different last layer (edit); a small one of 2 MB. The floor is the
engine's export, discarded. From a registry: indexes with attestations, of 500 MB in 1, 5 and 40
layers, and for two platforms.

The target is a docker-registry on loopback that requires tokens; charm-upload-resource ("ours")
and charmcraft also create a resource revision at a simulated Charmhub. In each round, all run one
after the other, first to an empty repository, then again; the next round reverses the order.
Ratios are medians of the ratios of each round. Requires root, dockerd, docker-registry and skopeo.
"""

import argparse
import collections
import compileall
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

import figures
import upload_images
import watched

from container_image import registry
from support import charmhub, engine, isolation
from support import registry as registries

CHARMCRAFT = 'charmcraft==4.5.0'
OURS, FLOOR, SKOPEO = 'ours', 'floor: the export', 'skopeo copy'
PUSH, PODMAN_PUSH = 'docker push', 'podman push'
PROGRAM = pathlib.Path(sys.executable).with_name('charm-upload-resource')
MB = upload_images.MB


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=5, help='(default: %(default)s)')
    parser.add_argument('--size', type=int, default=500, help='MB in all (default: %(default)s)')
    parser.add_argument(
        '--cases', default='engine,small,registry', help='some of them (default: %(default)s)'
    )
    parser.add_argument(
        '--engines',
        default='docker',
        help=f'{",".join(engine.KINDS)}; skopeo and charmcraft are measured only with docker',
    )
    parser.add_argument('--no-charmcraft', action='store_true', help='leave charmcraft out')
    parser.add_argument('--json', **figures.OPTION)
    args = parser.parse_args()
    results = Results()
    versions = [figures.version('skopeo', '--version')]
    # as pip does with what it installs: where PYTHONDONTWRITEBYTECODE is set, nobody else would
    for sources in ('lib', 'tools/charm-image/src'):
        compileall.compile_dir(ROOT / sources, quiet=1)
    with (
        # a directory on disk, not in memory
        tempfile.TemporaryDirectory(prefix='bench-upload-', dir='/var/tmp') as directory,
        isolation.network(),
        charmhub.running(directory) as hub,
    ):
        bench = Bench(pathlib.Path(directory), hub, results, args.rounds)
        for kind in args.engines.split(',') if {'engine', 'small'} & set(_cases(args)) else ():
            with engine.running(engine.KINDS[kind], in_memory=False) as running:
                versions.append(running.version)
                local = Local(bench, running, '' if args.no_charmcraft else _charmcraft())
                if 'engine' in _cases(args):
                    local.measure(f'{kind}, {args.size} MB in 5 layers', args.size * MB, 5)
                if 'small' in _cases(args):
                    local.measure(f'{kind}, 2 MB in 2 layers', 2 * MB, 2)
        if 'registry' in _cases(args):
            with registries.running(bench.directory / 'other') as other:
                for count, architectures in ((1, 1), (5, 1), (40, 1), (5, 2)):
                    between_registries(bench, other, args.size * MB, count, architectures)
    results.print()
    figures.write(args.json, versions, **results.content())


def _cases(args):
    return args.cases.split(',')


class Results:
    """Costs by case, way (who did it) and stage."""

    def __init__(self):
        self._costs = collections.defaultdict(list)
        self._stored = {}

    def add(self, case, way, stage, cost):
        self._costs[case, way, stage].append(cost)

    def add_stored(self, case, way, size):
        self._stored[case, way] = size

    def content(self):
        """Return all measurements, for the JSON file."""
        rows = []
        for (case, way, stage), costs in self._costs.items():
            columns = dataclasses.asdict(costs[0])
            measured = {column: [getattr(cost, column) for cost in costs] for column in columns}
            row = {'case': case, 'way': way, 'stage': stage, **measured}
            row['times ours'] = self._ratios(case, way, stage)
            rows.append(row)
        stored = [{'case': c, 'way': w, 'bytes': size} for (c, w), size in self._stored.items()]
        return {'costs': rows, 'stored': stored}

    def print(self):
        print(f'{os.cpu_count()} processors; medians, but the highest peaks; CPU is the client’s')
        before = None
        for (case, way, stage), costs in self._costs.items():
            if case != before:
                head = ('time', 'CPU', 'memory', 'disk', 'loopback', 'x ours', 'stored')
                print(f'\n{case:34}', *(f'{name:>9}' for name in head))
            before = case
            ratios = self._ratios(case, way, stage)
            stored = self._stored.get((case, way)) if stage == 'first' else None
            cells = [
                f'{statistics.median(c.seconds for c in costs):.2f} s',
                f'{statistics.median(c.cpu for c in costs):.2f} s',
                *(
                    f'{max(getattr(c, name) for c in costs) / MB:.1f} MB'
                    for name in ('memory', 'disk', 'network')
                ),
                f'{statistics.median(ratios):.2f}' if ratios else '',
                f'{stored / MB:.1f} MB' if stored else '',
            ]
            print(f'  {way:22}{stage:10}', *(f'{cell:>9}' for cell in cells))

    def _ratios(self, case, way, stage):
        """Return the ratio to ours in each round."""
        ours = self._costs.get((case, OURS, stage))
        if not ours:
            return []
        pairs = zip(self._costs[case, way, stage], ours, strict=False)
        return [cost.seconds / our.seconds for cost, our in pairs]


class Bench:
    """The target of the uploads, and the settings of each way."""

    def __init__(self, directory, hub, results, rounds):
        self.directory, self.hub, self.results, self.rounds = directory, hub, results, rounds
        self.home = charmhub.home_for_skopeo(directory, hub.registry_host)
        self._charms = 0

    def in_rounds(self, case, ways):
        """Yield the ways of each round, alternately in forward and reverse order."""
        for number in range(self.rounds):
            print(f'{case}: round {number + 1} of {self.rounds}', file=sys.stderr)
            yield ways if number % 2 == 0 else ways[::-1]

    def run(self, case, way, stage, command, environ=None):
        cost = watched.run(f'{way}, {stage}', command, self.directory, environ)
        self.results.add(case, way, stage, cost)

    def new_charm(self):
        """Create a charm, whose resource has an empty repository; return its name."""
        self._charms += 1
        charm = f'charm-{self._charms}'
        self.hub.add(charm, {'image': 'oci-image'})
        return charm

    def way_in(self, charm):
        found = self.hub.upload_credentials('author', charm, 'image')
        return found['image-name'], found['username'], found['password']

    def stored(self, charm, tag):
        """Return the bytes that the registry stores for a charm's image."""
        target, user, password = self.way_in(charm)
        with registry.Client(self.hub.registry_host, user, password) as client:
            repository = target.partition('/')[2]
            manifest = json.loads(client.get_manifest(repository, tag).content)
            if 'manifests' in manifest:  # containerd's store pushes its index
                [child] = manifest['manifests']
                content = client.get_manifest(repository, child['digest']).content
                manifest = json.loads(content)
        return manifest['config']['size'] + sum(layer['size'] for layer in manifest['layers'])


class Local:
    """Uploads from an engine."""

    def __init__(self, bench, running, charmcraft):
        self._bench, self._engine = bench, running
        self._ways = {FLOOR: self._export, OURS: self._ours}
        if running.kind.program == 'podman':
            self._ways |= {PODMAN_PUSH: self._podman_push}
        elif not running.kind.containerd:  # which mounts layers across charms, without a right to
            self._ways |= {PUSH: self._docker_push}
        if running.kind.name == 'docker':
            self._ways |= {SKOPEO: self._skopeo}
            if charmcraft:
                self._ways[CHARMCRAFT] = self._charmcraft_upload(charmcraft)

    def measure(self, case, size, count):
        layers = [*upload_images.of_this_machine(size - MB, count - 1), upload_images.changing()]
        for ways in self._bench.in_rounds(case, list(self._ways)):
            charms = {way: self._bench.new_charm() for way in ways}
            image = upload_images.load(self._engine, layers)
            self._stage(case, 'first', charms, image)
            for way, tag in ((OURS, 'libdeflate-4-1m'), (SKOPEO, 'latest'), (PUSH, 'latest')):
                if way in charms:
                    stored = self._bench.stored(charms[way], tag)
                    self._bench.results.add_stored(case, way, stored)
            edited = upload_images.load(self._engine, [*layers[:-1], upload_images.changing()])
            self._stage(case, 'edit', charms, edited)
            self._stage(case, 'again', {w: c for w, c in charms.items() if w != FLOOR}, edited)
            for loaded in (image, edited):
                self._engine.client.images.remove(loaded, force=True)

    def _stage(self, case, stage, charms, image):
        for way, charm in charms.items():
            command, environ = self._ways[way](charm, image)
            self._bench.run(case, way, stage, command, environ)

    def _export(self, charm, image):
        socket = self._engine.host.removeprefix('unix://')
        url = f'http://localhost/images/{image}/get'
        return ['curl', '--silent', '--fail', '--unix-socket', socket, url], {}

    def _ours(self, charm, image):
        command = [PROGRAM, charm, 'image', f'--image={image}', '--quiet']
        return command, self._engine.environ | self._bench.hub.environment

    def _skopeo(self, charm, image):
        target, user, password = self._bench.way_in(charm)
        command = ['skopeo', 'copy', f'--src-daemon-host={self._engine.host}', '--quiet']
        command += [f'--dest-creds={user}:{password}', 'docker-daemon:bench:latest']
        return [*command, f'docker://{target}:latest'], self._bench.home

    def _podman_push(self, charm, image):
        target, user, password = self._bench.way_in(charm)
        command = ['podman', '--url', self._engine.host, 'push', '--quiet', '--tls-verify=false']
        command += [f'--creds={user}:{password}', image, f'docker://{target}:latest']
        return command, {}

    def _docker_push(self, charm, image):
        target, user, password = self._bench.way_in(charm)
        self._engine.client.images.get(image).tag(target, 'latest')
        login = ['docker', 'login', '--username', user, '--password-stdin']
        subprocess.run(
            [*login, self._bench.hub.registry_host],
            env=self._engine.environ,
            input=password.encode(),
            check=True,
            capture_output=True,
        )
        return ['docker', 'push', '--quiet', target], self._engine.environ

    def _charmcraft_upload(self, program):
        # half of charmcraft knows only the default socket; this hides the machine's own from it
        shell = (
            'mount -t tmpfs tmpfs /run && '
            f'ln -s {self._engine.host.removeprefix("unix://")} /run/docker.sock && exec "$@"'
        )
        start = ['unshare', '--mount', 'sh', '-c', shell, 'sh', program, 'upload-resource']

        def upload(charm, image):
            command = [*start, charm, 'image', f'--image={image}']
            return command, self._bench.hub.environment | self._bench.home

        return upload


def between_registries(bench, other, size, count, architectures):
    """Measure copies of an image from a different registry."""
    names = ['amd64', 'arm64'][:architectures]
    case = f'registry, {size // MB} MB, {count} layers for {" and ".join(names)}'
    source = upload_images.store(other, f'{count}-{architectures}', size, count, names)

    def ours(charm):
        command = [PROGRAM, charm, 'image', f'--from={source}', '--quiet']
        return command, bench.hub.environment | bench.home

    def skopeo(charm):
        target, user, password = bench.way_in(charm)
        command = ['skopeo', 'copy', '--all', '--quiet', '--src-tls-verify=false']
        command += [f'--dest-creds={user}:{password}', f'docker://{source}']
        return [*command, f'docker://{target}:latest'], bench.home

    ways = {OURS: ours, SKOPEO: skopeo}
    for order in bench.in_rounds(case, list(ways)):
        charms = {way: bench.new_charm() for way in order}
        for stage in ('first', 'again'):
            for way, charm in charms.items():
                bench.run(case, way, stage, *ways[way](charm))


def _charmcraft():
    """Install charmcraft, once for this checkout; return its program, '' if that fails."""
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
            print(f'Cannot install {CHARMCRAFT}:\n{done.stderr[-1000:]}', file=sys.stderr)
    return str(program) if program.exists() else ''


if __name__ == '__main__':
    with contextlib.suppress(KeyboardInterrupt):
        main()
