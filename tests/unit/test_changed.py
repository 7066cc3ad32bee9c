"""`.changed`: the available image is not the one that get_info last gave to the charm."""

import pytest
from charmhelpers.core import unitdata

from support.simulated import AVAILABLE, CHANGED, FAILED, IMAGE, OTHER_IMAGE, PRIVATE

BROKEN = b'broken: true'


@pytest.fixture
def deployed(unit):
    """A unit whose charm took the first image."""
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: unit.library.get_info('my-image'))
    unit.hook('install')
    return unit


def after(unit, data, hook='upgrade-charm', take=False):
    """Attach that; return what handlers see in the hook."""
    unit.attached['my-image'] = data
    seen = unit.seen(take=take)
    unit.hook(hook)
    return seen[0]


def test_what_nobody_took_cannot_change(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert after(unit, OTHER_IMAGE) == AVAILABLE


@pytest.mark.parametrize(
    'data', [OTHER_IMAGE, PRIVATE, PRIVATE.replace(b'me', b'you')], ids=['path', 'both', 'user']
)
def test_another_image_or_other_credentials_are_a_change_until_they_are_taken(deployed, data):
    assert after(deployed, data) == CHANGED
    seen = deployed.seen(take=False)
    for hook in ('config-changed', 'update-status', 'leader-elected'):
        deployed.hook(hook)
    assert seen == [CHANGED] * 3
    seen = deployed.seen()
    deployed.hook('config-changed')
    deployed.hook('update-status')
    assert seen == [CHANGED, AVAILABLE]


def test_the_image_before_is_no_change_after_one_that_nobody_took(deployed):
    assert after(deployed, OTHER_IMAGE) == CHANGED
    assert after(deployed, IMAGE) == AVAILABLE


def test_a_broken_image_in_between_loses_no_change(deployed):
    assert after(deployed, OTHER_IMAGE) == CHANGED
    assert after(deployed, BROKEN) == FAILED
    assert after(deployed, OTHER_IMAGE) == CHANGED
    assert deployed.flags() == CHANGED


def test_the_same_image_after_a_failure_is_no_change(deployed):
    assert after(deployed, BROKEN) == FAILED
    assert after(deployed, IMAGE, 'update-status') == AVAILABLE


@pytest.mark.parametrize('flushed', [True, False])
def test_what_was_taken_in_a_hook_that_failed_was_not(deployed, flushed):
    deployed.attached['my-image'] = OTHER_IMAGE
    seen = []

    def take():
        seen.append(deployed.flags())
        deployed.library.get_info('my-image')
        if flushed:  # as charms with handlers in bash do
            unitdata.kv().flush()

    deployed.during(take)
    deployed.hook('upgrade-charm', crash=True)
    deployed.hook('upgrade-charm')
    deployed.hook('config-changed')
    assert seen == [CHANGED, CHANGED, AVAILABLE]


def test_an_image_that_is_read_after_another_was_taken_in_that_hook_is_a_change(deployed):
    def refetch():
        assert deployed.library.get_info('my-image').registry_path == 'a/b'
        deployed.attached['my-image'] = OTHER_IMAGE
        deployed.library.fetch('my-image')

    deployed.during(refetch)
    deployed.hook('update-status')
    assert deployed.flags() == CHANGED
    seen = deployed.seen()
    deployed.hook('update-status')
    assert (seen, deployed.flags()) == ([CHANGED], AVAILABLE)


def test_what_is_taken_twice_in_a_hook_is_what_was_taken_last(deployed):
    deployed.attached['my-image'] = OTHER_IMAGE
    taken = []

    def take():
        deployed.library.fetch('my-image')
        taken.append(deployed.library.get_info('my-image').registry_path)
        deployed.handlers.read_requested()
        taken.append(deployed.library.get_info('my-image').registry_path)

    deployed.during(take)
    deployed.hook('update-status')
    assert (taken, deployed.flags()) == (['a/b', 'a/c'], AVAILABLE)


def test_what_is_taken_at_the_very_end_of_a_hook_is_taken(deployed):
    deployed.attached['my-image'] = OTHER_IMAGE
    deployed.during(lambda: None)
    # Registered while modules are imported, it is called last.
    ends = [lambda: deployed.library.get_info('my-image')]
    begin = deployed._atstart[-1]
    deployed._atstart[-1] = lambda: (deployed._atexit.extend(ends), begin())
    deployed.hook('upgrade-charm')
    assert deployed.flags() == AVAILABLE


def test_an_idle_hook_in_which_a_charm_takes_the_same_image_writes_nothing(deployed):
    deployed.hook('update-status')
    before = unitdata.kv().getrange('')
    deployed.hook('update-status')
    assert unitdata.kv().getrange('') == before


def test_what_a_charm_gives_up_is_forgotten_with_what_was_taken_of_it(deployed):
    kept, deployed.metadata['resources'] = deployed.metadata['resources'], {}
    deployed.during(lambda: None)
    deployed.hook('upgrade-charm')
    deployed.metadata['resources'] = kept
    assert after(deployed, OTHER_IMAGE) == AVAILABLE


def test_a_change_between_get_info_and_a_fetch_of_the_same_hook_is_a_change(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')

    def handler():
        unit.library.get_info('my-image')
        unit.attached['my-image'] = OTHER_IMAGE
        unit.library.fetch('my-image')

    unit.during(handler)
    unit.hook('update-status')
    assert unit.flags() == CHANGED
