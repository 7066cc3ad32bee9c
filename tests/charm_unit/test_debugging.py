"""breakpoint() in a hook asks at the terminal, and the lines that hooks run are counted."""

import json
import os
import pathlib
import pty
import subprocess
import sys

import pytest

import charm_unit

_SOURCES = pathlib.Path(__file__).parents[2] / 'tools' / 'charm-unit' / 'src'
_HOOK = """#!/usr/bin/env python3
import os


def handler(answer):
    breakpoint()
    return answer


if os.environ['JUJU_HOOK_NAME'] == 'install':
    print('returned', handler(41))
"""


@pytest.fixture
def built(charm):
    folder = charm()
    (folder / 'hooks' / 'install').write_text(_HOOK)
    return folder


def _talk(command, folder, wait_for, say):
    """Run a command at a terminal, and say each thing once its turn has come; return all."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(_SOURCES), 'TERM': 'dumb', 'COLUMNS': '200'},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b''
    turns = list(zip(wait_for, say, strict=True))
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        shown += part
        if turns and turns[0][0] in shown.rpartition(b'SAID')[2]:
            shown += b'SAID'
            os.write(ours, turns.pop(0)[1] + b'\n')
    process.wait()
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize('options', [[], ['--no-preload'], ['--timeout', '0.9']])
def test_a_breakpoint_asks_at_the_prompt(built, tmp_path, options):
    shown = _talk(
        [sys.executable, '-m', 'charm_unit', 'run', built, *options],
        tmp_path,
        [b'(Pdb)', b'(Pdb)', b'(Pdb)', b'tested/0 >', b'tested/0 >'],
        [b'p answer + 1', b'import time; time.sleep(1)', b'c', b'log 9', b'quit'],
    )
    assert '42' in shown
    assert 'returned 41' in shown


def test_lines_that_were_typed_are_kept(charm, tmp_path):
    command = [sys.executable, '-m', 'charm_unit', 'run', charm()]
    _talk(command, tmp_path, [b'tested/0 >', b'tested/0 >'], [b'status', b'quit'])
    history = pathlib.Path(os.environ['XDG_CACHE_HOME']) / 'charm-unit' / 'history'
    assert 'status' in history.read_text().split()
    assert history.stat().st_mode & 0o077 == 0


def test_a_breakpoint_asks_in_pytest(built, tmp_path):
    (tmp_path / 'test_it.py').write_text(
        "def test_it(make_unit):\n    assert 'returned 41' in make_unit().runs[0].output\n"
    )
    command = [sys.executable, '-m', 'pytest', '-p', 'charm_unit.plugin', '--charm', built, '-s']
    shown = _talk(
        [*command, 'test_it.py'], tmp_path, [b'(Pdb)', b'(Pdb)'], [b'p answer + 1', b'c']
    )
    assert '42' in shown
    assert '1 passed' in shown


@pytest.mark.parametrize('preload', [True, False])
def test_lines_that_hooks_run_are_counted(charm, tmp_path, preload):
    built = charm()
    hook = '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\nimport mine\n'
    (built / 'hooks' / 'install').write_text(hook)
    (built / 'lib' / 'mine.py').write_text('def never():\n    print(1)\n\n\nprint(2)\n')
    script = f'import charm_unit; charm_unit.Unit({str(built)!r}, preload={preload})'
    (tmp_path / 'script.py').write_text(script)
    run = [sys.executable, '-m', 'coverage']
    where = {'cwd': tmp_path, 'env': {**os.environ, 'PYTHONPATH': str(_SOURCES)}}
    subprocess.run([*run, 'run', f'--source={built}', 'script.py'], check=True, **where)
    subprocess.run([*run, 'json', '-o', 'found.json'], check=True, **where)
    found = json.loads((tmp_path / 'found.json').read_text())['files']
    (lines,) = [about for name, about in found.items() if name.endswith('lib/mine.py')]
    assert (lines['executed_lines'], lines['missing_lines']) == ([1, 5], [2])


@pytest.mark.parametrize('starts_itself', [True, False])
def test_lines_are_counted_as_coverage_process_start_says(charm, tmp_path, starts_itself):
    """coverage.py may also start with the interpreter, by a file of its own in site-packages."""
    built = charm()
    hook = '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\nimport mine, other\n'
    (built / 'hooks' / 'install').write_text(hook)
    for name in ('mine', 'other'):
        (built / 'lib' / f'{name}.py').write_text('def never():\n    print(1)\n\n\nprint(2)\n')
    (tmp_path / 'coverage.ini').write_text(
        f'[run]\nbranch = true\nparallel = true\nsource = {built}/lib\nomit = */other.py\n'
    )
    environ = {**os.environ, 'PYTHONPATH': str(_SOURCES)}
    where = {'cwd': tmp_path, 'check': True}
    start = 'import os, coverage; os.environ["COVERAGE_PROCESS_START"] = "coverage.ini"'
    start += '; coverage.process_startup()' if starts_itself else ''
    script = f'{start}; import charm_unit; charm_unit.Unit({str(built)!r})'
    subprocess.run([sys.executable, '-c', script], env=environ, **where)
    command = [sys.executable, '-m', 'coverage']
    subprocess.run([*command, 'combine'], env=environ, **where)
    subprocess.run([*command, 'json', '-o', 'found.json'], env=environ, **where)
    found = json.loads((tmp_path / 'found.json').read_text())['files']
    ((name, lines),) = found.items()
    assert name.endswith('charm/lib/mine.py')
    assert (lines['executed_lines'], lines['missing_lines']) == ([1, 5], [2])


def test_coverage_process_start_without_its_file_is_told(charm, monkeypatch):
    monkeypatch.setenv('COVERAGE_PROCESS_START', '/nowhere.ini')
    monkeypatch.setattr('coverage.Coverage.current', lambda: None)
    with pytest.raises(charm_unit.UsageError, match='COVERAGE_PROCESS_START: .*nowhere.ini'):
        charm_unit.Unit(charm())


def test_lines_that_hooks_run_are_counted_by_pytest_cov(charm, tmp_path):
    source = tmp_path / 'source'
    (source / 'lib').mkdir(parents=True)
    text = 'def never():\n    print(1)\n\n\nprint(2)\n'
    (source / 'lib' / 'mine.py').write_text(text)
    built = charm()
    (built / 'lib' / 'mine.py').write_text(text)
    hook = '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\nimport mine\n'
    (built / 'hooks' / 'install').write_text(hook)
    (source / 'test_it.py').write_text('def test_it(make_unit):\n    make_unit()\n')
    command = [sys.executable, '-m', 'pytest', '-p', 'charm_unit.plugin', '--charm', built]
    command += ['--cov=lib', '--cov-branch', '--cov-report=term-missing', 'test_it.py']
    environ = {**os.environ, 'PYTHONPATH': str(_SOURCES)}
    done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith('lib/mine.py')]
    assert line.split()[1:3] == ['3', '1']
    assert line.split()[-1] == '2'
