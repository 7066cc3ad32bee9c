"""`.changed` lasts until the charm took the image: no handler, on no unit, loses one."""

import pytest

from support.observing import IMAGE, images, states

GOOD = {'fetched', 'available'}
BROKEN = b'registrypath: [\n'

# As most public charms are: a flag of their own tells that the pod spec was sent.
TAKING = """
from charmhelpers.core import hookenv
from charms import layer, reactive


@reactive.when('layer.docker-resource.image.available')
@reactive.when_not('started')
def start():
    if not hookenv.is_leader():
        return
    details = layer.docker_resource.get_info('image').image_details
    containers = [{'name': 'image', 'imageDetails': details}]
    layer.caas_base.pod_spec_set({'containers': containers})
    reactive.set_flag('started')


@reactive.when(CONDITIONS)
def restart():
    reactive.clear_flag('started')
"""
CONFIG = 'options: {size: {type: string, default: small}}\n'


@pytest.fixture
def deploy(charms, live):
    """A function that deploys a unit which restarts on these flags, with the image a/b:1."""

    def begin(*more, **circumstances):
        flags = ('layer.docker-resource.image.changed', *more)
        reactive = TAKING.replace('CONDITIONS', ', '.join(map(repr, flags)))
        subject = live(charms.make(resources={'image': IMAGE}, reactive=reactive), **circumstances)
        (subject.charm / 'config.yaml').write_text(CONFIG)
        subject.attach('image', 'a/b:1')
        subject.deploy()
        return subject

    return begin


def _paths(runs):
    return [images(run.pod_spec)['image'][0] for run in runs if run.pod_spec]


def test_a_charm_that_takes_the_change_at_once_sends_it_once(deploy):
    subject = deploy()
    assert _paths(subject.attach('image', 'a/b:2')) == ['a/b:2']
    assert states(subject.flags, 'image') == GOOD
    assert _paths([*subject.idle(), *subject.idle(), *subject.configure(size='large')]) == []


def test_a_charm_that_also_waits_for_its_configuration_gets_the_image_with_its_change(deploy):
    subject = deploy('config.changed')
    assert _paths([*subject.attach('image', 'a/b:2'), *subject.idle(), *subject.idle()]) == []
    assert _paths(subject.configure(size='large')) == ['a/b:2']
    assert _paths([*subject.idle(), *subject.configure(size='huge')]) == []


def test_a_unit_that_becomes_leader_after_the_change_sends_it(deploy):
    subject = deploy()
    subject.leader = False
    assert _paths([*subject.attach('image', 'a/b:2'), *subject.idle()]) == []
    subject.leader = True
    assert _paths([*subject.run('leader-elected'), *subject.idle()]) == ['a/b:2']
    assert states(subject.flags, 'image') == GOOD


def test_the_image_before_is_no_change_after_one_that_nobody_took(deploy):
    subject = deploy('config.changed')
    subject.attach('image', 'a/b:2')
    assert 'changed' in states(subject.flags, 'image')
    subject.attach('image', 'a/b:1')
    assert states(subject.flags, 'image') == GOOD
    assert _paths([*subject.idle(), *subject.configure(size='large')]) == []


def test_a_change_that_nobody_took_outlives_a_broken_image(deploy):
    subject = deploy('config.changed')
    subject.attach('image', 'a/b:2')
    subject.attach('image', BROKEN)
    assert states(subject.flags, 'image') == {'fetched', 'failed'}
    subject.attach('image', 'a/b:2')
    assert 'changed' in states(subject.flags, 'image')
    assert _paths(subject.configure(size='large')) == ['a/b:2']


def test_a_change_that_was_taken_in_a_hook_that_failed_is_one_still(deploy):
    subject = deploy()
    handlers = subject.charm / 'reactive' / 'tested.py'
    good = handlers.read_text()
    handlers.write_text(good.replace("set_flag('started')", "set_flag('started'); 1 / 0"))
    with pytest.raises(AssertionError, match='ZeroDivisionError'):
        subject.attach('image', 'a/b:2')
    handlers.write_text(good)
    assert _paths([*subject.retry(), *subject.run('config-changed')]) == ['a/b:2']


# Juju runs config-changed after each upgrade-charm, even one that failed and was not retried.


def test_an_image_whose_upgrade_failed_and_was_not_retried_arrives_in_config_changed(deploy):
    subject = deploy()
    handlers = subject.charm / 'reactive' / 'tested.py'
    good = handlers.read_text()
    handlers.write_text(good + "\n@reactive.hook('upgrade-charm')\ndef fail():\n    1 / 0\n")
    with pytest.raises(AssertionError, match='ZeroDivisionError'):
        subject.attach('image', 'a/b:2')
    handlers.write_text(good)
    assert _paths([*subject.run('config-changed'), *subject.idle()]) == ['a/b:2']


@pytest.mark.parametrize(
    'script', ['echo ERROR no >&2; exit 1', 'exit 0', 'printf /nowhere', 'printf /dev/zero']
)
def test_in_config_changed_a_failing_resource_get_takes_nothing_away(deploy, script):
    subject = deploy()
    subject.attach('image', 'a/b:2')
    said = subject.status
    subject.break_resource_get('image', script)
    for run in (*subject.configure(size='large'), *subject.idle()):
        assert len(run.started('resource-get')) == 1  # tried again until it is read
        assert states(subject.flags, 'image') == GOOD
        warnings = [text for level, text in run.log if level == 'WARNING']
        assert any('keeps its last image' in text for text in warnings)
    assert subject.status == said
    subject.repair_resource_get('image')
    assert len(subject.idle()[-1].started('resource-get')) == 1
    assert subject.idle()[-1].started('resource-get') == []


def test_in_config_changed_an_image_that_is_broken_is_told(deploy):
    subject = deploy()
    subject.attach('image', BROKEN, run_hooks=False)  # with an upgrade-charm that never ran
    subject.configure(size='large')
    assert states(subject.flags, 'image') == {'fetched', 'failed'}
    assert subject.status[0] == 'blocked'
