"""Images on disk: archives and layouts, for one platform or several."""

import gzip
import json
import subprocess

import pytest

from charm_image import archives, images, push, pushed
from services import layouts, require

SMALL = layouts.tar([('small', b'small')])
LARGE = layouts.tar([('large', bytes(range(256)) * 6000)])
AMD64 = layouts.Image((SMALL, LARGE))
ARM64 = layouts.Image((SMALL, layouts.tar([('arm', b'arm')])), 'arm64', variant='v8')
ARMHF = layouts.Image((SMALL,), 'arm', variant='v7')


@pytest.fixture
def write(tmp_path):
    def write(content, name='image.tar'):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def _manifests(client, repository, digest):
    return json.loads(client.get_manifest(repository, digest).content)['manifests']


def _layers(client, repository, digest):
    layers = json.loads(client.get_manifest(repository, digest).content)['layers']
    return [layer['digest'] for layer in layers]


def test_an_archive_and_the_directory_of_it_are_the_same_image(
    write, tmp_path, client, repository
):
    content = layouts.containerd(AMD64)
    layouts.extract(content, tmp_path / 'layout')
    as_file = archives.open(write(content))
    as_directory = archives.open(tmp_path / 'layout')
    assert as_file.id == as_directory.id == AMD64.id
    assert as_file.architectures == as_directory.architectures == ('amd64',)
    assert push.push(as_file, client, f'{repository}/file') == push.push(
        as_directory, client, f'{repository}/directory'
    )


def test_an_archive_is_found_again_by_whoever_has_the_image_in_any_form(write, client, repository):
    digest = push.push(archives.open(write(layouts.containerd(AMD64))), client, repository)
    again = archives.open(write(layouts.podman(AMD64), 'saved.tar'))
    assert pushed.find(client, repository, again) == digest


@pytest.mark.parametrize('nested', [True, False])
def test_all_architectures_of_an_index_are_kept(nested, write, client, repository):
    image = archives.open(write(layouts.containerd(AMD64, ARM64, ARMHF, index=nested)))
    assert image.architectures == ('amd64', 'arm64', 'armhf')
    assert pushed.find(client, repository, image) is None
    digest = push.push(image, client, repository)
    children = _manifests(client, repository, digest)
    assert [child['platform'] for child in children] == [
        {'architecture': 'amd64', 'os': 'linux'},
        {'architecture': 'arm64', 'os': 'linux', 'variant': 'v8'},
        {'architecture': 'arm', 'os': 'linux', 'variant': 'v7'},
    ]
    for child, wanted in zip(children, (AMD64, ARM64, ARMHF), strict=True):
        manifest = json.loads(client.get_manifest(repository, child['digest']).content)
        assert manifest['config']['digest'] == wanted.id
        assert len(manifest['layers']) == len(wanted.layers)
    assert pushed.find(client, repository, image) == digest
    assert pushed.architectures(client, repository, digest) == image.architectures


def test_each_manifest_of_an_index_is_that_of_the_image_alone(write, client, repository):
    index = push.push(archives.open(write(layouts.containerd(AMD64, ARM64))), client, repository)
    alone = push.push(archives.open(write(layouts.docker_20(ARM64))), client, repository)
    assert _manifests(client, repository, index)[1]['digest'] == alone


def test_a_multi_architecture_image_is_pulled_as_the_one_that_fits(
    write, client, open_registry, repository, dockerd
):
    digest = push.push(archives.open(write(layouts.containerd(ARM64, AMD64))), client, repository)
    pulled = dockerd.client.images.pull(f'{open_registry.host}/{repository}@{digest}')
    assert pulled.id == AMD64.id


@pytest.mark.parametrize('form', ['oci', 'oci-archive', 'docker-archive'])
def test_what_skopeo_writes_is_read(form, write, tmp_path, client, open_registry, repository):
    require('skopeo')
    digest = push.push(archives.open(write(layouts.docker_20(AMD64))), client, repository)
    command = ['skopeo', 'copy', '--src-tls-verify=false', '--insecure-policy']
    command += [
        f'docker://{open_registry.host}/{repository}@{digest}',
        f'{form}:{tmp_path}/copied',
    ]
    subprocess.run(command, check=True, capture_output=True)
    again = push.push(archives.open(tmp_path / 'copied'), client, repository)
    # for OCI, skopeo writes the configuration anew
    assert (again == digest) == (form == 'docker-archive')
    assert _layers(client, repository, again) == _layers(client, repository, digest)


def test_an_archive_that_gzip_compressed_is_read(write, client, repository):
    plain, zipped = layouts.docker_20(AMD64), gzip.compress(layouts.docker_20(AMD64))
    assert push.push(archives.open(write(zipped, 'image.tgz')), client, repository) == push.push(
        archives.open(write(plain)), client, repository
    )


def test_an_index_may_name_architectures_that_no_charm_runs_on(write, client, repository):
    other = layouts.Image((SMALL,), 'mips64le')
    image = archives.open(write(layouts.containerd(AMD64, other)))
    digest = push.push(image, client, repository)
    assert len(_manifests(client, repository, digest)) == 2
    assert pushed.architectures(client, repository, digest) == image.architectures == ('amd64',)


def test_an_image_that_no_charm_runs_is_refused(write, client, repository):
    image = archives.open(write(layouts.docker_20(layouts.Image((SMALL,), 'mips64le'))))
    with pytest.raises(images.InvalidImageError, match='linux/mips64le, where no charm runs'):
        push.push(image, client, repository)


def test_an_archive_that_changes_meanwhile_is_refused(write, client, repository):
    path = write(layouts.docker_25(AMD64))
    image = archives.open(path)
    path.write_bytes(layouts.docker_25(ARM64))
    with pytest.raises(images.InvalidImageError):
        push.push(image, client, repository)


SEVERAL = layouts.Image((LARGE,)), layouts.Image((SMALL,))


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (layouts.containerd(*SEVERAL), 'several images for the same platform'),
        (
            layouts.tar(
                [('manifest.json', b'[{"Config": "a", "RepoTags": ["x:1"]}, {"Config": "b"}]')]
            ),
            'several images, save one alone of x:1',
        ),
        (layouts.tar([('manifest.json', b'[]')]), 'names no image'),
        (layouts.tar([('manifest.json', b'[{"Config": "a"}]')]), "'a', which is not in the"),
        (layouts.tar([('file', b'x')]), 'neither index.json nor manifest.json'),
        (layouts.tar([('index.json', b'{"manifests": 5}')]), 'lacks'),
        (layouts.tar([('index.json', b'{"manifests": [{}]}')]), 'lacks'),
        (b'not a tar at all' * 100, 'no tar archive'),
        (gzip.compress(layouts.docker_20(AMD64))[:-300], 'damaged|cut off|ends in the middle'),
        (layouts.docker_20(AMD64)[:20_000], 'neither|cut off|ends in the middle'),
    ],
)
def test_what_holds_no_single_image_is_refused(content, reason, write):
    with pytest.raises(images.InvalidImageError, match=reason):
        archives.open(write(content))


def test_a_directory_that_is_no_layout_is_refused(tmp_path):
    with pytest.raises(images.InvalidImageError, match='no OCI layout'):
        archives.open(tmp_path)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(images.NotFoundError, match='neither a file nor a directory'):
        archives.open(tmp_path / 'gone.tar')


def test_a_path_that_cannot_be_read_is_named(write, monkeypatch):
    path = write(b'')

    def refuse(*args):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('pathlib.Path.open', refuse)
    with pytest.raises(images.ImageError, match='cannot be read: Permission denied'):
        archives.open(path)
