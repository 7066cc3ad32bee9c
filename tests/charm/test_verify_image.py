"""A charm with verify-image against docker-registry, from end to end."""

import functools
import hashlib
import io
import json

import pytest

from container_image import registry
from support import building
from support import registry as services_registry
from support.observing import IMAGE, OBSERVER, images, states

GOOD = {'fetched', 'available'}
FAILED = {'fetched', 'failed'}
SECRET = 's3cr3t-pa55'
ACCOUNTS = {'deployer': SECRET}
OPTIONS = {'docker-resource': {'verify-image': True}}
PINNING = (
    OBSERVER
    + """

@reactive.when('layer.docker-resource.image.available')
def tell():
    hookenv.log('PINNED ' + layer.docker_resource.get_info('image').pinned_path)
"""
)


@pytest.fixture(scope='module')
def charm(charms):
    """A charm that has its images verified, with the wheelhouse that this takes."""
    return charms.make(
        resources={'image': IMAGE}, reactive=PINNING, options=OPTIONS, layer=building.ROOT
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('registry')


@pytest.fixture
def host(folder):
    """A docker-registry with an account, and the image team/web:2.1 in it."""
    with services_registry.running(folder, accounts=ACCOUNTS) as running:
        _push(running.host, '2.1')
        yield running.host


def _push(host, tag):
    """Push an image; return its digest."""
    with registry.Client(host, 'deployer', SECRET) as client:
        descriptors = []
        for content in (b'{}', tag.encode()):
            digest = 'sha256:' + hashlib.sha256(content).hexdigest()
            opening = functools.partial(io.BytesIO, content)
            client.push_blob('team/web', digest, len(content), opening)
            descriptors.append({'mediaType': '', 'digest': digest, 'size': len(content)})
        kind = 'application/vnd.docker.distribution.manifest.v2+json'
        descriptors[0]['mediaType'] = 'application/vnd.docker.container.image.v1+json'
        descriptors[1]['mediaType'] = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
        manifest = {'schemaVersion': 2, 'mediaType': kind}
        manifest.update(config=descriptors[0], layers=descriptors[1:])
        return client.put_manifest('team/web', '2.1', json.dumps(manifest).encode(), kind)


def _pinned(run):
    return [text[7:] for _, text in run.log if text.startswith('PINNED ')]


def test_an_image_that_is_there_is_available_and_a_tag_that_moves_is_a_change(charm, live, host):
    subject = live(charm)
    subject.attach('image', f'{host}/team/web:2.1', 'deployer', SECRET)
    *_, start = subject.deploy()
    assert states(subject.flags, 'image') == GOOD
    assert images(start.pod_spec) == {'image': (f'{host}/team/web:2.1', 'deployer', SECRET)}
    digest = _push(host, 'moved')
    moved, idle = subject.run('config-changed')[0], subject.idle()[-1]
    assert 'layer.docker-resource.image.changed' in moved.flags_transient
    assert _pinned(moved) == _pinned(idle) == [f'{host}/team/web@{digest}']
    assert not any(SECRET in run.public_output for run in subject.runs)


@pytest.mark.parametrize(
    ('tag', 'password', 'words'),
    [
        ('2.2', SECRET, 'team/web:2.2'),
        ('2.1', 'wrong-' + SECRET, 'password'),
        ('2.1', '', 'team/web:2.1'),
    ],
    ids=['a wrong tag', 'a wrong password', 'no password'],
)
def test_what_the_registry_rejects_has_failed_until_it_is_right(
    charm, live, host, tag, password, words
):
    subject = live(charm)
    subject.attach('image', f'{host}/team/web:{tag}', 'deployer', password)
    subject.deploy()
    assert states(subject.flags, 'image') == FAILED
    assert subject.status[0] == 'blocked'
    assert words in subject.status[1]
    assert 'juju attach-resource tested image=' in subject.status[1]
    assert subject.pod_spec is None
    subject.attach('image', f'{host}/team/web:2.1', 'deployer', SECRET)
    assert states(subject.flags, 'image') == GOOD
    assert not any(SECRET in run.public_output for run in subject.runs)


def test_a_registry_that_is_away_is_waited_for_unless_it_confirmed_the_image(charm, live, folder):
    with services_registry.running(folder, accounts=ACCOUNTS) as running:
        host = running.host
        _push(host, '2.1')
        confirmed, new = live(charm), live(charm)
        confirmed.attach('image', f'{host}/team/web:2.1', 'deployer', SECRET)
        confirmed.deploy()
    new.attach('image', f'{host}/team/web:2.1', 'deployer', SECRET)
    new.run('install')
    assert states(new.flags, 'image') == {'fetched'}
    assert new.status[0] == 'waiting'
    assert host in new.status[1]
    confirmed.upgrade()
    assert states(confirmed.flags, 'image') == GOOD
    confirmed.attach('image', f'{host}/team/web:2.2', 'deployer', SECRET)
    assert states(confirmed.flags, 'image') == {'fetched'}
    port = int(host.rpartition(':')[2])
    with services_registry.running(folder, accounts=ACCOUNTS, port=port):
        new.idle()
        assert states(new.flags, 'image') == GOOD
        confirmed.idle()
        assert states(confirmed.flags, 'image') == FAILED


def test_what_was_confirmed_then_rejected_stays_so_while_its_registry_is_away(charm, live, folder):
    subject = live(charm)
    with services_registry.running(folder, accounts=ACCOUNTS) as running:
        host = running.host
        _push(host, '2.1')
        subject.attach('image', f'{host}/team/web:2.1', 'deployer', SECRET)
        subject.deploy()
    port = int(host.rpartition(':')[2])
    other = services_registry.running(folder / 'other', accounts={'other': 'x'}, port=port)
    with other:
        subject.upgrade()
        assert states(subject.flags, 'image') == FAILED
    for runs in (subject.upgrade(), subject.idle()):
        assert states(subject.flags, 'image') == FAILED
        assert not any(run.pod_spec for run in runs)
        assert subject.status[0] == 'blocked'
        assert 'password' in subject.status[1]
    with services_registry.running(folder, accounts=ACCOUNTS, port=port):
        subject.idle()
        assert states(subject.flags, 'image') == GOOD


def test_what_was_never_confirmed_is_waited_for_while_its_registry_is_away(charms, charm, live):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))
    subject.attach('image', '127.0.0.1:1/team/web:2.1')
    subject.deploy()
    upgrade, config_changed = subject.upgrade(charm)
    assert states(subject.flags, 'image') == {'fetched'}
    assert upgrade.pod_spec is config_changed.pod_spec is None
    assert subject.status[0] == 'waiting'
