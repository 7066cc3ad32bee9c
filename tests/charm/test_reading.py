"""How images are read: in bounded time, and with nothing told that is nobody's business."""

import pytest
from test_contents import _limit

from support.observing import IMAGE, OBSERVER, seen, states

GOOD = {'fetched', 'available'}
FOUR = dict.fromkeys(('a', 'b', 'c', 'd'), IMAGE)


@pytest.mark.slow
def test_all_resource_get_of_a_hook_share_one_limit_and_the_rest_waits_for_the_next(charms, live):
    subject = live(charms.make(resources=FOUR, reactive=OBSERVER))
    _limit(subject, 4)
    for name in FOUR:
        subject.attach(name, f'a/{name}')
    subject.break_resource_get('b', 'sleep 600')
    (install,) = subject.run('install')
    assert seen(install, 'a') == GOOD
    assert seen(install, 'b') == {'fetched'}
    assert seen(install, 'c') == seen(install, 'd') == {'fetched'}
    assert len(install.started('resource-get')) == 2
    assert subject.status[0] == 'waiting'
    assert 'b: resource-get did not respond within' in subject.status[1]
    assert 'c, d: not read yet' in subject.status[1]
    # What there was no time for goes first: what hangs never keeps the others waiting twice.
    (idle,) = subject.idle()
    assert [command[1] for command in idle.started('resource-get')] == ['c', 'd', 'b']
    assert seen(idle, 'c') == seen(idle, 'd') == GOOD


def test_what_there_was_no_time_for_is_waiting(charms, live):
    subject = live(charms.make(resources=FOUR, reactive=OBSERVER))
    _limit(subject, 8)
    for name in FOUR:
        subject.attach(name, f'a/{name}')
        subject.break_resource_get(name, f'sleep 6.5; printf {subject.folder}/{name}')
        (subject.folder / name).write_text(f'registrypath: a/{name}')
    subject.run('install')
    state, message = subject.status
    assert state == 'waiting'
    assert message.startswith('b, c, d: not read yet')
    assert message.endswith('(will be read in the next hook)')
    for name in FOUR:
        subject.repair_resource_get(name)
    subject.idle()
    assert all(states(subject.flags, name) == GOOD for name in FOUR)
    assert subject.status == ('maintenance', 'fetched resources: b, c, d')


def test_no_image_of_before_is_sent_while_the_new_one_is_waited_for(charms, live):
    subject = live(charms.make(resources={'a': IMAGE, 'b': IMAGE}, reactive=OBSERVER))
    subject.attach('a', 'a/a')
    subject.attach('b', 'a/b:1')
    subject.deploy()
    _limit(subject, 2)
    subject.break_resource_get('a', 'sleep 600')
    subject.attach('b', b'registrypath: a/b:2', run_hooks=False)
    (upgrade,) = subject.run('upgrade-charm')
    assert seen(upgrade, 'b') == {'fetched'}
    assert upgrade.pod_spec is None
    subject.repair_resource_get('a')
    assert 'changed' in seen(subject.idle()[-1], 'b')


# What the operator reads


def test_a_charm_that_sets_no_status_is_not_left_fetching(charms, live):
    subject = live(charms.make(resources={'a': IMAGE, 'b': IMAGE}))
    subject.attach('a', 'a/a')
    subject.attach('b', 'a/b')
    (install,) = subject.run('install')
    assert install.statuses == [('maintenance', 'fetched resources: a, b')]
    assert subject.idle()[-1].statuses == []


def test_a_fetch_that_takes_long_is_told_while_it_does(charms, live):
    subject = live(charms.make(resources={'a': IMAGE}))
    module = subject.charm / 'lib' / 'image_resource' / 'statuses.py'
    module.write_text(module.read_text().replace('_SLOW_SECONDS = 5', '_SLOW_SECONDS = 0.2'))
    (subject.folder / 'a').write_text('registrypath: a/a')
    subject.break_resource_get('a', f'sleep 2; printf {subject.folder}/a')
    assert subject.run('install')[-1].statuses == [
        ('maintenance', 'fetching resource: a'),
        ('maintenance', 'fetched resource: a'),
    ]


@pytest.mark.parametrize(
    ('said', 'kept'),
    [
        ('Get https://me:a/b@c d-SWORDFISH@10.0.0.1/x: EOF', 'no file: EOF ('),
        ('Get "https://me:SWORDFISH@10.0.0.1/x": i/o timeout', 'no file: i/o timeout ('),
        ('Get https://s3/x?X-Sig=SWORDFISH&a=b: forbidden', 'no file: forbidden ('),
        ('cannot use password SWORDFISH', 'no file ('),
        ('me:SWORDFISH@10.0.0.1 is away', 'no file ('),
    ],
)
def test_of_what_resource_get_prints_only_what_is_known_is_told(charms, live, said, kept):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))
    script = f"printf '%s\\n' 'ERROR could not download resource: {said}' >&2; exit 1"
    subject.break_resource_get('image', script)
    (install,) = subject.run('install')
    assert kept in subject.status[1]
    assert kept in install.public_output
    assert 'SWORDFISH' not in install.public_output.replace(script, '')
    assert 'SWORDFISH' not in str(subject.kv)
