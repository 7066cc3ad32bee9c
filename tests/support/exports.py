"""Exports of one image in all layouts."""

import gzip
import io
import random
import tarfile

import zstandard

from charm_image._upload import push
from support import layouts

MIB = 1 << 20


def _bytes(seed, size):
    """Bytes that compress to about two thirds."""
    return random.Random(seed).randbytes(size // 3 * 2) + bytes(size - size // 3 * 2)


LARGE = layouts.tar([('large', _bytes(1, 5 * MIB + 12345))])

SMALL = layouts.tar([('small', b'small')])

EMPTY = layouts.tar()

IMAGE = layouts.Image((SMALL, LARGE, EMPTY, SMALL))

#: Of the manifest of IMAGE: no machine, engine or layout may change it.
DIGEST = 'sha256:7c7adfecd80d4758822ee4eb9d424ca7b35e4acbbd852da4aff875d9f561a817'

EXPORTS = {
    'Docker 20': layouts.docker_20,
    'Docker 25': layouts.docker_25,
    'podman': layouts.podman,
    'containerd, gzip': layouts.containerd,
    'containerd, other gzip': lambda image: layouts.containerd(
        image, compress=lambda layer: gzip.compress(layer, 1, mtime=0)
    ),
    'containerd, gzip members': lambda image: layouts.containerd(
        image,
        compress=lambda layer: (
            gzip.compress(layer[:600], mtime=0) + gzip.compress(layer[600:], mtime=0)
        ),
    ),
    'containerd, zstd': lambda image: layouts.containerd(
        image, compress=zstandard.ZstdCompressor().compress
    ),
    'containerd, uncompressed': lambda image: layouts.containerd(image, compress=bytes),
    'containerd, no index': lambda image: layouts.containerd(image, index=False, attested=False),
    'containerd, other platforms absent': lambda image: layouts.containerd(
        image, absent=[layouts.Image((LARGE,), 's390x')]
    ),
}


def push_export(fake, local, client, repository, image, export, **kwargs):
    fake.add(image.inspected, export, **kwargs)
    return push.push(local.find(image.id), client, repository).digest


GOOD = layouts.docker_25(IMAGE)


def replaced(export, name, content):
    """Change the content of a file in an archive."""
    files = []
    with tarfile.open(fileobj=io.BytesIO(export)) as archive:
        for member in archive:
            data = archive.extractfile(member)
            files.append((member.name, data.read() if data else member.linkname))
    assert name in dict(files)
    return layouts.tar([(n, content if n == name else c) for n, c in files])
