"""The images for the measurements of uploads."""

import gzip
import io
import itertools
import os
import pathlib
import tarfile

from support import layouts

MB = 1_000_000


def of_this_machine(size, count):
    """Return `count` layers of files of this machine, about `size` bytes in total."""
    files = [
        path
        for path in sorted(pathlib.Path('/usr').rglob('*'))
        if path.is_file() and not path.is_symlink() and path.stat().st_size < max(size // 10, MB)
    ]
    # a large image has them several times, with other names
    named = ((path, f'{turn}{path}') for turn in itertools.count() for path in files)
    return [_tar(named, size // count) for _ in range(count)]


def _tar(named, size):
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode='w') as archive:
        while archive.offset < size:
            path, name = next(named)
            if archive.offset + path.stat().st_size < 1.2 * size:
                archive.add(path, name, recursive=False)
    return written.getvalue()


def changing():
    """Return a layer of 1 MB that is different each time."""
    return layouts.tar([('changing', os.urandom(MB))])


_commands = itertools.count(1)


def load(engine, layers):
    """Load an image of these layers with a unique command; return its ID."""
    image = layouts.Image(tuple(layers), command=('/bin/true', str(next(_commands))))
    archive = layouts.docker_20(image)
    if engine.kind.containerd:  # as after builds and pulls
        archive = layouts.containerd(
            image, compress=lambda data: gzip.compress(data, 1, mtime=0), attested=False
        )
    (loaded,) = engine.client.images.load(archive)
    loaded.tag('bench', 'latest')
    return loaded.id


def store(registry, repository, size, count, architectures=('amd64',)):
    """Store an index with attestations in a registry; return its reference.

    Each image has `count` layers of incompressible data, `size` bytes in total.
    """
    each = size // count // len(architectures)
    images = [
        layouts.Image(
            tuple(layouts.tar([('random', os.urandom(each))]) for _ in range(count)), architecture
        )
        for architecture in architectures
    ]
    archive = layouts.containerd(*images, compress=lambda data: gzip.compress(data, 0, mtime=0))
    name = registry.store(archive, repository, 'bench')
    return f'{name}@{layouts.index_digest(archive)}'
