"""Images on disk: archives and layouts, for one platform or several."""

import errno
import gzip
import io
import json
import subprocess

import pytest
import zstandard

from charm_image import _errors
from charm_image._oci import archives, images
from charm_image._upload import architectures, push, pushed
from support import layouts, require

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


def _push(path, client, repository):
    return push.push(archives.open(path), client, repository).digest


def _manifests(client, repository, digest):
    return json.loads(client.get_manifest(repository, digest).content)['manifests']


def _layers(client, repository, digest):
    layers = json.loads(client.get_manifest(repository, digest).content)['layers']
    return [layer['digest'] for layer in layers]


def test_push_takes_an_archive_and_the_directory_of_it_for_the_same_image(
    write, tmp_path, client, repository
):
    content = layouts.containerd(AMD64)
    layouts.extract(content, tmp_path / 'layout')
    as_file = archives.open(write(content))
    as_directory = archives.open(tmp_path / 'layout')
    assert as_file.id == as_directory.id == AMD64.id
    assert architectures.of(as_file) == architectures.of(as_directory) == ('amd64',)
    assert (
        push.push(as_file, client, f'{repository}/file').digest
        == push.push(as_directory, client, f'{repository}/directory').digest
    )


def test_find_knows_the_image_of_an_archive_in_any_form(write, client, repository):
    digest = _push(write(layouts.containerd(AMD64)), client, repository)
    again = archives.open(write(layouts.podman(AMD64), 'saved.tar'))
    assert pushed.find(client, repository, again).digest == digest


@pytest.mark.parametrize('nested', [True, False])
def test_push_keeps_all_architectures_of_an_index(nested, write, client, repository):
    image = archives.open(write(layouts.containerd(AMD64, ARM64, ARMHF, index=nested)))
    assert architectures.of(image) == ('amd64', 'arm64', 'armhf')
    assert pushed.find(client, repository, image) is None
    digest = push.push(image, client, repository).digest
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
    assert pushed.find(client, repository, image).digest == digest
    assert pushed.architectures(client, repository, digest) == architectures.of(image)


def test_push_makes_the_manifest_of_a_platform_as_if_it_were_alone(write, client, repository):
    index = push.push(
        archives.open(write(layouts.containerd(AMD64, ARM64))), client, repository
    ).digest
    alone = _push(write(layouts.docker_20(ARM64)), client, repository)
    assert _manifests(client, repository, index)[1]['digest'] == alone


def test_push_of_several_architectures_is_pulled_as_the_one_that_fits(
    write, client, open_registry, repository, dockerd
):
    digest = push.push(
        archives.open(write(layouts.containerd(ARM64, AMD64))), client, repository
    ).digest
    pulled = dockerd.client.images.pull(f'{open_registry.host}/{repository}@{digest}')
    assert pulled.id == AMD64.id


@pytest.mark.parametrize('form', ['oci', 'oci-archive', 'docker-archive'])
def test_open_reads_what_skopeo_writes(form, write, tmp_path, client, open_registry, repository):
    require('skopeo')
    digest = _push(write(layouts.docker_20(AMD64)), client, repository)
    command = ['skopeo', 'copy', '--src-tls-verify=false', '--insecure-policy']
    command += [
        f'docker://{open_registry.host}/{repository}@{digest}',
        f'{form}:{tmp_path}/copied',
    ]
    subprocess.run(command, check=True, capture_output=True)
    again = _push(tmp_path / 'copied', client, repository)
    # for OCI, skopeo writes the configuration anew
    assert (again == digest) == (form == 'docker-archive')
    assert _layers(client, repository, again) == _layers(client, repository, digest)


@pytest.mark.parametrize('compress', [gzip.compress, zstandard.ZstdCompressor().compress])
def test_open_reads_a_compressed_archive(compress, write, client, repository):
    plain, zipped = layouts.docker_20(AMD64), compress(layouts.docker_20(AMD64))
    assert (
        push.push(archives.open(write(zipped, 'compressed')), client, repository).digest
        == push.push(archives.open(write(plain)), client, repository).digest
    )


def test_push_keeps_architectures_that_no_charm_runs_on(write, client, repository):
    other = layouts.Image((SMALL,), 'mips64le')
    image = archives.open(write(layouts.containerd(AMD64, other)))
    digest = push.push(image, client, repository).digest
    assert len(_manifests(client, repository, digest)) == 2
    assert (
        pushed.architectures(client, repository, digest) == architectures.of(image) == ('amd64',)
    )


def test_push_refuses_an_archive_that_no_charm_runs(write, client, repository):
    image = archives.open(write(layouts.docker_20(layouts.Image((SMALL,), 'mips64le'))))
    with pytest.raises(
        _errors.InvalidImageError, match='linux/mips64le, which charms do not support'
    ):
        push.push(image, client, repository)


def test_push_refuses_an_archive_that_changes_meanwhile(write, client, repository):
    path = write(layouts.docker_25(AMD64))
    image = archives.open(path)
    path.write_bytes(layouts.docker_25(ARM64))
    with pytest.raises(_errors.InvalidImageError):
        push.push(image, client, repository)


SEVERAL = layouts.Image((LARGE,)), layouts.Image((SMALL,))


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (layouts.containerd(*SEVERAL), 'several images for the same platform'),
        (
            layouts.tar(
                [
                    ('a', AMD64.config),
                    ('b', layouts.Image((SMALL,)).config),
                    ('manifest.json', b'[{"Config": "a", "RepoTags": ["x:1"]}, {"Config": "b"}]'),
                ]
            ),
            f'several images for the same platform: save only one of {AMD64.id}',
        ),
        (layouts.tar([('manifest.json', b'[]')]), 'does not name an image'),
        (layouts.tar([('manifest.json', b'[{"Config": "a"}]')]), "'a', which is not in the"),
        (layouts.tar([('file', b'x')]), 'no image found: this is not an OCI layout or'),
        (layouts.tar([('index.json', b'{"manifests": 5}')]), 'lacks'),
        (layouts.tar([('index.json', b'{"manifests": [{}]}')]), 'lacks'),
        (b'not a tar at all' * 100, 'this is not a tar archive'),
        (b'short', 'this is not a tar archive'),
        (b'', 'no image found'),
        (gzip.compress(layouts.docker_20(AMD64))[:-300], 'damaged|truncated'),
        (layouts.docker_20(AMD64)[:20_000], 'truncated'),
    ],
)
def test_open_refuses_what_holds_no_single_image(content, reason, write):
    path = write(content)
    with pytest.raises(_errors.InvalidImageError, match=reason) as raised:
        archives.open(path)
    assert str(raised.value).startswith(f"'{path}' cannot be used: ")


def test_open_refuses_a_directory_that_is_not_a_layout(tmp_path):
    with pytest.raises(_errors.InvalidImageError, match='not an OCI layout') as raised:
        archives.open(tmp_path)
    assert f"'{tmp_path}'" in str(raised.value)


def _indexes_that_name_each_other(depth, times):
    """An archive of indexes, each of which names the next one many times; the last, an image."""
    files = {}

    def add(content):
        files[f'blobs/sha256/{layouts.sha256(content)}'] = content
        return {'digest': f'sha256:{layouts.sha256(content)}', 'size': len(content)}

    add(AMD64.config)
    config = {'mediaType': 'application/vnd.oci.image.config.v1+json', **add(AMD64.config)}
    descriptor = add(json.dumps({'config': config, 'layers': []}).encode())
    for _ in range(depth):
        descriptor = add(json.dumps({'manifests': [descriptor] * times}).encode())
    index = json.dumps({'manifests': [descriptor] * times}).encode()
    return layouts.tar([*files.items(), ('index.json', index)])


def test_open_reads_each_index_once_though_they_name_each_other(write, monkeypatch):
    parsed = []
    parse = images.parse_json
    monkeypatch.setattr(images, 'parse_json', lambda *args: parsed.append(args) or parse(*args))
    image = archives.open(write(_indexes_that_name_each_other(3, 20)))
    assert [config.digest for config in image.contents().configs] == [AMD64.id]
    # index.json, three indexes, the manifest, its configuration
    assert len(parsed) == 6


def test_open_refuses_indexes_that_are_nested_too_deeply(write):
    with pytest.raises(_errors.InvalidImageError, match='nested too deeply'):
        archives.open(write(_indexes_that_name_each_other(6, 1)))


def test_contents_of_an_archive_have_the_platforms_whose_files_are_missing(write):
    image = archives.open(write(layouts.containerd(AMD64, absent=[ARM64, ARMHF])))
    assert architectures.of(image) == ('amd64',)
    assert architectures.of_platforms(image.contents().platforms) == ('amd64', 'arm64', 'armhf')


def test_push_tells_a_disk_that_fails_from_a_full_one(write, client, repository, monkeypatch):
    class Damaged(io.FileIO):
        def readinto(self, buffer):
            if self.tell() > 300_000:
                raise OSError(errno.EIO, 'Input/output error')
            return super().readinto(memoryview(buffer)[:100_000])

    path = write(layouts.docker_20(AMD64))
    image = archives.open(path)
    monkeypatch.setattr('pathlib.Path.open', lambda path, _: io.BufferedReader(Damaged(path)))
    with pytest.raises(_errors.ImageError) as raised:
        push.push(image, client, repository)
    assert str(raised.value) == f"'{path}' cannot be read: Input/output error"


@pytest.mark.parametrize('layer', [LARGE, SMALL])
def test_push_names_a_full_disk_for_compressed_layers(
    layer, write, client, repository, monkeypatch, tmp_path
):
    image = archives.open(write(layouts.docker_20(layouts.Image((layer,)))))
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    full = io.BufferedRandom(io.FileIO('/dev/full', 'r+'))
    monkeypatch.setattr('tempfile.TemporaryFile', lambda **kwargs: full)
    with pytest.raises(_errors.ImageError) as raised:
        push.push(image, client, repository)
    assert str(raised.value) == (
        f'cannot keep a compressed layer in {tmp_path}: No space left on device: '
        'set TMPDIR to a directory with more space'
    )


def test_open_names_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(_errors.ImageNotFoundError, match='does not exist'):
        archives.open(tmp_path / 'gone.tar')


def test_open_names_a_path_that_cannot_be_read(write, monkeypatch):
    path = write(b'')

    def refuse(*args):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('pathlib.Path.open', refuse)
    with pytest.raises(_errors.ImageError, match='cannot be read: Permission denied'):
        archives.open(path)
