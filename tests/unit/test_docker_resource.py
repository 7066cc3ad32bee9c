"""The layer against a mocked hookenv, with the real charms.reactive and unitdata."""

import stat
import time

import pytest
from charmhelpers.core import hookenv, unitdata
from charms import reactive
from charms.reactive import bus

from support.simulated import AVAILABLE, FAILED, IMAGE, OTHER_IMAGE, PRIVATE, SECRET, WAITING


def test_fetch_marks_a_resource_as_fetched(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unit.library.fetch('my-image')
    assert 'fetched' in unit.flags()


def test_what_a_handler_fetches_is_available_in_the_same_hook(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('install')
    assert unit.flags() == AVAILABLE
    assert unit.library.get_info('my-image').registry_path == 'a/b'


def test_what_is_fetched_twice_in_a_hook_is_asked_for_once(unit):
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: (unit.library.fetch('my-image'), unit.library.fetch('my-image')))
    unit.hook('install')
    assert unit.asked == ['my-image']


def test_what_is_fetched_again_in_a_later_hook_is_read_again(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = OTHER_IMAGE
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('config-changed')
    assert unit.asked == ['my-image']
    assert unit.library.get_info('my-image').registry_path == 'a/c'


def test_a_fetch_after_the_last_handler_is_done_in_the_next_hook(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.hook('update-status')
    for _ in range(2):
        unit.library.fetch('my-image')
    assert unitdata.kv().get('layer.docker-resource.memory')['unread'] == ['my-image']
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('update-status')
    assert unit.library.get_info('my-image').registry_path == 'a/c'
    unit.hook('update-status')
    assert unit.asked == []


def test_several_images_share_one_file(unit):
    names = [f'image-{n}' for n in range(5)]
    unit.metadata['resources'] = {
        name: {'type': 'oci-image', 'auto-fetch': True} for name in names
    }
    unit.attached = {name: f'registrypath: r/{name}'.encode() for name in names}
    unit.hook('install')
    for name in names:
        assert unit.library.get_info(name).registry_path == f'r/{name}'
    assert unit.asked == names


def test_each_failed_resource_is_named_with_its_reason(unit):
    names = ('absent-1', 'absent-2', 'empty')
    unit.metadata['resources'] = {
        name: {'type': 'oci-image', 'auto-fetch': True} for name in names
    }
    unit.attached['empty'] = b''
    unit.hook('install')
    assert unit.statuses[-1] == (
        'blocked',
        'absent-1, absent-2: no image is attached (juju attach-resource my-charm NAME=IMAGE; if'
        ' you already have, wait: Juju is still storing it); '
        'empty: the attached file is empty (juju attach-resource my-charm empty=IMAGE)',
    )


def test_an_idle_hook_reads_nothing_and_says_nothing(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.hook('update-status')
    before = unitdata.kv().getrange('')
    unit.hook('update-status')
    assert (unit.asked, unit.statuses, unit.logged) == ([], [], [])
    assert unitdata.kv().getrange('') == before


def test_an_upgrade_with_nothing_new_is_no_news(unit):
    unit.attached['my-image'] = PRIVATE
    seen = unit.seen()
    unit.hook('install')
    unit.hook('upgrade-charm')
    assert unit.asked == ['my-image']
    assert seen == [AVAILABLE, AVAILABLE]
    assert unit.statuses == []


def test_an_upgrade_is_read_before_any_handler_runs(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = OTHER_IMAGE
    paths = []
    unit.during(lambda: paths.append(unit.library.get_info('my-image').registry_path))
    bus.Handler._HANDLERS['charm']._predicates = [
        lambda: unitdata.kv().get('reactive.dispatch.phase') == 'hooks'
    ]
    unit.hook('upgrade-charm')
    assert paths == ['a/c']


def test_a_failed_resource_is_not_available_though_it_once_was(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = b''
    unit.hook('upgrade-charm')
    with pytest.raises(ValueError, match=r'layer\.docker-resource\.my-image\.available'):
        unit.library.get_info('my-image')


def test_a_failed_resource_is_tried_again_in_every_later_hook_and_recovers(unit):
    unit.hook('install')
    for name in ('config-changed', 'start', 'update-status'):
        unit.hook(name)
        assert unit.asked == ['my-image']
        assert unit.flags() == FAILED
        assert [status for status, _ in unit.statuses] == ['blocked']
    unit.attached['my-image'] = IMAGE
    unit.hook('update-status')
    assert unit.flags() == AVAILABLE
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]
    unit.hook('update-status')
    assert (unit.asked, unit.statuses) == ([], [])


def test_set_status_false_sets_no_status_and_logs_the_reason(unit):
    unit.options['set-status'] = False
    unit.attached['my-image'] = PRIVATE + b'---\n'
    unit.hook('install')
    assert 'more than one YAML document' in ''.join(unit.logged)
    assert SECRET not in ''.join(unit.logged)
    unit.attached['my-image'] = IMAGE
    unit.hook('update-status')
    assert unit.flags() == AVAILABLE
    assert unit.statuses == []


@pytest.mark.parametrize('resource', [None, {'type': 'oci-image', 'auto-fetch': 'maybe'}])
def test_what_is_wrong_in_metadata_reaches_the_log_even_without_status(unit, resource):
    unit.options['set-status'] = False
    unit.metadata['resources']['odd'] = resource
    unit.attached['my-image'] = IMAGE
    for hook in ('install', 'upgrade-charm'):
        unit.hook(hook)
        assert [text[:5] for text in unit.logged] == ['odd: ']
        assert unit.statuses == []


def test_a_charm_put_together_by_hand_has_the_default_options(unit):
    unit.options = {}
    unit.hook('install')
    assert unit.statuses[-1][0] == 'blocked'


def test_get_info_says_what_to_wait_for(unit):
    with pytest.raises(
        ValueError, match=r'wait for the flag layer\.docker-resource\.my-image\.av'
    ):
        unit.library.get_info('my-image')


def test_get_info_of_an_unknown_name_lists_those_that_there_are(unit):
    unit.metadata['resources']['another'] = {'type': 'file', 'filename': 'f'}
    with pytest.raises(ValueError, match=r'no resource of that name, only: another, my-image$'):
        unit.library.get_info('my_image')
    unit.metadata['resources'] = None
    with pytest.raises(ValueError, match=r'metadata.yaml declares no resources$'):
        unit.library.get_info('my_image')


def test_the_image_details_are_what_a_pod_spec_wants(unit):
    unit.attached['my-image'] = PRIVATE
    unit.hook('install')
    details = unit.library.get_info('my-image').image_details
    assert details == {'imagePath': 'a/b', 'username': 'me', 'password': SECRET}


def test_the_password_is_in_no_repr_log_status_flag_or_readable_file(unit, tmp_path):
    unit.attached['my-image'] = PRIVATE
    unit.hook('install')
    unit.attached['my-image'] = PRIVATE + b'x: ['
    unit.hook('upgrade-charm')
    unit.attached['my-image'] = PRIVATE
    unit.hook('update-status')
    info = unit.library.get_info('my-image')
    assert info.password == SECRET
    assert SECRET not in f'{info} {info!r} {[info]}'
    assert SECRET not in repr((unit.logged, unit.statuses, reactive.get_flags()))
    state = tmp_path / '.unit-state.db'
    assert SECRET.encode() in state.read_bytes()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_memory_does_not_grow_with_each_fetch_of_the_same_name(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.during(lambda: [unit.library.fetch('my-image') for _ in range(3)])
    unit.hook('update-status')
    before = unitdata.kv().getrange('')
    for _ in range(3):
        unit.hook('update-status')
        unit.library.fetch('my-image')
        unit.library.fetch('my-image')
    unit.hook('update-status')
    assert unitdata.kv().getrange('') == before


def test_what_could_not_be_read_in_config_changed_is_read_in_the_next_hook_and_then_no_more(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = False
    unit.hook('config-changed')
    assert unit.flags() == AVAILABLE
    unit.attached['my-image'] = OTHER_IMAGE
    for asked in (['my-image'], []):
        unit.hook('update-status')
        assert unit.asked == asked
    assert unit.library.get_info('my-image').registry_path == 'a/c'


def test_what_there_was_no_time_for_goes_first_and_keeps_its_problem(unit, monkeypatch):
    names = ['a', 'b', 'c']
    unit.metadata['resources'] = {
        name: {'type': 'oci-image', 'auto-fetch': True} for name in names
    }
    unit.attached = {'a': IMAGE, 'b': IMAGE, 'c': b''}
    unit.hook('install')
    assert unit.flags('c') == FAILED

    def slow(name):
        unit.asked.append(name)
        time.sleep(60 if name == 'a' else 0)
        return unit.resource_get(name)

    monkeypatch.setattr(hookenv, 'resource_get', slow)
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.3)
    unit.hook('upgrade-charm')
    assert unit.asked == ['a']
    assert (unit.flags('a'), unit.flags('b'), unit.flags('c')) == (WAITING, WAITING, FAILED)
    assert dict(unit.statuses)['blocked'].startswith('c: the attached file is empty')
    monkeypatch.setattr(hookenv, 'resource_get', unit.resource_get)
    unit.hook('update-status')
    assert unit.asked == ['b', 'c', 'a']
    unit.hook('update-status')
    assert unit.asked == ['c']


def test_a_handler_that_clears_changed_itself_runs_once(unit):
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: unit.library.get_info('my-image'))
    unit.hook('install')
    runs = []

    def clear():
        runs.append('changed' in unit.flags())
        reactive.clear_flag('layer.docker-resource.my-image.changed')
        unit.library.get_info('my-image')
        unit.library.fetch('my-image')

    unit.during(clear)
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('upgrade-charm')
    assert runs == [True]
    assert unit.flags() == AVAILABLE
