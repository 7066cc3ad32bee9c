"""A hook in which nothing is due does nothing, and one with something due is not taken for it."""

import sys

import pytest
from charms import reactive
from charms.reactive import bus

from support.simulated import AVAILABLE, CHANGED, IMAGE, OTHER_IMAGE

PREFIX = 'layer.docker-resource.my-image.'


@pytest.fixture
def deployed(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.hook('update-status')
    return unit


@pytest.fixture
def lazy(deployed, monkeypatch):
    """Have no hook load what only those with something to do load."""
    _unload(monkeypatch)
    return deployed


def _unload(monkeypatch):
    monkeypatch.delitem(sys.modules, 'image_resource.hook')
    monkeypatch.delattr(sys.modules['image_resource'], 'hook')
    monkeypatch.setattr(bus.Handler, '_HANDLERS', {})


def _is_loaded():
    return 'image_resource.hook' in sys.modules


def test_idle_hooks_load_nothing(lazy):
    for name in ('update-status', 'start', 'a-relation-changed'):
        lazy.hook(name)
        assert not _is_loaded()
    assert lazy.asked == []
    assert lazy.flags() == AVAILABLE


@pytest.mark.parametrize('name', ['upgrade-charm', 'config-changed'])
def test_hooks_that_read_again_are_not_idle(lazy, name):
    lazy.attached['my-image'] = OTHER_IMAGE
    lazy.hook(name)
    assert lazy.asked == ['my-image']


@pytest.mark.parametrize('state', ['available', 'fetched'])
def test_a_hook_after_the_charm_cleared_a_flag_is_not_idle(lazy, state):
    reactive.clear_flag(PREFIX + state)
    lazy.hook('update-status')
    assert lazy.asked == (['my-image'] if state == 'available' else [])
    assert _is_loaded()


@pytest.mark.parametrize('state', ['available', 'fetched'])
def test_a_hook_in_which_another_layer_cleared_a_flag_before_is_not_idle(lazy, state):
    lazy._atstart.insert(0, lambda: reactive.clear_flag(PREFIX + state))
    lazy.hook('update-status')
    assert lazy.asked == (['my-image'] if state == 'available' else [])
    assert _is_loaded()


@pytest.mark.parametrize('flag', [PREFIX + 'failed', 'layer.docker-resource.pending'])
def test_a_hook_after_the_charm_set_a_flag_of_the_layer_is_not_idle(lazy, flag):
    reactive.set_flag(flag)
    lazy.hook('update-status')
    assert _is_loaded()


def test_flags_of_the_charm_and_of_other_layers_leave_hooks_idle(lazy):
    for flag in ('my-charm.ready', 'layer.docker-resources.available', 'zzz'):
        reactive.set_flag(flag)
    lazy.hook('update-status')
    assert not _is_loaded()


def test_hooks_of_a_charm_with_images_of_any_name_are_idle(deployed, monkeypatch):
    names = ['z', 'A', 'a-1', 'a.1', 'a_1', 'ä', '*', '[z]', "it's"]
    entry = {'type': 'oci-image', 'auto-fetch': True}
    deployed.metadata['resources'] = dict.fromkeys(names, entry)
    deployed.attached.update(dict.fromkeys(names, IMAGE))
    deployed.hook('upgrade-charm')
    deployed.hook('update-status')
    _unload(monkeypatch)
    deployed.hook('update-status')
    assert not _is_loaded()
    assert deployed.flags("it's") == AVAILABLE


def test_a_hook_is_not_idle_while_a_resource_has_a_problem(unit):
    for _ in range(3):
        unit.hook('update-status')
        assert unit.asked == ['my-image']


def test_a_hook_is_idle_with_flags_of_the_charm(deployed, monkeypatch):
    reactive.set_flag('my-charm.ready')
    deployed.hook('config-changed')
    _unload(monkeypatch)
    deployed.hook('update-status')
    assert not _is_loaded()


def test_a_hook_is_not_idle_before_one_looked_for_images_that_nobody_fetched(unit, monkeypatch):
    unit.attached['my-image'] = IMAGE
    unit.metadata['resources']['other'] = {'type': 'oci-image'}
    unit.hook('install')
    _unload(monkeypatch)
    unit.hook('update-status')
    assert [text for text in unit.logged if 'other was never fetched' in text]


def test_a_hook_is_not_idle_while_an_entry_of_metadata_yaml_is_invalid(deployed, monkeypatch):
    deployed.metadata['resources']['other'] = {'type': 'oci-image', 'auto-fetch': 'maybe'}
    deployed.hook('upgrade-charm')
    deployed.hook('update-status')
    _unload(monkeypatch)
    deployed.hook('update-status')
    assert [status for status, _ in deployed.statuses] == ['blocked']


@pytest.mark.parametrize('state', ['available', 'fetched'])
def test_a_hook_is_not_idle_after_one_with_more_to_do_in_which_the_charm_cleared_a_flag(
    deployed, monkeypatch, state
):
    deployed.during(lambda: reactive.clear_flag(PREFIX + state))
    deployed.hook('config-changed')
    deployed.during(lambda: None)
    _unload(monkeypatch)
    deployed.hook('update-status')
    assert deployed.asked == (['my-image'] if state == 'available' else [])
    assert _is_loaded()


def test_a_hook_is_not_idle_after_one_that_kept_an_image_which_it_could_not_read(deployed):
    deployed.attached['my-image'] = False
    deployed.hook('config-changed')
    assert deployed.flags() == AVAILABLE
    deployed.hook('update-status')
    assert deployed.asked == ['my-image']


def test_a_hook_is_not_idle_after_another_layer_fetched_at_the_end_of_one(deployed):
    deployed.metadata['resources']['other'] = {'type': 'oci-image'}
    deployed.attached['other'] = IMAGE
    deployed._atstart.append(
        lambda: deployed._atexit.insert(0, lambda: deployed.library.fetch('other'))
    )
    deployed.hook('update-status')
    del deployed._atstart[1:]
    deployed.hook('update-status')
    assert deployed.asked == ['other']
    assert deployed.flags('other') == AVAILABLE


def test_a_hook_in_which_another_layer_fetched_before_is_not_idle(deployed):
    deployed.metadata['resources']['other'] = {'type': 'oci-image'}
    deployed.attached['other'] = IMAGE
    deployed._atstart.insert(0, lambda: deployed.library.fetch('other'))
    deployed.hook('update-status')
    assert deployed.asked == ['other']
    assert deployed.flags('other') == AVAILABLE


def test_what_a_handler_fetches_in_an_idle_hook_is_read_in_it(lazy):
    lazy.metadata['resources']['other'] = {'type': 'oci-image'}
    lazy.attached['other'] = IMAGE
    lazy.during(lambda: lazy.library.fetch('other'))
    lazy.hook('update-status')
    assert lazy.asked == ['other']
    assert lazy.flags('other') == AVAILABLE


@pytest.mark.parametrize('is_late', [False, True])
def test_what_get_info_returns_in_an_idle_hook_is_acknowledged(deployed, is_late):
    def get_info():
        deployed.library.get_info('my-image')

    if is_late:  # after the end of ours
        deployed._atstart.append(lambda: deployed._atexit.insert(0, get_info))
    else:
        deployed.during(get_info)
    deployed.hook('update-status')
    deployed._atstart[1:], deployed.handler = [], None
    deployed.during(lambda: None)
    deployed.attached['my-image'] = OTHER_IMAGE
    deployed.hook('upgrade-charm')
    assert deployed.flags() == CHANGED
