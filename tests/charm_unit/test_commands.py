"""charm-unit, as it is typed."""

import os
import pathlib
import subprocess
import sys

import pytest

import charm_unit
from charm_unit._commands import console, prompt

_SOURCES = pathlib.Path(__file__).parents[2] / 'tools' / 'charm-unit' / 'src'


@pytest.fixture
def typed(tmp_path):
    """A function that runs charm-unit with these arguments, and this on stdin."""

    def run(*arguments, script=''):
        return subprocess.run(
            [sys.executable, '-m', 'charm_unit', *map(str, arguments)],
            input=script,
            env={**os.environ, 'PYTHONPATH': str(_SOURCES), 'COLUMNS': '100'},
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

    return run


def test_a_script_of_operators_commands_is_obeyed(charm, typed, tmp_path):
    (tmp_path / 'details.yaml').write_text('registrypath: a/private\nusername: me\npassword: x\n')
    send = (
        'echo "containers: [{name: c, image: $(sed -n s/registrypath://p $(resource-get web))}]"'
    )
    built = charm(
        {'upgrade-charm': f'{send} | pod-spec-set; status-set active "at work"'},
        config={'port': {'type': 'int'}},
        requires={'db': {}},
        actions={'backup': {}},
    )
    (built / 'actions' / 'backup').write_text('#!/bin/sh\naction-set size=$(action-get mb)\n')
    (built / 'actions' / 'backup').chmod(0o755)
    done = typed(
        'run',
        built,
        script="""
        attach web a/b:1   # a comment
        attach web details.yaml
        config port=80
        config
        relate db host=h
        relations
        action backup mb=5
        spec
        status
        """,
    )
    assert (done.returncode, done.stderr) == (0, '')
    for line in (
        'pod spec  c: a/b:1',
        'pod spec  c: a/private',
        'port: 80',
        'host: h',
        'size: 5',
        '  image: a/private',
        'active  at work',
    ):
        assert line in done.stdout


def test_several_units_are_told_apart_and_chosen(charm, typed):
    built = charm({'cluster-relation-joined': 'status-set active x'}, peers={'cluster': {}})
    done = typed('run', built, '--peers', 1, script='unit\nunit tested/1\nidle\nlead\nunit\n')
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert 'tested/0 (leader)  active  x' in lines
    assert 'tested/1 (leader)  active  x' in lines[-2:]
    start = [line.split()[:2] for line in lines]
    assert ['tested/1', 'cluster-relation-joined'] in start
    assert start.count(['tested/1', 'update-status']) == 1


@pytest.mark.parametrize(
    ('before', 'text', 'found'),
    [
        ('', 'at', ['attach ']),
        (
            '',
            're',
            [
                'relate ',
                'relations ',
                'remove ',
                'repair ',
                'repair-hooks ',
                'repair-tool ',
                'resolve ',
                'restart ',
            ],
        ),
        ('attach ', 'w', ['web ']),
        ('attach web ', 'det', ['details.yaml ']),
        ('attach web ', 'a/b', []),
        ('config ', '', ['host=', 'port=']),
        ('config port=80 ', 'h', ['host=']),
        ('relate ', '', ['db ']),
        ('depart db ', '', ['mysql/0 ']),
        ('action ', '', ['backup ']),
        ('action backup ', '', ['mb=']),
        ('hook ', 'up', ['update-status ', 'upgrade-charm ']),
        ('unit ', '', ['tested/0 ']),
        ('upgrade ', 'bu', ['built/']),
        ('nonsense ', 'x', []),
        ('status ', '', []),
    ],
)
def test_a_word_is_completed_by_what_can_be_there(
    charm, tmp_path, monkeypatch, before, text, found
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'details.yaml').touch()
    (tmp_path / 'built').mkdir()
    built = charm(
        config={'port': {'type': 'int'}, 'host': {'type': 'string'}},
        requires={'db': {}},
        actions={'backup': {'params': {'mb': {}}}},
    )
    with charm_unit.Unit(built, deploy=False) as unit:
        unit.relate('db', 'mysql/0')
        commands = prompt.Commands(unit, console.output())
        assert commands.completions(before, text) == found


@pytest.mark.parametrize('number', ['x', '1.5', '1000'])
def test_a_number_of_units_is_one(charm, typed, number):
    done = typed('run', charm(), f'--peers={number}')
    assert (done.returncode, done.stdout) == (2, '')
    assert f"'{number}' is not a number of units" in done.stderr


def test_a_unit_that_does_not_exist_is_named(charm, typed):
    done = typed('run', charm(), script='unit tested/1\n')
    assert done.returncode == 2
    assert 'tested/1 is not a unit of the application: it has tested/0' in done.stderr


@pytest.mark.parametrize(
    ('script', 'error'),
    [
        ('atach web a', 'atach is not a command: type `help` to list them'),
        ('attach web', 'usage: attach RESOURCE REFERENCE|FILE [USERNAME PASSWORD]'),
        ('attach wbe a/b', 'the charm has no resource wbe: it has data, web'),
        ('detach wbe', 'the charm has no resource wbe'),
        ('break wbe', 'the charm has no resource wbe'),
        ('repair wbe', 'the charm has no resource wbe'),
        ('config port', 'expected "key=value", got "port"'),
        ('attach "web', 'No closing quotation'),
        ('attach data no-file', 'data is of type file, and no-file is not an existing file'),
        # which is a file, and cannot be read even by root
        ('attach web /proc/self/mem', 'cannot read /proc/self/mem: Input/output error'),
        ('attach data /proc/self/mem', 'cannot read /proc/self/mem: Input/output error'),
        ('attach data ' + 'x' * 300, 'is not an existing file: pass the path of a file'),
        ('action backup p=*', 'p=*: the value is not valid YAML'),
        ('action backup p=@x', 'p=@x: the value is not valid YAML'),
        ('action backup p=[', 'p=[: the value is not valid YAML'),
        ('action backup p=2024-13-01', 'p=2024-13-01: the value is not valid YAML'),
    ],
)
def test_a_wrong_command_ends_a_script(charm, typed, script, error):
    known = {'web': {'type': 'oci-image'}, 'data': {'type': 'file', 'filename': 'd'}}
    built = charm(actions={'backup': {}}, resources=known)
    done = typed('run', built, script=f'{script}\nstatus\n')
    assert done.returncode == 2
    assert error in done.stderr
    assert '> status' not in done.stdout


def test_a_file_is_attached_with_its_bytes(charm, typed, tmp_path):
    (tmp_path / 'data.bin').write_bytes(b'no: [yaml\n')
    built = charm(
        {'upgrade-charm': 'juju-log "$(cat $(resource-get data))"'},
        resources={'data': {'type': 'file', 'filename': 'd.bin'}},
    )
    done = typed('run', built, script='attach data data.bin\nlog 2\n')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'INFO no: [yaml' in done.stdout


def test_a_value_that_is_quoted_is_a_string(charm, typed):
    built = charm({'backup': 'action-set p="$(action-get p)"'}, actions={'backup': {}})
    done = typed('run', built, script='action backup p=\'"*"\'\n')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'p: *' in done.stdout


def test_a_hook_that_failed_is_told_and_is_the_exit_status(charm, typed):
    done = typed('run', charm({'update-status': 'echo woe >&2; exit 4'}), script='idle\nhelp\n')
    assert done.returncode == 1
    for words in ('exit code 4', 'woe', 'error  hook failed: "update-status"', 'attach RESOURCE'):
        assert words in done.stdout


@pytest.mark.parametrize(
    'arguments', [(), ('run',), ('run', '.', '--timeout', '0'), ('run', '.', '--juju', '1.25')]
)
def test_wrong_usage_is_exit_status_2(typed, arguments):
    done = typed(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(('usage: ', 'charm-unit: '))


def test_help_answers(typed):
    done = typed('run', '--help')
    assert done.returncode == 0
    assert 'attach my-resource nginx:1.28' in done.stdout


def test_help_has_examples_and_there_is_a_version(typed):
    assert 'charm-unit check ./my-charm' in typed('--help').stdout
    assert 'charm-unit run ./my-charm' in typed('run', '--help').stdout
    done = typed('--version')
    assert (done.returncode, done.stdout.split()[0]) == (0, 'charm-unit')
