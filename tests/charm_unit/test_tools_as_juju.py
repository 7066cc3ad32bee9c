"""What hook tools of Juju do beyond the plain cases; each test names the file that it follows.

All are in worker/uniter/runner of juju/juju 2.9.31, unless said.
"""

import json
import pathlib
import shutil

import pytest
import yaml
from charmhelpers.core import hookenv

import charm_unit

DB = {'db': {}}


@pytest.fixture
def unit(charm):
    """A unit with a relation to mysql, before its first hook."""
    built = charm(requires=DB, provides={'web': {}}, **{'extra-bindings': {'public': None}})
    with charm_unit.Unit(built, deploy=False) as unit:
        unit.relate('db', 'mysql/0')
        yield unit


@pytest.mark.parametrize(
    ('flag', 'units'), [('', 'mysql\n'), ('=true', 'mysql\n'), ('=0', ''), ('=false', '')]
)
def test_a_flag_may_have_a_boolean(unit, say, flag, units):
    """github.com/juju/gnuflag, flag.go"""
    assert say(f'relation-list -r 0 --app{flag}', unit=unit).output == units


@pytest.mark.parametrize(
    ('options', 'log'),
    [
        ('', [('INFO', 'm')]),
        ('-l WARN', [('WARNING', 'm')]),
        ('-l warning', [('WARNING', 'm')]),
        ('--log-level=ERROR', [('ERROR', 'm')]),
        ('--debug -l ERROR', [('DEBUG', 'm')]),
        ('-l LOUD', [('WARNING', 'Specified log level of "LOUD" is not valid'), ('INFO', 'm')]),
        ('-l ""', [('INFO', 'm')]),
    ],
)
def test_juju_log_knows_the_levels_of_loggo(say, options, log):
    """jujuc/juju-log.go"""
    assert say(f'juju-log {options} m').log == log


def test_juju_log_begins_with_the_relation_in_its_hooks(charm):
    """jujuc/juju-log.go"""
    hooks = {'db-relation-joined': 'juju-log a b', 'update-status': 'juju-log c'}
    with charm_unit.Unit(charm(hooks, requires=DB)) as unit:
        (joined,) = unit.relate('db', 'mysql/0')
        assert joined.log == [('INFO', 'db:0: a b')]
        assert unit.idle()[-1].log == [('INFO', 'c')]


@pytest.mark.parametrize('tool', ['relation-set -r 0', 'state-set'])
def test_words_win_over_a_file_where_null_is_nothing(unit, say, tool):
    """jujuc/relation-set.go, jujuc/state-set.go"""
    show = 'relation-get -r 0 --format=json - tested/0; state-get --format=json'
    text = '{a: file, b: file, c: ~, d: , e: 5, f: yes}'
    run = say(f"{tool} c=before; echo '{text}' | {tool} --file - b=word; {show}", unit=unit)
    data = {**json.loads(run.output.splitlines()[0]), **json.loads(run.output.splitlines()[1])}
    data = {key: value for key, value in data.items() if len(key) == 1}
    gone = {} if tool.startswith('relation') else {'c': '', 'd': ''}
    assert data == {'a': 'file', 'b': 'word', 'e': '5', 'f': 'yes', **gone}


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('[a]', 'unmarshal errors:\n  line 1: cannot unmarshal !!seq into map[string]string'),
        ('a', 'unmarshal errors:\n  line 1: cannot unmarshal !!str `a` into map[string]string'),
        ('a: b\nc: [d]', 'unmarshal errors:\n  line 2: cannot unmarshal !!seq into string'),
        ('a:\n  b: c', 'unmarshal errors:\n  line 2: cannot unmarshal !!map into string'),
        ('a: "', 'line 2: found unexpected end of stream'),
    ],
)
def test_a_file_of_anything_but_strings_is_refused(unit, say, text, reason):
    """jujuc/relation-set.go, and decode.go of yaml.v2"""
    run = say(f"echo '{text}' | relation-set -r 0 --file -; echo $?", unit=unit)
    assert run.output == f'ERROR yaml: {reason}\n1\n'


def test_state_get_without_state_prints_an_empty_mapping(say):
    """jujuc/state-get.go"""
    assert say('state-get; state-get --format=json').output == '{}\n{}\n'


def test_numbers_are_printed_as_by_go(charm, say):
    """encoding/json, and yaml.v2"""
    config = {'a': {'type': 'float', 'default': 5.0}, 'b': {'type': 'float', 'default': 0.5}}
    with charm_unit.Unit(charm(config=config), deploy=False) as unit:
        run = say('config-get a; config-get b; config-get --format=json', unit=unit)
        assert run.output == '5\n0.5\n{"a":5,"b":0.5}\n'


def test_network_get_has_the_keys_of_older_agents_in_yaml_alone(unit, say):
    """jujuc/network-get.go, networkInfoDisplay"""
    run = say('network-get db; echo ---; network-get db --format=json', unit=unit)
    text, _, printed = run.output.partition('---\n')
    (interface,) = yaml.safe_load(text)['bind-addresses']
    assert set(interface) == {
        *('addresses', 'interface-name', 'interfacename', 'mac-address', 'macaddress')
    }
    assert interface['addresses'][0]['address'] == interface['addresses'][0]['value']
    assert list(yaml.safe_load(text)) == ['bind-addresses', 'egress-subnets', 'ingress-addresses']
    (interface,) = json.loads(printed)['bind-addresses']
    assert list(interface) == ['mac-address', 'interface-name', 'addresses']
    assert list(interface['addresses'][0]) == ['hostname', 'value', 'cidr']


@pytest.mark.parametrize('binding', ['db', 'web', 'public', 'juju-info'])
def test_network_get_knows_all_bindings(unit, say, binding):
    """extra_bindings.go of juju/charm v8, and jujuc/network-get.go"""
    assert say(f'network-get {binding} --primary-address', unit=unit).output == '10.1.0.7\n'


def _of_ports(say, unit, script):
    run = say(f'{script}; exit 0', unit=unit)
    return run.output, say('opened-ports', unit=unit).output.split()


def test_opened_ports_are_sorted_by_protocol_and_number(unit, say):
    """core/network/portrange.go"""
    script = 'open-port 8080; open-port 53/udp; open-port 80-90; open-port ICMP; open-port 443/TCP'
    _, opened = _of_ports(say, unit, script)
    assert opened == ['icmp', '80-90/tcp', '443/tcp', '8080/tcp', '53/udp']
    assert unit.opened_ports == opened


def test_ports_are_opened_for_endpoints(unit, say):
    """jujuc/opened-ports.go, and state/unitportranges.go"""
    list_them = 'opened-ports --endpoints'
    say('open-port 80 --endpoints "web, db"; open-port 443', unit=unit)
    assert say(list_them, unit=unit).output == '80/tcp (db, web)\n443/tcp (*)\n'
    assert say('opened-ports', unit=unit).output == '80/tcp\n443/tcp\n'
    say('close-port 80 --endpoints web; open-port 443 --endpoints db', unit=unit)
    assert say(list_them, unit=unit).output == '80/tcp (db)\n443/tcp (*)\n'
    say('close-port 443 --endpoints db; close-port 80', unit=unit)
    assert say(list_them, unit=unit).output == '443/tcp (public, web)\n'


@pytest.mark.parametrize('verb', ['open', 'close'])
@pytest.mark.parametrize('endpoint', ['x', 'juju-info'])
def test_ports_of_an_unknown_endpoint_fail_the_hook_that_has_ended(unit, say, verb, endpoint):
    """state/machine_ports_ops.go, validatePendingChanges"""
    script = f'relation-set -r 0 a=b; {verb}-port 80 --endpoints db,{endpoint}; echo $?'
    run = say(script, unit=unit)
    told = 'ERROR cannot apply changes: cannot open/close ports: '
    told += f'{verb} port range: endpoint "{endpoint}" for unit "tested/0" not found\n'
    assert (run.exit_code, run.output, run.relation_data) == (1, f'0\n{told}', {})
    assert (unit.failed, unit.opened_ports) == ('install', [])
    assert 'a' not in unit.relation('db').data


def test_juju_before_2_9_opens_no_ports_of_endpoints(say):
    """jujuc/ports.go of juju/juju 2.8.13"""
    run = say('open-port 80 --endpoints db || opened-ports --endpoints', juju='2.8.13')
    assert run.output == 'ERROR option provided but not defined: --endpoints\n' * 2


@pytest.mark.parametrize(('juju', 'listed'), [('2.9.31', ''), ('3.1.1', '80/tcp\n')])
def test_ports_of_this_hook_are_listed_by_juju_3(say, juju, listed):
    """context/ports.go of juju/juju 3.6, mergeWithPendingChanges"""
    assert say('open-port 80; opened-ports', juju=juju).output == listed


def test_a_hook_sets_one_kind_of_spec(say):
    """context/context.go, addCommitHookChangesForCAAS"""
    spec = '{containers: [{name: c, image: a/b}]}'
    run = say(f'echo "{spec}" | k8s-spec-set; echo "{spec}" | k8s-raw-set')
    told = 'either k8s-spec-set or k8s-raw-set can be run for each application, but not both'
    assert (run.exit_code, run.output) == (1, f'ERROR {told}\n')


@pytest.mark.parametrize(
    ('script', 'message'),
    [
        ('open-port 80-90', 'cannot open 80-90/tcp'),
        ('close-port 80-90', 'cannot close 80-90/tcp'),
        ('open-port 79-80 --endpoints db', 'cannot open 79-80/tcp'),
    ],
)
def test_ports_that_overlap_conflict(unit, say, script, message):
    """context/ports.go"""
    say('open-port 80', unit=unit)
    run = say(f'{script}; echo $?', unit=unit)
    name = '(unit "tested/0")'
    told = f'ERROR {message} {name}: port range conflicts with 80/tcp {name}\n1\n'
    assert run.output == told
    run = say('open-port 90-99; open-port 95-105', unit=unit)
    assert run.output.endswith('conflicts with 90-99/tcp (unit "tested/0") requested earlier\n')
    assert unit.opened_ports == ['80/tcp']


def test_the_same_ports_and_those_of_another_protocol_do_not_conflict(unit, say):
    """context/ports.go"""
    script = 'open-port 80; open-port 80; open-port 80/udp; close-port 81; open-port 82'
    output, opened = _of_ports(say, unit, f'{script}; close-port 82; close-port 99')
    assert (output, opened) == ('', ['80/tcp', '80/udp'])


@pytest.mark.parametrize('key', ['stdout', 'stderr', 'stdout-encoding', 'a.stderr-encoding'])
def test_some_keys_of_results_are_reserved(charm, key):
    """jujuc/action-set.go"""
    script = f'action-set {key}=x; echo $?'
    with charm_unit.Unit(charm({'backup': script}, actions={'backup': {}}), deploy=False) as unit:
        output = unit.run_action('backup')[0].output
        name = key.rpartition('.')[2]
        assert output == f'ERROR cannot set reserved action key "{name}"\n2\n'


SECRETS = ('add', 'get', 'grant', 'ids', 'info-get', 'remove', 'revoke', 'set')


@pytest.mark.parametrize('juju', ['3.1', '3.6.2'])
def test_juju_3_has_tools_that_are_not_simulated_and_say_so(say, juju):
    """worker/uniter/runner/jujuc/server.go of juju/juju 3.6"""
    tools = [f'secret-{name}' for name in SECRETS]
    run = say('; '.join(tools), juju=juju)
    assert run.output == ''.join(
        f'ERROR {tool} is not simulated by charm-unit\n' for tool in tools
    )
    assert run.not_simulated == tools


def test_juju_3_tells_the_model_of_a_relation(charm, say):
    """internal/worker/uniter/runner/jujuc/relation-model-get.go of juju/juju 3.6"""
    with charm_unit.Unit(charm(requires=DB), juju='3.6', deploy=False) as unit:
        unit.relate('db', 'mysql/0')
        run = say('relation-model-get -r 0; echo $JUJU_MODEL_UUID', unit=unit)
        uuid, told = run.output.split('\n')[:2]
        assert uuid == f'uuid: {told}'


@pytest.mark.parametrize(
    ('juju', 'missing'),
    [
        ('2.6.10', ['action-log', 'pod-spec-get', 'k8s-spec-set', 'state-get', 'secret-get']),
        ('2.7.0', ['k8s-spec-set', 'state-get', 'secret-get']),
        ('2.8.0', ['secret-get']),
        ('3.6', []),
    ],
)
def test_each_juju_has_its_tools(say, juju, missing):
    """worker/uniter/runner/jujuc/server.go of these releases"""
    tools = 'action-log action-get pod-spec-get k8s-spec-set state-get secret-get'
    script = f'for tool in {tools}; do command -v $tool >/dev/null || echo $tool; done'
    assert say(script, juju=juju).output.split() == missing


def test_juju_before_2_7_has_no_data_of_applications(charm, say):
    """jujuc/relation-get.go and context/context.go of juju/juju 2.6.10"""
    hook = 'relation-get --app - mysql; relation-set --app a=b; relation-list --app; relation-get'
    env = 'echo "${JUJU_REMOTE_APP-none} ${JUJU_DEPARTING_UNIT-none} ${JUJU_DISPATCH_PATH-none}"'
    hooks = {'db-relation-joined': hook, 'db-relation-departed': env}
    with charm_unit.Unit(charm(hooks, requires=DB), juju='2.6.10') as unit:
        with pytest.raises(charm_unit.UsageError, match='Juju 2.6.10 has no data of applications'):
            unit.relate('db', 'mysql/0', {}, {'a': 'b'})
        (joined,) = unit.relate('db', 'mysql/0', {'host': 'h'})
        undefined = 'ERROR option provided but not defined: --app\n'
        assert joined.output == undefined * 3 + 'host: h\n'
        (departed,) = unit.depart('db', 'mysql/0')
        assert departed.output == 'none none none\n'
        run = say('relation-get -r 0; echo $?', unit=unit)
        assert run.output == 'ERROR no unit id specified\n2\n'


def test_juju_2_9_has_none_of_these(say):
    run = say('command -v secret-get || command -v relation-model-get || echo none')
    assert run.output == 'none\n'


def test_a_follower_before_2_9_sends_no_pod_spec_and_fails_not(charm, say):
    """worker/uniter/runner/context/context.go of juju/juju 2.8.10: it warns in the unit's log."""
    send = 'echo "containers: [{name: c, image: a/b}]" | pod-spec-set; echo $?'
    with charm_unit.Unit(charm(), juju='2.8.10', leader=False, deploy=False) as unit:
        run = say(send, unit=unit)
        assert (run.output, run.pod_spec, unit.pod_spec) == ('0\n', None, None)


def test_charmhelpers_finds_jujud_and_asks_for_the_network(charm, tmp_path):
    built = charm(requires=DB)
    for module, folder in ((hookenv, 'charmhelpers'), (yaml, 'yaml')):
        source = pathlib.Path(module.__file__).parents[1 if module is hookenv else 0]
        shutil.rmtree(built / 'lib' / folder)
        shutil.copytree(source, built / 'lib' / folder)
    (built / 'hooks' / 'install').write_text(
        '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\n'
        'from charmhelpers.core import hookenv\n'
        'print(hookenv.juju_version(), hookenv.network_get("db")["ingress-addresses"])\n'
    )
    with charm_unit.Unit(built, juju='2.9.31', deploy=False) as unit:
        assert unit.run('install')[0].output == "2.9.31-ubuntu-amd64 ['10.152.183.7']\n"
