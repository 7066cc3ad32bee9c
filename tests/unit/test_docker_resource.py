"""The layer against a mocked hookenv, with the real charms.reactive and unitdata."""

import contextlib
import copy
import importlib
import itertools
import json
import os
import pathlib
import stat
import subprocess
import sys
import time
import types

import hypothesis
import pytest
from charmhelpers.core import hookenv, unitdata
from charms import reactive
from charms.reactive import bus, flags
from hypothesis import strategies

import contents_cases
from container_image import registry

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET = contents_cases.SECRET
IMAGE = b'registrypath: a/b\nusername: ""\npassword: ""\n'
OTHER_IMAGE = b'registrypath: a/c\nusername: ""\npassword: ""\n'
PRIVATE = f'registrypath: a/b\nusername: me\npassword: {SECRET}\n'.encode()
ABSENT = object()


class Unit:
    """A unit whose hooks run in this process: Juju's side of hookenv, and what the layer says."""

    def __init__(self, folder, monkeypatch):
        self.metadata = {'resources': {'my-image': {'type': 'oci-image', 'auto-fetch': True}}}
        self.attached = {}
        self.options = {'set-status': True, 'verify-image': False}
        self.statuses = []
        self.logged = []
        self.asked = []
        self.handler = None
        self._folder = folder
        self._atstart = []
        self._atexit = []
        monkeypatch.setenv('CHARM_DIR', str(folder))
        monkeypatch.setenv('JUJU_CHARM_DIR', str(folder))
        monkeypatch.setenv('JUJU_UNIT_NAME', 'my-charm/0')
        monkeypatch.setenv('UNIT_STATE_DB', str(folder / '.unit-state.db'))
        monkeypatch.setattr(unitdata, '_KV', None)
        monkeypatch.setattr(bus.Handler, '_HANDLERS', {})
        for name, replacement in {
            'metadata': lambda: copy.deepcopy(self.metadata),
            'resource_get': self.resource_get,
            'log': lambda message, level=None: self.logged.append(message),
            'atstart': lambda callback, *args: self._atstart.append(callback),
            'atexit': lambda callback, *args: self._atexit.append(callback),
        }.items():
            monkeypatch.setattr(hookenv, name, replacement)
        self._layer(monkeypatch)
        self.library = importlib.import_module('charms.layer.docker_resource')
        # As charms.reactive loads it: registers its handlers and callbacks.
        spec = importlib.util.spec_from_file_location(
            'reactive.docker_resource', str(ROOT / 'reactive' / 'docker_resource.py')
        )
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    def _layer(self, monkeypatch):
        def say(status):
            return lambda message: self.statuses.append((status, message))

        layer = types.ModuleType('charms.layer')
        layer.__path__ = [str(ROOT / 'lib' / 'charms' / 'layer')]
        layer.options = types.SimpleNamespace(
            get=lambda section, option: (
                self.options.get(option) if section == 'docker-resource' else None
            )
        )
        layer.status = types.SimpleNamespace(
            **{status: say(status) for status in ('maintenance', 'blocked', 'waiting')}
        )
        monkeypatch.setitem(sys.modules, 'charms.layer', layer)
        monkeypatch.delitem(sys.modules, 'charms.layer.docker_resource', raising=False)
        monkeypatch.setattr(sys.modules['charms'], 'layer', layer, raising=False)

    def resource_get(self, name):
        self.asked.append(name)
        data = self.attached.get(name, False)
        if isinstance(data, Exception):
            raise data
        if not isinstance(data, bytes):
            return data
        # One file for all, as since Juju 2.9.31.
        path = self._folder / 'content.yaml'
        path.write_bytes(data)
        return str(path)

    def hook(self, name, *, crash=False):
        """Run a hook; a crash loses what it did, as charms.reactive has it."""
        os.environ['JUJU_HOOK_NAME'] = name
        self.statuses, self.logged, self.asked = [], [], []
        self._atexit = []
        for callback in self._atstart:
            callback()
        bus.dispatch()
        if crash:
            unitdata.kv().conn.rollback()
            return
        for callback in reversed(self._atexit):
            callback()
        unitdata.kv().flush()

    def during(self, handler):
        """Have the charm's one handler run once in every hook from now on."""
        found = bus.Handler(handler)
        found.add_predicate(lambda: unitdata.kv().get('reactive.dispatch.phase') == 'other')
        found.register_flags(['charm.has-no-flags'])  # else it would run in every round
        bus.Handler._HANDLERS['charm'] = found

    def flags(self, name='my-image'):
        """Return which of a resource's flags are set, without the names around them."""
        prefix = f'layer.docker-resource.{name}.'
        return {flag[len(prefix) :] for flag in reactive.get_flags() if flag.startswith(prefix)}

    def seen(self, name='my-image'):
        """Have each hook remember the flags that the charm's handlers see; return that list."""
        seen = []
        self.during(lambda: seen.append(self.flags(name)))
        return seen


@pytest.fixture
def unit(tmp_path, monkeypatch):
    simulated = Unit(tmp_path, monkeypatch)
    yield simulated
    unitdata.kv().close()


AVAILABLE = {'fetched', 'available'}
FAILED = {'fetched', 'failed'}


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
    unit.library.fetch('my-image')
    unit.library._read_in_this_hook.clear()
    unit.library.fetch('my-image')
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('update-status')
    assert unit.library.get_info('my-image').registry_path == 'a/c'
    unit.hook('update-status')
    assert unit.asked == []


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


@pytest.mark.parametrize('word', ['true', 'Yes', 'on'])
def test_auto_fetch_understands_quoted_truth_as_older_releases_did(unit, word):
    unit.metadata['resources']['my-image']['auto-fetch'] = word
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize('value', ['false', 'no', '', 'nonsense', 1, 0.5, [True], {}])
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
        assert 'my-image: its auto-fetch is not true or false' in unit.statuses[-1][1]
        unit.hook('update-status')


def test_a_charm_that_mends_its_auto_fetch_is_mended(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'false'
    unit.hook('install')
    unit.metadata['resources']['my-image']['auto-fetch'] = False
    unit.hook('upgrade-charm')
    assert (unit.flags(), [status for status, _ in unit.statuses]) == (set(), ['maintenance'])


def test_fetch_does_without_a_good_auto_fetch(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'false'
    unit.attached['my-image'] = IMAGE
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('install')
    assert unit.flags() == AVAILABLE


def test_a_later_fetch_that_mends_takes_the_status_back(unit):
    unit.metadata['resources']['my-image']['auto-fetch'] = 'false'
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('config-changed')
    assert unit.flags() == AVAILABLE
    assert unit.statuses[-1] == ('maintenance', 'image resources are in order')


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
    assert unit.statuses == [('maintenance', 'image resources are in order')]


@pytest.mark.parametrize('case', list(contents_cases.RIGHT))
def test_right_contents_make_a_resource_available(unit, case):
    data, image = contents_cases.RIGHT[case]
    unit.attached['my-image'] = data
    seen = unit.seen()
    unit.hook('install')
    info = unit.library.get_info('my-image')
    assert (info.registry_path, info.username, info.password) == image
    assert {type(value) for value in info.image_details.values()} == {str}
    assert seen[0] == unit.flags() == AVAILABLE
    assert unit.statuses == [('maintenance', 'fetching resource: my-image')]


@pytest.mark.parametrize('case', list(contents_cases.WRONG))
def test_wrong_contents_fail_and_the_operator_reads_why(unit, case):
    unit.metadata['resources']['other'] = {'type': 'oci-image', 'auto-fetch': True}
    unit.attached = {'my-image': contents_cases.WRONG[case], 'other': IMAGE}
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.flags('other') == AVAILABLE
    status, message = unit.statuses[-1]
    assert status == 'blocked'
    assert message.startswith('my-image: its ')
    assert message.endswith(' (juju attach-resource my-charm my-image=IMAGE)')
    assert SECRET not in repr((unit.statuses, unit.logged, reactive.get_flags()))
    assert 'other:' not in message


@pytest.mark.parametrize('path', ['\n', '\r\n', ''])
def test_a_path_may_end_with_a_newline(unit, tmp_path, path):
    (tmp_path / 'given.yaml').write_bytes(IMAGE)
    unit.attached['my-image'] = str(tmp_path / 'given.yaml') + path
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize(
    'answer',
    [
        False,
        None,
        '',
        '\n',
        NotImplementedError('resource-get'),
        OSError('broken'),
        RuntimeError(SECRET),
        UnicodeDecodeError('utf-8', b'\xff', 0, 1, SECRET),
        '/no/such/file',
        '/dev/zero',
        '/',
        'a\0b',
        object(),
    ],
)
def test_an_answer_that_is_no_file_fails(unit, answer):
    unit.attached['my-image'] = answer
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.statuses[-1][0] == 'blocked'
    assert unit.statuses[-1][1].startswith('my-image: ')
    assert SECRET not in repr((unit.statuses, unit.logged))


@pytest.mark.parametrize(
    ('resources', 'words'),
    [
        ({}, 'not in the charm'),
        ({'my-image': None}, 'not in the charm'),
        ({'my-image': {'type': 'file', 'filename': 'x'}}, 'type oci-image'),
        ({'my-image': {}}, 'type oci-image'),
        ({'my-image': {'type': ['oci-image']}}, 'type oci-image'),
    ],
)
def test_what_metadata_does_not_have_as_an_image_fails_unasked(unit, resources, words):
    unit.metadata['resources'] = resources
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.asked == []
    assert words in unit.statuses[-1][1]
    assert "report it to the charm's author" in unit.statuses[-1][1]


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
        'absent-1, absent-2: resource-get gave no file (it is tried again in the next hook); '
        'empty: its content is empty (juju attach-resource my-charm empty=IMAGE)',
    )


def test_an_idle_hook_reads_nothing_and_says_nothing(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    before = unitdata.kv().getrange('')
    unit.hook('update-status')
    assert (unit.asked, unit.statuses, unit.logged) == ([], [], [])
    assert unitdata.kv().getrange('') == before


def test_an_upgrade_with_nothing_new_is_no_news(unit):
    unit.attached['my-image'] = PRIVATE
    unit.hook('install')
    seen = unit.seen()
    unit.hook('upgrade-charm')
    assert unit.asked == ['my-image']
    assert seen == [AVAILABLE]
    assert unit.statuses == []


@pytest.mark.parametrize(
    'data', [OTHER_IMAGE, PRIVATE, PRIVATE.replace(b'me', b'you')], ids=['path', 'both', 'user']
)
def test_another_image_or_other_credentials_are_news_for_one_hook(unit, data):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = data
    seen = unit.seen()
    unit.hook('upgrade-charm')
    assert seen.pop() == {'fetched', 'available', 'changed'}
    assert unit.flags() == AVAILABLE
    unit.hook('config-changed')
    assert seen.pop() == AVAILABLE


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


def test_a_crash_does_not_eat_the_news(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = OTHER_IMAGE
    seen = unit.seen()
    unit.hook('upgrade-charm', crash=True)
    unit.hook('upgrade-charm')
    assert seen == [{'fetched', 'available', 'changed'}] * 2


def test_news_flushed_by_a_hook_that_then_crashed_is_told_by_its_retry(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = OTHER_IMAGE
    unit.during(lambda: unitdata.kv().flush())
    unit.hook('upgrade-charm', crash=True)
    seen = unit.seen()
    unit.hook('upgrade-charm')
    assert seen == [{'fetched', 'available', 'changed'}]
    assert unit.flags() == AVAILABLE


def test_a_change_is_measured_against_the_last_good_content(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = b'broken: true'
    unit.hook('upgrade-charm')
    assert unit.flags() == FAILED
    unit.attached['my-image'] = OTHER_IMAGE
    seen = unit.seen()
    unit.hook('update-status')
    assert seen == [{'fetched', 'available', 'changed'}]


def test_the_same_image_after_a_failure_is_no_change(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = b''
    unit.hook('upgrade-charm')
    unit.attached['my-image'] = IMAGE
    seen = unit.seen()
    unit.hook('update-status')
    assert seen == [AVAILABLE]


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
    assert unit.statuses == [('maintenance', 'image resources are in order')]
    unit.hook('update-status')
    assert (unit.asked, unit.statuses) == ([], [])


def test_set_status_false_sets_no_status_and_logs_the_reason(unit):
    unit.options['set-status'] = False
    unit.attached['my-image'] = PRIVATE + b'---\n'
    unit.hook('install')
    assert 'more than one document' in ''.join(unit.logged)
    assert SECRET not in ''.join(unit.logged)
    unit.attached['my-image'] = IMAGE
    unit.hook('update-status')
    assert unit.flags() == AVAILABLE
    assert unit.statuses == []


@pytest.mark.parametrize('resource', [None, {'type': 'oci-image', 'auto-fetch': 'false'}])
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
    for name in ('my-image', 'no-such-image'):
        with pytest.raises(ValueError, match=f'layer.docker-resource.{name}.available'):
            unit.library.get_info(name)


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
        assert seen == [{'fetched', 'available', 'changed'}]

    @pytest.mark.parametrize('stored', [['a/b'], 'a/b', 7, {}, {'registrypath': ['a/b']}])
    def test_nonsense_that_was_available_is_replaced(self, unit, stored):
        unitdata.kv().set('layer.docker-resource.my-image.image-info', stored)
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').registry_path == 'a/b'

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


class TestResourceGet:
    """The real hookenv.resource_get, with a tool on PATH."""

    @pytest.fixture(autouse=True)
    def tool(self, unit, tmp_path, monkeypatch):
        monkeypatch.setenv('PATH', f'{tmp_path}/bin:/usr/bin:/bin')
        monkeypatch.setattr(hookenv, 'resource_get', self.RESOURCE_GET)
        (tmp_path / 'bin').mkdir()
        self.path = tmp_path / 'bin' / 'resource-get'

    RESOURCE_GET = staticmethod(hookenv.resource_get)

    def write(self, script):
        self.path.write_text('#!/bin/sh\n' + script)
        self.path.chmod(0o755)

    def message(self, unit):
        unit.hook('install')
        assert unit.flags() == FAILED
        assert unit.statuses[-1][0] == 'blocked'
        return unit.statuses[-1][1]

    def test_its_file_is_read(self, unit, tmp_path):
        (tmp_path / 'file').write_bytes(IMAGE)
        self.write(f'test "$1" = my-image && printf %s {tmp_path}/file')
        unit.hook('install')
        assert unit.flags() == AVAILABLE

    @pytest.mark.parametrize(
        'stderr',
        [
            'while getting resource from charmhub: resource "my-image" not found',
            'HTTP request failed: Get https://10.0.0.1/x: resource#my-charm/my-image not found',
        ],
    )
    def test_nothing_attached_is_named_as_such(self, unit, stderr):
        self.write(f"echo 'ERROR could not download resource: {stderr}' >&2; exit 1")
        assert self.message(unit) == (
            'my-image: no image is attached (juju attach-resource my-charm my-image=IMAGE)'
        )

    def test_its_reason_reaches_the_status_and_the_log(self, unit):
        self.write(
            "echo noise >&2; printf 'ERROR could not download resource: failed  after\\033[1m "
            "retrying: https://user:s3@cr3t@10.0.0.1 is down\\n\\n' >&2; exit 1"
        )
        reason = 'failed after[1m retrying: https://10.0.0.1 is down'
        assert self.message(unit) == (
            f'my-image: resource-get gave no file: {reason} (it is tried again in the next hook)'
        )
        assert reason in ''.join(unit.logged)

    def test_its_reason_is_cut_to_what_a_status_can_hold(self, unit):
        self.write('head -c 5000 /dev/zero | tr "\\0" x >&2; exit 1')
        assert len(self.message(unit)) < 300

    def test_a_reason_that_is_not_utf_8_is_no_matter(self, unit):
        self.write("printf '\\377oops\\n' >&2; exit 1")
        assert 'oops' in self.message(unit)

    def test_an_absent_tool_fails(self, unit):
        assert 'cannot be run' in self.message(unit)

    def test_a_tool_that_prints_nothing_fails(self, unit):
        self.write('exit 0')
        assert 'gave no file' in self.message(unit)

    def test_a_tool_that_prints_no_text_fails(self, unit):
        self.write("printf '\\377'")
        assert 'no path' in self.message(unit)

    @pytest.mark.parametrize('stream', [1, 2])
    def test_a_tool_that_prints_without_end_is_stopped(self, unit, stream):
        self.write(f'exec yes >&{stream}')
        assert 'no path' in self.message(unit)

    @pytest.mark.parametrize(
        'script',
        [
            'exec sleep 600',
            'sleep 600 & wait',
            'sleep 600',
            'exec >&- 2>&-; sleep 600',
            'trap "" TERM; sleep 600',
            'while true; do echo x; sleep 0.01; done',
        ],
    )
    def test_a_tool_that_never_ends_is_given_up_and_ended(self, unit, monkeypatch, script):
        assert unit.library._RESOURCE_GET_SECONDS == 30
        monkeypatch.setattr(unit.library, '_RESOURCE_GET_SECONDS', 0.3)
        started = []
        start = subprocess.Popen
        monkeypatch.setattr(
            subprocess,
            'Popen',
            lambda *args, **kw: started.append(start(*args, **kw)) or started[-1],
        )
        self.write(script)
        assert 'no answer in 0.3 s' in self.message(unit)
        [tool] = started
        assert tool.returncode is not None
        end = time.monotonic() + 20
        while self.lives(tool.pid) and time.monotonic() < end:
            time.sleep(0.01)  # what else it started was killed, and takes its time
        assert not self.lives(tool.pid)

    @staticmethod
    def lives(group):
        """Tell whether there is a process of that process group, besides zombies."""
        for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
            with contextlib.suppress(OSError):
                state, _, its_group = path.read_text().rpartition(')')[2].split()[:3]
                if int(its_group) == group and state != 'Z':
                    return True
        return False

    def test_hookenv_is_left_as_it_was(self, unit):
        before = hookenv.subprocess
        self.write('exit 1')
        self.message(unit)
        assert hookenv.subprocess is before
        assert before.__name__ == 'subprocess'


class TestVerifyImage:
    """With `verify-image: true`; the registry client has tests of its own."""

    DIGEST = contents_cases.DIGEST

    @pytest.fixture(autouse=True)
    def registries(self, unit, monkeypatch):
        unit.options['verify-image'] = True
        unit.attached['my-image'] = PRIVATE
        self.answer = self.DIGEST
        self.calls = []

        def look_up(images, limit, proxies):
            self.calls.append((dict(images), limit, proxies))
            return dict.fromkeys(images, self.answer)

        monkeypatch.setattr(registry, 'look_up', look_up)

    def test_a_confirmed_image_is_available_and_has_a_digest(self, unit):
        unit.hook('install')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').digest == self.DIGEST
        [(images, limit, _)] = self.calls
        reference, username, password = images['my-image']
        assert (reference.domain, reference.path) == ('docker.io', 'a/b')
        assert (username, password) == ('me', SECRET)
        assert 29 < limit <= 30

    def test_the_digest_is_no_part_of_the_image_details(self, unit):
        unit.hook('install')
        assert set(unit.library.get_info('my-image').image_details) == {
            'imagePath',
            'username',
            'password',
        }

    def test_a_refused_image_failed(self, unit):
        self.answer = registry.NotFound('docker.io has no a/b')
        unit.hook('install')
        assert unit.flags() == FAILED
        assert unit.statuses[-1] == (
            'blocked',
            'my-image: docker.io has no a/b (juju attach-resource my-charm my-image=IMAGE)',
        )

    def test_a_registry_that_gives_no_answer_is_waited_for(self, unit):
        self.answer = registry.NotReachable('docker.io is not there')
        for hook in ('install', 'update-status'):
            unit.hook(hook)
            assert unit.flags() == {'fetched'}
            assert unit.statuses[-1] == (
                'waiting',
                'my-image: docker.io is not there (it is tried again in the next hook)',
            )
        self.answer = self.DIGEST
        unit.hook('update-status')
        assert unit.flags() == AVAILABLE

    def test_both_kinds_of_problems_reach_layer_status(self, unit):
        unit.metadata['resources']['empty'] = {'type': 'oci-image', 'auto-fetch': True}
        self.answer = registry.Overloaded('docker.io is busy')
        unit.hook('install')
        assert [status for status, _ in unit.statuses[-2:]] == ['waiting', 'blocked']

    def test_an_image_that_was_confirmed_stays_available_while_its_registry_is_away(self, unit):
        unit.hook('install')
        self.answer = registry.NotReachable('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').digest == self.DIGEST
        assert unit.statuses == []

    def test_another_image_is_not_available_before_it_is_confirmed(self, unit):
        unit.hook('install')
        unit.attached['my-image'] = OTHER_IMAGE
        self.answer = registry.NotReachable('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == {'fetched'}
        self.answer = self.DIGEST
        seen = unit.seen()
        unit.hook('update-status')
        assert seen == [{'fetched', 'available', 'changed'}]

    def test_a_tag_that_means_another_image_now_is_news(self, unit):
        unit.hook('install')
        self.answer = self.DIGEST[:-1] + '0'
        seen = unit.seen()
        unit.hook('upgrade-charm')
        assert seen == [{'fetched', 'available', 'changed'}]

    def test_turning_the_option_on_is_no_news(self, unit):
        unit.options['verify-image'] = False
        unit.hook('install')
        assert not self.calls
        unit.options['verify-image'] = True
        seen = unit.seen()
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE]
        assert unit.library.get_info('my-image').digest == self.DIGEST

    def test_all_that_handlers_fetch_is_looked_up_at_once(self, unit):
        names = [f'image-{n}' for n in range(10)]
        unit.metadata['resources'] = {name: {'type': 'oci-image'} for name in names}
        unit.attached = {name: f'registrypath: r/{name}'.encode() for name in names}
        unit.during(lambda: [unit.library.fetch(name) for name in names])
        unit.hook('install')
        assert [sorted(images) for images, _, _ in self.calls] == [names]

    def test_all_look_ups_of_a_hook_have_one_limit(self, unit, monkeypatch):
        unit.metadata['resources']['later'] = {'type': 'oci-image'}
        unit.attached['later'] = IMAGE
        now = itertools.count(100, 20)
        monkeypatch.setattr(unit.library.time, 'monotonic', lambda: next(now))
        unit.during(lambda: unit.library.fetch('later'))
        unit.hook('install')
        assert [limit for _, limit, _ in self.calls] == [10, 0]

    def test_only_what_could_be_read_is_looked_up(self, unit):
        unit.metadata['resources']['empty'] = {'type': 'oci-image', 'auto-fetch': True}
        unit.hook('install')
        assert [sorted(images) for images, _, _ in self.calls] == [['my-image']]

    def test_the_proxies_of_the_model_are_used(self, unit, monkeypatch):
        monkeypatch.setenv('JUJU_CHARM_HTTPS_PROXY', 'http://proxy:3128')
        monkeypatch.setenv('JUJU_CHARM_NO_PROXY', '10.0.0.0/8')
        unit.hook('install')
        assert self.calls[0][2] == {'https': 'http://proxy:3128', 'no_proxy': '10.0.0.0/8'}


@hypothesis.given(prefix=strategies.binary(), suffix=strategies.binary())
def test_no_content_whatsoever_makes_a_hook_fail_or_shows_a_credential(unit, prefix, suffix):
    unit.attached['my-image'] = prefix + SECRET.encode() + suffix
    unit.hook('upgrade-charm')
    assert unit.flags() in (AVAILABLE, FAILED)
    assert SECRET not in repr((unit.statuses, unit.logged, reactive.get_flags()))


@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            strategies.sampled_from([IMAGE, OTHER_IMAGE, PRIVATE, b'', ABSENT]),
            strategies.sampled_from(['upgrade-charm', 'update-status', 'config-changed']),
            strategies.booleans(),
        )
    )
)
def test_whatever_is_attached_in_whatever_order_the_flags_tell_the_truth(unit, events):
    flags.clear_flag('layer.docker-resource.my-image.fetched')
    unit.attached.clear()
    unit.metadata['resources'], kept = {}, unit.metadata['resources']
    unit.hook('upgrade-charm')
    unit.metadata['resources'] = kept
    unit.hook('upgrade-charm')
    seen = unit.seen()
    known, last_good = None, None
    for data, hook, crash in events:
        unit.attached['my-image'] = False if data is ABSENT else data
        reads = hook == 'upgrade-charm' or known is None
        unit.hook(hook, crash=crash)
        good = data if data in (IMAGE, OTHER_IMAGE, PRIVATE) else None
        current = good if reads else known
        news = reads and good is not None and last_good not in (None, good)
        assert seen.pop(0) == (
            (AVAILABLE | ({'changed'} if news else set())) if current else FAILED
        )
        if not crash:
            known, last_good = current, current or last_good
            assert unit.flags() == (AVAILABLE if known else FAILED)
