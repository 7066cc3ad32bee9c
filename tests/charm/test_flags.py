"""What becomes of a resource, as the charm and the operator see it."""

import pytest

from support.observing import IMAGE, OBSERVER, images, seen, states

GOOD = {'fetched', 'available'}
FAILED = {'fetched', 'failed'}
BROKEN = b'registrypath: [\n'


@pytest.fixture
def subject(charms, live):
    """A unit, not yet deployed, of a charm with the auto-fetched image resource `image`."""
    return live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))


def _deployed(subject, **image):
    subject.attach('image', **(image or {'registrypath': 'a/b:1'}))
    subject.run('install')
    return subject


# One resource


def test_a_valid_resource_is_fetched_and_available_from_the_first_handler_on(subject):
    subject.attach('image', 'a/b:1', 'me', 'secret')
    (install,) = subject.run('install')
    assert seen(install, 'image') == GOOD
    assert images(install.pod_spec) == {'image': ('a/b:1', 'me', 'secret')}


def test_what_is_read_for_the_first_time_is_not_a_change(subject):
    subject.attach('image', 'a/b:1')
    assert all(
        'changed' not in seen(run, 'image') for run in [*subject.run('install'), *subject.idle()]
    )


@pytest.mark.parametrize('again', ['upgrade', 'another password', 'another user', 'another image'])
def test_changed_is_set_when_image_or_credentials_are_others_and_only_then(subject, again):
    _deployed(subject, registrypath='a/b:1', username='me', password='one')
    after = {
        'upgrade': ('a/b:1', 'me', 'one'),
        'another password': ('a/b:1', 'me', 'two'),
        'another user': ('a/b:1', 'you', 'one'),
        'another image': ('a/b:2', 'me', 'one'),
    }[again]
    upgrade = (subject.attach('image', *after) or subject.upgrade())[0]
    assert seen(upgrade, 'image') == (GOOD if again == 'upgrade' else {*GOOD, 'changed'})
    assert images(upgrade.pod_spec) == {'image': after}


def test_changed_is_news_for_one_hook(subject):
    _deployed(subject)
    upgrade, config_changed = subject.attach('image', 'a/b:2')
    assert 'changed' in seen(upgrade, 'image')
    assert states(subject.flags, 'image') == GOOD
    assert seen(config_changed, 'image') == GOOD


def test_the_same_details_in_another_spelling_are_no_change(subject):
    _deployed(subject)
    upgrade, _ = subject.attach('image', b'{"ImageName": "a/b:1"}')
    assert seen(upgrade, 'image') == GOOD


def test_a_resource_that_cannot_be_had_has_failed_and_the_hook_has_not(subject):
    (install,) = subject.run('install')
    assert install.exit_code == 0
    assert seen(install, 'image') == FAILED


def test_a_resource_that_gets_broken_is_no_longer_available(subject):
    _deployed(subject)
    upgrade = subject.attach('image', BROKEN)[0]
    assert seen(upgrade, 'image') == FAILED


def test_what_cannot_be_read_is_tried_again_in_each_later_hook_until_it_is_there(subject):
    subject.attach('image', 'a/b:1')
    subject.break_resource_get('image', 'echo nothing yet >&2; exit 1')
    subject.deploy()
    assert [len(run.started('resource-get')) for run in subject.runs] == [1, 1, 1, 1]
    assert seen(subject.idle()[-1], 'image') == {'fetched'}
    subject.repair_resource_get('image')
    assert seen(subject.idle()[-1], 'image') == GOOD
    assert subject.idle()[-1].started('resource-get') == []


@pytest.mark.parametrize(('back', 'expected'), [('a/b:1', GOOD), ('a/b:2', {*GOOD, 'changed'})])
def test_a_change_is_measured_against_the_last_good_content(subject, back, expected):
    _deployed(subject)
    subject.attach('image', BROKEN)
    assert seen(subject.attach('image', back)[0], 'image') == expected


def test_a_change_in_a_hook_that_failed_is_a_change_again_when_it_is_retried(charms, live):
    failing = """
from charmhelpers.core import hookenv

@reactive.when('layer.docker-resource.image.changed')
def fail_once():
    if hookenv.config('fail'):
        raise RuntimeError('on purpose')
"""
    charm = charms.make(resources={'image': IMAGE}, reactive=OBSERVER + failing)
    subject = _deployed(live(charm))
    (subject.charm / 'config.yaml').write_text('options: {fail: {type: boolean, default: true}}')
    with pytest.raises(AssertionError, match='on purpose'):
        subject.attach('image', 'a/b:2')
    assert states(subject.flags, 'image') == GOOD
    (subject.charm / 'config.yaml').write_text('options: {fail: {type: boolean, default: false}}')
    assert seen(subject.retry()[0], 'image') == {*GOOD, 'changed'}


def test_an_idle_hook_after_a_change_sends_no_pod_spec(charms, live):
    subject = _deployed_example(charms, live)
    upgrade, config_changed = subject.attach('my-resource', 'a/b:2')
    assert upgrade.pod_spec
    assert config_changed.pod_spec is None
    assert subject.idle()[-1].pod_spec is None


def _deployed_example(charms, live):
    subject = live(charms.example('my-charm'))
    subject.attach('my-resource', 'a/b:1')
    subject.run('install')
    return subject


# Several


TWO = {'first': IMAGE, 'second': IMAGE}


@pytest.mark.parametrize('juju', ['2.9.49', '2.9.29'])
def test_images_that_share_one_file_are_told_apart(charms, live, juju):
    subject = live(charms.make(resources=TWO, reactive=OBSERVER), juju=juju)
    subject.attach('first', 'a/first', 'one', '1')
    subject.attach('second', 'a/second')
    (install,) = subject.run('install')
    assert images(install.pod_spec) == {
        'first': ('a/first', 'one', '1'),
        'second': ('a/second', '', ''),
    }


def test_a_change_of_one_is_no_change_of_the_others(charms, live):
    subject = live(charms.make(resources=TWO, reactive=OBSERVER))
    subject.attach('first', 'a/first')
    subject.attach('second', 'a/second')
    subject.run('install')
    upgrade = subject.attach('second', 'a/third')[0]
    assert seen(upgrade, 'first') == GOOD
    assert seen(upgrade, 'second') == {*GOOD, 'changed'}


def test_resource_get_is_called_once_for_each_resource(charms, live):
    asking = """
@reactive.when_not('asked')
def ask_again():
    layer.docker_resource.fetch('first')
    layer.docker_resource.fetch('second')
    reactive.set_flag('asked')
"""
    subject = live(charms.make(resources=TWO, reactive=OBSERVER + asking))
    subject.attach('first', 'a/first')
    (install,) = subject.run('install')
    assert sorted(install.started('resource-get')) == [
        ['resource-get', 'first'],
        ['resource-get', 'second'],
    ]


# What is fetched


def test_images_of_both_types_are_fetched_if_their_auto_fetch_is_true(charms, live):
    resources = {
        'oci': IMAGE,
        'docker': {**IMAGE, 'type': 'docker'},
        'not-asked': {**IMAGE, 'auto-fetch': False},
        'not-said': {'type': 'oci-image', 'description': 'An image'},
        'file': {'type': 'file', 'filename': 'f', 'auto-fetch': True, 'description': 'A file'},
    }
    charm = charms.make(resources={'oci': IMAGE}, reactive=OBSERVER)
    subject = live(charm)
    _declare(subject, resources)
    for name in resources.keys() - {'file'}:
        subject.attach(name, f'a/{name}')
    (install,) = subject.run('install')
    assert images(install.pod_spec) == {'oci': ('a/oci', '', ''), 'docker': ('a/docker', '', '')}
    assert not subject.flags & {f'layer.docker-resource.{n}.fetched' for n in ('file', 'not-said')}


def _declare(subject, resources):
    """Have metadata.yaml say this, which `charm proof` may not like."""
    import yaml

    metadata = {**subject.metadata, 'resources': resources}
    (subject.charm / 'metadata.yaml').write_text(yaml.safe_dump(metadata))


def test_fetch_has_its_resource_read_in_the_same_hook(charms, live):
    asking = """
@reactive.when_not('layer.docker-resource.image.fetched')
def ask():
    layer.docker_resource.fetch('image')
    assert reactive.is_flag_set('layer.docker-resource.image.fetched')

@reactive.when('layer.docker-resource.image.available')
def use():
    hookenv.log('USED ' + layer.docker_resource.get_info('image').registry_path)
"""
    resources = {'image': {**IMAGE, 'auto-fetch': False}}
    subject = live(charms.make(resources=resources, reactive=OBSERVER + asking))
    subject.attach('image', 'a/b:1')
    (install,) = subject.run('install')
    assert ('INFO', 'USED a/b:1') in install.log
    upgrade = subject.attach('image', 'a/b:2')[0]
    assert ('INFO', 'USED a/b:2') in upgrade.log
    assert 'changed' in seen(upgrade, 'image')


def test_get_info_says_which_flag_to_wait_for(charms, live):
    impatient = """
@reactive.hook('install')
def use():
    try:
        layer.docker_resource.get_info('image')
    except ValueError as error:
        hookenv.log('REFUSED ' + str(error))
"""
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER + impatient))
    (refused,) = [text for _, text in subject.run('install')[-1].log if text.startswith('REFUSED')]
    assert 'layer.docker-resource.image.available' in refused


def test_a_resource_that_an_upgrade_adds_is_fetched(charms, live):
    subject = live(charms.make(resources={'first': IMAGE}, reactive=OBSERVER))
    subject.attach('first', 'a/first')
    subject.run('install')
    release = charms.make(resources=TWO, reactive=OBSERVER)
    upgrade = subject.upgrade(release, {'second': 'a/second'})[0]
    assert seen(upgrade, 'second') == GOOD


@pytest.mark.parametrize('attached', [True, False])
def test_of_a_resource_that_an_upgrade_drops_nothing_is_left(charms, live, attached):
    subject = live(charms.make(resources=TWO, reactive=OBSERVER))
    subject.attach('first', 'a/first')
    if attached:
        subject.attach('second', 'a/second', 'me', 'secret')
    subject.run('install')
    subject.upgrade(charms.make(resources={'first': IMAGE}, reactive=OBSERVER))
    assert states(subject.flags, 'second') == set()
    assert 'second' not in str(subject.kv)
    assert 'secret' not in str(subject.kv)
    assert images(subject.idle()[-1].pod_spec) == {'first': ('a/first', '', '')}
    assert subject.status[0] != 'blocked'


# Before any handler


@pytest.mark.parametrize(
    'decorator',
    [
        "reactive.hook('upgrade-charm')",
        "reactive.when('layer.docker-resource.image.available')",
        "reactive.when_not('layer.docker-resource.image.changed')",
        "reactive.when_not('layer.docker-resource.image.failed')",
    ],
)
def test_no_handler_ever_sees_the_image_of_the_last_hook(charms, live, decorator):
    sending = f"""
@{decorator}
def send():
    try:
        path = layer.docker_resource.get_info('image').registry_path
    except ValueError:
        path = 'none'
    hookenv.log('SENT ' + path)
"""
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER + sending))
    subject.attach('image', 'a/b:1')
    subject.run('install')
    after = [subject.attach('image', 'a/b:2')[0], subject.attach('image', BROKEN)[0]]
    sent = [[text for _, text in run.log if text.startswith('SENT')] for run in after]
    assert not any('SENT a/b:1' in texts for texts in sent)
    assert 'SENT a/b:2' not in sent[1]


# Statuses


def test_a_first_fetch_is_maintenance(subject):
    subject.attach('image', 'a/b:1')
    (install,) = subject.run('install')
    (status,) = install.statuses
    assert status[0] == 'maintenance'
    assert 'image' in status[1]


def test_what_is_not_attached_blocks_with_the_command_that_attaches_it(subject):
    subject.run('install')
    state, message = subject.status
    assert state == 'blocked'
    assert 'image' in message
    assert 'juju attach-resource tested image=' in message


def test_the_status_names_each_resource_that_failed(charms, live):
    subject = live(charms.make(resources={**TWO, 'third': IMAGE}, reactive=OBSERVER))
    subject.attach('first', 'a/b')
    subject.attach('second', BROKEN)
    subject.run('install')
    state, message = subject.status
    assert state == 'blocked'
    assert 'first' not in message
    assert 'second' in message
    assert 'third' in message


def test_blocked_wins_over_what_the_charm_says(charms, live):
    contented = "\n@reactive.when_not('never')\ndef ready():\n    layer.status.active('fine')\n"
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER + contented))
    subject.run('install')
    assert subject.status[0] == 'blocked'
    subject.attach('image', 'a/b')
    assert subject.status == ('active', 'fine')


def test_a_repaired_resource_no_longer_blocks(subject):
    subject.run('install')
    subject.attach('image', 'a/b:1')
    assert subject.status[0] != 'blocked'


def test_reading_again_without_news_leaves_the_status_alone(subject):
    _deployed(subject)
    assert [run.statuses for run in subject.upgrade()] == [[], []]
    assert subject.idle()[-1].statuses == []


def test_set_status_false_leaves_all_statuses_to_the_charm(charms, live):
    options = {'docker-resource': {'set-status': False}}
    subject = live(charms.make(resources=TWO, reactive=OBSERVER, options=options))
    subject.attach('first', 'a/b:1')
    subject.run('install')
    subject.attach('second', 'a/b:2')
    assert states(subject.flags, 'second') == GOOD
    assert [run.statuses for run in subject.runs if run.statuses] == []


def test_a_failure_reaches_the_log_even_without_status(charms, live):
    options = {'docker-resource': {'set-status': False}}
    subject = live(charms.make(resources=TWO, reactive=OBSERVER, options=options))
    errors = [text for level, text in subject.run('install')[-1].log if level == 'ERROR']
    assert any('first' in text and 'second' in text for text in errors)


def test_units_that_do_not_lead_fetch_as_well(charms, live):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER), leader=False)
    subject.attach('image', 'a/b:1')
    assert seen(subject.run('install')[-1], 'image') == GOOD


def test_no_repr_or_str_shows_a_password(subject):
    subject.attach('image', 'a/b:1', 'me', 'swordfish')
    (install,) = subject.run('install')
    assert any(text.startswith('REPR') for _, text in install.log)
    assert 'swordfish' not in install.public_output
    assert 'swordfish' in str(install.pod_spec)
