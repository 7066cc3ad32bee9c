"""The command charm-upload-resource, started as a program, against a stand-in for Charmhub.

The registry behind it is real.
"""

import argparse
import base64
import contextlib
import hashlib
import io
import itertools
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from charm_image import terminal
from charm_image import upload as upload_module
from services import engine, fake_engine, layouts

PROGRAM = pathlib.Path(sys.executable).with_name('charm-upload-resource')
ABSENT = 'sha256:' + 64 * 'a'

pytestmark = pytest.mark.holds('uploads')

_numbers = itertools.count(1)


@pytest.fixture
def archive(tmp_path):
    """An OCI archive of an image that nobody has, in `tmp_path`."""
    return make_archive(tmp_path / 'my.rock')


def make_archive(path, architectures=('amd64',), layer=None, absent=()):
    if layer is None:
        layer = f'layer {next(_numbers)}'.encode()
    with tarfile.open(path, 'w') as archive:

        def add(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

        def blob(kind, content):
            digest = hashlib.sha256(content).hexdigest()
            add(f'blobs/sha256/{digest}', content)
            return {
                'mediaType': f'application/vnd.oci.image.{kind}',
                'digest': f'sha256:{digest}',
                'size': len(content),
            }

        files = io.BytesIO()
        with tarfile.open(fileobj=files, mode='w') as tar:
            info = tarfile.TarInfo('file')
            info.size = len(layer)
            tar.addfile(info, io.BytesIO(layer))
        diff_id = 'sha256:' + hashlib.sha256(files.getvalue()).hexdigest()
        layers = [blob('layer.v1.tar', files.getvalue())]
        manifests = []
        for architecture in architectures:
            config = {'architecture': architecture, 'os': 'linux', 'config': {}}
            config['rootfs'] = {'type': 'layers', 'diff_ids': [diff_id]}
            manifest = {
                'schemaVersion': 2,
                'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                'config': blob('config.v1+json', json.dumps(config).encode()),
                'layers': layers,
            }
            if architecture in absent:
                described = {'digest': f'sha256:{hashlib.sha256(b"").hexdigest()}', 'size': 0}
            else:
                described = blob('manifest.v1+json', json.dumps(manifest).encode())
            manifests.append(
                {**described, 'platform': {'architecture': architecture, 'os': 'linux'}}
            )
        add('index.json', json.dumps({'schemaVersion': 2, 'manifests': manifests}).encode())
        add('oci-layout', b'{"imageLayoutVersion": "1.0.0"}')
    return path


def image_id(archive):
    """The digest of the configuration of the image in an archive."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            if content.startswith(b'{"architecture"'):
                return 'sha256:' + hashlib.sha256(content).hexdigest()
    return None


def sent(hub):
    """What left this machine: everything but questions."""
    return [
        (path, status) for method, path, status in hub.requests if method not in ('GET', 'HEAD')
    ]


# Files


def test_a_file_becomes_a_revision(hub, upload, tmp_path):
    (tmp_path / 'data.bin').write_bytes(b'\0\xff\r\n' * 1000)
    done = upload('my-charm', 'my-file', '--filepath=data.bin')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Revision 1 created of resource 'my-file' for charm 'my-charm'\n"
    (revision,) = hub.revisions('my-charm', 'my-file')
    assert (revision.content, revision.filename) == (b'\0\xff\r\n' * 1000, 'data.bin')
    assert (revision.type, revision.bases[0]['architectures']) == ('file', ['all'])


def test_without_a_terminal_each_step_has_one_line_on_stderr(upload, tmp_path):
    (tmp_path / 'data.bin').write_bytes(bytes(5 << 20))
    done = upload('my-charm', 'my-file', '--filepath=data.bin')
    assert done.stderr.splitlines() == [
        "Checking resource 'my-file' of charm 'my-charm'",
        'Sending data.bin (5.24 MB)',
        'Waiting for the review',
    ]


def test_an_empty_file_is_sent_with_a_word(hub, upload, tmp_path):
    (tmp_path / 'empty').touch()
    done = upload('my-charm', 'my-file', '--filepath=empty')
    assert done.returncode == 0, done.stderr
    assert 'empty is empty: so will be the resource.' in done.stderr
    assert hub.revisions('my-charm', 'my-file')[0].size == 0


@pytest.mark.parametrize(
    ('make', 'reason'),
    [
        (lambda path: None, 'No such file or directory'),
        (lambda path: path.mkdir(), 'is a directory: give a file'),
        (os.mkfifo, 'is not a regular file'),
        (lambda path: path.symlink_to('/dev/zero'), 'is not a regular file'),
        (lambda path: path.symlink_to(path.name), 'symbolic links'),
    ],
)
def test_what_is_no_readable_file_is_told_at_once(hub, upload, tmp_path, make, reason):
    make(tmp_path / 'odd')
    done = upload('my-charm', 'my-file', '--filepath=odd')
    assert (done.returncode, done.stdout) == (1, '')
    assert "'odd'" in done.stderr
    assert reason in done.stderr
    assert hub.requests == []


def test_a_file_that_changes_while_it_is_sent_becomes_no_revision(
    hub, environment, tmp_path, interrupted
):
    path = tmp_path / 'data.bin'
    path.write_bytes(bytes(1000))
    fault = hub.fail('POST', '/unscanned-upload/', after=True, status=503, hold=threading.Event())
    with interrupted('my-charm', 'my-file', '--filepath=data.bin') as process:
        wait_for(lambda: not fault.times)
        path.write_bytes(b'x' * 1000)
        os.utime(path, (0, 0))
        fault.hold.set()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'The file changed while it was sent. No revision was created: try again.' in stderr
    assert hub.asked('POST', '/revisions$') == []


# Images


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
        "Revision 1 created of resource 'my-image' for charm 'my-charm'\n"
    )
    assert {method for method, _ in hub.registry_proxy.requests} <= {'GET', 'HEAD'}


@pytest.mark.parametrize('write', [str.upper, lambda digest: digest.removeprefix('sha256:')])
def test_a_digest_may_be_written_otherwise(upload, archive, write):
    pushed = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    digest = json.loads(pushed.stdout)['image-digest']
    done = upload('my-charm', 'my-image', f'--image={write(digest)}')
    assert done.stdout.startswith("Using the OCI image from Canonical's registry\n"), done.stderr


def test_the_id_of_an_image_that_was_pushed_before_is_enough(hub, upload, archive):
    upload('my-charm', 'my-image', f'--image={archive}')
    done = upload('my-charm', 'my-image', f'--image={image_id(archive)}')
    assert done.stdout.startswith("Using the OCI image from Canonical's registry\n"), done.stderr


def test_the_id_of_an_image_that_another_tool_pushed_is_no_manifest(hub, upload, archive):
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


def test_the_architectures_of_the_revision_are_told_and_those_whose_files_are_missing(
    upload, tmp_path
):
    path = make_archive(tmp_path / 'some.rock', ['amd64', 'arm64', 's390x'], absent=['arm64'])
    for _ in range(2):
        done = upload('my-charm', 'my-image', f'--image={path}', '--format=json')
        assert 'Architectures of the revision: amd64, s390x\n' in done.stderr
        assert 'Its index names more, but their files are missing: arm64\n' in done.stderr
        content = json.loads(done.stdout)
        assert content['architectures'] == ['amd64', 's390x']
        assert content['missing-architectures'] == ['arm64']


def test_what_an_index_names_and_the_engine_lacks_is_told(hub, upload):
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
            assert 'but the engine does not have them: arm64. To include them' in done.stderr
        fake.add({**amd64.inspected, 'Id': identity}, layouts.containerd(amd64, arm64))
        done = upload('my-charm', 'my-image', f'--image={identity}', DOCKER_HOST=fake.host)
    assert done.stdout.startswith('Remote image not found, uploading'), done.stderr
    assert 'Architectures of the revision: amd64, arm64\n' in done.stderr
    assert hub.revisions('my-charm', 'my-image')[-1].bases[0]['architectures'] == [
        'amd64',
        'arm64',
    ]


def test_only_layers_that_are_sent_are_said_to_be_uploaded(upload, tmp_path):
    one = make_archive(tmp_path / 'one.rock', layer=b'the same')
    other = make_archive(tmp_path / 'other.rock', ['arm64'], layer=b'the same')
    first, second = (upload('my-charm', 'my-image', f'--image={path}') for path in (one, other))
    assert len(re.findall('^Uploading layer [0-9a-f]{12}$', first.stderr, re.MULTILINE)) == 1
    assert second.stdout.startswith('Remote image not found, uploading from'), second.stderr
    assert 'Uploading layer' not in second.stderr


def test_uploads_to_one_resource_at_once_all_succeed(hub, interrupted, tmp_path):
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


def test_an_image_that_is_nowhere_is_told_with_the_engine_that_is_not_there(hub, upload):
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
def test_what_is_no_image_on_disk_is_told(hub, upload, tmp_path, make, reason):
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


# Engines


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
            "Revision 1 created of resource 'my-image' for charm 'my-charm'",
        ], again.stderr


def test_what_juju_gets_can_be_pulled_and_run(hub, upload, local, image):
    done = upload('my-charm', 'my-image', f'--image={image}', DOCKER_HOST=local.host)
    assert done.returncode == 0, done.stderr
    local.client.images.remove(image, force=True)
    resource = json.loads(hub.revisions('my-charm', 'my-image')[0].content)
    repository, _, digest = resource['ImageName'].partition('@')
    account = {'username': resource['Username'], 'password': resource['Password']}
    pulled = local.client.images.pull(repository, tag=digest, auth_config=account)
    assert pulled.id == local.id_of(image, digest)
    assert local.run(pulled.id, '/bin/busybox', 'echo', 'it runs') == b'it runs\n'


def test_an_image_that_the_engine_does_not_have_is_told(hub, upload, local):
    done = upload('my-charm', 'my-image', f'--image={ABSENT}', DOCKER_HOST=local.host)
    assert (done.returncode, done.stdout) == (1, '')
    assert "The image is not in Canonical's registry" in done.stderr
    assert f'has no image {ABSENT}' in done.stderr
    done = upload('my-charm', 'my-image', '--image=aaaaaaaaaaaa', DOCKER_HOST=local.host)
    assert (done.returncode, done.stdout) == (1, '')
    assert 'has no image aaaaaaaaaaaa' in done.stderr
    assert 'give its whole digest' in done.stderr


def test_a_repository_digest_of_a_local_image_will_do(hub, upload, podman):
    image = podman.client.images.get(podman.busybox)
    digest = image.attrs['RepoDigests'][0].partition('@')[2]
    done = upload('my-charm', 'my-image', f'--image={digest}', DOCKER_HOST=podman.host)
    assert done.stdout.startswith('Remote image not found, uploading from local'), done.stderr


def test_the_digests_of_a_local_image_are_looked_for_in_the_order_of_the_engine(monkeypatch):
    digests = ['sha256:' + 64 * digit for digit in '0123456789']
    local = argparse.Namespace(id=ABSENT, repo_digests=(*digests, ABSENT))
    wanted = argparse.Namespace(long=digests[3], path=None)
    args = argparse.Namespace(charm='a', resource='b', image=wanted, resume=None)
    asked = []
    remote = argparse.Namespace(find=asked.append, find_pushed=lambda image: 'found', client=None)
    remote.repository = ''
    monkeypatch.setattr(upload_module.Upload, '_local', lambda *given: local)
    monkeypatch.setattr(upload_module.pushed, 'architectures', lambda *given: ())
    local.index_architectures = ()
    shown = terminal.Terminal('program', quiet=True)
    upload_module.Upload(args, shown)._digest(remote)
    assert asked == [digests[3], ABSENT, *digests[:3], *digests[4:]]


# Usage


@pytest.mark.parametrize(
    ('value', 'advice'),
    [
        ('nginx', '`docker image inspect --format={{.Id}} nginx` prints'),
        ('nginx:latest', 'is a tag'),
        ('ubuntu/nginx:1.18', 'is a tag'),
        ('localhost:5000/nginx', 'is a name'),
        ('docker://nginx:latest', 'is a URL'),
        ('https://registry.example/nginx', '--from='),
        (f'docker-daemon:{ABSENT}', f'--image={ABSENT}'),
        ('oci-archive:my.rock', '--image=my.rock'),
        ('sha256:70aa', '64 hexadecimal digits'),
        ('sha256:' + 65 * 'a', '64 hexadecimal digits'),
        ('sha512:' + 128 * 'a', 'the one that begins with "sha256:"'),
        ('70aa8983ec5', 'less than the first 12 digits'),
        ('cafe', 'is a name, or less'),
        ('./my.rock', 'there is no file'),
        ('my.rock', 'there is no file'),
        ('', 'give the digest'),
        ('; rm -rf $HOME', 'has a space'),
    ],
)
def test_what_is_no_digest_is_told_with_what_to_give_instead(hub, upload, value, advice):
    done = upload('my-charm', 'my-image', f'--image={value}')
    assert (done.returncode, done.stdout) == (2, '')
    assert advice in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    'args',
    [
        [],
        ['my-charm'],
        ['my-charm', 'my-file'],
        ['my-charm', '--filepath=x'],
        ['my-charm', 'my-file', '--filepath=x', f'--image={ABSENT}'],
        ['my-charm', 'my-file', '--filepath=x', '--resume=y'],
        ['my-charm', 'my-file', 'more', '--filepath=x'],
        ['my/charm', 'my-file', '--filepath=x'],
        ['my-charm', '../my-file', '--filepath=x'],
        ['my-charm', 'my-file', '--file=x'],
        ['my-charm', 'my-file', '--filepath=x', '--fast'],
        ['my-charm', 'my-file', '--filepath=x', '--format=yaml'],
        ['my-charm', 'my-file', '--filepath=x', '--review-timeout=-1'],
        ['my-charm', 'my-file', '--filepath=x', '--review-timeout=nan'],
    ],
)
def test_wrong_usage_has_a_status_of_its_own(hub, upload, args):
    done = upload(*args)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('usage: charm-upload-resource CHARM RESOURCE')
    assert hub.requests == []


@pytest.mark.parametrize(
    ('unknown', 'named'),
    [
        (['--file=x'], "unknown argument '--file=x': did you mean --filepath=?"),
        (['--file', 'x'], "unknown argument '--file': did you mean --filepath?"),
        (['--images=x', '--quiet'], "unknown argument '--images=x': did you mean --image=?"),
        (['more'], "unknown argument 'more'"),
        ([], 'one of --filepath, --image, --from and --resume is required'),
    ],
)
def test_an_unknown_argument_is_named(upload, unknown, named):
    done = upload('my-charm', 'my-file', *unknown)
    assert done.returncode == 2
    assert done.stderr.endswith(f'charm-upload-resource: error: {named}\n')


def test_a_time_that_is_none_is_told_as_such(upload):
    done = upload('my-charm', 'my-file', '--filepath=x', '--review-timeout=soon')
    assert "--review-timeout: 'soon' is not a number of seconds" in done.stderr


@pytest.mark.parametrize('args', [['-h'], ['--help'], ['help']])
def test_the_help_names_what_matters(upload, args):
    done = upload(*args)
    assert done.returncode == 0
    for word in ('--filepath', '--image', '--resume', 'CHARMCRAFT_AUTH', 'DOCKER_HOST', '130'):
        assert word in done.stdout


def test_version_and_description_are_one_line_each(upload):
    assert re.fullmatch(r'charm-upload-resource \d+\.\d+\.\d+\n', upload('--version').stdout)
    assert upload('--description').stdout == (
        'Upload a file or an OCI image to Charmhub as a resource revision\n'
    )


# Rights


@pytest.mark.parametrize(
    ('args', 'reason'),
    [
        (['another', 'my-file', '--filepath=file'], "'author' has no charm 'another'"),
        (['my-charm', 'another', '--filepath=file'], "It has: 'my-file', 'my-image'."),
        (['my-charm', 'my-image', '--filepath=file'], 'Use --image=DIGEST.'),
        (['my-charm', 'my-file', '--image=my.rock'], 'Use --filepath=PATH.'),
        (['theirs', 'my-file', '--filepath=file'], 'make you a collaborator'),
        (['theirs', 'my-image', '--image=my.rock'], 'make you a collaborator'),
    ],
)
def test_what_is_wrong_is_found_before_any_byte_is_sent(
    hub, upload, archive, tmp_path, args, reason
):
    (tmp_path / 'file').write_text('content')
    hub.add('theirs', {'my-file': 'file', 'my-image': 'oci-image'}, publisher='somebody')
    done = upload(*args)
    assert (done.returncode, done.stdout) == (1, '')
    assert reason in done.stderr
    assert sent(hub) == []


def test_a_collaborator_may_upload(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.add('theirs', {'my-file': 'file'}, publisher='somebody', collaborators=('author',))
    assert upload('theirs', 'my-file', '--filepath=file').returncode == 0


@pytest.mark.parametrize(
    'restriction',
    [
        {'packages': [{'type': 'charm', 'name': 'another'}]},
        {'permissions': ['package-view'], 'packages': None},
    ],
)
def test_restricted_credentials_are_told_before_any_byte_is_sent(
    hub, upload, tmp_path, restriction
):
    (tmp_path / 'file').write_text('content')
    vars(hub).update(restriction)
    done = upload('my-charm', 'my-file', '--filepath=file')
    assert done.returncode == 1
    assert 'charmcraft login --export=FILE --charm=my-charm' in done.stderr
    assert sent(hub) == []


@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_credentials_that_may_upload_but_not_look_will_do(hub, upload, archive, resource, option):
    hub.permissions = ['package-manage']
    done = upload('my-charm', resource, option)
    assert done.returncode == 0, done.stderr
    assert 'not checked before it is sent' in done.stderr


def test_expired_credentials_are_told_before_any_byte_is_sent(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.expired_tokens.add(hub.token)
    done = upload('my-charm', 'my-file', '--filepath=file')
    assert done.returncode == 1
    assert 'charmcraft login --export=FILE' in done.stderr
    assert sent(hub) == []


def test_who_is_not_logged_in_is_told_how_to(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    done = upload('my-charm', 'my-file', '--filepath=file', CHARMCRAFT_AUTH='')
    assert done.returncode == 1
    assert '`charmcraft login`' in done.stderr
    assert hub.requests == []


def test_what_charmcraft_keeps_in_the_keyring_is_found(hub, upload, environment, tmp_path):
    (tmp_path / 'file').write_text('content')
    host = hub.url.removeprefix('http://')
    entries = {('charmcraft', host): environment['CHARMCRAFT_AUTH']}
    (tmp_path / 'backend.py').write_text(
        f"""
import keyring.backend

class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {entries}[service, username]

    def set_password(self, *args):
        raise AssertionError('it is only read')
"""
    )
    done = upload(
        'my-charm',
        'my-file',
        '--filepath=file',
        CHARMCRAFT_AUTH='',
        PYTHON_KEYRING_BACKEND='backend.Keyring',
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'variable', ['CHARMCRAFT_STORE_API_URL', 'CHARMCRAFT_UPLOAD_URL', 'CHARMCRAFT_REGISTRY_URL']
)
def test_no_url_may_carry_credentials_unencrypted(hub, upload, archive, variable):
    done = upload('my-charm', 'my-image', f'--image={archive}', **{variable: 'http://a.example'})
    assert done.returncode == 1
    assert 'https://' in done.stderr
    assert sent(hub) == []


# Output


def test_json_is_alone_on_stdout(hub, upload, archive):
    done = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    content = json.loads(done.stdout)
    (revision,) = hub.revisions('my-charm', 'my-image')
    digest = json.loads(revision.content)['ImageName'].partition('@')[2]
    assert content == {
        'charm': 'my-charm',
        'resource': 'my-image',
        'revision': 1,
        'image-digest': digest,
        'architectures': ['amd64'],
        'missing-architectures': [],
        'upload-id': revision.id,
    }
    assert f'Image uploaded, new remote digest: {digest}\n' in done.stderr


def test_errors_too_can_be_json(upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    done = upload('another', 'my-file', '--filepath=file', '--format=json')
    assert done.returncode == 1
    (error,) = json.loads(done.stdout)['errors']
    assert error['code'] == 'resource-not-found'
    assert error['message'] in done.stderr


def test_a_rejection_gives_its_reasons(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.review_errors.append({'code': 'too-odd', 'message': 'It is too odd.'})
    done = upload('my-charm', 'my-file', '--filepath=file', '--format=json')
    assert done.returncode == 1
    assert json.loads(done.stdout) == {'errors': [{'code': 'too-odd', 'message': 'It is too odd'}]}
    assert 'Charmhub rejected the upload: too-odd: It is too odd.' in done.stderr


@pytest.mark.parametrize('option', ['-q', '--quiet'])
def test_quiet_leaves_the_revision(upload, archive, option):
    done = upload('my-charm', 'my-image', f'--image={archive}', option)
    assert done.stdout == "Revision 1 created of resource 'my-image' for charm 'my-charm'\n"
    assert done.stderr == ''


def test_a_reader_who_leaves_early_does_not_make_it_fail(environment, tmp_path, hub):
    (tmp_path / 'file').write_text('content')
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [PROGRAM, 'my-charm', 'my-file', '--filepath=file'],
        env=environment,
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert 'BrokenPipe' not in done.stderr


def test_quiet_leaves_errors(upload):
    done = upload('my-charm', 'my-file', '--filepath=file', '--quiet')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('charm-upload-resource: ')


@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_a_terminal_shows_bars_and_keeps_what_matters(
    environment, archive, tmp_path, resource, option
):
    make_archive(tmp_path / 'my.rock', layer=os.urandom(20 << 20))
    status, shown = in_terminal(
        [PROGRAM, 'my-charm', resource, option], {**environment, 'TERM': 'xterm'}, tmp_path
    )
    assert status == 0, shown
    assert '━' in shown
    assert 'MB' in shown
    assert f"Revision 1 created of resource '{resource}' for charm 'my-charm'\r\n" in shown


def test_a_dumb_terminal_gets_lines(environment, archive, tmp_path):
    status, shown = in_terminal(
        [PROGRAM, 'my-charm', 'my-file', '--filepath=my.rock'],
        {**environment, 'TERM': 'dumb'},
        tmp_path,
    )
    assert status == 0
    assert '\x1b' not in shown
    assert 'Waiting for the review\r\n' in shown


# A slow review


def test_a_slow_review_ends_with_the_way_to_wait_on(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.looks_until_reviewed = 3
    done = upload('my-charm', 'my-file', '--filepath=file', '--review-timeout=0')
    assert (done.returncode, done.stdout) == (1, '')
    (upload_id,) = hub.uploads
    resumption = f'charm-upload-resource my-charm my-file --resume={upload_id}'
    assert done.stderr.rstrip().endswith(f'Nothing has to be sent again. To wait on: {resumption}')
    hub.requests.clear()
    done = upload(*resumption.split()[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Revision 1 created of resource 'my-file' for charm 'my-charm'\n"
    assert sent(hub) == []


def test_an_upload_that_nobody_knows_cannot_be_waited_for(upload):
    done = upload('my-charm', 'my-file', '--resume=no-such-upload')
    assert done.returncode == 1
    assert 'no-such-upload' in done.stderr


# Ends


@pytest.fixture
def interrupted(environment, tmp_path):
    """Start the program, and give it back while it runs."""

    @contextlib.contextmanager
    def start(*args):
        with subprocess.Popen(
            [PROGRAM, *args],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


@pytest.mark.parametrize(
    ('number', 'status', 'word'),
    [(signal.SIGINT, 130, 'Interrupted.'), (signal.SIGTERM, 143, 'Terminated.')],
)
@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_a_signal_leaves_nothing_behind(
    hub, interrupted, tmp_path, number, status, word, resource, option
):
    make_archive(tmp_path / 'my.rock', layer=os.urandom(3 << 20))
    hold = threading.Event()
    fault = hub.fail('POST', '/unscanned-upload/', status=503, hold=hold)
    hangs = hub.registry_proxy.hold('PATCH', '')
    with interrupted('my-charm', resource, option) as process:
        wait_for(lambda: hangs.is_set() or not fault.times)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    hold.set()
    assert process.returncode == status
    assert stderr.endswith(f'charm-upload-resource: {word}\n'), stderr
    assert 'Traceback' not in stderr
    assert list((tmp_path / 'tmp').iterdir()) == []
    assert hub.asked('POST', '/revisions$') == []


def test_an_interrupted_review_can_be_waited_for_again(hub, interrupted, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.looks_until_reviewed = 10**9
    with interrupted('my-charm', 'my-file', '--filepath=file') as process:
        wait_for(lambda: hub.asked('GET', '/review'))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f'--resume={next(iter(hub.uploads))}' in stderr


# Secrets


@pytest.fixture
def secrets(hub):
    """All that nobody may see: give the function that finds one in some text."""

    def found_in(text):
        known = [hub.token, *filter(None, hub.registry_tokens.accounts.values())]
        known += [base64.b64encode(secret.encode()).decode().rstrip('=') for secret in known]
        assert len(known) >= 4
        return [secret for secret in known if secret in text]

    return found_in


def test_no_secret_is_in_output_arguments_or_files(hub, interrupted, archive, tmp_path, secrets):
    hangs = hub.registry_proxy.hold('PATCH', '')
    with interrupted('my-charm', 'my-image', '--image=my.rock') as process:
        assert hangs.wait(60)
        arguments = b''.join(read(path) for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'))
        opened = [
            path
            for path in pathlib.Path(f'/proc/{process.pid}/fd').iterdir()
            if os.readlink(path).startswith(f'{tmp_path}/tmp/')
        ]
        assert opened, 'the layer on its way'
        assert [oct(path.stat().st_mode & 0o077) for path in opened] == ['0o0'] * len(opened)
        files = b''.join(map(read, [*opened, *filter(pathlib.Path.is_file, tmp_path.rglob('*'))]))
        process.terminate()
        stdout, stderr = process.communicate(timeout=60)
    assert secrets(stdout + stderr) == []
    assert secrets((arguments + files).decode(errors='replace')) == []


def test_no_secret_that_a_server_repeats_is_shown(hub, environment, upload, archive, secrets):
    echo = [{'code': 'odd', 'message': f'{hub.token} {environment["CHARMCRAFT_AUTH"]}'}]
    hub.fail('POST', '/blob$', status=400, body=json.dumps({'error-list': echo}).encode())
    done = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    assert done.returncode == 1
    assert 'Charmhub refused: *** ***' in done.stderr
    assert secrets(done.stdout + done.stderr) == []


def read(path):
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b''


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_terminal(command, environment, directory):
    """Run a program in a terminal of its own; return its status and what was shown."""
    terminal, end = pty.openpty()
    with open(end, 'wb') as file:
        process = subprocess.Popen(
            command,
            env={'COLUMNS': '120', **environment},
            cwd=directory,
            stdin=file,
            stdout=file,
            stderr=file,
        )
    shown = b''
    with contextlib.suppress(OSError):  # raised by Linux when the other end is closed
        while select.select([terminal], [], [], 60)[0]:
            data = os.read(terminal, 1 << 16)
            if not data:
                break
            shown += data
    os.close(terminal)
    return process.wait(timeout=60), shown.decode()
