"""From resources in Python to the pod of a charm: build, upload, fetch."""

import json
import os
import subprocess
import sys

import pytest

import each_python
import support
from support import building, charmhub, emulation, engine, isolation, registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def tools(tmp_path_factory):
    """Where the author's programs are, installed as an author would."""
    support.require_root()
    support.require('dockerd', 'docker-registry')
    folder = tmp_path_factory.mktemp('tools')
    # in a copy, since pip builds where the source is
    clone = tmp_path_factory.mktemp('author') / 'clone'
    building.check_out(clone)
    source = f'{clone}/tools/charm-image[fabric]'
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


@pytest.fixture(scope='module')
def author(tools, dockerd, hub):
    """Run a command where the examples' images are; give the last line that it prints."""
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

    return author


def details_in_a_pod(hub, live, charm):
    """What the example charm puts into its pod spec for the last revision of its resource."""
    # what Juju's controller gets from Charmhub, and gives to the unit
    revision = hub.revisions('my-charm', 'my-resource')[-1]
    content = json.loads(revision.content)
    unit = live(charm)
    unit.attach('my-resource', content['ImageName'], content['Username'], content['Password'])
    unit.deploy()
    assert unit.status == ('active', 'ready')
    [container] = unit.pod_spec['containers']
    details = container['imageDetails']
    account = {'username': details['username'], 'password': details['password']}
    return details['imagePath'], account


def test_an_image_made_of_python_resources_becomes_the_pod_of_a_charm(
    author, charm, dockerd, hub, live
):
    base = dockerd.debian_with_packages
    image = author('fab', 'app-server', f'--from-image={base}', '--network=none')
    said = author('charm-upload-resource', 'my-charm', 'my-resource', f'--image={image}')
    assert said == "Revision 1 created of resource 'my-resource' for charm 'my-charm'"

    path, account = details_in_a_pod(hub, live, charm)

    # what Kubernetes does with it
    dockerd.client.images.remove(image, force=True)
    dockerd.client.images.pull(path, auth_config=account)
    assert dockerd.run(path, 'cat', '/index.html') == b'HELLO WORLD!\n'


def test_one_revision_has_an_image_for_every_platform_of_a_cluster(
    author, charm, dockerd, hub, live, tmp_path
):
    archive = tmp_path / 'greeter.tar'
    with registry.running(tmp_path / 'registry') as store:
        base = store.store(emulation.base(), 'base/busybox', '1') + ':1'
        author('fab', 'greeter', f'--from-image={base}', f'--output={archive}')
    before = len(hub.revisions('my-charm', 'my-resource'))
    said = author('charm-upload-resource', 'my-charm', 'my-resource', f'--image={archive}')
    assert said.startswith(f'Revision {before + 1} created')

    path, account = details_in_a_pod(hub, live, charm)

    # what the nodes of a cluster do, each for its own platform
    for platform in ('linux/amd64', 'linux/arm64'):
        image = dockerd.client.images.pull(path, platform=platform, auth_config=account)
        assert image.attrs['Architecture'] == platform.partition('/')[2]
        container = dockerd.client.containers.create(image.id, platform=platform)
        content = b''.join(container.get_archive('/greeting')[0])
        container.remove()
        dockerd.client.images.remove(image.id, force=True)  # which this engine has once only
        assert f'Hello from {platform}\n'.encode() in content
