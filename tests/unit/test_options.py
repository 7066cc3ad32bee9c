"""The layer's options, and what in metadata.yaml and layer.yaml has no effect."""

import time
import tracemalloc

import pytest
import yaml
from charms import reactive

from support.simulated import ABSENT, AVAILABLE, FAILED, IMAGE, OTHER_IMAGE

RECOVERED = ('maintenance', 'image resources have recovered')


@pytest.mark.parametrize('word', ['false', 'no', 'off', 'No', 0, False])
def test_set_status_is_false_in_each_word_for_it(unit, word):
    unit.options['set-status'] = word
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.statuses == []


@pytest.mark.parametrize('word', ['true', 'yes', 'on', '1', 1, True, None])
def test_set_status_is_true_in_each_word_for_it(unit, word):
    unit.options['set-status'] = word
    unit.hook('install')
    assert unit.statuses[-1][0] == 'blocked'


@pytest.mark.parametrize('word', ['false', 'no', 'off', None])
def test_verify_image_is_false_in_each_word_for_it(unit, word):
    unit.options['verify-image'] = word
    unit.attached['my-image'] = b'registrypath: 127.0.0.1:1/a/b'
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize('value', ['maybe', 7, 0.0, ['false'], {}])
def test_an_option_that_is_neither_has_its_default_and_a_warning_once(unit, value):
    unit.options['set-status'] = value
    unit.hook('install')
    assert unit.statuses[-1][0] == 'blocked'
    words = 'layer.yaml: the option set-status of docker-resource must be true or false'
    assert [text for text in unit.logged if words in text and 'taken for true' in text]
    unit.hook('upgrade-charm')
    assert not [text for text in unit.logged if words in text]


def test_options_with_an_underscore_are_told_once(unit):
    unit.other_options['docker_resource'] = {'set-status': False}
    unit.hook('install')
    assert [text for text in unit.logged if 'call it docker-resource' in text]
    unit.hook('upgrade-charm')
    assert not [text for text in unit.logged if 'call it docker-resource' in text]


BOMB = 'bomb: &a0 [x, x]\n' + ''.join(
    f'b{level}: &a{level} [{", ".join([f"*a{level - 1}"] * 9)}]\n' for level in range(1, 9)
)


@pytest.mark.parametrize(
    'entry',
    [
        'type: oci-image\n    auto-fetch: *a8',
        'type: *a8\n    auto-fetch: true',
        'type: oci-image\n    auto-fetch: [*a8]',
        '*a8',
    ],
)
def test_an_alias_bomb_in_metadata_costs_nothing(unit, entry):
    separator = '\n    ' if ':' in entry else ' '
    unit.metadata = yaml.safe_load(f'{BOMB}resources:\n  my-image:{separator}{entry}\n')
    unit.options['set-status'] = unit.metadata['bomb']
    unit.other_options['docker_resource'] = unit.options['bomb'] = unit.metadata['b8']
    began = time.process_time()
    tracemalloc.start()
    unit.hook('install')
    unit.hook('update-status')
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert time.process_time() - began < 5
    assert all(len(text) < 1000 for text in unit.logged)


def test_the_name_of_a_resource_is_printable_and_short_in_a_message(unit):
    name = 'a\x1b[2J\n' + 'b' * 6000
    unit.metadata['resources'] = {name: {'type': 'oci-image'}}
    unit.hook('install')
    unit.hook('update-status')
    said = list(unit.logged)
    unit.during(lambda: unit.library.fetch(name))
    unit.hook('update-status')
    said += [*unit.logged, *(text for _status, text in unit.statuses)]
    assert 'was never fetched' in said[0]
    assert 'will be retried' in said[-1]
    assert all(text.isprintable() and len(text) < 1500 for text in said)


def test_text_from_metadata_is_printable_and_short_in_a_message(unit):
    unit.metadata['resources']['other'] = {'type': '\x1b[31m' + 'x' * 30000, 'auto-fetch': True}
    unit.options['\x1b' + 'y' * 30000] = True
    unit.hook('install')
    assert len(unit.logged) == 3
    assert all(text.isprintable() and len(text) < 1000 for text in unit.logged)


# A status that is ours is replaced once its reason is gone, whatever the option says by then


def test_a_blocked_status_does_not_outlive_an_upgrade_to_set_status_false(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    unit.attached['my-image'] = b''
    unit.hook('upgrade-charm')
    assert unit.statuses[-1][0] == 'blocked'
    unit.options['set-status'] = False
    unit.hook('upgrade-charm')
    assert unit.statuses == []
    unit.attached['my-image'] = IMAGE
    unit.hook('update-status')
    assert unit.statuses == [RECOVERED]
    unit.hook('update-status')
    assert unit.statuses == []


def test_a_blocked_status_does_not_outlive_set_status_false_and_back(unit):
    unit.hook('install')
    unit.options['set-status'] = False
    unit.hook('upgrade-charm')
    unit.options['set-status'] = True
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]
    unit.hook('update-status')
    assert unit.statuses == []


def test_the_first_image_is_no_recovery_and_the_next_after_a_problem_is(unit):
    unit.hook('install')
    unit.attached['my-image'] = IMAGE
    unit.hook('upgrade-charm')
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]
    unit.attached['my-image'] = b''
    unit.hook('upgrade-charm')
    unit.attached['my-image'] = OTHER_IMAGE
    unit.hook('upgrade-charm')
    assert unit.statuses == [RECOVERED]


def test_a_slow_fetch_of_what_the_charm_then_does_without_is_not_told_for_ever(unit, monkeypatch):
    from image_resource import statuses

    monkeypatch.setattr(statuses, '_SLOW_SECONDS', 0)
    resource_get = unit.resource_get

    def slow(name):
        time.sleep(0.5)
        return resource_get(name)

    monkeypatch.setattr('charmhelpers.core.hookenv.resource_get', slow)

    def give_up():
        for state in ('fetched', 'failed'):
            reactive.clear_flag(f'layer.docker-resource.my-image.{state}')

    unit.during(give_up)
    unit.hook('install')
    assert unit.statuses == [('maintenance', 'fetching resource: my-image'), RECOVERED]


# What nobody asked for


def test_an_image_that_an_upgrade_adds_and_nobody_asks_for_is_told_once(unit):
    def never_fetched():
        return [text.split()[2] for text in unit.logged if 'was never fetched' in text]

    unit.attached['my-image'] = IMAGE
    unit.metadata['resources']['first'] = {'type': 'oci-image'}
    unit.hook('install')
    assert never_fetched() == []
    unit.hook('update-status')
    assert never_fetched() == ['first']
    unit.metadata['resources']['added'] = {'type': 'oci-image'}
    unit.hook('upgrade-charm')
    assert never_fetched() == []
    unit.hook('update-status')
    assert never_fetched() == ['added']
    unit.hook('update-status')
    assert never_fetched() == []


# fetch before the layer's own turn


@pytest.mark.parametrize('hook', ['install', 'upgrade-charm', 'config-changed', 'update-status'])
@pytest.mark.parametrize('entry', [None, {'type': 'file', 'filename': 'f'}])
def test_a_wrong_resource_that_another_layer_fetches_before_is_told_in_that_hook(
    unit, hook, entry
):
    unit.attached['my-image'] = IMAGE
    if entry:
        unit.metadata['resources']['wrong'] = entry
    if hook != 'install':
        unit.hook('install')
    unit._atstart.insert(0, lambda: unit.library.fetch('wrong'))
    for _ in range(2):
        unit.hook(hook)
        assert unit.flags('wrong') == FAILED
        assert [status for status, _ in unit.statuses if status == 'blocked'] == ['blocked']
        assert unit.statuses[-1][1].startswith('wrong: it')


def test_what_another_layer_fetches_before_is_read_once_and_before_any_handler(unit):
    unit.metadata['resources']['other'] = {'type': 'oci-image'}
    unit.attached = {'my-image': IMAGE, 'other': OTHER_IMAGE}
    unit._atstart.insert(0, lambda: unit.library.fetch('other'))
    seen = unit.seen('other')
    unit.hook('install')
    assert seen == [AVAILABLE]
    assert sorted(unit.asked) == ['my-image', 'other']


def test_get_info_before_the_layers_turn_returns_what_the_last_hook_had(unit):
    unit.attached['my-image'] = IMAGE
    unit.hook('install')
    paths = []
    unit._atstart.insert(0, lambda: paths.append(unit.library.get_info('my-image').registry_path))
    unit.attached['my-image'] = ABSENT
    unit.hook('update-status')
    assert paths == ['a/b']
