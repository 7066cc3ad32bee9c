"""Measures the cost of the simulated unit: hooks in it, and the same process with stub tools.

Builds examples/charms/my-charm with `charm build`, and runs its update-status alternately in a
unit that shares imports, in one whose hooks are new interpreters, and alone; then `charm-unit
check` both ways; then `charm-unit explore` both ways, with examples/charms/kubeflow-metadata.
Alone, a hook has the same interpreter, variables and state, and hook tools that are one line of
shell each, with the same output. CPU seconds include the hook, its children, and the program that
runs it. On a busy machine, the lowest of many runs is the most reliable, and of an exploration
its CPU: hooks a second depend on what else runs.
"""

import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import figures
import rich.console
import rich.progress
import rich.table

import charm_unit
from charm_unit._check import charm_setup
from charm_unit._explore import prepare, search, world
from charm_unit._unit import agent, context, process
from charm_unit._unit import charm as built
from charm_unit._unit import unit as units
from support import building

_STUB = """#!/bin/sh
echo '{}'
"""
_EXPLORED = 'kubeflow-metadata'
_DATABASE = {'host': '10.1.0.9', 'port': '3306', 'user': 'root', 'password': 'x', 'database': 'db'}
_SETUP = charm_setup.Setup(relations={'mysql': [_DATABASE]})
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
    parser.add_argument(
        '--seconds', type=int, default=30, help='of each exploration (default: %(default)s)'
    )
    parser.add_argument('--json', **figures.OPTION)
    arguments = parser.parse_args()
    console = rich.console.Console(highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        charm = building.build(building.ROOT / 'examples' / 'charms' / 'my-charm', folder)
        unit = charm_unit.Unit(charm, resources={'my-resource': 'docker.io/library/nginx:1.27'})
        alone = _Alone(unit, folder / 'alone')

        new = charm_unit.Unit(
            charm, resources={'my-resource': 'docker.io/library/nginx:1.27'}, preload=False
        )

        def without_notes():
            unit.record_processes = False
            runs = unit.idle()
            unit.record_processes = True
            return runs

        ways = {
            'alone, with stub tools': (alone.run, False),
            'in a unit, with a new interpreter': (new.idle, False),
            'in a unit': (unit.idle, True),
            'in a unit that notes no processes': (without_notes, True),
        }
        taken = {name: [] for name in ways}
        for work, _ in ways.values():
            work()
        for _ in rich.progress.track(
            range(arguments.runs), 'hooks', console=console, transient=True
        ):
            for name, way in ways.items():
                taken[name].append(_timed(*way))
        checks = _checks(charm, console)
        charm = building.build(building.ROOT / 'examples' / 'charms' / _EXPLORED, folder / 'other')
        explored = {
            name: _explored(charm, arguments.seconds, shares)
            for name, shares in (('as it is', True), ('--no-preload', False))
        }
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
    figures.write(arguments.json, [], costs=costs, checks=checks, explored=explored)
    console.print(
        'Limits: with a new interpreter, 1.1 times the same process alone; else a third of that.\n'
    )
    table = rich.table.Table(title='charm-unit check my-charm')
    for heading in ('', 'lowest', 'highest'):
        table.add_column(heading, justify='right' if heading else 'left')
    for name, seconds in checks.items():
        table.add_row(name, f'{min(seconds):.1f} s', f'{max(seconds):.1f} s')
    console.print(table)
    console.print('Limit: 10 s on two processors.\n')
    table = rich.table.Table(title=f'charm-unit explore {_EXPLORED}, {arguments.seconds} s each')
    for heading in ('', 'hooks a second', 'CPU of a hook', 'of charm-unit', 'processors busy'):
        table.add_column(heading, justify='right' if heading else 'left')
    for name, one in explored.items():
        hooks, seconds = one['hooks'], one['seconds']
        cells = [f'{hooks / seconds:.1f}']
        cells += [f'{one[key] / hooks * 1000:.1f} ms' for key in ('hooks_cpu', 'own_cpu')]
        cells.append(f'{(one["hooks_cpu"] + one["own_cpu"]) / seconds:.2f}')
        table.add_row(name, *cells)
    console.print(table)
    console.print('Limit: 30 hooks a second on two processors.')


def _checks(charm, console):
    """Return the seconds of three checks each, with imports that are shared and without."""
    taken = {'as it is': [], '--no-preload': []}
    for _ in rich.progress.track(range(3), 'checks', console=console, transient=True):
        for name, seconds in taken.items():
            options = [name] if name.startswith('--') else []
            begun = time.monotonic()
            command = [sys.executable, '-m', 'charm_unit', 'check', charm, *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.monotonic() - begun)
    return taken


def _explored(charm, seconds, shares):
    """Return what an exploration came to: hooks, seconds, and seconds of CPU."""
    known = prepare.prepare(
        world.World(built.BuiltCharm(charm), None, _SETUP, units.JUJU, {'preload': shares})
    ).known
    hooks_cpu = 0
    run = agent.Agent.run

    def counted(*words, **options):
        nonlocal hooks_cpu
        done = run(*words, **options)
        hooks_cpu += done.cpu_seconds
        return done

    agent.Agent.run = counted
    begun = resource.getrusage(resource.RUSAGE_SELF)
    try:
        found = search.Search(known, 1, seconds, lambda *_: None).run()
    finally:
        agent.Agent.run = run
    ended = resource.getrusage(resource.RUSAGE_SELF)
    own = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
    return {
        'hooks': found.hooks,
        'seconds': found.seconds,
        'hooks_cpu': hooks_cpu,
        'own_cpu': own,
    }


def _timed(work, forked):
    """Return the elapsed seconds and the CPU seconds of a run."""
    begun, used = time.monotonic(), _cpu()
    runs = work()
    elapsed, cpu = time.monotonic() - begun, _cpu() - used
    # A hook that another process forked is not one of this one's children.
    return elapsed, cpu + (sum(run.cpu_seconds for run in runs) if forked else 0)


def _cpu():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == '__main__':
    main()
