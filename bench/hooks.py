"""Measures the cost of the layer: the hooks of a charm with it and of the same charm without it.

Both have the same metadata.yaml. Builds both with `charm build`, and runs their hooks alternately
in simulated units. Prints the number of started processes (as seen by the hook's interpreter) and
CPU seconds (user and system, of the hook and its children). On a busy machine, the lowest of many
runs is the most reliable. If valgrind is installed, also counts the instructions of the idle
hook's process, which is exact.
"""

import argparse
import importlib.metadata
import pathlib
import re
import shutil
import statistics
import tempfile

import figures
import rich.console
import rich.progress
import rich.table
import yaml

import charm_unit
from support import building

_BASE = ['layer:caas-base', 'layer:status']
_CHARM = """
from charms import layer, reactive


@reactive.when('charm.benched.started')
def report_ready():
    layer.status.active('ready')


@reactive.when_not('charm.benched.started')
def start():
    reactive.set_flag('charm.benched.started')
"""


def _build(folder, number, layers):
    """Return a built charm with `number` auto-fetched image resources."""
    source = folder / 'source' / 'benched'
    (source / 'reactive').mkdir(parents=True)
    image = {'type': 'oci-image', 'description': 'An image', 'auto-fetch': True}
    metadata = {
        'name': 'benched',
        'summary': 'A charm to measure',
        'description': 'Made by bench/hooks.py.',
        'maintainers': ['Bench <bench@example.com>'],
        'tags': ['misc'],
        'series': ['kubernetes'],
        'resources': {f'image-{index}': image for index in range(number)},
    }
    (source / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    (source / 'layer.yaml').write_text(yaml.safe_dump({'includes': layers}))
    (source / 'reactive' / 'benched.py').write_text(_CHARM)
    for name in ('README.md', 'copyright'):
        (source / name).write_text('Made by bench/hooks.py.\n')
    # Without the layer, charm proof does not know auto-fetch.
    return building.build(source, folder, proof='layer:docker-resource' in layers)


class _Charm:
    """A built charm, with units of it."""

    def __init__(self, folder, number, layers):
        self._folder = folder
        self._number = number
        self._charm = _build(folder, number, layers)
        self._units = 0

    def unit(self, record):
        """Return a new unit with all images attached, before its first hook."""
        self._units += 1
        home = self._folder / f'unit-{self._units}'
        home.mkdir()
        # as in a real unit, where each hook imports everything itself
        subject = charm_unit.Unit(
            self._charm, home, deploy=False, record_processes=record, preload=False
        )
        for index in range(self._number):
            subject.attach(f'image-{index}', f'registry.example.com/team/image-{index}:1')
        return subject


def _idle(folder, console, runs, number):
    """Print what an idle hook of a charm with `number` images costs; return it."""
    charms = {
        'without': _Charm(folder / f'idle-{number}-without', number, _BASE),
        'with': _Charm(folder / f'idle-{number}-with', number, [*_BASE, 'layer:docker-resource']),
    }
    processes = {}
    units = {}
    for name, charm in charms.items():
        subject = charm.unit(record=True)
        subject.deploy()
        processes[name] = len(subject.idle()[-1].processes)
        subject.record_processes = False
        units[name] = subject
        subject.idle()
    seconds = {name: [] for name in charms}
    for _ in rich.progress.track(range(runs), 'idle hooks', console=console, transient=True):
        for name, subject in units.items():
            seconds[name].append(subject.idle()[-1].cpu_seconds)
    counts = {name: _instructions(subject) for name, subject in units.items()}
    table = rich.table.Table(
        title=f'An idle hook (update-status, images: {number}, {runs} runs each)'
    )
    for heading in ('', 'processes', 'CPU, lowest', 'median', 'instructions'):
        table.add_column(heading, justify='right' if heading else 'left')
    for name, values in seconds.items():
        table.add_row(
            f'{name} the layer',
            str(processes[name]),
            f'{min(values) * 1000:.1f} ms',
            f'{statistics.median(values) * 1000:.1f} ms',
            f'{counts[name] / 1e6:.1f} M' if counts[name] else 'no valgrind',
        )
    pairs = [a / b for a, b in zip(seconds['with'], seconds['without'], strict=True)]
    table.add_row(
        'ratio',
        f'+{processes["with"] - processes["without"]}',
        f'{min(seconds["with"]) / min(seconds["without"]):.3f}',
        f'{statistics.median(pairs):.3f}',
        f'{counts["with"] / counts["without"]:.4f}' if counts['with'] else '',
    )
    console.print(table)
    console.print('Limits for the layer: no processes, and 1.02 times the CPU.\n')
    return [
        _row('idle hook', number, name, seconds[name], processes[name], instructions=counts[name])
        for name in charms
    ]


def _row(case, images, name, seconds, processes, **more):
    way = f'{name} the layer'
    return {
        'case': case,
        'images': images,
        'way': way,
        'cpu': seconds,
        'processes': processes,
        **more,
    }


def _instructions(subject):
    """Return the instructions of an idle hook without its hook tools; None if unknown."""
    if not shutil.which('valgrind'):
        return None
    logs = subject.folder / 'valgrind'
    logs.mkdir()
    subject.command_prefix = (
        *('valgrind', '--tool=cachegrind', '--cache-sim=no', '--cachegrind-out-file=/dev/null'),
        *('--trace-children=yes', '--trace-children-skip=*/tools/*', f'--log-file={logs}/%p'),
    )
    subject.idle()
    subject.command_prefix = ()
    found = [re.search(r'I +refs: +([\d,]+)', log.read_text()) for log in logs.iterdir()]
    return sum(int(match[1].replace(',', '')) for match in found if match)


def _install(folder, console, runs):
    """Print what the install hook costs, by number of images; return it."""
    rows = []
    table = rich.table.Table(title=f'The install hook, lowest of {runs} runs')
    for heading in (
        'images',
        'processes',
        'because of the layer',
        'per image',
        'CPU',
        'per image',
    ):
        table.add_column(heading, justify='right')
    for number in (1, 10, 100):
        layers = {'without': _BASE, 'with': [*_BASE, 'layer:docker-resource']}
        charms = {
            name: _Charm(folder / f'install-{number}-{name}', number, includes)
            for name, includes in layers.items()
        }
        counts = {
            name: len(charm.unit(record=True).run('install')[-1].processes)
            for name, charm in charms.items()
        }
        seconds = {name: [] for name in charms}
        for _ in rich.progress.track(
            range(runs), f'{number} images', console=console, transient=True
        ):
            for name, charm in charms.items():
                seconds[name].append(charm.unit(record=False).run('install')[-1].cpu_seconds)
        rows += [
            _row('install hook', number, name, seconds[name], counts[name]) for name in charms
        ]
        lowest = {name: min(values) for name, values in seconds.items()}
        added = counts['with'] - counts['without']
        table.add_row(
            str(number),
            str(counts['with']),
            f'+{added}',
            f'{added / number:.2f}',
            f'{lowest["with"] * 1000:.0f} ms',
            f'+{(lowest["with"] - lowest["without"]) * 1000 / number:.1f} ms',
        )
    console.print(table)
    console.print('Limits: 5 processes per image, and time proportional to the number of images.')
    return rows


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--runs',
        type=int,
        default=100,
        help='runs of the idle hook of each charm (default: %(default)s)',
    )
    parser.add_argument(
        '--install-runs',
        type=int,
        default=5,
        help='runs of each install hook (default: %(default)s)',
    )
    parser.add_argument('--json', **figures.OPTION)
    arguments = parser.parse_args()
    console = rich.console.Console(highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        costs = []
        for number in (1, 10, 100):
            costs += _idle(folder, console, arguments.runs, number)
        costs += _install(folder, console, arguments.install_runs)
    reactive = f'charms.reactive {importlib.metadata.version("charms.reactive")}'
    figures.write(arguments.json, [reactive], costs=costs)


if __name__ == '__main__':
    main()
