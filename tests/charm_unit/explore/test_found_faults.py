"""`charm-unit explore` finds what goes wrong only in some order of events."""

import functools

import pytest

from support.exploring import Explore, failing, pytest_test, script

pytestmark = pytest.mark.slow

_IMAGE = "✗ once things have settled, the last valid image is in the leader's pod spec: web: "
_FEW = 7
_OLD = 'registry.example.com/old:1'
_FAULTS = {
    'an image is lost if a configuration change comes between': (
        """
if kept['taken'] and kept.setdefault('port', 80) != option('port'):
    kept['taken'] = {'web': read('web')}
kept['port'] = option('port')
live(['web'])
""",
        {'config': {'port': {'type': 'int', 'default': 80}}},
        1,
        _IMAGE,
        {'attach', 'config'},
    ),
    'a follower fails when it is elected later': (
        """
if hook == 'leader-elected' and kept['taken'] == {} and kept.get('installed'):
    raise SystemExit('nothing to lead')
kept['installed'] = hook == 'start' or kept.get('installed')
live(['web'])
""",
        {},
        1,
        '✗ no hook fails or hangs: leader-elected ended in error: nothing to lead',
        {'lead'},
    ),
    'the pod spec is wrong after broken, repaired, upgraded': (
        f"""
wrong = kept.get('repaired') and hook == 'upgrade-charm'
kept['repaired'] = kept.get('broken') and bool(read('web'))
kept['broken'] = kept.get('broken') or bool(text('web') and not read('web'))
if wrong:
    kept['taken'] = {{}}
live(['web'], containers=lambda found: [
    container('web', {{**found['web'], **({{'path': '{_OLD}'}} if wrong else {{}})}})])
""",
        {},
        1,
        f'{_IMAGE}the pod spec has {_OLD}, not ',
        {'deliver', 'attach'},
    ),
    'an image is lost when a relation goes': (
        """
kept['alone'] = hook == 'database-relation-broken' or kept.get('alone')
if not (kept['alone'] and kept['taken'] and hook == 'upgrade-charm'):
    live(['web'])
elif read('web'):
    kept['taken'] = {'web': read('web')}
""",
        {'requires': ('database',)},
        1,
        _IMAGE,
        {'relate', 'unrelate', 'attach'},
    ),
    'a password is logged once an image was broken': (
        """
if kept.get('broken') and read('web'):
    call('juju-log', str(read('web')))
kept['broken'] = kept.get('broken') or not read('web')
live(['web'])
""",
        {},
        1,
        '✗ no password in a log, status, flag or argument: in a log line of ',
        {'attach'},
    ),
    'the pod spec is sent when idle after another was elected': (
        """
kept['followed'] = hook == 'leader-settings-changed' or kept.get('followed')
if hook == 'update-status' and kept['followed']:
    kept['taken'] = {}
live(['web'])
""",
        {},
        1,
        '✗ nothing is sent when idle: update-status sends the same pod spec',
        {'idle'},
    ),
    'the password of the image before stays': (
        """
read_well = read
def read(name):
    found = read_well(name)
    if found and kept.get('password') and not found['password']:
        found.update(username='charm-unit-user', password=kept['password'])
    kept['password'] = (found or kept).get('password')
    return found
live(['web'])
""",
        {},
        1,
        '✗ and so are its credentials, and no others: web: the pod spec still has a password',
        {'attach'},
    ),
}


@pytest.fixture(scope='module')
def explored(tmp_path_factory):
    """A function that explores the charm with a fault, once; returns it and what was printed."""

    @functools.cache
    def run(fault):
        explore = Explore(tmp_path_factory.mktemp('faults'))
        body, options, seed, _seen, _steps = _FAULTS[fault]
        charm = explore.charm(body, **options)
        # a slow machine is no resource-get that hangs
        done = explore.run(charm, '--timeout=600', seed=seed)
        assert done.returncode == 1, done.stdout + done.stderr
        return charm, done.stdout

    return run


@pytest.mark.parametrize('fault', _FAULTS)
def test_a_fault_is_found_and_shown_by_few_steps(explored, fault):
    *_, seen, steps = _FAULTS[fault]
    _charm, found = explored(fault)
    (line,) = failing(found)
    assert line.startswith(seen)
    _words, commands = script(found)
    lines = commands.splitlines()
    after = lines[lines.index('deploy') + 1 : -2]
    assert steps <= {command.split()[0] for command in after}, commands
    assert len(after) <= _FEW, commands


def test_what_was_found_is_a_script_and_a_test_that_fails(explored, explore):
    charm, found = explored('a follower fails when it is elected later')
    words, commands = script(found)
    assert words == [str(charm), '--no-deploy', '--not-leader']
    done = explore.charm_unit('run', *words, script=commands)
    assert done.returncode == 1
    assert 'nothing to lead' in done.stdout
    assert done.stderr == ''
    assert 'nothing to lead' in explore.pytest(charm, pytest_test(found), fails=True)
    explore.pytest(explore.charm(), pytest_test(found), fails=False)


def test_the_test_of_a_pod_spec_fails_as_well(explored, explore):
    charm, found = explored('the password of the image before stays')
    assert 'not in str(unit.pod_spec)' in explore.pytest(charm, pytest_test(found), fails=True)
    explore.pytest(explore.charm(), pytest_test(found), fails=False)
