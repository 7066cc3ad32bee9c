"""Measures the cost of the simulated unit: a hook in it, and the same process with stub tools.

Builds examples/charms/my-charm with `charm build`, and runs its update-status alternately in a
unit and alone. Alone, it has the same interpreter, variables and state, and hook tools that are
one line of shell each, with the same output. CPU seconds include the hook, its children, and the
program that runs it. On a busy machine, the lowest of many runs is the most reliable.
"""

import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

import figures
import rich.console
import rich.progress
import rich.table

import charm_unit
from charm_unit._unit import context, process
from support import building

_STUB = """#!/bin/sh
echo '{}'
"""
_ANSWERS = {'config-get': '{}', 'is-leader': 'true', 'relation-ids': '[]', 'relation-list': '[]'}


class _Alone:
    """The hook's process with stub tools, on a copy of a unit's state."""

    def __init__(self, unit, folder):
        shutil.copytree(unit.folder, folder, symlinks=True, ignore=_pipes)
        self._folders = process.Folders(folder)
        hook = context.HookContext(unit._model, 'update-status', unit._juju)
        self._variables = process.variables(self._folders, hook, record=False)
        for tool in (folder / 'tools').iterdir():
            tool.write_text(_STUB.format(_ANSWERS.get(tool.name, '')))

    def run(self):
        """Run it."""
        hook = self._folders.charm / 'hooks' / 'update-status'
        python = self._folders.environment / 'bin' / 'python3'
        subprocess.run(
            [python, hook],
            cwd=self._folders.charm,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
        )


def _pipes(folder, names):
    return [name for name in names if (pathlib.Path(folder) / name).is_fifo()]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=50, help='runs of each (default: %(default)s)')
    parser.add_argument('--json', **figures.OPTION)
    arguments = parser.parse_args()
    console = rich.console.Console(highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        charm = building.build(building.ROOT / 'examples' / 'charms' / 'my-charm', folder)
        unit = charm_unit.Unit(charm, resources={'my-resource': 'docker.io/library/nginx:1.27'})
        alone = _Alone(unit, folder / 'alone')

        def without_notes():
            unit.record_processes = False
            unit.idle()
            unit.record_processes = True

        ways = {
            'alone, with stub tools': alone.run,
            'in a unit': unit.idle,
            'in a unit that notes no processes': without_notes,
        }
        taken = {name: [] for name in ways}
        for way in ways.values():
            way()
        for _ in rich.progress.track(
            range(arguments.runs), 'hooks', console=console, transient=True
        ):
            for name, way in ways.items():
                taken[name].append(_timed(way))
    table = rich.table.Table(title=f'An idle hook (update-status, {arguments.runs} runs each)')
    for heading in ('', 'lowest', 'ratio', 'median', 'ratio', 'CPU, lowest', 'ratio'):
        table.add_column(heading, justify='right' if heading else 'left')
    first = None
    for name, pairs in taken.items():
        wall, cpu = zip(*pairs, strict=True)
        found = (min(wall), statistics.median(wall), min(cpu))
        first = first or found
        cells = []
        for value, other in zip(found, first, strict=True):
            cells += [f'{value * 1000:.0f} ms', f'{value / other:.3f}']
        table.add_row(name, *cells)
    console.print(table)
    costs = [
        {'way': name, **dict(zip(('seconds', 'cpu'), zip(*pairs, strict=True), strict=True))}
        for name, pairs in taken.items()
    ]
    figures.write(arguments.json, [], costs=costs)
    console.print('Limit for a hook in a unit: 1.1 times the same process alone.')


def _timed(work):
    """Return the elapsed seconds and the CPU seconds of a run."""
    begun, used = time.monotonic(), _cpu()
    work()
    return time.monotonic() - begun, _cpu() - used


def _cpu():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == '__main__':
    main()
