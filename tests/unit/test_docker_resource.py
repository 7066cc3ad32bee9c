"""The layer against a mocked hookenv, with the real charms.reactive and unitdata."""

import json
import stat

import hypothesis
import pytest
from charmhelpers.core import unitdata
from charms import reactive
from charms.reactive import bus
from hypothesis import strategies
from simulated import ABSENT, AVAILABLE, CHANGED, FAILED, IMAGE, OTHER_IMAGE, PRIVATE, SECRET

import contents_cases


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
    unit.library._hook.read.clear()
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
    assert unit.statuses[-1] == ('maintenance', 'image resources have recovered')


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
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]


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
        ({'my-image': {'type': 'file', 'filename': 'x'}}, 'not oci-image'),
        ({'my-image': {}}, 'not oci-image'),
        ({'my-image': {'type': ['oci-image']}}, 'not oci-image'),
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
        'absent-1, absent-2: resource-get returned no file (will be retried in the next hook); '
        'empty: its content is empty (juju attach-resource my-charm empty=IMAGE)',
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
    assert unit.statuses == [('maintenance', 'image resources have recovered')]
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
    with pytest.raises(ValueError, match=r'no resource of that name; it has: another, my-image$'):
        unit.library.get_info('my_image')
    unit.metadata['resources'] = None
    with pytest.raises(ValueError, match=r'no resource of that name; it has: none$'):
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


@hypothesis.given(prefix=strategies.binary(), suffix=strategies.binary())
def test_no_content_whatsoever_makes_a_hook_fail_or_shows_a_credential(unit, prefix, suffix):
    unit.attached['my-image'] = prefix + SECRET.encode() + suffix
    unit.hook('upgrade-charm')
    assert unit.flags() in (AVAILABLE, FAILED)
    assert SECRET not in repr((unit.statuses, unit.logged, reactive.get_flags()))


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
