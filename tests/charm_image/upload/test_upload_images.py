"""charm-upload-resource: images from archives, and from the registry by their digest."""

import contextlib
import json
import os
import re

import pytest

from support import fake_engine, layouts
from support.uploads import ABSENT, image_id, make_archive, sent

pytestmark = pytest.mark.holds('uploads')


def test_an_image_is_pushed_and_then_used(hub, upload, archive):
    done = upload('my-charm', 'my-image', f'--image={archive}')
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == f"Remote image not found, uploading from '{archive}'"
    digest = re.fullmatch('Image uploaded, new remote digest: (sha256:[0-9a-f]{64})', second)[1]
    assert third == "Revision 1 created of resource 'my-image' for charm 'my-charm'"
    (revision,) = hub.revisions('my-charm', 'my-image')
    content = json.loads(revision.content)
    repository = f'charm/{hub.charms["my-charm"].id}/my-image'
    assert content['ImageName'] == f'{hub.registry_host}/{repository}@{digest}'
    assert (revision.type, revision.bases[0]['architectures']) == ('oci-image', ['amd64'])


def test_an_image_in_the_registry_is_used_by_its_digest_alone(hub, upload, archive):
    pushed = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    digest = json.loads(pushed.stdout)['image-digest']
    hub.registry_proxy.forget()
    done = upload('my-charm', 'my-image', f'--image={digest}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "Using the OCI image from Canonical's registry\n"
        "Revision 1 of resource 'my-image' for charm 'my-charm' already exists\n"
    )
    assert {method for method, _ in hub.registry_proxy.requests} <= {'GET', 'HEAD'}


def test_an_image_in_the_registry_is_found_with_one_token(hub, upload, archive):
    pushed = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    before = len(hub.registry_tokens.asked)
    upload('my-charm', 'my-image', f'--image={json.loads(pushed.stdout)["image-digest"]}')
    assert len(hub.registry_tokens.asked) == before + 1


@pytest.mark.parametrize('write', [str.upper, lambda digest: digest.removeprefix('sha256:')])
def test_a_digest_may_be_written_otherwise(upload, archive, write):
    pushed = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    digest = json.loads(pushed.stdout)['image-digest']
    done = upload('my-charm', 'my-image', f'--image={write(digest)}')
    assert done.stdout.startswith("Using the OCI image from Canonical's registry\n"), done.stderr


def test_the_id_of_an_image_that_was_pushed_before_is_enough(hub, upload, archive):
    upload('my-charm', 'my-image', f'--image={archive}')
    hub.registry_proxy.forget()
    done = upload('my-charm', 'my-image', f'--image={image_id(archive)}')
    assert done.stdout.startswith("Using the OCI image from Canonical's registry\n"), done.stderr
    without_login, manifest, config = [path for _, path in hub.registry_proxy.requests]
    assert without_login == manifest
    assert manifest.endswith(f'/manifests/image-{image_id(archive).removeprefix("sha256:")}')
    assert config.endswith(f'/blobs/{image_id(archive)}')


def test_the_id_of_an_image_that_another_tool_pushed_is_not_a_manifest(hub, upload, archive):
    upload('my-charm', 'my-image', f'--image={archive}')
    hub.registry_proxy.answer('GET', '/manifests/image-', 404, times=99)  # as if it had no tags
    done = upload('my-charm', 'my-image', f'--image={image_id(archive)}')
    assert done.returncode == 1
    assert "The image is not in Canonical's registry" in done.stderr


def test_an_image_of_another_charm_is_not_used(hub, upload, archive):
    pushed = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    digest = json.loads(pushed.stdout)['image-digest']
    hub.add('another-charm', {'my-image': 'oci-image'})
    done = upload('another-charm', 'my-image', f'--image={digest}')
    assert (done.returncode, done.stdout) == (1, '')


def test_an_image_for_several_architectures_keeps_them_all(hub, upload, tmp_path):
    make_archive(tmp_path / 'many.rock', ['amd64', 'arm64', 'arm'])
    done = upload('my-charm', 'my-image', '--image=many.rock')
    assert done.returncode == 0, done.stderr
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert sorted(revision.bases[0]['architectures']) == ['amd64', 'arm64', 'armhf']


def test_the_architectures_of_the_revision_are_reported_and_those_whose_files_are_missing(
    upload, tmp_path
):
    path = make_archive(tmp_path / 'some.rock', ['amd64', 'arm64', 's390x'], absent=['arm64'])
    for _ in range(2):
        done = upload('my-charm', 'my-image', f'--image={path}', '--format=json')
        assert 'Architectures of the revision: amd64, s390x\n' in done.stderr
        assert 'Architectures missing from the archive, but in its index: arm64\n' in done.stderr
        content = json.loads(done.stdout)
        assert content['architectures'] == ['amd64', 's390x']
        assert content['missing-architectures'] == ['arm64']


def test_a_platform_that_an_index_names_and_the_engine_lacks_is_reported(hub, upload):
    small = layouts.tar([('small', b'small')])
    amd64, arm64 = layouts.Image((small,)), layouts.Image((small,), 'arm64')
    archive = layouts.containerd(amd64, absent=[arm64])
    identity = layouts.index_digest(archive)
    with fake_engine.running() as fake:
        fake.add({**amd64.inspected, 'Id': identity}, archive)
        for _ in range(2):
            done = upload('my-charm', 'my-image', f'--image={identity}', DOCKER_HOST=fake.host)
            assert done.returncode == 0, done.stderr
            assert 'Architectures of the revision: amd64\n' in done.stderr
            assert (
                'Architectures missing from the engine, but in the index: arm64. To include them'
                in done.stderr
            )
        fake.add({**amd64.inspected, 'Id': identity}, layouts.containerd(amd64, arm64))
        done = upload('my-charm', 'my-image', f'--image={identity}', DOCKER_HOST=fake.host)
    assert done.stdout.startswith('Remote image not found, uploading'), done.stderr
    assert 'Architectures of the revision: amd64, arm64\n' in done.stderr
    assert hub.revisions('my-charm', 'my-image')[-1].bases[0]['architectures'] == [
        'amd64',
        'arm64',
    ]


def test_layers_are_said_to_be_uploaded_only_if_they_are_sent(upload, tmp_path):
    one = make_archive(tmp_path / 'one.rock', layer=b'the same')
    other = make_archive(tmp_path / 'other.rock', ['arm64'], layer=b'the same')
    first, second = (upload('my-charm', 'my-image', f'--image={path}') for path in (one, other))
    assert len(re.findall('^Uploading layer [0-9a-f]{12}$', first.stderr, re.MULTILINE)) == 1
    assert second.stdout.startswith('Remote image not found, uploading from'), second.stderr
    assert 'Uploading layer' not in second.stderr


def test_uploads_to_one_resource_at_the_same_time_all_succeed(hub, interrupted, tmp_path):
    layer = os.urandom(1 << 20)
    paths = [
        make_archive(tmp_path / f'{n}.rock', architectures, layer)
        for n, architectures in enumerate((['amd64'], ['amd64', 'arm64'], ['s390x']))
    ]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(interrupted('my-charm', 'my-image', f'--image={path}'))
            for path in paths
        ]
        ended = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert [status for _, status in ended] == [0, 0, 0], ended
    assert len(hub.revisions('my-charm', 'my-image')) == 3


def test_an_image_that_is_nowhere_is_reported_with_the_engine_that_is_not_there(hub, upload):
    done = upload('my-charm', 'my-image', f'--image={ABSENT}')
    assert (done.returncode, done.stdout) == (1, '')
    assert "The image is not in Canonical's registry for resource 'my-image'" in done.stderr
    assert 'the engine is not running' in done.stderr
    assert sent(hub) == []


def test_a_short_digest_wants_an_engine(upload):
    done = upload('my-charm', 'my-image', '--image=70aa8983ec5c')
    assert done.returncode == 1
    assert 'the engine is not running' in done.stderr


@pytest.mark.parametrize(
    ('make', 'reason'),
    [
        (os.mkfifo, 'is not a regular file'),
        (lambda path: path.symlink_to('/dev/null'), 'is not a regular file'),
        (lambda path: path.mkdir(), 'is not an OCI layout'),
        (lambda path: path.write_text('text ' * 500), 'is not a tar archive'),
    ],
)
def test_a_path_that_is_not_an_image_is_reported(hub, upload, tmp_path, make, reason):
    make(tmp_path / 'odd')
    done = upload('my-charm', 'my-image', '--image=odd')
    assert (done.returncode, done.stdout) == (1, '')
    assert reason in done.stderr
    assert sent(hub) == []


def test_a_push_survives_a_token_that_expires_in_the_middle(hub, upload, archive):
    server = hub.registry_tokens
    challenge = f'Bearer realm="{server.realm}",service="registry",scope="repository:x:pull,push"'
    hub.registry_proxy.answer('PATCH', '', 401, WWW_Authenticate=challenge)
    done = upload('my-charm', 'my-image', f'--image={archive}')
    assert done.returncode == 0, done.stderr


def test_a_push_survives_a_registry_with_faults(hub, upload, archive):
    hub.registry_proxy.cut('PATCH', '', at=10)
    hub.registry_proxy.answer('POST', '', 500)
    hub.registry_proxy.answer('PUT', '/manifests/', 503)
    done = upload('my-charm', 'my-image', f'--image={archive}')
    assert done.returncode == 0, done.stderr
