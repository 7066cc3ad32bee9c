"""A unit that upgrades from a charm with the older public layer of this name keeps working."""

import hashlib
import json
import sqlite3

import pytest

from support.observing import IMAGE, OBSERVER, images, seen, states

GOOD = {'fetched', 'available'}
TWO = {'image': IMAGE, 'other': IMAGE}


def _older_state(subject, *, infos, flags, pending=None):
    """Leave in the unit's state what the older layer leaves there.

    A list of what is still to be fetched, the parsed YAML of each image, whatever its types, and
    the hash from which charms.reactive's data_changed tells whether it changed.
    """
    entries = {'reactive.states.' + flag: None for flag in flags}
    for name, info in infos.items():
        entries[f'layer.docker-resource.{name}.image-info'] = info
        digest = hashlib.md5(json.dumps(info, sort_keys=True).encode()).hexdigest()
        entries[f'reactive.data_changed.layer.docker-resource.{name}'] = digest
    if pending is not None:
        entries['layer.docker-resource.pending'] = pending
    with sqlite3.connect(subject.charm / '.unit-state.db') as database:
        database.execute('create table kv (key text, data text, primary key (key))')
        database.executemany(
            'insert into kv values (?, ?)',
            [(key, json.dumps(value)) for key, value in entries.items()],
        )
    database.close()


def _flags(name, *more):
    return [f'layer.docker-resource.{name}.{state}' for state in ('fetched', *more)]


@pytest.fixture
def subject(charms, live):
    """A unit with older state, about to be upgraded to a charm with this layer."""
    subject = live(charms.make(resources=TWO, reactive=OBSERVER))
    _older_state(
        subject,
        infos={
            'image': {'registrypath': 'a/b:1', 'username': 'me', 'password': 'pw'},
            'other': {'registrypath': 'a/other:1', 'username': None, 'password': 83},
        },
        flags=[
            'layer.docker-resource.auto-fetched',
            *_flags('image', 'available', 'changed'),
            *_flags('other', 'available'),
        ],
    )
    subject.attach('image', 'a/b:1', 'me', 'pw')
    subject.attach('other', 'a/other:1')
    return subject


def _upgraded(subject):
    subject._agent.is_deployed = True  # by the charm before
    return subject.upgrade()


def test_flags_and_images_hold_across_the_upgrade(subject):
    upgrade, config_changed = _upgraded(subject)
    assert seen(upgrade, 'image') == GOOD
    assert images(upgrade.pod_spec)['image'] == ('a/b:1', 'me', 'pw')
    assert images(config_changed.pod_spec)['other'] == ('a/other:1', '', '')


def test_changed_flags_that_were_never_cleared_are(subject):
    _upgraded(subject)
    assert states(subject.flags, 'image') == states(subject.flags, 'other') == GOOD


def test_nothing_of_the_older_bookkeeping_is_left(subject):
    _upgraded(subject)
    assert 'layer.docker-resource.auto-fetched' not in subject.flags
    assert 'layer.docker-resource.pending' not in subject.flags
    assert not [key for key in subject.kv if 'data_changed' in key]


def test_an_image_attached_with_the_upgrade_is_a_change(subject):
    subject.attach('image', 'a/b:2', 'me', 'pw')
    upgrade = _upgraded(subject)[0]
    assert seen(upgrade, 'image') == {*GOOD, 'changed'}


def test_get_info_gives_text_before_the_first_upgrade_hook_as_well(subject):
    # Juju may run another hook with the new charm's code first, after a hook that failed.
    (run,) = subject.run('update-status')
    assert images(run.pod_spec) == {
        'image': ('a/b:1', 'me', 'pw'),
        'other': ('a/other:1', '', '83'),
    }


def test_what_was_pending_or_had_failed_is_fetched(charms, live):
    subject = live(charms.make(resources=TWO, reactive=OBSERVER))
    _older_state(
        subject,
        infos={},
        flags=[
            *('layer.docker-resource.auto-fetched', 'layer.docker-resource.pending'),
            *_flags('image'),
            *_flags('other', 'failed'),
        ],
        pending=['image'],
    )
    subject.attach('image', 'a/b:1')
    subject.attach('other', 'a/other:1')
    upgrade = _upgraded(subject)[0]
    assert seen(upgrade, 'image') == seen(upgrade, 'other') == GOOD
    assert len(upgrade.started('resource-get')) == 2
