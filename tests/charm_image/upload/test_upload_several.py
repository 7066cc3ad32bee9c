"""charm-upload-resource: several images that become one, images by tag, files by architecture."""

import json
import re

import pytest

from support import layouts

AMD64 = layouts.Image((layouts.tar([('amd64', b'a')]),))
ARM64 = layouts.Image((layouts.tar([('arm64', b'b')]),), 'arm64', variant='v8')
WEB = layouts.Image((layouts.tar([('web', b'c')]),))


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return name

    return write


@pytest.fixture
def rocks(write):
    """The options for a rock of each of two architectures."""
    return [
        '--image=' + write('amd64.rock', layouts.containerd(AMD64)),
        '--image=' + write('arm64.rock', layouts.containerd(ARM64)),
    ]


def test_images_for_one_platform_each_become_one_revision(hub, upload, rocks):
    done = upload('my-charm', 'my-image', *rocks, '--format=json')
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result['architectures'] == ['amd64', 'arm64']
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert revision.bases[0]['architectures'] == ['amd64', 'arm64']
    assert json.loads(revision.content)['ImageName'].endswith('@' + result['image-digest'])


def test_the_order_of_the_images_makes_no_difference(upload, rocks):
    digests = {
        json.loads(upload('my-charm', 'my-image', *order, '--format=json').stdout)['image-digest']
        for order in (rocks, rocks[::-1])
    }
    assert len(digests) == 1


def test_an_archive_of_both_images_is_the_same_image(upload, rocks, write):
    both = write('both.oci', layouts.containerd(AMD64, ARM64))
    digests = {
        json.loads(upload('my-charm', 'my-image', *images, '--format=json').stdout)['image-digest']
        for images in (rocks, [f'--image={both}'])
    }
    assert len(digests) == 1


def test_images_for_the_same_platform_are_refused_before_anything_is_sent(
    hub, upload, rocks, write
):
    more = write('web.rock', layouts.containerd(WEB))
    done = upload('my-charm', 'my-image', *rocks, f'--image={more}')
    assert (done.returncode, done.stdout) == (1, '')
    assert 'two of the images are for linux/amd64: give one image for each' in done.stderr
    assert not {method for method, _ in hub.registry_proxy.requests} & {'PUT', 'PATCH', 'POST'}


def test_an_image_that_was_uploaded_before_can_be_one_of_several(upload, rocks):
    first = json.loads(upload('my-charm', 'my-image', rocks[0], '--format=json').stdout)
    done = upload(
        'my-charm', 'my-image', f'--image={first["image-digest"]}', rocks[1], '--format=json'
    )
    assert done.returncode == 0, done.stderr
    again = upload('my-charm', 'my-image', *rocks, '--format=json')
    assert json.loads(again.stdout)['image-digest'] == json.loads(done.stdout)['image-digest']


@pytest.mark.parametrize('place', ['{}:web', 'docker-archive:{}:docker.io/app/web:web'])
def test_an_image_of_several_is_chosen_by_its_tag(upload, write, place):
    entries, files = [], {}
    for image, tag in ((AMD64, 'app/amd64:1'), (WEB, 'app/web:web')):
        files[f'{image.id[7:]}.json'] = image.config
        files[f'{image.diff_ids[0][7:]}.tar'] = image.layers[0]
        entries.append({'Config': f'{image.id[7:]}.json', 'RepoTags': [tag]})
    manifest = ('manifest.json', json.dumps(entries).encode())
    archive = write('saved.tar', layouts.tar([*files.items(), manifest]))
    alone = write('web.rock', layouts.containerd(WEB))
    digests = []
    for image in (place.format(archive), alone):
        done = upload('my-charm', 'my-image', f'--image={image}', '--format=json')
        assert done.returncode == 0, done.stderr
        digests.append(json.loads(done.stdout)['image-digest'])
    assert digests[0] == digests[1]
    refused = upload('my-charm', 'my-image', f'--image={archive}')
    assert refused.returncode == 1
    assert 'as in PATH:TAG, of app/amd64:1, app/web:web' in refused.stderr


@pytest.mark.parametrize(
    ('options', 'architectures'),
    [
        ([], ['all']),
        (['--arch=all'], ['all']),
        (['--arch=amd64'], ['amd64']),
        (['--arch=amd64,arm64', '--arch=riscv64', '--arch=amd64'], ['amd64', 'arm64', 'riscv64']),
    ],
)
def test_a_file_is_for_the_architectures_that_are_given(
    hub, upload, write, options, architectures
):
    path = write('data', b'data')
    done = upload('my-charm', 'my-file', f'--filepath={path}', *options)
    assert done.returncode == 0, done.stderr
    (revision,) = hub.revisions('my-charm', 'my-file')
    assert revision.bases[0]['architectures'] == architectures


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['--filepath=data', '--arch=x86_64'], "'x86_64' is not an architecture of Charmhub: all"),
        (['--filepath=data', '--arch=all,amd64'], "'all' stands alone"),
        (['--filepath=data', '--arch='], "'' is not an architecture"),
        (['--image=70aa8983ec5c', '--arch=amd64'], '--arch is only for --filepath'),
    ],
)
def test_a_wrong_architecture_is_wrong_usage(upload, arguments, reason):
    done = upload('my-charm', 'my-data', *arguments)
    assert (done.returncode, done.stdout) == (2, '')
    assert re.search(re.escape(reason), done.stderr)
