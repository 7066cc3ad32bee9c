"""`charm-unit explore`, as it is typed."""

import json

import pytest

from support import small_charms
from support.exploring import failing, pytest_test, script

pytestmark = pytest.mark.slow

_FAILS_AS_LEADER = """
if hook == 'leader-elected' and kept['taken'] == {} and kept.get('installed'):
    raise SystemExit('nothing to lead')
kept['installed'] = hook == 'start' or kept.get('installed')
live(['web'])
"""


def test_a_charm_without_fault_has_none_and_the_seed_is_told(explore):
    done = explore.run(explore.charm(), seed=42, seconds=8)
    assert done.returncode == 0, done.stdout + done.stderr
    assert failing(done.stdout) == []
    assert 'sequences of seed 42, ' in done.stdout.splitlines()[-1]
    assert '✓ no hook fails or hangs: checked ' in done.stdout
    assert done.stderr == ''


def test_the_same_seed_finds_the_same_whatever_the_time(explore):
    charm = explore.charm("assert leads() or kept['taken'] == {}; live(['web'])")
    one, other = (explore.run(charm, seed=3, seconds=seconds).stdout for seconds in (30, 60))
    assert failing(one) == failing(other)
    assert _sequence(one) == _sequence(other)


def _sequence(out):
    return out[: out.index('✗')]


def test_verbose_shows_the_sequences_of_the_seed(explore):
    charm = explore.charm()
    numbered = []
    for seconds in (4, 7):
        done = explore.run(charm, '--verbose', seed=5, seconds=seconds)
        lines = (line.partition(': ') for line in done.stdout.splitlines() if ' · ' in line)
        numbered.append({number: sequence for number, _, sequence in lines})
    less, more = numbered
    assert less
    assert {number: more[number] for number in less if number in more}.items() <= less.items()


def test_units_are_upgraded_from_an_older_build(explore):
    older = explore.charm()
    charm = explore.charm(
        """
if hook == 'upgrade-charm' and 'mine' not in kept and leads():
    raise SystemExit('what is this?')
kept['mine'] = True
live(['web'])
"""
    )
    done = explore.run(charm, '--from', older)
    assert done.returncode == 1
    assert failing(done.stdout) == [
        '✗ no hook fails or hangs: upgrade-charm ended in error: what is this?'
    ]
    assert f'charm-unit run {older} --no-deploy' in done.stdout
    assert f'upgrade {charm}' in done.stdout
    assert f'charm_unit.Unit({str(older)!r}, deploy=False)' in done.stdout


def test_a_hook_that_never_ends_is_found(explore):
    body = "import time; time.sleep(600 if text('web') is None else 0); live(['web'])"
    done = explore.run(explore.charm(body), '--timeout', '5')
    assert done.returncode == 1
    assert ' timed out after 5 s' in failing(done.stdout)[0]


def test_a_charm_that_waits_for_something_cannot_be_explored(explore):
    body = "live(['web'], lambda: related('database') or status('waiting', 'the database'))"
    charm = explore.charm(body, requires=('database',))
    done = explore.run(charm)
    assert (done.returncode, done.stdout) == (2, '')
    assert 'it waits for: the database (not related: database). Pass --relate' in done.stderr
    done = explore.run(charm, '--relate', 'database:host=db', seconds=5)
    assert done.returncode == 0, done.stdout


def test_a_fault_of_the_deployment_is_found_at_once(explore):
    done = explore.run(explore.charm('raise SystemExit(1)'))
    assert done.returncode == 1
    assert failing(done.stdout) == [
        '✗ no hook fails or hangs: install ended in error: (no output)'
    ]


def test_an_option_whose_other_value_is_not_good_is_left_alone(explore):
    body = "live(['web'], lambda: option('mode') == 'fast' or status('blocked', 'which mode?'))"
    charm = explore.charm(body, config={'mode': {'type': 'string', 'default': 'fast'}})
    done = explore.run(charm, seconds=5)
    assert done.returncode == 0, done.stdout
    assert "– option mode was left as it is: with 'fast-explored': " in done.stdout


def test_a_charm_without_images_has_nothing_to_explore(explore):
    done = explore.run(explore.charm(resources=(), files=('site',)))
    assert done.returncode == 2
    assert 'nothing to explore' in done.stderr


def test_a_packed_charm_is_named_as_it_was_given(explore, tmp_path):
    packed = small_charms.pack(explore.charm(_FAILS_AS_LEADER), tmp_path / 'small.charm')
    done = explore.run(packed)
    assert done.returncode == 1, done.stdout + done.stderr
    words, commands = script(done.stdout)
    assert words[0] == str(packed)
    assert f'for pytest --charm {packed}' in done.stdout
    assert 'nothing to lead' in explore.charm_unit('run', *words, script=commands).stdout
    assert 'nothing to lead' in explore.pytest(packed, pytest_test(done.stdout), fails=True)


def test_json_has_what_broke_with_each_hook_and_state(explore):
    done = explore.run(explore.charm(_FAILS_AS_LEADER), '--format=json', seed=5)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report['charm'], report['seed'], report['fails']) == ('small', 5, True)
    assert report['hooks'] >= sum(len(step['hooks']) for step in report['findings'][0]['steps'])
    broken = {one['id']: one['broken'] for one in report['requirements']}
    assert [name for name, is_broken in broken.items() if is_broken] == ['hooks']
    (found,) = report['findings']
    assert (found['requirement'], found['leader'], found['peers']) == ('hooks', False, 0)
    assert found['seen'] == 'leader-elected ended in error: nothing to lead'
    *_, last = found['steps']
    assert last['commands'] == ['lead']
    assert [(hook['unit'], hook['hook'], hook['exit_code']) for hook in last['hooks']] == [
        ('small/0', 'leader-elected', 1)
    ]
    assert (last['status'][0], last['leader'], last['images']) == ('error', True, [])
    assert found['script'].startswith(f'charm-unit run {report["path"]} --no-deploy --not-leader')
    assert 'unit.become_leader()' in found['test']


def test_an_action_is_run_if_it_needs_no_parameters(explore):
    told = 'action-set "key=$(grep password $(resource-get web))"'
    body = f"live(['web']); hook == 'renew' and call('sh', '-c', {told!r})"
    charm = explore.charm(body, actions=('renew',))
    (charm / 'actions.yaml').write_text(
        'renew: {}\nrestore: {params: {file: {type: string}}, required: [file]}\n'
    )
    (charm / 'actions' / 'restore').symlink_to('renew')
    done = explore.run(charm)
    (line,) = failing(done.stdout)
    assert line.startswith(
        '✗ no password in a log, status, flag or argument: in what the action returns of renew: '
    ), done.stdout
    assert '– action restore was left as it is: ' in done.stdout


def test_a_unit_that_cannot_be_removed_is_found(explore):
    body = "live(['web']); hook == 'stop' and kept['taken'] and sys.exit('still serving')"
    done = explore.run(explore.charm(body))
    assert failing(done.stdout) == [
        '✗ no hook fails or hangs: stop ended in error: still serving'
    ], done.stdout


def test_two_units_of_which_one_is_elected_are_explored(explore):
    body = "is_peer = not os.environ['JUJU_UNIT_NAME'].endswith('/0')\n" + (
        "if not (is_peer and leads()): live(['web'])"
    )
    done = explore.run(explore.charm(body))
    (line,) = failing(done.stdout)
    assert "the last valid image is in the leader's pod spec" in line
    words, _commands = script(done.stdout)
    assert '--peers' in words
