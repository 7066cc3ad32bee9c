"""Units that upgrade from a charm built with an older release."""

import pytest
from charmhelpers.core import unitdata
from charms import reactive

from support.simulated import ABSENT, AVAILABLE, CHANGED, FAILED, IMAGE, OTHER_IMAGE


class TestAnUpgradeFromAnOlderRelease:
    """State as the older public layer of this name leaves it."""

    @pytest.fixture(autouse=True)
    def older_state(self, unit):
        kv = unitdata.kv()
        kv.set('layer.docker-resource.pending', [])
        kv.set(
            'layer.docker-resource.my-image.image-info',
            {'registrypath': 'a/b', 'username': None, 'password': 83, 'auth': {}},
        )
        kv.set('reactive.data_changed.layer.docker-resource.my-image', '0' * 32)
        for flag in ('auto-fetched', 'my-image.fetched', 'my-image.available', 'my-image.changed'):
            reactive.set_flag('layer.docker-resource.' + flag)
        kv.flush()
        unit.attached['my-image'] = b'registrypath: a/b\nusername: ""\npassword: "83"\n'

    def test_get_info_holds_before_anything_is_read(self, unit):
        assert unit.library.get_info('my-image').image_details == {
            'imagePath': 'a/b',
            'username': '',
            'password': '83',
        }

    def test_flags_hold_and_old_news_end(self, unit):
        seen = unit.seen()
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE]
        assert unit.flags() == AVAILABLE
        assert unit.statuses == []
        assert 'layer.docker-resource.auto-fetched' not in reactive.get_flags()
        assert not unitdata.kv().getrange('reactive.data_changed.')

    def test_another_image_is_news(self, unit):
        unit.attached['my-image'] = OTHER_IMAGE
        seen = unit.seen()
        unit.hook('upgrade-charm')
        assert seen == [CHANGED]

    @pytest.mark.parametrize(
        'stored',
        [
            *(['a/b'], 'a/b', 7, {}, {'registrypath': ['a/b']}),
            *({'registrypath': None, 'username': 'me'}, {'registrypath': ''}),
        ],
    )
    def test_nonsense_that_was_available_is_replaced(self, unit, stored):
        unitdata.kv().set('layer.docker-resource.my-image.image-info', stored)
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').registry_path == 'a/b'

    @pytest.mark.parametrize('stored', [{'registrypath': None}, {'registrypath': ''}, {}, None])
    def test_what_names_no_image_is_not_given(self, unit, stored):
        unitdata.kv().set('layer.docker-resource.my-image.image-info', stored)
        with pytest.raises(ValueError, match='wait for the flag'):
            unit.library.get_info('my-image')

    @pytest.mark.parametrize('stored', [{'registrypath': None}, {'registrypath': ''}, {}, None])
    def test_the_first_image_after_none_is_no_change(self, unit, stored):
        unitdata.kv().set('layer.docker-resource.my-image.image-info', stored)
        seen = unit.seen()
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE]

    def test_what_was_pending_is_read(self, unit):
        kv = unitdata.kv()
        kv.set('layer.docker-resource.pending', ['late', 'late'])
        for flag in ('pending', 'late.fetched', 'late.failed'):
            reactive.set_flag('layer.docker-resource.' + flag)
        unit.metadata['resources']['late'] = {'type': 'oci-image'}
        unit.attached['late'] = OTHER_IMAGE
        unit.hook('upgrade-charm')
        assert unit.flags('late') == AVAILABLE
        assert unit.asked == ['late', 'my-image']
        assert 'layer.docker-resource.pending' not in reactive.get_flags()

    def test_a_crash_in_between_changes_nothing(self, unit):
        seen = unit.seen()
        unit.hook('upgrade-charm', crash=True)
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE, AVAILABLE]


PREFIX = 'layer.docker-resource.'


def older(unit):
    """Leave what an older release of this layer does, with an image that a handler fetched."""
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unitdata.kv().set(
        PREFIX + 'my-image.image-info', {'registrypath': 'a/b', 'username': '', 'password': ''}
    )
    for flag in ('auto-fetched', 'my-image.fetched', 'my-image.available'):
        reactive.set_flag(PREFIX + flag)
    unitdata.kv().flush()


def test_what_a_handler_fetched_once_with_an_older_release_is_not_given_up(unit):
    older(unit)
    unit.hook('upgrade-charm')
    assert unit.flags() == FAILED
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('update-status')
    assert unit.flags() == CHANGED


def test_what_is_given_up_and_fetched_again_was_taken_all_the_same(unit):
    unit.attached['my-image'] = IMAGE
    unit.seen()
    unit.hook('install')
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unit.attached['my-image'] = ABSENT
    unit.hook('upgrade-charm')
    assert unit.flags() == set()
    unit.attached['my-image'] = OTHER_IMAGE
    unit.library.fetch('my-image')
    unit.during(lambda: None)
    unit.hook('upgrade-charm')
    assert unit.flags() == CHANGED


def test_an_optional_image_that_the_charm_gave_up_once_stays_so_until_an_upgrade(unit):
    given_up = []

    def give_up():
        if not given_up and 'failed' in unit.flags():
            given_up.append(True)
            for state in ('fetched', 'failed'):
                reactive.clear_flag(f'{PREFIX}my-image.{state}')

    unit.during(give_up)
    unit.hook('install')
    unit.hook('config-changed')
    assert unit.flags() == set()
    assert unit.statuses == []
    unit.hook('upgrade-charm')
    assert unit.flags() == FAILED


def test_a_number_0_for_a_password_is_a_password(unit):
    older(unit)
    stored = {'registrypath': 'a/b', 'username': 0, 'password': 0}
    unitdata.kv().set(PREFIX + 'my-image.image-info', stored)
    details = unit.library.get_info('my-image').image_details
    assert (details['username'], details['password']) == ('0', '0')


@pytest.mark.parametrize('status', ['fetching resource: my-image', 'unable to fetch resource: x'])
def test_a_status_that_an_older_release_left_for_good_is_replaced(unit, status):
    older(unit)
    unit.status = ('maintenance', status)
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert [state for state, _ in unit.statuses] == ['maintenance']
    assert unit.statuses[0][1] != status
    unit.hook('config-changed')
    assert unit.statuses == []


def test_a_status_of_the_charm_is_not_taken_for_one_of_an_older_release(unit):
    older(unit)
    unit.status = ('active', 'ready')
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert unit.statuses == []


@pytest.mark.parametrize('is_auto_fetched', [True, False])
def test_what_an_older_release_auto_fetched_may_be_given_up_by_a_later_upgrade(
    unit, is_auto_fetched
):
    older(unit)
    unit.metadata['resources']['my-image']['auto-fetch'] = is_auto_fetched
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert unit.flags() == AVAILABLE
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unit.attached['my-image'] = ABSENT
    unit.hook('upgrade-charm')
    assert unit.flags() == (set() if is_auto_fetched else FAILED)


@pytest.mark.parametrize('hook', ['upgrade-charm', 'update-status'])
def test_an_older_release_in_between_is_adopted_again(unit, hook):
    older(unit)
    unit.hook('upgrade-charm')
    assert unit.flags() == FAILED
    # The older release attaches another image, and never clears `changed`.
    unitdata.kv().set(
        PREFIX + 'my-image.image-info', {'registrypath': 'a/c', 'username': '', 'password': ''}
    )
    reactive.clear_flag(PREFIX + 'my-image.failed')
    for flag in ('auto-fetched', 'my-image.available', 'my-image.changed'):
        reactive.set_flag(PREFIX + flag)
    unitdata.kv().flush()
    unit.attached['my-image'] = OTHER_IMAGE
    seen = unit.seen(take=False)
    unit.hook(hook)
    assert seen == [AVAILABLE]
    assert 'blocked' not in dict(unit.statuses)
    assert not reactive.is_flag_set(PREFIX + 'auto-fetched')
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert unit.flags() == CHANGED


@pytest.mark.parametrize('was_available', [True, False])
def test_memory_as_earlier_releases_of_this_layer_wrote_it_is_read(unit, was_available):
    memory = {
        'problems': {'my-image': ['blocked', 'no image is attached', 'attach one']},
        'given': {'my-image': ['a/b', '', '', '']},
        'refused': {},
        'asked': [],
        'marked': ['my-image'],
        'unread': [],
        'warned': [],
        'unasked': [],
        'is_checked': True,
        'is_told': True,
    }
    if was_available:
        memory.update(problems={}, is_told=False)
    kv = unitdata.kv()
    kv.set(PREFIX + 'memory', memory)
    kv.set(PREFIX + 'my-image.image-info', dict(zip(KEYS, ['a/b', '', '', ''])))
    for state in ('fetched', 'available' if was_available else 'failed'):
        reactive.set_flag(f'{PREFIX}my-image.{state}')
    kv.flush()
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('upgrade-charm')
    assert unit.flags() == CHANGED
    recovered = ('maintenance', 'image resources have recovered')
    assert unit.statuses == ([] if was_available else [recovered])
    stored = kv.get(PREFIX + 'memory')
    assert set(stored) == {*memory}
    assert stored['given'] == memory['given']
    assert kv.get(PREFIX + 'my-image.image-info') == dict(zip(KEYS, ['a/c', '', '', '']))


KEYS = ('registrypath', 'username', 'password', 'digest')
