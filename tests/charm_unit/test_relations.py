"""Relations, as worker/uniter/relation/resolver.go of juju/juju 2.9.31 has their hooks.

What a unit may read of others: apiserver/facades/agent/uniter/uniter.go, and cache.go in
worker/uniter/runner/context.
"""

import pytest

import charm_unit

DB = tuple(
    f'db-relation-{name}' for name in ('created', 'joined', 'changed', 'departed', 'broken')
)
WHO = 'echo "${JUJU_HOOK_NAME#db-relation-} $JUJU_REMOTE_UNIT $JUJU_REMOTE_APP"'


@pytest.fixture
def unit(charm):
    """A deployed unit whose hooks of db say who spoke."""
    with charm_unit.Unit(charm(dict.fromkeys(DB, WHO), requires={'db': {}})) as unit:
        yield unit


def _outputs(runs):
    return [run.output.strip() for run in runs]


@pytest.mark.parametrize('hook', ['db-relation-departed', 'db-relation-broken', 'update-status'])
def test_what_a_unit_said_can_be_read_as_long_as_the_relation_lasts(unit, say, hook):
    unit.relate('db', 'mysql/0', {'host': 'a'})
    read = 'relation-get -r db:0 host mysql/0; relation-list -r db:0'
    (unit.charm / 'hooks' / hook).write_text(f'#!/bin/sh\n{read}\n')
    if hook.endswith('broken'):
        assert unit.break_relation('db')[-1].output == 'a\n'
    else:
        departed = unit.depart('db', 'mysql/0')[-1]
        assert (departed if 'departed' in hook else unit.idle()[-1]).output == 'a\n'


def test_a_unit_that_comes_back_says_what_it_says_now(unit, say):
    unit.relate('db', 'mysql/0', {'host': 'a'})
    unit.depart('db', 'mysql/0')
    back = unit.relate('db', 'mysql/0', {'port': '1'})
    assert _outputs(back) == ['joined mysql/0 mysql', 'changed mysql/0 mysql']
    run = say('relation-get -r 0 --format=json - mysql/0', unit=unit)
    assert run.output == '{"port":"1"}\n'


@pytest.mark.parametrize(
    ('who', 'reason'),
    [
        (
            'mysql/7',
            'cannot read settings for unit "mysql/7" in relation "tested:db mysql:db": '
            'unit "mysql/7": settings not found',
        ),
        ('oracle/0', 'permission denied'),
        ('tested/1', 'permission denied'),
        ('--app oracle', 'permission denied'),
        ('No/1', '"No/1" is not a valid unit or application'),
        ('--app No/1', '"" is not a valid unit or application'),
    ],
)
def test_who_never_was_in_the_relation_cannot_be_read(unit, say, who, reason):
    unit.relate('db', 'mysql/0')
    run = say(f'relation-get -r 0 - {who}; echo $?', unit=unit)
    assert run.output == f'ERROR {reason}\n1\n'


def test_only_the_leader_reads_what_its_application_says(unit, say):
    unit.relate('db', 'mysql/0')
    read = 'relation-get -r 0 --app - tested'
    run = say(f'relation-set -r 0 --app a=b; {read}; {read}/5', unit=unit)
    assert run.output == 'a: b\n' * 2
    assert say(f'{read}', unit=unit).output == 'a: b\n'
    unit.leader = False
    assert say(f'{read}; echo $?', unit=unit).output == 'ERROR permission denied\n1\n'


def test_what_an_application_says_brings_a_hook_without_a_unit(unit):
    first = unit.relate('db', 'mysql/0', {'host': 'a'}, {'cluster': 'c'})
    assert _outputs(first) == [
        'created  mysql',
        'changed  mysql',
        'joined mysql/0 mysql',
        'changed mysql/0 mysql',
    ]
    assert unit.relate('db', 'mysql/0', {'host': 'a'}, {'cluster': 'c'}) == []
    alone = unit.relate('db', 'mysql/0', {'host': 'a'}, {'cluster': 'd'})
    assert _outputs(alone) == ['changed  mysql']
    both = unit.relate('db', 'mysql/0', {'host': 'b'}, {'cluster': 'e'})
    assert _outputs(both) == ['changed  mysql', 'changed mysql/0 mysql']


def test_what_an_application_said_before_the_deployment_brings_a_hook_then(charm):
    built = charm({DB[2]: WHO}, requires={'db': {}})
    with charm_unit.Unit(built, deploy=False) as unit:
        unit.relate('db', 'mysql/0', None, {'cluster': 'c'})
        assert _outputs(unit.deploy())[-2:] == ['changed  mysql', 'changed mysql/0 mysql']
