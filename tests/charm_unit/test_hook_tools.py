"""Hook tools say and do what Juju's do."""

import pathlib
import re
import shutil
import time

import pytest
import yaml
from charmhelpers.core import hookenv

import charm_unit
from charm_unit._unit import hook_tools, juju_version


def test_there_is_every_tool_that_charmhelpers_calls():
    """Those of functions were in Juju 2.7 only: charmhelpers asks whether they are there."""
    source = pathlib.Path(hookenv.__file__).read_text()
    called = set(re.findall(r"\['([a-z0-9]+-[a-z-]+)'", source)) | {'open-port', 'close-port'}
    keys = ('-address', '-subnets')  # of relations
    called = {
        name for name in called if not name.startswith('function-') and not name.endswith(keys)
    }
    assert len(called) > 20
    assert called <= set(hook_tools.names(juju_version.JujuVersion('2.9.49')))


@pytest.mark.parametrize(
    ('command', 'code', 'stderr'),
    [
        (
            'status-set bored',
            2,
            'invalid status "bored", expected one of [maintenance blocked waiting active]',
        ),
        ('status-set', 2, 'invalid args, require <status> [message]'),
        ('status-set active a b', 2, 'unrecognized args: ["b"]'),
        ('is-leader x', 2, 'unrecognized args: ["x"]'),
        ('is-leader --loud', 2, 'option provided but not defined: --loud'),
        ('config-get --all key', 2, 'cannot use argument --all together with key "key"'),
        ('relation-list -r db:9', 2, 'invalid value "db:9" for option -r: relation not found'),
        ('relation-get', 2, 'no relation id specified'),
        ('relation-ids', 2, 'no relation name specified'),
        ('leader-set a', 2, 'expected "key=value", got "a"'),
        ('resource-get', 2, 'missing required resource name'),
        ('unit-get name', 2, 'unknown setting "name"'),
        ('open-port 99999', 2, 'port must be in the range [1, 65535]; got "99999"'),
        ('open-port 80/sctp', 2, 'protocol must be "tcp", "udp", or "icmp"; got "sctp"'),
        ('network-get nothing', 1, 'no network config found for binding "nothing"'),
        ('action-get', 1, 'not running an action'),
        ('add-metric a=1', 1, 'cannot record metric: metrics not allowed in this context'),
        ('juju-log', 2, 'no message specified'),
        ('storage-get', 2, 'no storage instance specified'),
        ('storage-get -s data/0', 2, 'invalid value "data/0" for option -s: storage not found'),
        ('storage-add data', 1, 'storage-add is not simulated by charm-unit'),
        ('is-leader --format=x', 2, 'invalid value "x" for option --format: unknown format'),
        (
            'relation-list --app=x',
            2,
            'invalid boolean option app: strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (
            '</dev/null pod-spec-set',
            1,
            'no k8s spec specified: pipe k8s spec to command, or specify a file with --file',
        ),
    ],
)
def test_what_is_wrong_is_told_in_juju_words(say, command, code, stderr):
    run = say(f'{command}; echo code $?')
    assert run.output == f'ERROR {stderr}\ncode {code}\n'


@pytest.mark.parametrize(
    'command',
    [
        'pod-spec-set </dev/stdin',
        'leader-set a=b',
        'status-set --application active',
        'relation-set --app -r 0 a=b',
    ],
)
def test_what_only_a_leader_may_fails_for_others(charm, tmp_path, say, command):
    unit = charm_unit.Unit(
        charm(requires={'db': {}}), tmp_path / 'unit', leader=False, deploy=False
    )
    unit.relate('db', 'db/0')
    run = say(f'echo x | {command}', unit=unit)
    assert run.exit_code == 1
    assert 'leader' in run.output or 'cannot write relation settings' in run.output


def test_values_are_printed_in_the_format_that_is_asked_for(charm, tmp_path, say):
    config = {'a': {'type': 'string', 'default': '<x>'}, 'b': {'type': 'int'}}
    unit = charm_unit.Unit(charm(config=config), tmp_path / 'unit', deploy=False)
    run = say(
        'config-get a; config-get a --format=json; config-get --format json; config-get --all '
        '--format=yaml; config-get b; is-leader; relation-ids db --format=json',
        unit=unit,
    )
    assert run.output == (
        '<x>\n"\\u003cx\\u003e"\n{"a":"\\u003cx\\u003e"}\na: <x>\nb: null\nTrue\n[]\n'
    )


def test_what_yaml_takes_for_a_date_is_printed_as_it_was_written(charm, tmp_path, say):
    built = charm()
    (built / 'config.yaml').write_text('options: {day: {type: string, default: 2024-01-31}}')
    unit = charm_unit.Unit(built, tmp_path / 'unit', deploy=False)
    run = say('config-get day; config-get --format=json', unit=unit)
    assert run.output == '2024-01-31\n{"day":"2024-01-31"}\n'


@pytest.mark.parametrize('asked', ['--help', '-h', '-r 0 --help'])
def test_help_is_a_usage_that_names_every_option(say, asked):
    run = say(f'relation-set {asked} 2>/dev/null && status-set --help && state-delete --help')
    assert run.exit_code == 0
    assert run.output == (
        'Usage: relation-set [options]\n\nOptions:\n    --app\n    --file VALUE\n'
        '    --format VALUE\n    -r VALUE\n    --relation VALUE\n'
        'Usage: status-set [options]\n\nOptions:\n    --application\n'
        'Usage: state-delete [options]\n'
    )


@pytest.mark.parametrize('length', [1, 200_000])
def test_charmhelpers_says_something_in_a_relation(charm, tmp_path, length):
    """It asks for the usage of relation-set first, to see whether that takes a file."""
    built = charm(requires={'db': {}})
    shutil.rmtree(built / 'lib' / 'charmhelpers')
    shutil.copytree(pathlib.Path(hookenv.__file__).parents[1], built / 'lib' / 'charmhelpers')
    shutil.rmtree(built / 'lib' / 'yaml')
    shutil.copytree(pathlib.Path(yaml.__file__).parent, built / 'lib' / 'yaml')
    (built / 'hooks' / 'install').write_text(
        '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\n'
        'from charmhelpers.core import hookenv\n'
        f'hookenv.relation_set("db:0", {{"a": "b" * {length}, "none": None}})\n'
    )
    unit = charm_unit.Unit(built, tmp_path / 'unit', deploy=False)
    unit.relate('db', 'db/0')
    (run,) = unit.run('install')
    assert unit.relation('db').data['a'] == 'b' * length
    assert len(run.started('relation-set')) == 2


def test_text_of_any_length_and_kind_goes_both_ways(charm, tmp_path, say):
    unit = charm_unit.Unit(
        charm(config={'a': {'type': 'string'}}), tmp_path / 'unit', deploy=False
    )
    text = '\'"$(echo no)`%s\\n\n\täß€' + 'x' * 100_000
    unit.configure(a=text)
    run = say('juju-log "$(config-get a)"', unit=unit)
    assert run.log == [('INFO', text)]


def test_many_tools_may_be_called_at_once(say):
    run = say('for i in $(seq 40); do juju-log $i & done; wait')
    assert sorted(int(message) for _level, message in run.log) == list(range(1, 41))


def test_what_a_failed_hook_changed_is_not_kept(charm, tmp_path, say):
    unit = charm_unit.Unit(
        charm(requires={'db': {}}), tmp_path / 'unit', check=False, deploy=False
    )
    unit.relate('db', 'db/0')
    changes = (
        'relation-set -r 0 said=this; state-set kept=this; open-port 80; status-set active done; '
        'echo "containers: [{name: c, image: a/b}]" | pod-spec-set'
    )
    run = say(f'{changes}; exit 3', unit=unit)
    assert run.exit_code == 3
    assert (run.pod_spec, run.relation_data) == (None, {})
    assert 'said' not in unit.relation('db').data
    assert unit.opened_ports == []
    assert unit.status == ('error', 'hook failed: "install"')
    run = say(changes, unit=unit)
    assert unit.relation('db').data['said'] == 'this'
    assert unit.opened_ports == ['80/tcp']
    assert unit.image() == 'a/b'
    assert unit.status == ('active', 'done')


def test_a_hook_sees_what_it_has_set_before_it_is_kept(charm, tmp_path, say):
    unit = charm_unit.Unit(charm(requires={'db': {}}), tmp_path / 'unit', deploy=False)
    unit.relate('db', 'db/0', {'host': 'h'})
    run = say(
        'relation-set -r 0 a=b; relation-get -r 0 a tested/0; relation-get -r 0 host db/0; '
        'relation-get -r 0 --format=json - db/0; state-set k=v; state-get k',
        unit=unit,
    )
    assert run.output == 'b\nh\n{"host":"h"}\nv\n'


def test_a_restricted_hook_may_next_to_nothing(say):
    run = say('is-leader; resource-get web; juju-log yes', hook='collect-metrics')
    assert run.output == (
        'ERROR not implemented for restricted context\n'
        'ERROR could not download resource: not implemented for restricted context\n'
    )
    assert run.log == [('INFO', 'yes')]


def test_a_tool_that_is_called_after_the_hook_fails_and_does_not_hang(say, tmp_path):
    late_calls = f'touch {tmp_path}/apart; sleep 1; is-leader; is-leader'
    run = say(
        f'setsid sh -c "{late_calls}" >{tmp_path}/late 2>&1 &\n'
        f'while [ ! -e {tmp_path}/apart ]; do sleep 0.1; done'
    )
    assert run.exit_code == 0
    for _ in range(100):
        late = (tmp_path / 'late').read_text()
        if late.count('\n') == 2:
            break
        time.sleep(0.1)
    assert late == 'ERROR no hook is running in this unit\n' * 2


def test_juju_before_2_8_has_no_state_of_a_charm(say):
    found = say('command -v state-get || echo none', juju='2.7.8')
    assert found.output == 'none\n'


def test_what_a_tool_writes_to_a_file_is_where_the_hook_is(say):
    done = say(
        'status-get --output=seen --format=json; cat seen; '
        'config-get --output=nowhere/seen; echo $?'
    )
    assert done.output.startswith('{"status":"waiting"}\n')
    assert done.output.endswith('\n1\n')
    assert 'ERROR open nowhere/seen: no such file or directory' in done.output


def test_a_unit_that_leaves_before_the_deployment_runs_no_hooks(charm):
    with charm_unit.Unit(charm(requires={'db': {'interface': 'mysql'}}), deploy=False) as unit:
        unit.relate('db', 'mysql/0', {'host': 'a'})
        assert unit.depart('db', 'mysql/0') == []
        assert unit.break_relation('db') == []
