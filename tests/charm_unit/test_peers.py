"""Peers: the relation of an application's own units, and several units of it.

worker/uniter/relation/resolver.go, worker/uniter/resolver.go and
apiserver/facades/agent/uniter/uniter.go of juju/juju 2.9.31.
"""

import json

import pytest
import yaml

import charm_unit

CLUSTER = [f'cluster-relation-{name}' for name in ('created', 'joined', 'changed', 'departed')]
OTHERS = ('leader-elected', 'leader-settings-changed', 'start')
WHO = 'echo "$JUJU_REMOTE_UNIT $JUJU_REMOTE_APP"'
PEERS = {'cluster': {}}


@pytest.fixture
def built(charm):
    """A function that makes a charm with a relation of peers, whose hooks run these scripts."""

    def make(**scripts):
        hooks = dict.fromkeys((*CLUSTER, *OTHERS), WHO)
        named = {name.replace('_', '-'): script for name, script in scripts.items()}
        return charm({**hooks, **named}, peers=PEERS, actions={'share': {}})

    return make


def _hooks(runs, unit='tested/0'):
    return [run.hook for run in runs if run.unit == unit]


def _outputs(runs, unit='tested/0'):
    return [run.output.strip() for run in runs if run.unit == unit]


def test_the_relation_of_peers_exists_from_the_start(built, say):
    with charm_unit.Unit(built()) as unit:
        assert _hooks(unit.runs) == [
            *('install', 'cluster-relation-created', 'leader-elected', 'config-changed', 'start')
        ]
        assert unit.runs[1].output == ' tested\n'
        run = say('relation-ids cluster; relation-list -r 0; relation-list -r 0 --app', unit=unit)
        assert run.output == 'cluster:0\ntested\n'


def test_the_leader_reads_what_it_wrote_for_its_peers_and_so_does_a_follower(built, say):
    with charm_unit.Unit(built()) as unit:
        say('relation-set -r 0 --app token=t', unit=unit)
        read = 'relation-get -r 0 --app token tested'
        assert say(read, unit=unit).output == 't\n'
        unit.leader = False
        assert say(f'{read}; relation-set -r 0 --app a=b', unit=unit).output == (
            't\nERROR cannot write relation settings\n'
        )


def test_a_peer_may_be_nothing_but_what_it_says(built, say):
    with charm_unit.Unit(built()) as unit:
        assert _hooks(unit.relate('cluster', 'tested/7', {'id': '7'})) == CLUSTER[1:3]
        assert say('relation-get -r 0 id tested/7', unit=unit).output == '7\n'
        assert _hooks(unit.depart('cluster', 'tested/7')) == CLUSTER[3:]


@pytest.mark.parametrize(
    ('endpoint', 'unit'), [('cluster', 'mysql/0'), ('cluster', 'tested/0'), ('db', 'tested/1')]
)
def test_only_units_of_its_application_are_peers(charm, endpoint, unit):
    built = charm(peers=PEERS, requires={'db': {}})
    subject = charm_unit.Unit(built, deploy=False)
    with pytest.raises(charm_unit.UsageError, match=f'{unit} cannot be related to {endpoint}'):
        subject.relate(endpoint, unit)


def test_the_relation_of_peers_is_never_removed(built):
    with charm_unit.Unit(built()) as unit:
        with pytest.raises(charm_unit.UsageError, match='cluster is the relation of peers'):
            unit.break_relation('cluster')
        unit.remove()
        assert list(unit.relations) == ['cluster:0']


def test_goal_state_lists_peers_as_units(built, say):
    with charm_unit.Unit(built(), peers=1) as unit:
        state = yaml.safe_load(say('goal-state', unit=unit).output)
        assert list(state['units']) == ['tested/0', 'tested/1']
        assert state['relations'] == {}
        assert say('goal-state --format smart', unit=unit).output.startswith(
            'ERROR invalid value '
        )


def test_the_leader_knows_the_statuses_of_all_units(built):
    """jujuc/status-get.go, and DeriveStatus in core/status/status.go"""
    show = 'status-get --application --include-data --format=json; goal-state --format=json'
    start = 'status-set active "on $JUJU_UNIT_NAME"'
    settings_changed = 'status-set waiting "for db"'
    hooks = built(start=start, share=show, leader_settings_changed=settings_changed)
    with charm_unit.Unit(hooks, peers=2, check=False) as unit:
        unit.peers[0].run('leader-settings-changed')
        (unit.peers[1].charm / 'hooks' / 'update-status').write_text('#!/bin/sh\nexit 1\n')
        unit.peers[1].run('update-status')

        def shown():
            told, goal = map(json.loads, unit.run_action('share')[0].output.splitlines())
            states = {name: entry['status'] for name, entry in goal['units'].items()}
            told = told['application-status']
            assert states == {name: entry['status'] for name, entry in told['units'].items()}
            return (told['status'], told['message']), list(states.values())

        failed = ('error', 'hook failed: "update-status"')
        assert shown() == (failed, ['active', 'waiting', 'error'])
        unit.peers[1].resolve()
        assert shown() == (('waiting', 'for db'), ['active', 'waiting', 'active'])
        unit.peers[0].remove()
        assert shown() == (('active', 'on tested/0'), ['active', 'active'])


def test_an_upgrade_brings_and_drops_relations_of_peers(built, charm):
    without = charm(folder='without')
    with charm_unit.Unit(without) as unit:
        assert unit.relations == {}
        assert _hooks(unit.upgrade(built())) == [
            *('cluster-relation-created', 'upgrade-charm', 'config-changed')
        ]
        unit.upgrade(without)
        assert unit.relations == {}


# Several units


def test_each_unit_of_an_application_runs_its_hooks(built):
    with charm_unit.Unit(built(), peers=2, config={}) as unit:
        assert [peer.name for peer in unit.peers] == ['tested/1', 'tested/2']
        assert unit.peers[1].peers == [unit, unit.peers[0]]
        assert _hooks(unit.runs) == [
            *('install', 'cluster-relation-created', 'leader-elected', 'config-changed', 'start'),
            *CLUSTER[1:3] * 2,
        ]
        assert _hooks(unit.peers[0].runs, 'tested/1')[2] == 'leader-settings-changed'
        assert _outputs(unit.peers[1].runs, 'tested/2')[-4:] == [
            *['tested/0 tested'] * 2,
            *['tested/1 tested'] * 2,
        ]


def test_what_a_unit_says_its_peers_hear(built, say):
    share = 'relation-set -r 0 id=$JUJU_UNIT_NAME'
    with charm_unit.Unit(built(share=share), peers=1) as unit:
        runs = unit.peers[0].run_action('share')
        assert [(run.unit, run.hook) for run in runs] == [
            ('tested/1', 'share'),
            ('tested/0', 'cluster-relation-changed'),
        ]
        assert say('relation-get -r 0 id tested/1', unit=unit).output == 'tested/1\n'
        assert len(unit.peers[0].run_action('share')) == 1


def test_what_the_leader_says_for_all_its_followers_hear(built, say):
    share = 'relation-set -r 0 --app token=t; leader-set key=k'
    with charm_unit.Unit(built(share=share), peers=1) as unit:
        runs = unit.run_action('share')
        assert _hooks(runs) == ['share']
        assert sorted(_hooks(runs, 'tested/1')) == [
            *('cluster-relation-changed', 'leader-settings-changed')
        ]
        read = 'relation-get -r 0 --app token tested; leader-get key'
        assert say(read, unit=unit.peers[0]).output == 't\nk\n'


def test_one_unit_is_the_leader(built, say):
    with charm_unit.Unit(built(), peers=1) as unit:
        (peer,) = unit.peers
        runs = peer.become_leader()
        assert (unit.leader, peer.leader) == (False, True)
        assert _hooks(runs) == ['leader-settings-changed']
        assert _hooks(runs, 'tested/1') == ['leader-elected']
        assert say('is-leader', unit=peer).output == 'True\n'
        peer.lose_leadership()
        assert (unit.leader, peer.leader) == (True, False)


def test_the_pod_spec_is_the_applications(built, say):
    send = 'echo "containers: [{name: c, image: a/b}]" | pod-spec-set'
    with charm_unit.Unit(built(share=send), peers=1) as unit:
        unit.run_action('share')
        assert unit.peers[0].image() == 'a/b'


def test_what_an_operator_does_reaches_all_units(charm, say):
    read = 'config-get a; cat $(resource-get web)'
    built = charm({'update-status': read}, config={'a': {'type': 'int'}}, requires={'db': {}})
    with charm_unit.Unit(built, peers=1) as unit:
        for do in (
            lambda: unit.configure(a=1),
            lambda: unit.attach('web', 'a/b:1'),
            lambda: unit.upgrade(images={'web': 'a/b:2'}),
        ):
            runs = do()
            assert _hooks(runs) == _hooks(runs, 'tested/1') != []
        unit.relate('db', 'mysql/0')
        assert unit.peers[0].relation('db').remote_application == 'mysql'
        outputs = [run.output for run in unit.idle()]
        assert len(outputs) == 2
        assert outputs[0] == outputs[1]
        assert outputs[0].startswith('1\nregistrypath: a/b:2\n')


def test_a_unit_that_is_removed_departs_from_its_peers_and_another_leads(built):
    with charm_unit.Unit(built(), peers=1) as unit:
        (peer,) = unit.peers
        runs = unit.remove()
        assert _hooks(runs) == ['cluster-relation-departed']
        assert _hooks(runs, 'tested/1') == ['cluster-relation-departed', 'leader-elected']
        assert peer.leader
        assert peer.peers == []
        assert _hooks(peer.idle(), 'tested/1') == ['update-status']


def test_a_hook_that_fails_stops_its_own_unit_only(built):
    fail = 'test $JUJU_UNIT_NAME != tested/1'
    with charm_unit.Unit(built(update_status=fail), peers=2, check=False) as unit:
        runs = unit.idle()
        assert [(run.unit, run.exit_code) for run in runs] == [
            *[('tested/0', 0), ('tested/1', 1), ('tested/2', 0)]
        ]
        assert (unit.failed, unit.peers[0].failed) == (None, 'update-status')
