"""What is left of a unit whose program is interrupted, or killed: nothing that runs."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

_SOURCES = pathlib.Path(__file__).parents[2] / 'tools' / 'charm-unit' / 'src'
_SECONDS = 60
"""Within which everything has happened, however slow the machine is."""


@pytest.fixture
def start(tmp_path):
    """A function that starts charm-unit, with folders of its own; it is ended with the test."""
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, '-m', 'charm_unit', *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONPATH': str(_SOURCES), 'TMPDIR': str(tmp_path)},
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _wait_for(what):
    deadline = time.monotonic() + _SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _ends(pid):
    """Return whether a process ends, or has become what nobody waits for."""

    def ended():
        try:
            return (
                pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
            )
        except OSError:
            return True

    _wait_for(ended)
    return True


@pytest.mark.parametrize(
    'script',
    [
        'while juju-log again; do :; done',
        'while status-set active </dev/null; do :; done',
        'while echo "containers: [{name: c, image: a/b}]" | pod-spec-set; do :; done',
    ],
)
def test_the_hooks_of_a_unit_that_was_killed_end(charm, start, tmp_path, script):
    noted = tmp_path / 'pid'
    hook = f'echo $$ >{noted}.new; mv {noted}.new {noted}; {script}'
    process = start('run', charm({'install': hook}))
    _wait_for(noted.exists)
    process.kill()
    process.wait()
    assert _ends(int(noted.read_text()))


def test_a_resource_get_that_hangs_ends_with_its_unit(charm, tmp_path):
    killed = f"""
import math, os, charm_unit
unit = charm_unit.Unit({str(charm({'install': f'echo $$ >{tmp_path}/pid; resource-get web'}))!r},
                       {str(tmp_path / 'unit')!r}, deploy=False)
unit.slow_resource_get('web', math.inf)
unit.deploy()
"""
    process = subprocess.Popen(
        [sys.executable, '-c', killed], env={**os.environ, 'PYTHONPATH': str(_SOURCES)}
    )
    noted = tmp_path / 'pid'
    _wait_for(lambda: noted.exists() and noted.read_text())
    time.sleep(0.2)
    process.kill()
    process.wait()
    assert _ends(int(noted.read_text()))


@pytest.mark.parametrize(
    ('command', 'sent', 'status'),
    [('check', signal.SIGINT, 130), ('run', signal.SIGINT, 130), ('run', signal.SIGTERM, 143)],
)
def test_an_interrupt_ends_the_hooks_that_run_and_leaves_no_folder(
    charm, start, tmp_path, command, sent, status
):
    noted = tmp_path / 'pids'
    process = start(command, charm({'install': f'echo $$ >>{noted}; sleep 600'}))
    _wait_for(lambda: noted.exists() and noted.read_text().endswith('\n'))
    process.send_signal(sent)
    output, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode == status
    assert 'Traceback' not in output
    for pid in noted.read_text().split():
        assert _ends(int(pid))
    assert not list(tmp_path.glob('charm-unit-*'))
