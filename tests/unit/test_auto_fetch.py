"""Which resources are fetched without a call: those of metadata.yaml that say so."""

import json

import pytest
from charmhelpers.core import unitdata

from support.simulated import ABSENT, AVAILABLE, IMAGE, OTHER_IMAGE, PRIVATE, SECRET


@pytest.mark.parametrize('kind', ['oci-image', 'docker'])
def test_auto_fetch_fetches_images(unit, kind):
    unit.metadata['resources']['my-image']['type'] = kind
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize(
    'resource',
    [
        {'type': 'oci-image'},
        {'type': 'oci-image', 'auto-fetch': False},
        {'type': 'oci-image', 'auto-fetch': None},
        {'type': 'file', 'auto-fetch': True},
        {'auto-fetch': True},
    ],
)
def test_auto_fetch_leaves_all_others_alone(unit, resource):
    unit.metadata['resources']['my-image'] = resource
    unit.hook('install')
    assert (unit.flags(), unit.asked, unit.statuses) == (set(), [], [])


@pytest.mark.parametrize('word', [True, 'true', 'Yes', ' on ', 1, '1', 'TRUE'])
def test_auto_fetch_understands_each_word_for_true(unit, word):
    unit.metadata['resources']['my-image']['auto-fetch'] = word
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize('word', [False, 'false', 'No', 'off', 'OFF', 0, '0', '', ' ', None])
def test_auto_fetch_understands_each_word_for_false(unit, word):
    unit.metadata['resources']['my-image']['auto-fetch'] = word
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert (unit.flags(), unit.asked, unit.statuses, unit.logged) == (set(), [], [], [])


@pytest.mark.parametrize('value', ['nonsense', 2, 0.5, 1.0, [True], {}])
def test_auto_fetch_that_is_not_true_or_false_is_named(unit, value):
    unit.metadata['resources'] = {
        'my-image': {'type': 'oci-image', 'auto-fetch': value},
        'other': {'type': 'oci-image', 'auto-fetch': True},
    }
    unit.attached = {'my-image': IMAGE, 'other': IMAGE}
    unit.hook('install')
    assert unit.flags() == {'failed'}
    assert unit.asked == ['other']
    assert unit.flags('other') == AVAILABLE
    for _ in range(2):
        assert unit.statuses[-1][0] == 'blocked'
        assert 'my-image: its auto-fetch in metadata.yaml is not true or' in unit.statuses[-1][1]
        unit.hook('update-status')


@pytest.mark.parametrize('mended', [True, False])
def test_a_charm_that_mends_its_auto_fetch_is_mended(unit, mended):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'maybe'
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.metadata['resources']['my-image']['auto-fetch'] = mended
    unit.hook('upgrade-charm')
    assert unit.flags() == (AVAILABLE if mended else set())
    assert {status for status, _ in unit.statuses} == {'maintenance'}


def test_fetch_does_without_a_good_auto_fetch(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'maybe'
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('install')
    assert unit.flags() == AVAILABLE


def test_a_later_fetch_that_mends_takes_the_status_back(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'maybe'
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('update-status')
    assert unit.flags() == AVAILABLE
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]


@pytest.mark.parametrize('resources', [None, {}, [], 'text', ABSENT])
def test_a_charm_without_resources_is_no_error(unit, resources):
    unit.metadata = {} if resources is ABSENT else {'resources': resources}
    unit.hook('install')
    unit.hook('upgrade-charm')
    assert (unit.asked, unit.statuses) == ([], [])


def test_a_null_entry_is_named_and_nothing_lost_for_the_others(unit):
    unit.metadata['resources']['empty'] = None
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert unit.flags() == AVAILABLE
    assert unit.flags('empty') == {'failed'}
    assert unit.statuses[-1][0] == 'blocked'
    assert unit.statuses[-1][1].startswith('empty: ')


def test_one_added_by_an_upgrade_is_fetched_too(unit):
    unit.attached = {'my-image': IMAGE, 'added': OTHER_IMAGE}
    unit.hook('install')
    unit.metadata['resources']['added'] = {'type': 'oci-image', 'auto-fetch': True}
    unit.hook('update-status')
    assert unit.flags('added') == set()
    unit.hook('upgrade-charm')
    assert unit.flags('added') == AVAILABLE


def test_one_removed_by_an_upgrade_is_forgotten(unit):
    unit.metadata['resources']['gone'] = {'type': 'oci-image', 'auto-fetch': True}
    unit.attached = {'my-image': IMAGE, 'gone': PRIVATE}
    unit.hook('install')
    assert unit.flags('gone') == AVAILABLE
    del unit.metadata['resources']['gone']
    unit.hook('upgrade-charm')
    assert unit.flags('gone') == set()
    assert unit.flags() == AVAILABLE
    assert unit.asked == ['my-image']
    assert SECRET not in json.dumps(unitdata.kv().getrange('layer.docker-resource.'))
    with pytest.raises(ValueError, match='gone'):
        unit.library.get_info('gone')


def test_one_that_failed_and_was_removed_blocks_no_more(unit):
    unit.hook('install')
    unit.metadata['resources'] = {}
    unit.hook('upgrade-charm')
    assert unit.flags() == set()
    assert unit.statuses == [('maintenance', 'image resources have recovered')]
