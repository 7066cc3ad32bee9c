"""The same image is the same manifest, whatever layout it comes in."""

import gzip
import io
import itertools
import json
import random
import tarfile
import types
import zlib

import pytest
import requests

from charm_image import _concurrently, _errors
from charm_image._oci import archives, layers, manifests, tar
from charm_image._upload import push, pushed
from support import layouts
from support.exports import (
    DIGEST,
    EMPTY,
    EXPORTS,
    GOOD,
    IMAGE,
    LARGE,
    MIB,
    SMALL,
    push_export,
    replaced,
)
from support.uploads import reporter


def _descriptor(data):
    return len(data), f'sha256:{layouts.sha256(data)}'


@pytest.mark.parametrize('layout', EXPORTS)
def test_push_gives_the_same_manifest_for_every_layout_of_an_export(
    layout, fake, local, client, repository
):
    digest = push_export(fake, local, client, repository, IMAGE, EXPORTS[layout](IMAGE))
    assert digest == DIGEST


def test_push_names_the_images_own_configuration_and_its_layers_in_order(
    fake, local, client, repository
):
    digest = push_export(fake, local, client, repository, IMAGE, layouts.docker_20(IMAGE))
    manifest = json.loads(client.get_manifest(repository, digest).content)
    assert client.get_blob(repository, manifest['config']['digest']) == IMAGE.config
    blobs = [client.get_blob(repository, one['digest'], 32 * MIB) for one in manifest['layers']]
    assert [gzip.decompress(blob) for blob in blobs] == [SMALL, LARGE, EMPTY, SMALL]
    assert [(one['size'], one['digest']) for one in manifest['layers']] == [
        _descriptor(blob) for blob in blobs
    ]


def test_pack_gives_the_same_bytes_with_any_number_of_threads(monkeypatch):
    def packed(threads):
        with _concurrently.Workers(threads, name='compress') as workers:
            layer = layers.pack(io.BytesIO(LARGE), workers)
        return layer.open().read()

    assert packed(1) == packed(2) == packed(5)


def test_pack_reads_no_further_ahead_than_the_compression_needs():
    class Slow:
        """Compresses nothing before it is waited for."""

        threads = 2
        waiting = most = 0

        def submit(self, call, *args):
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            return types.SimpleNamespace(
                done=lambda: False, result=lambda: self.finish(call(*args))
            )

        def finish(self, result):
            self.waiting -= 1
            return result

    workers = Slow()
    layers.pack(io.BytesIO(bytes(20 * MIB)), workers)
    assert 2 <= workers.most <= 5


def test_push_takes_a_layer_of_no_bytes(fake, local, client, repository):
    image = layouts.Image((b'', SMALL))
    digest = push_export(fake, local, client, repository, image, layouts.docker_25(image))
    manifest = json.loads(client.get_manifest(repository, digest).content)
    assert gzip.decompress(client.get_blob(repository, manifest['layers'][0]['digest'])) == b''


def test_push_takes_an_image_without_layers(fake, local, client, repository):
    image = layouts.Image()
    for export in (layouts.docker_20, layouts.docker_25, layouts.podman, layouts.containerd):
        digest = push_export(fake, local, client, repository, image, export(image))
        assert json.loads(client.get_manifest(repository, digest).content)['layers'] == []


def test_pack_writes_no_empty_member():
    with _concurrently.Workers(1, name='compress') as workers:
        layer = layers.pack(io.BytesIO(bytes(2 * MIB)), workers)
    assert _members(layer.open().read()) == [MIB, MIB]


def _members(data):
    sizes = []
    while data:
        decompressor = zlib.decompressobj(31)
        sizes.append(len(decompressor.decompress(data)))
        data = decompressor.unused_data
    return sizes


def test_push_takes_all_platforms_that_the_engine_has_and_no_attestation(
    fake, local, client, repository
):
    arm = layouts.Image((LARGE,), 'arm', variant='v7')
    export = layouts.containerd(IMAGE, arm, absent=[layouts.Image((EMPTY,), 's390x')])
    digest = push_export(fake, local, client, repository, IMAGE, export)
    index = client.get_manifest(repository, digest)
    assert index.media_type == 'application/vnd.docker.distribution.manifest.list.v2+json'
    assert [one['platform'] for one in json.loads(index.content)['manifests']] == [
        {'architecture': 'amd64', 'os': 'linux'},
        {'architecture': 'arm', 'os': 'linux', 'variant': 'v7'},
    ]
    assert pushed.architectures(client, repository, digest) == ('amd64', 'armhf')


def test_find_compares_an_image_whose_id_is_of_its_manifest_with_an_export(
    fake, local, client, repository
):
    inspected = {**IMAGE.inspected, 'Id': f'sha256:{"5" * 64}'}
    fake.add(inspected, layouts.containerd(IMAGE))
    image = local.find(inspected['Id'])
    assert pushed.find(client, repository, image) is None
    digest = push.push(image, client, repository).digest
    assert fake.exports == 1
    assert pushed.find(client, repository, image).digest == digest
    assert fake.exports == 2  # the engine does not tell which platforms it has


def test_find_does_not_take_the_tag_of_another_image(fake, local, client, repository):
    other = layouts.Image((EMPTY,))
    digest = push_export(fake, local, client, repository, other, layouts.docker_25(other))
    content = client.get_manifest(repository, digest).content
    client.put_manifest(repository, f'image-{IMAGE.id[7:]}', content, manifests._MANIFEST)
    fake.add(IMAGE.inspected)
    assert pushed.find(client, repository, local.find(IMAGE.id)) is None
    assert pushed.find(client, repository, IMAGE.id) is None


EDITED = layouts.Image(
    (*IMAGE.layers, layouts.tar([('new', b'new')])), command=('sh', '-c', 'a <b >"c" && ä')
)


@pytest.mark.parametrize('layout', EXPORTS)
def test_push_does_not_compress_layers_again_that_the_last_image_had(
    layout, fake, local, client, repository, monkeypatch
):
    # as compressed layers come from an engine that has the same ones as before
    export = EXPORTS[layout](IMAGE) if 'containerd' in layout else layouts.docker_25(IMAGE)
    push_export(fake, local, client, repository, IMAGE, export)
    packed = []
    pack = layers.pack
    monkeypatch.setattr(layers, 'pack', lambda *args: packed.append(pack(*args)) or packed[-1])
    digest = push_export(fake, local, client, repository, EDITED, EXPORTS[layout](EDITED))
    assert [layer.diff_id for layer in packed if layer.diff_id in EDITED.diff_ids] == [
        EDITED.diff_ids[-1]
    ]
    packed.clear()
    again = layouts.Image((*EDITED.layers, layouts.tar([('newer', b'newer')])))
    push_export(fake, local, client, repository, again, EXPORTS[layout](again))
    assert [layer.diff_id for layer in packed if layer.diff_id in again.diff_ids] == [
        again.diff_ids[-1]
    ]
    monkeypatch.setattr(layers, 'pack', pack)
    assert digest == push_export(
        fake, local, client, f'{repository}/fresh', EDITED, layouts.docker_25(EDITED)
    )


def test_push_recognizes_the_uppermost_layer_of_docker_20_by_its_v1_id(
    fake, local, client, repository, monkeypatch
):
    export = layouts.docker_20(EDITED)
    push_export(fake, local, client, repository, EDITED, export)
    packed = []
    pack = layers.pack
    monkeypatch.setattr(layers, 'pack', lambda *args: packed.append(pack(*args)) or packed[-1])
    again = layouts.Image(EDITED.layers, command=('another', '<command>'))
    push_export(fake, local, client, repository, again, layouts.docker_20(again))
    assert {layer.diff_id for layer in packed}.isdisjoint(again.diff_ids)


@pytest.mark.parametrize('layout', [layouts.docker_20, layouts.docker_25])
def test_push_takes_a_known_layer_from_the_registry_even_if_the_export_is_damaged(
    layout, fake, local, client, repository
):
    push_export(fake, local, client, repository, IMAGE, GOOD)
    (name,) = [name for name, data in layouts.files(layout(EDITED)).items() if data == LARGE]
    damaged = replaced(layout(EDITED), name, LARGE[:-512] + bytes(511) + b'x')
    digest = push_export(fake, local, client, repository, EDITED, damaged)
    assert digest == push_export(
        fake, local, client, f'{repository}/fresh', EDITED, layout(EDITED)
    )


def _member(name, data, size=None):
    info = tarfile.TarInfo(name)
    info.size = len(data) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def _by_size(files):
    in_order = sorted(files.items(), key=lambda file: len(file[1]))
    return b''.join(_member(*file) for file in in_order) + bytes(1024)


def test_push_reads_an_export_only_up_to_layers_that_the_registry_has(
    fake, local, client, repository
):
    push_export(fake, local, client, repository, IMAGE, GOOD)
    files = layouts.files(layouts.docker_25(EDITED))
    (name,) = [name for name, data in files.items() if data == LARGE]
    start = [_member(n, data) for n, data in files.items() if data != LARGE]
    zeros = itertools.repeat(bytes(MIB), 4096)
    export = itertools.chain(start, [_member(name, b'', 4 << 30)], zeros)
    digest = push_export(fake, local, client, repository, EDITED, export)
    assert next(zeros, None) is not None
    assert pushed.find(client, repository, local.find(EDITED.id)).digest == digest
    fresh = f'{repository}/fresh'
    assert push_export(fake, local, client, fresh, EDITED, layouts.docker_25(EDITED)) == digest


def test_push_reads_an_export_further_if_the_registry_lacks_a_layer(
    fake, local, client, repository
):
    files = layouts.files(layouts.docker_25(EDITED))
    digest = push_export(fake, local, client, repository, EDITED, _by_size(files))
    fresh = f'{repository}/fresh'
    assert push_export(fake, local, client, fresh, EDITED, layouts.docker_25(EDITED)) == digest


def test_push_knows_layers_that_it_did_not_read_by_what_the_engine_calls_them(
    fake, local, client, repository, monkeypatch
):
    large = layouts.tar([('large', random.Random(1).randbytes(5 * MIB))])  # compressed, too
    first, second, third = (
        layouts.Image((large, *(layouts.tar([(name, b'')]) for name in names)))
        for names in ('a', 'ab', 'abc')
    )
    for image in (first, second):
        files = layouts.files(layouts.containerd(image))
        push_export(fake, local, client, repository, image, _by_size(files))
    packed = []
    pack = layers.pack
    monkeypatch.setattr(layers, 'pack', lambda *args: packed.append(pack(*args)) or packed[-1])
    push_export(fake, local, client, repository, third, layouts.containerd(third))
    found = [layer.diff_id for layer in packed if layer.diff_id in third.diff_ids]
    assert found == [third.diff_ids[-1]]


def test_push_counts_the_bytes_of_known_layers_as_read(fake, local, client, repository):
    push_export(fake, local, client, repository, IMAGE, GOOD)
    told = []
    fake.add(EDITED.inspected, layouts.podman(EDITED))
    push.push(local.find(EDITED.id), client, repository, reporter(lambda *step: told.append(step)))
    read = [done for step, done, _ in told if step == 'Reading the image']
    assert read == sorted(read)
    assert len(LARGE) <= read[-1] < 2 * len(LARGE)


def test_push_sends_a_layer_again_that_was_deleted_from_the_registry(
    fake, local, client, open_registry, repository
):
    digest = push_export(fake, local, client, repository, IMAGE, layouts.docker_25(IMAGE))
    layer = json.loads(client.get_manifest(repository, digest).content)['layers'][1]['digest']
    url = f'http://{open_registry.host}/v2/{repository}/blobs/{layer}'
    assert requests.delete(url, timeout=10).ok
    assert not client.has_blob(repository, layer)
    changed = layouts.Image(IMAGE.layers, command=('/other',))
    push_export(fake, local, client, repository, changed, layouts.docker_25(changed))
    assert gzip.decompress(client.get_blob(repository, layer, 32 * MIB)) == LARGE


def test_push_passes_over_a_hundred_files_that_are_not_layers_and_refuses_a_thousand(
    fake, local, client, repository
):
    image = layouts.Image((SMALL,))

    def push_with(strangers):
        extra = [(f'{n}.txt', str(n).encode()) for n in range(strangers)]
        export = layouts.containerd(image, extra=extra)
        return push_export(fake, local, client, repository, image, export)

    assert push_with(100) == push_with(0)
    with pytest.raises(_errors.InvalidImageError, match='too many files that are not layers'):
        push_with(1000)


def test_read_of_a_tar_takes_a_long_name_in_both_forms():
    name = 'x' * 300
    written = layouts.tar([(name, b'content')], fmt=tarfile.PAX_FORMAT)
    assert [(m.name, m.size) for m in tar.read(io.BytesIO(written))] == [(name, 7)]
    written = layouts.tar([(name, b'content')], fmt=tarfile.GNU_FORMAT)
    assert [(m.name, m.size) for m in tar.read(io.BytesIO(written))] == [(name, 7)]


def test_read_of_a_tar_takes_a_size_of_more_than_8_gib_from_a_pax_header():
    record = b'20 size=10000000000\n'
    extended = tarfile.TarInfo('PaxHeaders.0/layer.tar')
    extended.type, extended.size = tarfile.XHDTYPE, len(record)
    archive = extended.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b'\0')
    archive += tarfile.TarInfo('layer.tar').tobuf(tarfile.USTAR_FORMAT)
    assert next(tar.read(io.BytesIO(archive)))[:2] == ('layer.tar', 10_000_000_000)


def test_pack_never_gives_other_bytes():
    """Else every image would be stored again under another digest."""
    with _concurrently.Workers(2, name='compress') as workers:
        data = ' '.join(str(n * n % 99_991) for n in range(400_000)).encode()
        layer = layers.pack(io.BytesIO(data), workers)
    assert (
        layer.digest == 'sha256:3c9c9c239c9bdf8190061a2ff4c8bdc0cded858df2e890e8707eb536d2093a96'
    )


@pytest.mark.parametrize('layout', EXPORTS)
def test_push_gives_the_same_manifest_for_archives_as_for_engines(
    layout, client, repository, tmp_path
):
    path = tmp_path / 'image.tar'
    path.write_bytes(EXPORTS[layout](IMAGE))
    assert push.push(archives.open(path), client, repository).digest == DIGEST
