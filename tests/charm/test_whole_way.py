"""From resources in Python to the pod of a charm: build, upload, fetch."""

import json
import os
import subprocess
import sys

import pytest

import each_python
import services
from juju import building
from services import charmhub, engine, isolation


@pytest.fixture(scope='module')
def tools(tmp_path_factory):
    """Where the author's programs are, installed as an author would."""
    services.require_root()
    services.require('dockerd', 'docker-registry')
    folder = tmp_path_factory.mktemp('tools')
    source = f'{building.ROOT}/tools[fabric]'
    each_python.make_environment(sys.executable, folder)
    done = subprocess.run(
        [folder / 'bin/pip', 'install', '--quiet', '--disable-pip-version-check', source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / 'bin'


@pytest.fixture(scope='module')
def charm(charms):
    return charms.example('my-charm')


@pytest.fixture(scope='module')
def network(tools, charm):
    """From here on there is nothing but loopback."""
    with isolation.network():
        yield


@pytest.fixture(scope='module')
def dockerd(network):
    with engine.running(engine.KINDS['docker']) as running:
        yield running


@pytest.fixture(scope='module')
def hub(network, tmp_path_factory):
    with charmhub.running(tmp_path_factory.mktemp('charmhub')) as running:
        running.add('my-charm', {'my-resource': 'oci-image'})
        yield running


def test_an_image_made_of_python_resources_becomes_the_pod_of_a_charm(
    tools, charm, dockerd, hub, live
):
    environ = {**dockerd.environ, **hub.environment, 'PATH': f'{tools}:{os.environ["PATH"]}'}

    def author(*command):
        done = subprocess.run(
            command,
            cwd=building.ROOT / 'examples/images',
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1]

    base = dockerd.debian_with_packages
    image = author('fab', 'app-server', f'--from-image={base}', '--network=none')
    said = author('charm-upload-resource', 'my-charm', 'my-resource', f'--image={image}')
    assert said == "Revision 1 created of resource 'my-resource' for charm 'my-charm'"

    # what Juju's controller gets from Charmhub, and gives to the unit
    [revision] = hub.revisions('my-charm', 'my-resource')
    content = json.loads(revision.content)
    unit = live(charm)
    unit.attach('my-resource', content['ImageName'], content['Username'], content['Password'])
    unit.deploy()

    assert unit.status == ('active', 'ready')
    [container] = unit.pod_spec['containers']
    details = container['imageDetails']

    # what Kubernetes does with it
    dockerd.client.images.remove(image, force=True)
    dockerd.client.images.pull(
        details['imagePath'],
        auth_config={'username': details['username'], 'password': details['password']},
    )
    assert dockerd.run(details['imagePath'], 'cat', '/index.html') == b'HELLO WORLD!\n'
