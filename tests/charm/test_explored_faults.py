"""`charm-unit explore` finds what reactive charms do wrong in some order of events only."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_IMAGE = {'type': 'oci-image', 'description': 'An image', 'auto-fetch': True}
_BEGIN = """
from charmhelpers.core import hookenv, unitdata
from charms import layer
from charms.reactive import clear_flag, hook, set_flag, when, when_not

kv = unitdata.kv()


def image():
    return layer.docker_resource.get_info('web')


def send(details):
    container = {'name': 'web', 'imageDetails': details}
    layer.caas_base.pod_spec_set({'containers': [container]})
    set_flag('sent')


@when('layer.docker-resource.web.available')
@when_not('sent')
def begin():
    if hookenv.is_leader():
        send(image().image_details)


@when('layer.docker-resource.web.available')
def say_ready():
    layer.status.active('ready')
"""
_FAULTS = {
    'sends an old image after a failed hook': (
        """

@when('layer.docker-resource.web.changed', 'sent')
def restart():
    if not hookenv.is_leader():
        return
    details = image().image_details
    kv.set('pending', kv.get('pending') or details)
    kv.flush()
    send(kv.get('pending'))
    kv.unset('pending')
""",
        {},
        (['image', 'broken'], {'attach', 'kill-at'}, 3),
    ),
}
_SECONDS = 300
"""Most are found in less than 10; a slow machine is no reason to fail."""


@pytest.mark.parametrize('fault', _FAULTS)
def test_a_charm_is_found_that(charms, fault):
    reactive, options, (broken, steps, seed) = _FAULTS[fault]
    charm = charms.make({'web': _IMAGE}, _BEGIN + reactive, **options)
    done = subprocess.run(
        [sys.executable, '-m', 'charm_unit', 'explore', charm, f'--seed={seed}', '--format=json']
        + [f'--seconds={_SECONDS}', '--timeout=600'],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)['findings']
    assert found['requirement'] in broken, found
    commands = [line for step in found['steps'][1:] for line in step['commands']]
    assert steps <= {command.split()[0] for command in commands}, commands
