"""Compares two images of the same resources, to find what is not reproducible."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from typing import Any

from charm_image._oci import images, oci_archive

_DIFFERENCES = ('type', 'mode', 'owner', 'group', 'link', 'time', 'extended attributes', 'content')


def compare(first: oci_archive.SavedImage, second: oci_archive.SavedImage) -> list[str]:
    """Return what differs, such as `/etc/machine-id: content`, sorted; [] for the same image."""
    differences = []
    for one, other in zip(_files(first), _files(second), strict=False):
        for path in sorted({*one, *other}):
            if path not in one or path not in other:
                differences.append(f'/{path}: only in one of them')
            elif one[path] != other[path]:
                pairs = zip(_DIFFERENCES, one[path], other[path], strict=True)
                names = ', '.join(name for name, mine, its in pairs if mine != its)
                differences.append(f'/{path}: {names}')
    configs = [json.loads(image.config.data) for image in (first, second)]
    for config in configs:
        config.pop('rootfs', None)
    differences += [
        f'configuration: {key}'
        for key in sorted({*configs[0], *configs[1]})
        if configs[0].get(key) != configs[1].get(key)
    ]
    ids = [[digest for digest, _ in image.layers()] for image in (first, second)]
    if not differences and ids[0] != ids[1]:
        differences.append('the number, or the encoding, of the layers')
    return list(dict.fromkeys(differences))


def _files(image: oci_archive.SavedImage) -> Iterator[dict[str, tuple[Any, ...]]]:
    """Yield what each layer has, by path."""
    for _, layer in image.layers():
        files = {}
        content: Any = layer.open()
        with tarfile.open(fileobj=content, mode='r|') as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                digest = images.digest_of(file) if file else ''
                attributes = {k: v for k, v in member.pax_headers.items() if 'xattr' in k}
                files[member.name.strip('/').removeprefix('./')] = (
                    *(member.type, member.mode & 0o7777, member.uid, member.gid, member.linkname),
                    *(member.mtime, attributes, digest),
                )
        yield files
