"""A unit has storage, is removed, and its operator's pod restarts.

Hooks and their order: worker/uniter/resolver.go of juju/juju 2.9.31; storage: jujuc/storage-get.go
and jujuc/storage-list.go in worker/uniter/runner. The state of a unit is with the controller since
2.8: worker/uniter/operation/executor.go.
"""

import pytest

import charm_unit

RELATION = [f'db-relation-{name}' for name in ('created', 'joined', 'departed', 'broken')]
STORAGE = [f'data-storage-{name}' for name in ('attached', 'detaching')]
SAY = 'echo "$JUJU_REMOTE_UNIT $JUJU_DEPARTING_UNIT"; relation-list'


def _hooks(runs):
    return [run.hook for run in runs]


@pytest.fixture
def unit(charm):
    scripts = dict.fromkeys((*STORAGE, 'start', 'stop', 'remove'), '')
    scripts |= dict.fromkeys(RELATION, SAY)
    built = charm(scripts, requires={'db': {}}, storage={'data': {'type': 'filesystem'}})
    with charm_unit.Unit(built, check=False) as unit:
        yield unit


def test_storage_is_attached_after_the_start(unit, say):
    assert _hooks(unit.runs)[-2:] == ['start', 'data-storage-attached']
    folder = unit.folder / 'storage' / 'data' / '0'
    tools = (
        'storage-list; storage-list other; storage-get -s data/0 location; storage-get -s data/0'
    )
    assert say(tools, unit=unit).output == (
        f'data/0\n{folder}\nkind: filesystem\nlocation: {folder}\n'
    )
    assert folder.is_dir()
    assert say('storage-get -s data/0 size', unit=unit).output == (
        'ERROR invalid storage attribute "size"\n'
    )


def test_a_hook_of_storage_knows_its_own(charm):
    script = 'echo $JUJU_STORAGE_ID $JUJU_STORAGE_KIND; test $(storage-get location) = '
    built = charm(
        {'data-storage-attached': script + '$JUJU_STORAGE_LOCATION && storage-list'},
        storage={'data': {'type': 'filesystem', 'multiple': {'range': '2+'}}},
    )
    with charm_unit.Unit(built) as unit:
        assert [run.output for run in unit.runs[-2:]] == [
            'data/0 filesystem\ndata/0\n',
            'data/1 filesystem\ndata/0\ndata/1\n',
        ]


def test_a_removed_unit_leaves_its_storage_and_relations_and_stops(unit):
    unit.relate('db', 'mysql/0')
    unit.relate('db', 'mysql/1')
    runs = unit.remove()
    assert _hooks(runs) == [STORAGE[1], *RELATION[2:3] * 2, RELATION[3], 'stop', 'remove']
    assert [run.output for run in runs[1:4]] == [
        'mysql/0 tested/0\nmysql/1\n',
        'mysql/1 tested/0\n',
        ' \n',
    ]
    assert unit.relations == {}
    for after in (unit.idle, unit.remove, lambda: unit.relate('db', 'mysql/0')):
        with pytest.raises(charm_unit.UsageError, match='tested/0 is removed'):
            after()


def test_a_removal_goes_on_after_a_hook_that_failed(unit):
    script = unit.charm / 'hooks' / 'stop'
    script.write_text('#!/bin/sh\nexit 1\n')
    assert _hooks(unit.remove())[-1] == 'stop'
    assert unit.status == ('error', 'hook failed: "stop"')
    assert _hooks(unit.resolve()) == ['remove']


def test_a_broken_relation_is_gone_though_its_hook_was_resolved(unit):
    unit.relate('db', 'mysql/0')
    (unit.charm / 'hooks' / 'db-relation-broken').write_text('#!/bin/sh\nexit 1\n')
    unit.break_relation('db')
    assert list(unit.relations) == ['db:0']
    unit.resolve()
    assert unit.relations == {}


def test_a_removed_unit_before_juju_2_8_ends_with_stop(charm):
    built = charm({'stop': '', 'remove': ''})
    with charm_unit.Unit(built, juju='2.7.8') as unit:
        assert _hooks(unit.remove()) == ['stop']


def test_what_is_not_deployed_is_not_removed(charm):
    unit = charm_unit.Unit(charm(), deploy=False)
    with pytest.raises(charm_unit.UsageError, match='tested/0 is not deployed'):
        unit.remove()


WRITE = 'echo x >mine; echo x >~/mine'
READ = 'cat mine ~/mine 2>/dev/null || echo nothing'


@pytest.mark.parametrize(('lose_storage', 'found'), [(False, 'x\nx\n'), (True, 'nothing\n')])
def test_an_operator_that_restarts_has_what_its_volume_has(charm, lose_storage, found):
    with charm_unit.Unit(charm({'install': WRITE, 'update-status': READ})) as unit:
        assert unit.restart_operator(lose_storage=lose_storage) == []
        assert unit.idle()[-1].output == found


def test_a_unit_before_juju_2_8_is_installed_again_without_its_volume(charm):
    built = charm({'start': '', 'db-relation-joined': ''}, requires={'db': {}})
    with charm_unit.Unit(built, juju='2.7.8') as unit:
        unit.relate('db', 'mysql/0')
        assert unit.restart_operator() == []
        assert _hooks(unit.restart_operator(lose_storage=True)) == [
            *('install', 'config-changed', 'start', 'db-relation-joined')
        ]


def test_the_pod_spec_and_the_options_outlive_a_lost_volume(charm, say):
    with charm_unit.Unit(charm(config={'a': {'type': 'int'}}), config={'a': 5}) as unit:
        say('echo "containers: [{name: c, image: a/b}]" | pod-spec-set; state-set a=b', unit=unit)
        unit.restart_operator(lose_storage=True)
        assert unit.image() == 'a/b'
        assert say('config-get a; state-get a', unit=unit).output == '5\nb\n'
