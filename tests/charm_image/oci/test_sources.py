"""An image has the same interface at its three sources."""

import dataclasses

import pytest

from charm_image._oci import archives, remote_image
from charm_image._upload import architectures, push
from container_image import reference
from services import layouts

LAYER = layouts.tar([('large', bytes(range(256)) * 20_000)])
AMD64 = layouts.Image((LAYER, layouts.tar()))
ARM64 = layouts.Image((LAYER,), 'arm64', variant='v8')


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
    assert [config.data for config in source(AMD64).contents().configs] == [AMD64.config]


def test_contents_of_an_image_for_several_platforms_are_all_configurations(source):
    configs = source(AMD64, ARM64).contents().configs
    assert sorted(config.digest for config in configs) == sorted([AMD64.id, ARM64.id])


def test_push_of_an_image_gives_the_same_digest_from_each_source(source, client, repository):
    digest = push.push(source(AMD64), client, repository).digest
    assert digest == 'sha256:31d4de3224da877bb9f2532885551d651d638f68e70c66ba5ad6d96718f75618'


def test_an_image_is_as_it_was_after_its_files_are_read(source):
    image = source(AMD64)
    before = {each.name: getattr(image, each.name) for each in dataclasses.fields(image)}
    hint = repr(image), architectures.of(image), image.diff_ids_by_platform
    for file in image.files():
        file.content.skip(file.size)
    assert {each.name: getattr(image, each.name) for each in dataclasses.fields(image)} == before
    assert (repr(image), architectures.of(image), image.diff_ids_by_platform) == hint
