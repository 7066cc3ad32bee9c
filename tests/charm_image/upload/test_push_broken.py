"""Exports that are no whole image are refused with a reason."""

import gzip
import tarfile

import pytest
import zstandard

from charm_image import _errors
from charm_image._upload import push
from container_image import registry
from support import layouts
from support.exports import EMPTY, GOOD, IMAGE, LARGE, MIB, SMALL, push_export, replaced


def _header(**fields):
    info = tarfile.TarInfo('name')
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


LARGE_BLOB = f'blobs/sha256/{layouts.sha256(LARGE)}'

CONFIG_BLOB = f'blobs/sha256/{layouts.sha256(IMAGE.config)}'

BROKEN = {
    'cut off in a layer': (GOOD[:3_000_000], 'truncated'),
    'cut off in a header': (GOOD[: 512 * 3 + 100], 'truncated'),
    'nothing at all': (b'', 'missing'),
    'no tar': (b'<html>' * 1000, 'not a tar archive'),
    'a changed layer': (replaced(GOOD, LARGE_BLOB, EMPTY), 'missing or damaged'),
    'a layer left out': (layouts.docker_25(layouts.Image((SMALL,))), 'missing or damaged'),
    'no index': (replaced(GOOD, 'index.json', b'{}'), 'missing|lacks'),
    'an index that is no JSON': (replaced(GOOD, 'index.json', b'{' * 100_000), 'not JSON'),
    'a configuration without layers': (
        replaced(layouts.docker_20(IMAGE), f'{IMAGE.id[7:]}.json', b'{"os": "linux"}'),
        'lacks layers',
    ),
    'two files of one name': (
        layouts.tar([('index.json', b'{}'), ('index.json', b'[]')]),
        'two different files',
    ),
    'a huge extended header': (_header(type=tarfile.XHDTYPE, size=1 << 40), 'damaged'),
    'a damaged extended header': (
        _header(type=tarfile.XHDTYPE, size=10) + b'99999 a=b\n'.ljust(512, b'\0'),
        'damaged',
    ),
    'a sparse file': (_header(type=tarfile.GNUTYPE_SPARSE), 'sparse'),
    'an error instead of a file': (
        b'{"errorDetail": {"message": "no space left on device"}}'.ljust(512, b'\0'),
        'could not export the image.*no space left',
    ),
    'a damaged compressed layer': (
        layouts.containerd(IMAGE, compress=lambda layer: gzip.compress(layer)[:-20] + bytes(20)),
        'compressed layer or archive is damaged',
    ),
    'a cut compressed layer': (
        layouts.containerd(IMAGE, compress=lambda layer: gzip.compress(layer)[:-20]),
        'compressed layer or archive is damaged',
    ),
    'a damaged zstd layer': (
        layouts.containerd(
            IMAGE,
            compress=lambda layer: zstandard.ZstdCompressor().compress(layer)[:60] + b'?' * 60,
        ),
        'compressed layer or archive is damaged',
    ),
    'much too much JSON': (
        layouts.tar([(f'{n}.json', b'{' + bytes(3 * MIB)) for n in range(7)]),
        'JSON',
    ),
}


@pytest.mark.parametrize('fault', BROKEN)
def test_push_refuses_what_is_not_a_complete_image_with_a_reason(
    fault, fake, local, client, repository
):
    export, reason = BROKEN[fault]
    with pytest.raises(_errors.ImageError, match=f'(?s){reason}'):
        push_export(fake, local, client, repository, IMAGE, export)
    with pytest.raises(registry.NotFoundError):
        client.get_manifest(repository, f'image-{IMAGE.id[7:]}')


def test_push_blames_the_engine_for_an_export_that_breaks_off(fake, local, client, repository):
    with pytest.raises(_errors.EngineError, match='stopped during the export'):
        push_export(fake, local, client, repository, IMAGE, GOOD, cut_at=2_000_000)


PULL = 'pull it again (`docker pull registry.example/a@sha256:1`), or build it again'
ONE = {'RepoDigests': ['registry.example/a@sha256:1'], 'RepoTags': ['registry.example/a:1']}


@pytest.mark.parametrize(
    'export',
    [
        GOOD[:3_000_000],  # as Docker with containerd's store ends it
        layouts.docker_25(layouts.Image((SMALL,))),
        replaced(GOOD, LARGE_BLOB, EMPTY),
    ],
)
def test_push_says_to_pull_an_image_again_of_which_a_layer_is_missing(
    export, fake, local, client, repository
):
    fake.add({**IMAGE.inspected, **ONE}, export)
    with pytest.raises(_errors.InvalidImageError) as caught:
        push.push(local.find(IMAGE.id), client, repository)
    assert PULL in str(caught.value)


def test_push_says_to_pull_an_image_again_of_which_all_content_is_missing(
    fake, local, client, repository
):
    fake.add({**IMAGE.inspected, **ONE, 'Os': '', 'Architecture': '', 'RootFS': {}})
    with pytest.raises(_errors.InvalidImageError) as caught:
        push.push(local.find(IMAGE.id), client, repository)
    assert f'has the image {IMAGE.id}, but its content is missing' in str(caught.value)
    assert PULL in str(caught.value)
    assert fake.exports == 0


def test_push_reports_what_the_engine_says_of_missing_content_with_what_to_do(
    fake, local, client, repository
):
    fake.add({**IMAGE.inspected, **ONE})
    fake.status, fake.reason = 500, 'failed to read config content: blob sha256:1: not found'
    with pytest.raises(_errors.EngineError) as caught:
        local.find(IMAGE.id)
    assert "a part of the image's content is missing: pull or build it again" in str(caught.value)
    assert fake.reason in str(caught.value)


def test_push_reports_an_engine_without_room_for_the_export(fake, local, client, repository):
    fake.add(IMAGE.inspected, GOOD)
    image = local.find(IMAGE.id)
    fake.status = 500
    with pytest.raises(_errors.EngineError, match='no space left on device'):
        push.push(image, client, repository)


def test_push_refuses_an_export_of_more_than_the_image(fake, local, client, repository):
    image = layouts.Image((SMALL,))
    with pytest.raises(_errors.InvalidImageError, match=f'not the image {image.id}'):
        push_export(fake, local, client, repository, image, layouts.docker_20(IMAGE))


@pytest.mark.parametrize(
    ('system', 'architecture'), [('windows', 'amd64'), ('linux', 'mips64le'), ('wasi', 'wasm')]
)
def test_push_refuses_an_image_that_no_charm_can_run_before_its_export(
    system, architecture, fake, local, client, repository
):
    image = layouts.Image((SMALL,), architecture, system)
    with pytest.raises(_errors.InvalidImageError, match=f'{system}/{architecture}'):
        push_export(fake, local, client, repository, image, layouts.docker_25(image))
    assert fake.exports == 0
