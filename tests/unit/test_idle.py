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
    monkeypatch.delitem(sys.modules, 'image_resource.hook')
    monkeypatch.delattr(sys.modules['image_resource'], 'hook')
    monkeypatch.setattr(bus.Handler, '_HANDLERS', {})
    return deployed


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


def test_a_hook_is_not_idle_while_a_resource_has_a_problem(unit):
    for _ in range(3):
        unit.hook('update-status')
        assert unit.asked == ['my-image']


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
