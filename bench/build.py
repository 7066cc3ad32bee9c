"""Measures builds: with charm-image, a handwritten Dockerfile and pyinfra's docker connector.

All build the same content: 2 packages, a user, a directory, 2 commands, 5 files. Packages come
from a repository in the base image, so that the network is not measured. With --tree, there is
a tree of 20,000 files, too, which Directory copies, or COPY; pyinfra would copy each file alone.
Requires root, dockerd and debootstrap.
"""

import argparse
import contextlib
import io
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'tests'))

import figures

from charm_image import DockerBuilder, ResourceBundle, resources
from support import engine as engines
from support import isolation

PACKAGES = ['ca-certificates', 'python3-minimal']

BY_HAND = f"""\
FROM debian:packages
RUN apt-get update && \\
    apt-get install --yes --no-install-recommends {' '.join(PACKAGES)} && \\
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
RUN useradd --system --shell /bin/sh app
RUN mkdir -m 0750 /srv/app && chown app /srv/app
RUN date +%s >/srv/app/started
COPY etc/ /etc/app/
RUN sha256sum /etc/app/* >/srv/app/sums
COPY index.html /srv/www/
"""
COPY_TREE = 'COPY tree/ /srv/tree/\n'

PYINFRA = """\
from pyinfra.operations import apt, files, server

apt.packages(packages=PACKAGES, update=True, no_recommends=True)
server.shell(commands=['rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin'])
server.user(user='app', system=True, shell='/bin/sh', create_home=False)
files.directory(path='/srv/app', user='app', mode='750')
server.shell(commands=['date +%s >/srv/app/started'])
for name in sorted(os.listdir(CONTEXT + '/etc')):
    files.put(src=CONTEXT + '/etc/' + name, dest='/etc/app/' + name)
server.shell(commands=['sha256sum /etc/app/* >/srv/app/sums'])
files.put(src=CONTEXT + '/index.html', dest='/srv/www/index.html')
"""


def make_tree(root):
    """Write 20,000 files of 1 kB in 200 directories below `root`."""
    for number in range(20_000):
        path = pathlib.Path(root, f'{number % 200}', f'{number}.txt')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{number:9}\n' * 100)


class Content:
    """The 5 files; each change makes content that was never built before.

    `tree` is the directory of the tree, None for none.
    """

    tree = None

    def __init__(self):
        self.files = {f'etc/{number}.conf': f'{number}\n' * 500 for number in range(1, 5)}
        self.files['index.html'] = '<p>Hello\n' * 500
        self._changes = 0

    def change(self, name):
        self._changes += 1
        self.files[name] = f'{self._changes} {time.time_ns()}\n' + self.files[name]


def ours(engine, content, builder):
    bundle = ResourceBundle()
    for package in PACKAGES:
        bundle.add(resources.Package(name=package))
    bundle.add(resources.User(name='app'))
    bundle.add(resources.Directory(name='/srv/app', owner='app', mode=0o750))
    bundle.add(resources.Execute(command=['sh', '-c', 'date +%s >/srv/app/started']))
    for name, text in content.files.items():
        if name.startswith('etc/'):
            bundle.add(resources.File(name=f'/etc/app/{name[4:]}', contents=text))
    bundle.add(resources.Execute(command=['sh', '-c', 'sha256sum /etc/app/* >/srv/app/sums']))
    if content.tree:
        bundle.add(resources.Directory(name='/srv/tree', source=content.tree))
    bundle.add(resources.File(name='/srv/www/index.html', contents=content.files['index.html']))
    os.environ['DOCKER_BUILDKIT'] = {'classic': '0', 'buildkit': '1'}[builder]
    build = DockerBuilder(
        bundle, engine.debian_with_packages, network='host', client=engine.client.api
    )
    for _ in build.build():
        pass
    return build.image_id


def whole_seconds(info):
    """Have no extended header in a tar archive for a part of a second."""
    info.mtime = int(info.mtime)
    return info


def by_hand(engine, content, builder):
    context = io.BytesIO()
    dockerfile = BY_HAND
    with tarfile.open(fileobj=context, mode='w') as tar:
        if content.tree:
            dockerfile = BY_HAND.replace('COPY index', f'{COPY_TREE}COPY index')
        for name, text in {'Dockerfile': dockerfile, **content.files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        if content.tree:
            tar.add(content.tree, 'tree', filter=whole_seconds)
    api = engine.client.api
    reply = api.post(
        f'{api.base_url}/v{api.api_version}/build',
        params={
            'version': {'classic': '1', 'buildkit': '2'}[builder],
            'networkmode': 'host',
            'rm': '1',
            'forcerm': '1',
            't': 'bench:by-hand',
        },
        headers={'Content-Type': 'application/x-tar'},
        data=context.getvalue(),
    )
    assert '"errorDetail"' not in reply.text, reply.text
    return engine.client.images.get('bench:by-hand').id


def pyinfra(engine, content, builder):
    with tempfile.TemporaryDirectory() as context:
        for name, text in content.files.items():
            path = pathlib.Path(context, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        deploy = pathlib.Path(context, 'deploy.py')
        header = f'import os\nPACKAGES = {PACKAGES!r}\nCONTEXT = {context!r}\n'
        deploy.write_text(header + PYINFRA)
        done = subprocess.run(
            [
                f'{sys.prefix}/bin/pyinfra',
                '-y',
                f'@docker/{engine.debian_with_packages}',
                str(deploy),
            ],
            env=engine.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    found = re.search(r'image ID: \W*(?:\d+m)?([0-9a-f]{12})', done.stdout)
    assert found, done.stdout
    return engine.client.images.get(found[1]).id


def forget(engine):
    """Remove everything that was built from the engine, except the base."""
    for image in engine.client.images.list():
        if not {engine.debian, engine.debian_with_packages} & set(image.tags):
            engine.client.images.remove(image.id, force=True)
    engine.client.images.prune({'dangling': True})
    engine.client.api.prune_builds(all=True)


SCENARIOS = {
    'first': None,
    'unchanged': None,
    'last file changed': 'index.html',
    'first file changed': 'etc/1.conf',
}


def measure(engine, ways, builder):
    """Return the seconds of each way in each scenario, and the MB that it adds to the base."""
    forget(engine)
    seconds = {}
    images = {}
    contents = {way: Content() for way in ways}
    for scenario, changed in SCENARIOS.items():
        for way in ways:
            if changed:
                contents[way].change(changed)
            start = time.perf_counter()
            images[way] = way(engine, contents[way], builder)
            seconds[way, scenario] = time.perf_counter() - start
    sizes = {way: size(engine, image) for way, image in images.items()}
    base = size(engine, engine.debian_with_packages)
    return seconds, {way: each - base for way, each in sizes.items()}


def size(engine, image):
    return engine.client.images.get(image).attrs['Size'] / 1e6


def report(builder, seconds, sizes):
    """Print a table, then a comparison with charm-image."""
    print(f'\n{builder}'.ljust(25), *(f'{way.__name__:>12}' for way in sizes))
    for scenario in SCENARIOS:
        print(f'{scenario:24}', *(f'{seconds[way, scenario]:10.2f} s' for way in sizes))
    print(f'{"over the base":24}', *(f'{each:9.1f} MB' for each in sizes.values()))
    for way in list(sizes)[1:]:
        print(f'{builder}, ours beside {way.__name__}')
        for scenario in SCENARIOS:
            mine, other = seconds[ours, scenario], seconds[way, scenario]
            print(f'    {scenario:24} {mine / other:6.2f} times, {mine - other:+.3f} s')
        print(f'    {"over the base":24} {sizes[ours] - sizes[way]:+.2f} MB', flush=True)


def rows(builder, ways, rounds):
    """Give what each way took, for a program that draws or compares."""
    return [
        {
            'case': builder,
            'way': way.__name__.replace('_', ' '),
            'stage': scenario,
            'seconds': [seconds[way, scenario] for seconds in rounds],
            'times ours': [seconds[way, scenario] / seconds[ours, scenario] for seconds in rounds],
        }
        for scenario in SCENARIOS
        for way in ways
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--repeat', type=int, default=5, help='number of measurements (default: 5)'
    )
    parser.add_argument('--builder', choices=['buildkit', 'classic'], help='default: both')
    parser.add_argument('--tree', action='store_true', help='with 20,000 files, without pyinfra')
    parser.add_argument('--no-pyinfra', action='store_true', help='leave pyinfra out')
    parser.add_argument('--json', **figures.OPTION)
    options = parser.parse_args()
    costs = []
    directory = contextlib.ExitStack()
    if options.tree:
        Content.tree = directory.enter_context(tempfile.TemporaryDirectory())
        make_tree(Content.tree)
    with directory, isolation.network(), engines.running(engines.KINDS['docker']) as engine:
        print('making the base', flush=True)
        assert engine.debian_with_packages
        by_hand(engine, Content(), 'buildkit')
        for builder in [options.builder] if options.builder else ['buildkit', 'classic']:
            ways = (
                [ours, by_hand] if options.no_pyinfra or options.tree else [ours, by_hand, pyinfra]
            )
            rounds = []
            for number in range(options.repeat):
                print(f'{builder}: {number + 1} of {options.repeat}', flush=True)
                measured, sizes = measure(engine, ways[:: -1 if number % 2 else 1], builder)
                rounds.append(measured)
            median = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            report(builder, median, {way: sizes[way] for way in ways})
            costs += rows(builder, ways, rounds)
        versions = [engine.version]
        if not options.tree:
            versions.append(figures.version(f'{sys.prefix}/bin/pyinfra', '--version'))
        figures.write(options.json, versions, costs=costs)


if __name__ == '__main__':
    main()
