"""The simulated unit keeps to what Juju does, or all the other tests would mean nothing."""

import json

import pytest

import charm_unit

ALONE = ('layer:caas-base', 'layer:status')
FETCHING = """
import pathlib
from charmhelpers.core import hookenv
from charms import reactive

@reactive.hook('install', 'upgrade-charm', 'update-status')
def ask():
    for name in ('one', 'two'):
        path = hookenv.resource_get(name)
        hookenv.log('{}: {!r}'.format(name, path))
        if path:
            hookenv.log(pathlib.Path(path).read_text())
"""
IMAGES = {name: {'type': 'oci-image', 'description': 'An image'} for name in ('one', 'two')}


def _logged(run):
    return [message for level, message in run.log if level == 'INFO']


def _pod_spec_charm(charms, spec):
    reactive = f"""
from charmhelpers.core import hookenv
from charms import layer, reactive

@reactive.hook('install')
def send():
    layer.status.active('sent')
    reactive.set_flag('sent')
    layer.caas_base.pod_spec_set({spec!r})
"""
    return charms.make(reactive=reactive, includes=ALONE, layer=None)


def _spec(**details):
    return {'containers': [{'name': 'c', 'imageDetails': details}]}


@pytest.mark.parametrize(
    ('juju', 'ending'),
    [('2.9.31', 'resources/content.yaml'), ('2.9.30', 'resources/one/content.yaml')],
)
def test_details_are_delivered_where_that_juju_puts_them(charms, live, juju, ending):
    charm = charms.make(resources=IMAGES, reactive=FETCHING, includes=ALONE, layer=None)
    subject = live(charm, juju=juju)
    subject.attach('one', 'a/b', password='0123')
    said = _logged(subject.run('install')[-1])
    assert any(line.endswith(f"{ending}'") for line in said)
    assert "registrypath: a/b\nusername: ''\npassword: '0123'\n" in said


def test_an_image_that_was_not_attached_is_missed_with_juju_words(charms, live):
    charm = charms.make(resources=IMAGES, reactive=FETCHING, includes=ALONE, layer=None)
    (install,) = live(charm).run('install')
    assert 'one: False' in _logged(install)
    assert (
        'ERROR could not download resource: while getting resource from charmhub: '
        'resource "one" not found' in install.output
    )


def test_other_details_bring_upgrade_charm_and_config_changed_the_same_bring_nothing(charms, live):
    subject = live(charms.make(reactive=FETCHING, resources=IMAGES, includes=ALONE, layer=None))
    subject.run('install')
    hooks = [[run.hook for run in subject.attach('one', 'a/b', password=p)] for p in 'xxy']
    assert hooks == [['upgrade-charm', 'config-changed'], [], ['upgrade-charm', 'config-changed']]


def test_a_good_pod_spec_is_taken(charms, live):
    subject = live(_pod_spec_charm(charms, _spec(imagePath='a/b', username='', password='')))
    subject.run('install')
    assert subject.pod_spec == _spec(imagePath='a/b', username='', password='')
    assert subject.status == ('active', 'sent')


@pytest.mark.parametrize(
    ('spec', 'reason'),
    [
        (_spec(username='me'), 'spec image details is missing'),
        (_spec(imagePath='a/b', digest='x'), 'json: unknown field "digest"'),
        (_spec(imagePath='a/b', password=83), 'cannot unmarshal'),
        (_spec(imagePath={'a', 'b'}), 'cannot unmarshal'),
        ({'containers': []}, 'require at least one container spec'),
    ],
)
def test_a_pod_spec_that_juju_would_refuse_fails_the_hook(charms, live, spec, reason):
    subject = live(_pod_spec_charm(charms, spec))
    with pytest.raises(charm_unit.HookFailedError, match=reason):
        subject.run('install')
    assert subject.pod_spec is None


def test_a_tuple_in_a_pod_spec_is_no_string_to_juju(charms, live):
    spec = _spec(imagePath=('a', 'b'))  # yaml.dump writes a tuple as a list with a tag of its own
    with pytest.raises(charm_unit.HookFailedError, match='cannot unmarshal array into Go struct'):
        live(_pod_spec_charm(charms, spec)).run('install')


def test_only_the_leader_may_set_a_pod_spec(charms, live):
    charm = _pod_spec_charm(charms, _spec(imagePath='a/b'))
    with pytest.raises(charm_unit.HookFailedError, match='this unit is not the leader'):
        live(charm, leader=False).run('install')


def test_nothing_of_a_failed_hook_is_kept_and_it_is_tried_again(charms, live):
    subject = live(_pod_spec_charm(charms, _spec(imagePath='a/b')), leader=False)
    (failed,) = subject.run('install', check=False)
    assert failed.exit_code
    assert 'sent' not in subject.flags
    assert failed.statuses == []  # it was queued for the end of the hook
    subject.leader = True
    assert subject.retry()[0].flags_set >= {'sent'}


def test_processes_that_a_hook_starts_are_recorded(charms, live):
    reactive = """
import subprocess
from charms import reactive

@reactive.hook('install')
def start():
    subprocess.check_call('true a; true b', shell=True)
    subprocess.run(['sh', '-c', 'exit 0'])
"""
    subject = live(charms.make(reactive=reactive, includes=ALONE, layer=None))
    (install,) = subject.run('install')
    assert ['sh', '-c', 'exit 0'] in install.processes
    assert any('true a; true b' in command for command in install.processes)


def test_relations_and_config_are_as_a_charm_asks_for_them(charms, live):
    reactive = """
import json
from charmhelpers.core import hookenv
from charms import reactive

@reactive.hook('db-relation-changed')
def told():
    hookenv.log(json.dumps(hookenv.relation_get(), sort_keys=True))
    hookenv.log(json.dumps([hookenv.relation_ids('db'), hookenv.related_units()]))
"""
    metadata = {'requires': {'db': {'interface': 'any'}}}
    subject = live(charms.make(reactive=reactive, metadata=metadata, includes=ALONE, layer=None))
    subject.run('install')
    changed = subject.relate('db', 'db/3', {'host': 'h', 'port': '1'})[-1]
    assert 'db:0: ' + json.dumps({'host': 'h', 'port': '1'}) in _logged(changed)
    assert 'db:0: ' + json.dumps([['db:0'], ['db/3']]) in _logged(changed)
