"""charm-upload-resource: images of the local engine."""

import contextlib
import json
import re
import types

import pytest

from charm_image import _progress
from charm_image._oci import local_image
from charm_image._upload import pushed, resource_upload, values
from support import engine
from support.uploads import ABSENT, _numbers

pytestmark = pytest.mark.holds('uploads')


@pytest.fixture
def local(each_engine):
    return each_engine


@pytest.fixture
def image(local):
    """The ID of an image in that engine, and nowhere else."""
    name = f'tests/upload:{next(_numbers)}'
    with engine.busybox_archive() as archive:
        api = local.client.api
        api.post(
            f'{api.base_url}/v{api.api_version}/images/create',
            params={'fromSrc': '-', 'repo': name, 'changes': f'ENV NAME={name}'},
            data=archive,
        ).raise_for_status()
    return local.client.images.get(name).id


def test_an_image_of_the_local_engine_is_pushed_and_then_used(hub, upload, local, image):
    first = upload('my-charm', 'my-image', f'--image={image}', DOCKER_HOST=local.host)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0] == 'Remote image not found, uploading from local registry'
    digest = re.fullmatch('Image uploaded, new remote digest: (sha256:[0-9a-f]{64})', lines[1])[1]
    assert lines[2:] == ["Revision 1 created of resource 'my-image' for charm 'my-charm'"]
    short = image.removeprefix('sha256:')[:12]
    # an index of containerd's store is not in the registry
    asked = local.host if local.kind.containerd else 'unix:///no'
    for name, host in [(image, asked), (digest, 'unix:///no'), (short, local.host)]:
        again = upload('my-charm', 'my-image', f'--image={name}', DOCKER_HOST=host)
        assert again.stdout.splitlines() == [
            "Using the OCI image from Canonical's registry",
            "Revision 1 of resource 'my-image' for charm 'my-charm' already exists",
        ], again.stderr


def test_a_revision_of_an_image_can_be_pulled_and_run(hub, upload, local, image):
    done = upload('my-charm', 'my-image', f'--image={image}', DOCKER_HOST=local.host)
    assert done.returncode == 0, done.stderr
    local.client.images.remove(image, force=True)
    resource = json.loads(hub.revisions('my-charm', 'my-image')[0].content)
    repository, _, digest = resource['ImageName'].partition('@')
    account = {'username': resource['Username'], 'password': resource['Password']}
    pulled = local.client.images.pull(repository, tag=digest, auth_config=account)
    assert pulled.id == local.id_of(image, digest)
    assert local.run(pulled.id, '/bin/busybox', 'echo', 'it runs') == b'it runs\n'


def test_an_image_that_the_engine_does_not_have_is_reported(hub, upload, local):
    done = upload('my-charm', 'my-image', f'--image={ABSENT}', DOCKER_HOST=local.host)
    assert (done.returncode, done.stdout) == (1, '')
    assert "The image is not in Canonical's registry" in done.stderr
    assert f'has no image {ABSENT}' in done.stderr
    done = upload('my-charm', 'my-image', '--image=aaaaaaaaaaaa', DOCKER_HOST=local.host)
    assert (done.returncode, done.stdout) == (1, '')
    assert 'has no image aaaaaaaaaaaa' in done.stderr
    assert 'give its full digest' in done.stderr


def test_a_repository_digest_of_a_local_image_will_do(hub, upload, podman):
    image = podman.client.images.get(podman.busybox)
    digest = image.attrs['RepoDigests'][0].partition('@')[2]
    done = upload('my-charm', 'my-image', f'--image={digest}', DOCKER_HOST=podman.host)
    assert done.stdout.startswith('Remote image not found, uploading from local'), done.stderr


def test_the_digests_of_a_local_image_are_looked_for_in_the_order_of_the_engine(monkeypatch):
    digests = ['sha256:' + 64 * digit for digit in '0123456789']
    local = local_image.LocalImage(
        ABSENT, (*digests, ABSENT), (), ('linux', 'amd64'), (), 0, (), _client=None
    )
    asked = []
    remote = types.SimpleNamespace(
        client=None,
        repository='',
        find=lambda digest, **_: asked.append(digest),
        find_pushed=lambda image: pushed.Pushed('found'),
    )
    monkeypatch.setattr(resource_upload.ResourceUpload, '_local', lambda *given: local)
    monkeypatch.setattr(resource_upload.pushed, 'architectures', lambda *given: ())
    settings = types.SimpleNamespace(store=None)
    one = resource_upload.ResourceUpload('a', 'b', settings=settings, report=_progress.Reporter())
    name = values.ImageName(long=digests[3])
    with contextlib.ExitStack() as stack:
        one._store_image(remote, one._find(remote, stack, name), name)
    assert asked == [digests[3], ABSENT, *digests[:3], *digests[4:]]
