"""What an upgrade of the charm changes leaves no unit blocked, and no image lost."""

import pytest
from test_older_state import _flags, _older_state, _upgraded

from support.observing import IMAGE, OBSERVER, seen, states

GOOD = {'fetched', 'available'}
# Says so once, as many charms do.
ONCE = """
from charms import layer, reactive


@reactive.when_not('ready')
def get_ready():
    layer.status.active('ready')
    reactive.set_flag('ready')
"""


@pytest.fixture
def older(charms, live):
    """A unit of the older layer, which said that it cannot fetch `image` and `gone`."""
    subject = live(charms.make(resources={'image': IMAGE}, reactive=ONCE))
    _older_state(
        subject,
        infos={},
        flags=[
            *('layer.docker-resource.auto-fetched', 'layer.docker-resource.pending', 'ready'),
            *_flags('image', 'failed'),
            *_flags('gone', 'failed'),
        ],
        pending=['gone', 'image'],
    )
    subject.status = ('blocked', 'unable to fetch resources: gone, image')
    return subject


def test_a_pending_resource_that_is_no_longer_declared_leaves_no_flag_and_blocks_nothing(older):
    older.attach('image', 'a/b:1')
    upgrade, _ = _upgraded(older)
    assert states(older.flags, 'gone') == set()
    assert states(older.flags, 'image') == GOOD
    assert upgrade.started('resource-get') == [['resource-get', 'image']]
    assert older.status == ('maintenance', 'fetched resource: image')
    assert 'gone' not in str(older.kv)


def test_the_older_status_is_taken_back_once_the_image_is_there(older):
    _upgraded(older)
    assert older.status[0] == 'blocked'
    assert 'image: no image is attached' in older.status[1]
    assert 'gone' not in older.status[1]
    older.attach('image', 'a/b:1')
    assert older.status == ('maintenance', 'fetched resource: image')


def test_an_older_status_that_outlived_its_reason_is_taken_back(charms, live):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=ONCE))
    _older_state(
        subject,
        infos={'image': {'registrypath': 'a/b:1', 'username': '', 'password': ''}},
        flags=['layer.docker-resource.auto-fetched', 'ready', *_flags('image', 'available')],
        pending=[],
    )
    subject.attach('image', 'a/b:1')
    subject.status = ('blocked', 'unable to fetch resource: image')
    _upgraded(subject)
    assert subject.status == ('maintenance', 'image resources have recovered')


def test_a_status_of_the_charm_is_not_taken_for_an_older_one(charms, live):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=ONCE))
    _older_state(
        subject,
        infos={'image': {'registrypath': 'a/b:1', 'username': '', 'password': ''}},
        flags=['layer.docker-resource.auto-fetched', 'ready', *_flags('image', 'available')],
    )
    subject.attach('image', 'a/b:1')
    subject.status = ('active', 'ready')
    assert [run.statuses for run in _upgraded(subject)] == [[], []]


FILE = {'type': 'file', 'filename': 'f', 'description': 'A file'}
NOT_FETCHED = {'type': 'oci-image', 'description': 'An image'}


@pytest.mark.parametrize('entry', [FILE, NOT_FETCHED], ids=['a file', 'not fetched'])
@pytest.mark.parametrize('was_there', [True, False])
def test_an_upgrade_after_which_an_image_is_not_wanted_leaves_no_unit_blocked(
    charms, live, entry, was_there
):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))
    if was_there:
        subject.attach('image', 'a/b:1')
    subject.deploy()
    subject.attach('image', b'registrypath: [\n')
    assert subject.status[0] == 'blocked'
    subject.upgrade(charms.make(resources={'image': entry}, reactive=OBSERVER))
    assert states(subject.flags, 'image') == set()
    assert subject.status == ('maintenance', 'image resources have recovered')
    assert subject.idle()[-1].started('resource-get') == []


def test_an_image_that_is_there_stays_when_an_upgrade_drops_its_auto_fetch(charms, live):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))
    subject.attach('image', 'a/b:1')
    subject.deploy()
    subject.upgrade(charms.make(resources={'image': NOT_FETCHED}, reactive=OBSERVER))
    assert states(subject.flags, 'image') == GOOD
    assert 'changed' in seen(subject.attach('image', 'a/b:2')[0], 'image')


def test_what_a_handler_asks_for_is_wanted_whatever_metadata_says(charms, live):
    asking = """
from charms import layer, reactive

@reactive.when_not('layer.docker-resource.image.fetched')
def ask():
    layer.docker_resource.fetch('image')
"""
    subject = live(charms.make(resources={'image': NOT_FETCHED}, reactive=asking))
    subject.deploy()
    assert subject.status[0] == 'blocked'
    subject.upgrade()
    assert subject.status[0] == 'blocked'
    subject.attach('image', 'a/b:1')
    assert states(subject.flags, 'image') == GOOD


def test_a_charm_that_clears_the_flags_of_an_optional_image_is_not_blocked_for_it(charms, live):
    optional = (
        ONCE
        + """

@reactive.when('layer.docker-resource.image.failed')
def do_without():
    reactive.clear_flag('layer.docker-resource.image.fetched')
    reactive.clear_flag('layer.docker-resource.image.failed')
"""
    )
    subject = live(charms.make(resources={'image': IMAGE}, reactive=optional))
    subject.run('install')
    assert subject.status == ('active', 'ready')
    for run in (*subject.idle(), *subject.idle()):
        assert run.statuses == []
        assert run.started('resource-get') == []
    assert states(subject.flags, 'image') == set()


# What only the author can mend is a warning in the log, once


def _warnings(subject):
    return [text for run in subject.runs for level, text in run.log if level == 'WARNING']


def test_what_has_no_effect_is_a_warning_in_the_log_once(charms, live):
    resources = {
        'image': IMAGE,
        'forgotten': NOT_FETCHED,
        'file': {**FILE, 'auto-fetch': True},
        'other-file': {**FILE, 'auto-fetch': False},
    }
    options = {'docker-resource': {'verify-images': True, 'set_status': False}}
    charm = charms.make(resources=resources, options=options, reactive=OBSERVER)
    subject = live(charm)
    subject.attach('image', 'a/b:1')
    subject.deploy()
    expected = ['docker-resource has no option set_status: did you mean set-status?']
    expected += ['docker-resource has no option verify-images: did you mean verify-image?']
    expected += ['resource file: auto-fetch has no effect']
    for words in expected:
        assert len([text for text in _warnings(subject) if words in text]) == 1
    subject.idle()
    subject.upgrade()
    subject.attach('image', 'a/b:2')
    subject.idle()
    warnings = _warnings(subject)
    for words in [*expected, 'image resource forgotten was never fetched']:
        assert len([text for text in warnings if words in text]) == 1
    assert len(warnings) == 4


def test_a_name_that_metadata_lacks_is_told_with_those_that_it_has(charms, live):
    asking = """
from charmhelpers.core import hookenv
from charms import layer, reactive

@reactive.hook('install')
def ask():
    try:
        layer.docker_resource.get_info('imaeg')
    except ValueError as error:
        hookenv.log('TOLD ' + str(error))
"""
    subject = live(charms.make(resources={'image': IMAGE, 'other': FILE}, reactive=asking))
    (told,) = [text for _, text in subject.run('install')[-1].log if text.startswith('TOLD')]
    assert told.endswith('metadata.yaml declares no resource of that name, only: image, other')


@pytest.mark.parametrize(
    ('word', 'expected'),
    [
        *[(word, set()) for word in ('false', 'no', 'off', 0, '', 'OFF', '0')],
        *[(word, GOOD) for word in ('true', 'yes', 'on', 1, 'True', '1')],
    ],
)
def test_auto_fetch_has_more_than_one_word_for_each(charms, live, word, expected):
    import yaml

    subject = live(charms.make(resources={'image': IMAGE}, reactive=ONCE))
    metadata = {**subject.metadata, 'resources': {'image': {**IMAGE, 'auto-fetch': word}}}
    (subject.charm / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    subject.attach('image', 'a/b:1')
    subject.run('install')
    assert states(subject.flags, 'image') == expected
    assert subject.status == ('active', 'ready')
