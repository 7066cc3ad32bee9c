"""charm_image._upload.store: releases, and what follows if an answer is lost."""

import pytest

from charm_image import _errors
from charm_image._upload import store
from support import charmhub_records
from support.storing import create

CHANNELS = ['latest/edge', 'latest/beta']
RESOURCES = {'my-file': 1, 'my-image': 1}


@pytest.fixture(autouse=True)
def uploaded(client):
    """Two revisions of a file and one of an image."""
    create(client, b'one')
    create(client, b'two')
    create(client, b'image', ('my-charm', 'my-image'))


def release(client, revision=1, channels=CHANNELS, resources=RESOURCES):
    return client.release('my-charm', revision, channels, resources)


def content(releases):
    return [(each.channel, each.revision, each.resources) for each in releases]


def test_a_release_is_in_every_channel_with_its_resources(hub, client):
    wanted = [(channel, 1, RESOURCES) for channel in CHANNELS]
    assert content(release(client)) == wanted
    assert content(client.channels('my-charm').releases) == wanted
    assert all(each.time for each in client.channels('my-charm').releases)


def test_a_resource_that_is_not_named_keeps_the_revision_that_was_released_before(client):
    release(client)
    released = release(client, channels=['latest/stable'], resources={'my-file': 2})
    assert content(released) == [('latest/stable', 1, {'my-file': 2, 'my-image': 1})]


@pytest.mark.parametrize(
    'fault', [{'status': 500}, {'status': 502, 'after': True}, {'after': True}]
)
def test_a_lost_answer_leads_to_one_release(hub, client, told, fault):
    hub.fail('POST', '/releases$', **fault)
    assert content(release(client)) == [(channel, 1, RESOURCES) for channel in CHANNELS]
    assert 'Checking in 0.5 s whether it succeeded' in told[0]
    assert len(hub.asked('POST', '/releases$')) == (1 if fault.get('after') else 2)
    assert hub.charms['my-charm'].count == len(CHANNELS)


def test_a_release_after_a_lost_answer_does_not_overwrite_that_of_somebody_else(
    hub, client, monkeypatch
):
    """Ours was lost on its way; theirs came before it is asked again."""
    charm = hub.charms['my-charm']
    charm.builds[2] = charmhub_records.Build()
    hub.fail('POST', '/releases$', status=500)

    def somebody(seconds):
        charm.releases['latest/edge'] = charmhub_records.Release(2, {'my-file': 2}, 'later')

    monkeypatch.setattr(store.time, 'sleep', somebody)
    with pytest.raises(
        _errors.UnavailableError, match='not known whether revision 1 was'
    ) as error:
        release(client)
    assert error.value.resolution == 'Run `charmcraft status my-charm`.'
    assert len(hub.asked('POST', '/releases$')) == 1
    assert charm.releases['latest/edge'].revision == 2


def test_a_fault_that_stays_ends_with_what_is_not_known(hub, client):
    hub.fail('POST', '/releases$', status=503, times=99)
    with pytest.raises(
        _errors.UnavailableError, match='not known whether revision 1 was released'
    ):
        release(client)
    assert len(hub.asked('POST', '/releases$')) == 5


def test_channels_that_may_not_be_read_are_not_compared_and_nothing_is_asked_again(hub, client):
    hub.permissions = ['package-manage']
    hub.fail('POST', '/releases$', status=500)
    with pytest.raises(_errors.UnavailableError, match='not known whether'):
        release(client)
    assert len(hub.asked('POST', '/releases$')) == 1
    assert content(release(client)) == [(channel, 1, RESOURCES) for channel in CHANNELS]


def test_an_answer_that_is_not_charmhubs_is_a_lost_one(hub, client):
    hub.fail('POST', '/releases$', status=200, body=b'<html>', after=True)
    assert content(release(client)) == [(channel, 1, RESOURCES) for channel in CHANNELS]


def test_a_release_that_charmhub_refuses_is_not_asked_for_again(hub, client):
    with pytest.raises(_errors.StoreError, match="'my-file' with revision 7 does not exist"):
        release(client, resources={'my-file': 7})
    assert len(hub.asked('POST', '/releases$')) == 1


def test_revisions_of_a_charm_have_a_status(hub, client):
    hub.charms['my-charm'].builds[2] = charmhub_records.Build('rejected')
    assert client.charm_revisions('my-charm') == {1: 'approved', 2: 'rejected'}
    release(client)
    assert client.charm_revisions('my-charm') == {1: 'released', 2: 'rejected'}


def test_revisions_of_a_charm_declare_their_resources(hub, client):
    hub.charms['my-charm'].builds[2] = charmhub_records.Build(resources=('my-file',))
    assert client.declared('my-charm') == {
        1: {'my-file': 'file', 'my-image': 'oci-image'},
        2: {'my-file': 'file'},
    }
