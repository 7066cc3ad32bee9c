"""The JSON files of an image, which lead to its configurations.

An image consists of configurations and the layers that these name; archives in every layout
contain both, under different file names. See the OCI image specification 1.1, and moby's image
specification 1.2 for the exports of Docker and podman.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from charm_image import _errors
from charm_image._oci import images, manifests

_MAX_TOTAL_BYTES = 16 << 20


def read(files: Iterable[images.File]) -> images.Contents:
    """Return what an image with these files consists of. Raises ImageError."""
    documents = Documents()
    for file in files:
        documents.add_file(file)
    return documents.contents()


class Documents:
    """The JSON files of an image, by name and by digest."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytes] = {}
        self._by_digest: dict[str, bytes] = {}
        self._size = 0

    def _add(self, name: str, data: bytes) -> None:
        name = name.removeprefix('./')
        if self._by_name.setdefault(name, data) != data:
            raise _errors.InvalidImageError(
                f'the archive contains two different files named {name!r}'
            )
        self._size += len(name) + len(data)
        if self._size > _MAX_TOTAL_BYTES:
            raise _errors.InvalidImageError(
                f'the archive contains more than {_MAX_TOTAL_BYTES >> 20} MiB of JSON'
            )
        self._by_digest[images.digest(data)] = data

    def add_file(self, file: images.File) -> bytes | None:
        """Return the content of a small file, None for a large one; keep it if it may be JSON.

        Raises InvalidImageError if there is too much JSON, or two files have the same name.
        """
        if file.size > images.MAX_DOCUMENT_BYTES:
            return None
        data = file.content.read(file.size)
        if data[:1] in (b'{', b'['):
            self._add(file.name, data)
        return data

    def config(self, named: str) -> images.Config | None:
        """Return the configuration with this digest; None if it was not read, or is none."""
        with contextlib.suppress(KeyError, _errors.InvalidImageError):
            return images.Config.parse(self._by_digest[named])
        return None

    def contents(self) -> images.Contents:
        """Return the configurations of the image, one for each platform whose files were read.

        Raises InvalidImageError if the files do not belong to exactly one image.
        """
        # engines and skopeo write both files; only the index names several platforms
        if 'index.json' in self._by_name and (found := self._in_index()).configs:
            return found
        if 'manifest.json' in self._by_name:
            return images.Contents((self._in_manifest_json(),))
        raise _errors.InvalidImageError(
            'no image found: this is not an OCI layout or `docker save` archive'
        )

    def _in_index(self) -> images.Contents:
        configs: dict[str, images.Config] = {}
        platforms = []
        index = images.parse_json(self._by_name['index.json'], 'index.json')
        # an engine has only the manifests of the platforms that it pulled
        for node in manifests.walk(index, self._parsed, name='index.json'):
            platforms.append(node.descriptor.get('platform') or {})
            if node.is_image:
                data = self._by_digest.get(node.content['config']['digest'])
                if data is not None:
                    config = images.Config.parse(data)
                    configs[config.digest] = config
        return images.Contents(_one_image(tuple(configs.values())), tuple(platforms))

    def _parsed(self, digest: str) -> Any:
        data = self._by_digest.get(digest)
        return None if data is None else images.parse_json(data, 'a manifest')

    def _in_manifest_json(self) -> images.Config:
        content = images.parse_json(self._by_name['manifest.json'], 'manifest.json')
        try:
            paths = list(dict.fromkeys(entry['Config'] for entry in content))
            names = [str(name) for entry in content for name in entry.get('RepoTags') or ()]
            if len(paths) > 1:
                raise _errors.InvalidImageError(
                    'the archive contains several images: save only one'
                    + (f' of {", ".join(names)}' if names else '')
                )
            path = paths[0].removeprefix('./')
        except (KeyError, TypeError, AttributeError, IndexError):
            raise _errors.InvalidImageError('manifest.json does not name an image') from None
        if path not in self._by_name:
            raise _errors.InvalidImageError(
                f'manifest.json names {path!r}, which is not in the archive'
            )
        config = images.Config.parse(self._by_name[path])
        if images.claimed_digest(path) not in (None, config.digest):
            raise _errors.InvalidImageError(f'{path!r} is damaged: its digest is {config.digest}')
        return config


def _one_image(configs: tuple[images.Config, ...]) -> tuple[images.Config, ...]:
    platforms = [json.dumps(config.platform, sort_keys=True) for config in configs]
    if len(set(platforms)) != len(platforms):
        raise _errors.InvalidImageError(
            'the archive contains several images for the same platform: save only one of '
            + ', '.join(config.digest for config in configs)
        )
    return configs
