"""charm_image._oci.archives: images on disk, in what people's tools write."""

import bz2
import io
import json
import lzma
import subprocess
import tarfile

import pytest

import charm_image
from charm_image._oci import archives, digests, layers, tar
from support import layouts, require

SMALL = layouts.tar([('small', b'small')])
LARGE = layouts.tar([('large', bytes(range(256)) * 6000)])
WEB = layouts.Image((SMALL, LARGE))
JOB = layouts.Image((SMALL,))
ARM64 = layouts.Image((SMALL,), 'arm64')


def saved(tags_by_image):
    """An archive as of `docker save` with several images, one for each pair."""
    entries, files = [], {}
    for image, tags in tags_by_image:
        config = f'{layouts.sha256(image.config)}.json'
        names = [f'{layouts.sha256(layer)}.tar' for layer in image.layers]
        files |= {config: image.config, **dict(zip(names, image.layers, strict=True))}
        entries.append({'Config': config, 'RepoTags': tags, 'Layers': names})
    return layouts.tar([*files.items(), ('manifest.json', json.dumps(entries).encode())])


@pytest.fixture
def write(tmp_path):
    def write(content, name='image.tar'):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def content_of(archive):
    return {file.name: file.content.read(file.size) for file in archive.files()}


def ids(archive):
    return [config.digest for config in archive.contents().configs]


@pytest.mark.parametrize(
    'compress',
    [
        lzma.compress,
        bz2.compress,
        lambda data: lzma.compress(data[:5000]) + bytes(8) + lzma.compress(data[5000:]) + bytes(4),
        lambda data: bz2.compress(data[:5000]) + bz2.compress(data[5000:]),
    ],
    ids=['xz', 'bzip2', 'xz in streams', 'bzip2 in streams'],
)
def test_an_archive_may_be_compressed(write, compress):
    plain = saved([(WEB, None)])
    archive = archives.open(write(compress(plain)))
    assert archive.id == WEB.id
    assert content_of(archive) == content_of(archives.open(write(plain, 'plain.tar')))


@pytest.mark.parametrize('compress', [lzma.compress, bz2.compress], ids=['xz', 'bzip2'])
def test_a_layer_may_be_compressed(compress):
    compressed = compress(LARGE)
    with layers.compressors() as workers:
        packed = layers.pack(io.BytesIO(compressed), workers)
        plain = layers.pack(io.BytesIO(LARGE), workers)
    assert packed.source == f'sha256:{layouts.sha256(compressed)}'
    assert (packed.diff_id, packed.digest) == (plain.diff_id, plain.digest)


@pytest.mark.parametrize(
    'content',
    [
        lzma.compress(LARGE)[:-20],
        bz2.compress(LARGE)[:-20],
        lzma.compress(LARGE) + b'nonsense',
        bz2.compress(LARGE)[:2000] + bytes(2000),
        lzma.compress(LARGE, filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 1 << 30}]),
    ],
    ids=['xz ends', 'bzip2 ends', 'more', 'damaged', 'dictionary of 1 GiB'],
)
def test_an_archive_with_damaged_compression_is_an_error_of_one_line(write, content):
    with pytest.raises(charm_image.InvalidImageError, match='damaged') as caught:
        archives.open(write(content))
    assert '\n' not in str(caught.value)


def test_an_archive_of_several_images_is_refused_with_their_tags(write):
    path = write(saved([(WEB, ['app/web:1', 'app/web:\x1b[2J']), (JOB, ['app/job:1'])]))
    with pytest.raises(charm_image.InvalidImageError) as caught:
        archives.open(path)
    assert r'PATH:TAG, of app/job:1, app/web:\x1b[2J, app/web:1' in str(caught.value)


@pytest.mark.parametrize(
    ('tag', 'image'),
    [
        ('app/web:1', WEB),
        ('docker.io/app/web:1', WEB),
        ('app/job:2', JOB),
        ('2', JOB),
        ('1', WEB),
    ],
)
def test_a_tag_chooses_one_of_several_images(write, tag, image):
    path = write(saved([(WEB, ['app/web:1']), (JOB, ['app/job:2'])]))
    archive = archives.open(path, tag)
    assert ids(archive) == [image.id]
    assert archive.id == image.id


def test_a_tag_that_is_not_there_is_an_error_with_those_that_are(write):
    path = write(saved([(WEB, ['app/web:1']), (JOB, ['app/job:2'])]))
    with pytest.raises(charm_image.InvalidImageError, match=r"'3': it has app/job:2, app/web:1"):
        archives.open(path, '3')


def test_an_archive_of_one_image_for_each_architecture_is_one_image(write):
    archive = archives.open(write(saved([(WEB, ['app:1-amd64']), (ARM64, ['app:1-arm64'])])))
    assert ids(archive) == [WEB.id, ARM64.id]


@pytest.mark.parametrize('form', ['docker-archive', 'oci-archive', 'oci', 'dir'])
def test_open_reads_what_skopeo_writes(write, tmp_path, form):
    require('skopeo')
    source = write(saved([(WEB, ['app/web:1'])]))
    place = f'{form}:{tmp_path}/copied'
    named = '' if form == 'dir' else ':docker.io/app/web:1'
    skopeo = ['skopeo', '--insecure-policy', 'copy', '--quiet', f'docker-archive:{source}']
    subprocess.run([*skopeo, f'{place}{named}'], check=True)
    path, tag = archives.locate(f'{place}{named}')
    assert path == f'{tmp_path}/copied'
    (config,) = archives.open(path, tag).contents().configs
    assert list(config.diff_ids) == WEB.diff_ids
    archives.open(path)


@pytest.mark.parametrize('start', ['', 'oci-archive:', 'docker-archive:', 'oci:', 'dir:'])
@pytest.mark.parametrize('tag', ['', '1.2', 'docker.io/app:1', 'localhost:5000/app:1'])
def test_locate_takes_a_place_as_it_is_written_for_skopeo(tmp_path, start, tag):
    path = tmp_path / 'with:colon.tar'
    path.touch()
    text = f'{start}{path}' + f':{tag}' * bool(tag)
    assert archives.locate(text) == (str(path), tag)


def test_locate_finds_nothing_where_nothing_is(tmp_path):
    assert archives.locate(f'{tmp_path}/absent:1') is None
    assert archives.locate('docker://nginx:1') is None


def header(**records):
    """An extended header (pax) of its records, and nothing else."""
    info = tarfile.TarInfo('next')
    return info.create_pax_header(info.get_info() | records, 'utf-8')


def names(content):
    return [file.name for file in tar.read(io.BytesIO(content))]


def test_an_extended_header_counts_for_one_member():
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode='w', format=tarfile.PAX_FORMAT) as archive:
        for name in ('é' * 90, 'short', 'long/' * 30, 'last'):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b'abc'))
    assert names(written.getvalue()) == ['é' * 90, 'short', 'long/' * 30, 'last']


def test_a_long_name_of_gnu_has_no_padding():
    long = 'directory/' * 20 + 'file'
    assert names(layouts.tar([(long, b'abc'), ('next', b'')])) == [long, 'next']


def extension(size, data):
    info = tarfile.TarInfo('././@PaxHeader')
    info.type, info.size = tarfile.XHDTYPE, size
    return info.tobuf() + data + bytes(-len(data) % 512)


@pytest.mark.parametrize(
    'data',
    [
        b'5012 size=' + b'9' * 5000 + b'\n',
        b'9' * 5000 + b' path=a\n',
        b'11 size=-5\n',
        '12 size=٣\n'.encode(),
        b'99 path=a\n',
        b'0 path=a\n',
        b'path=a\n',
    ],
    ids=['size', 'length', 'negative', 'not ASCII', 'beyond', 'zero', 'none'],
)
def test_a_damaged_extended_header_is_an_error(data):
    content = extension(len(data), data) + layouts.tar([('file', b'abc')])
    with pytest.raises(charm_image.InvalidImageError, match='damaged extended header'):
        names(content)


@pytest.mark.parametrize('kind', [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extended_header_of_a_gigabyte_is_not_read(kind):
    info = tarfile.TarInfo('huge')
    info.type, info.size = kind, 1 << 30

    class Endless:
        read_bytes = 0

        def read(self, size, /):
            self.read_bytes += size
            return info.tobuf() if self.read_bytes == 512 else bytes(size)

    stream = Endless()
    with pytest.raises(charm_image.InvalidImageError, match='header of 1073741824 bytes'):
        list(tar.read(stream))
    assert stream.read_bytes < 1 << 20


def test_a_configuration_that_is_not_its_digest_is_damaged(write):
    content = saved([(WEB, None)]).replace(b'"amd64"', b'"arm64"')
    with pytest.raises(charm_image.InvalidImageError, match='is damaged: its digest is'):
        archives.open(write(content))


def test_names_in_an_archive_may_begin_with_a_dot(write):
    with tarfile.open(fileobj=io.BytesIO(saved([(WEB, None)]))) as archive:
        files = [('./' + m.name, archive.extractfile(m).read()) for m in archive.getmembers()]
    archive = archives.open(write(layouts.tar(files)))
    assert archive.id == WEB.id
    claimed = {digests.claimed(file.name) for file in archive.files()}
    assert set(WEB.diff_ids) <= claimed


@pytest.mark.parametrize(
    'media_type',
    ['application/vnd.oci.image.config.v1+json', 'application/octet-stream'],
    ids=['today', 'of 2015'],
)
def test_a_configuration_has_one_of_three_types(tmp_path, media_type):
    config = {'mediaType': media_type, 'digest': JOB.id, 'size': len(JOB.config)}
    manifest = json.dumps({'schemaVersion': 2, 'config': config, 'layers': []})
    (tmp_path / 'manifest.json').write_text(manifest)
    (tmp_path / 'version').write_text('Directory Transport Version: 1.1\n')
    (tmp_path / layouts.sha256(JOB.config)).write_bytes(JOB.config)
    assert ids(archives.open(tmp_path)) == [JOB.id]
