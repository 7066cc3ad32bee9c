"""An image has the same interface at its three sources."""

import dataclasses
import json

import pytest

from charm_image._oci import archives, remote_image
from charm_image._upload import architectures, push, pushed
from container_image import reference
from support import exports, layouts

ARM64 = layouts.Image(exports.IMAGE.layers, 'arm64', variant='v8')


@pytest.fixture(params=['engine', 'archive', 'registry'])
def source(request, tmp_path, fake, local, client, repository, open_registry):
    """A function that returns the images as one, at a source."""

    def at_source(*images):
        content = layouts.containerd(*images)
        if request.param == 'engine':
            fake.add(images[0].inspected, content)
            return local.find(images[0].id)
        (tmp_path / 'image.tar').write_bytes(content)
        archive = archives.open(tmp_path / 'image.tar')
        if request.param == 'archive':
            return archive
        digest = push.push(archive, client, f'{repository}/source').digest
        name = reference.Reference.parse(f'{open_registry.host}/{repository}/source@{digest}')
        return request.getfixturevalue('opened')(name)

    return at_source


@pytest.fixture
def opened():
    sources = []

    def opened(name):
        sources.append(remote_image.Source(name))
        return sources[-1].read()

    yield opened
    for source in sources:
        source.client.close()


def test_contents_of_an_image_are_its_configurations(source):
    assert [config.data for config in source(exports.IMAGE).contents().configs] == [
        exports.IMAGE.config
    ]


def test_contents_of_an_image_for_several_platforms_are_all_configurations(source):
    configs = source(exports.IMAGE, ARM64).contents().configs
    assert sorted(config.digest for config in configs) == sorted([exports.IMAGE.id, ARM64.id])


def test_push_of_an_image_gives_the_same_digest_from_each_source(source, client, repository):
    digest = push.push(source(exports.IMAGE), client, repository).digest
    assert digest == exports.DIGEST


# a configuration's architecture and operating system, and those of its image
UNUSUAL = {
    'of uname': (('x86_64', 'linux'), 'amd64', 'amd64'),
    'of uname, for ARM': (('aarch64', 'linux'), 'arm64', 'arm64'),
    'of Debian': (('armhf', 'linux'), 'arm', 'armhf'),
    'of Debian, for Power': (('ppc64el', 'linux'), 'ppc64le', 'ppc64el'),
    'with a hyphen': (('x86-64', 'linux'), 'amd64', 'amd64'),
    'in capitals': (('AMD64', 'Linux'), 'amd64', 'amd64'),
    'without a system': (('s390x', ''), 's390x', 's390x'),
    'in the index alone': (('', ''), 'arm64', 'arm64'),
    'in the index alone, but for the system': (('', 'linux'), '386', 'i386'),
    'null': ((None, None), 'amd64', 'amd64'),
}


@pytest.mark.parametrize('kind', UNUSUAL)
def test_an_image_has_the_usual_platform_however_its_configuration_names_it(
    kind, source, client, repository
):
    stated, architecture, name = UNUSUAL[kind]
    image = source(layouts.Image(exports.IMAGE.layers, architecture, stated=stated))
    (config,) = image.contents().configs
    assert (config.platform['os'], config.platform['architecture']) == ('linux', architecture)
    assert architectures.of(image) == (name,)
    done = push.push(image, client, repository)
    # what Charmhub is told, now and of the same image next time
    assert pushed.architectures(client, repository, done.digest) == (name,)
    assert pushed.find(client, repository, image).digest == done.digest


@pytest.mark.parametrize('kind', ['of uname', 'in the index alone'])
def test_images_with_unusual_platforms_become_one_for_all_of_them(
    kind, source, client, repository
):
    stated, architecture, name = UNUSUAL[kind]
    one = layouts.Image(exports.IMAGE.layers, architecture, stated=stated)
    other = layouts.Image(exports.IMAGE.layers, 'riscv64', stated=('riscv64', 'linux'))
    digest = push.push(source(one, other), client, repository).digest
    assert pushed.architectures(client, repository, digest) == (name, 'riscv64')
    index = json.loads(client.get_manifest(repository, digest).content)
    assert [child['platform']['architecture'] for child in index['manifests']] == [
        architecture,
        'riscv64',
    ]


def test_an_image_is_as_it_was_after_its_files_are_read(source):
    image = source(exports.IMAGE)
    before = {each.name: getattr(image, each.name) for each in dataclasses.fields(image)}
    hint = repr(image), architectures.of(image), image.diff_ids_by_platform
    for file in image.files():
        file.content.skip(file.size)
    assert {each.name: getattr(image, each.name) for each in dataclasses.fields(image)} == before
    assert (repr(image), architectures.of(image), image.diff_ids_by_platform) == hint
