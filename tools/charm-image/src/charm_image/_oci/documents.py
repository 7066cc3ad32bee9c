"""The JSON files of an image, which lead to its configurations.

An image consists of configurations and the layers that these name; archives in every layout
contain both, under different file names. See the OCI image specification 1.1, and moby's image
specification 1.2 for the exports of Docker and podman.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from charm_image import _errors, _texts
from charm_image._oci import digests, images, manifests
from container_image import messages
from container_image import reference as references

_MAX_TOTAL_BYTES = 16 << 20
_MAX_TAGS = 20  # in a message
_T = TypeVar('_T')


def read(files: Iterable[images.File], platform: Mapping[str, Any]) -> images.Contents:
    """Return what an image with these files consists of. Raises ImageError.

    `platform` is as for `Documents`.
    """
    documents = Documents(platform)
    for file in files:
        documents.add_file(file)
    return documents.contents()


class Documents:
    """The JSON files of an image, by name and by digest.

    `platform` is that of a configuration without one that is in no index with one, if the source
    of the files knows it.
    """

    def __init__(self, platform: Mapping[str, Any] | None = None) -> None:
        self._platform = platform
        self._digests: dict[str, str] = {}  # by name
        self._data: dict[str, bytes] = {}  # by digest
        self._configs: dict[str, images.Config] = {}  # by digest, once parsed
        self._size = 0

    def add_file(self, file: images.File) -> bytes | None:
        """Return the content of a small file, None for a large one; keep it if it may be JSON.

        Raises InvalidImageError if there is too much JSON, or two files have the same name.
        """
        if file.size > images.MAX_DOCUMENT_BYTES:
            return None
        data = file.content.read(file.size)
        if data[:1] not in (b'{', b'['):
            return data
        name, digest = file.name.removeprefix('./'), images.digest(data)
        if self._digests.setdefault(name, digest) != digest:
            raise _errors.InvalidImageError(
                f'the archive contains two different files named {_texts.quoted(name)}'
            )
        self._size += len(name) + len(data)
        if self._size > _MAX_TOTAL_BYTES:
            raise _errors.InvalidImageError(
                f'the archive contains more than {_MAX_TOTAL_BYTES >> 20} MiB of JSON'
            )
        self._data[digest] = data
        return data

    def config(self, digest: str) -> images.Config | None:
        """Return the configuration with this digest; None if it was not read, or is none."""
        with contextlib.suppress(_errors.InvalidImageError):
            return self._config(digest) if digest in self._data else None
        return None

    def _config(self, digest: str) -> images.Config:
        if digest not in self._configs:
            self._configs[digest] = images.Config.parse(self._data[digest], self._platform)
        return self._configs[digest]

    def config_digests_below(self, digest: str) -> frozenset[str]:
        """Return the configurations of all platforms of an index, or that of a manifest.

        None of them if a part of it was not read.
        """
        with contextlib.suppress(_errors.InvalidImageError), manifests.valid('the manifest'):
            root = images.parse_json(self._data[digest], 'the manifest')
            nodes = list(manifests.walk(root, self._parsed))
            if all(node.content is not None for node in nodes):
                return frozenset(n.content['config']['digest'] for n in nodes if n.is_image)
        return frozenset()

    def contents(self, tag: str = '') -> images.Contents:
        """Return the configurations of the image, one for each platform whose files were read.

        With a tag, which may be a full reference, only those of the image with this tag. Raises
        InvalidImageError if the files do not belong to exactly one image.
        """
        # engines and skopeo write both files; only the index names several platforms
        for name, find in (
            ('index.json', self._in_index),
            ('manifest.json', self._in_manifest_json),
        ):
            if name in self._digests:
                data = self._data[self._digests[name]]
                contents = find(images.parse_json(data, name), tag)
                if contents.configs:
                    return contents
        raise _errors.InvalidImageError(
            'no image found: this is not an OCI layout or `docker save` archive'
        )

    def _in_index(self, index: Any, tag: str) -> images.Contents:
        with manifests.valid('index.json'):
            tagged = [(_tags_of(descriptor), descriptor) for descriptor in index['manifests']]
        contents = self._below({'manifests': _with_tag(tagged, tag)}, 'index.json')
        _check_platforms(contents.configs, tagged)
        return contents

    def _in_manifest_json(self, content: Any, tag: str) -> images.Contents:
        if isinstance(content, dict):  # of skopeo's dir:
            return self._below(content, 'manifest.json')
        try:
            tagged = [
                (tuple(map(str, entry.get('RepoTags') or ())), entry['Config'].removeprefix('./'))
                for entry in content
            ]
        except (KeyError, TypeError, AttributeError):
            tagged = []
        if not tagged:
            raise _errors.InvalidImageError('manifest.json does not name an image')
        configs = tuple(map(self._config_at, dict.fromkeys(_with_tag(tagged, tag))))
        _check_platforms(configs, tagged)
        return images.Contents(configs)

    def _config_at(self, path: str) -> images.Config:
        name = _texts.quoted(path)
        if path not in self._digests:
            raise _errors.InvalidImageError(
                f'manifest.json names {name}, which is not in the archive'
            )
        digest = self._digests[path]
        config = self._config(digest)
        if digests.claimed(path) not in (None, digest):
            raise _errors.InvalidImageError(f'{name} is damaged: its digest is {digest}')
        return config

    def _below(self, content: Any, name: str) -> images.Contents:
        """Return what lies below an index or a manifest, as far as its files were read."""
        configs: dict[str, images.Config] = {}
        platforms = []
        # an engine has only the manifests of the platforms that it pulled
        for node in manifests.walk(content, self._parsed, name=name):
            platform = node.descriptor.get('platform')
            platforms.append(platform or {})
            if node.is_image:
                digest = node.content['config']['digest']
                if digest in self._data:
                    data = self._data[digest]
                    configs[digest] = images.Config.parse(data, platform or self._platform)
        return images.Contents(tuple(configs.values()), tuple(platforms))

    def _parsed(self, descriptor: Mapping[str, Any], part: str) -> Any:
        data = self._data.get(descriptor['digest'])
        return None if data is None else images.parse_json(data, 'a manifest')


def _tags_of(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an index calls an image: containerd writes the reference beside the tag."""
    annotations = descriptor.get('annotations') or {}
    keys = ('io.containerd.image.name', 'org.opencontainers.image.ref.name')
    return tuple(dict.fromkeys(str(annotations[key]) for key in keys if annotations.get(key)))


def _shown(named: Sequence[tuple[Sequence[str], Any]]) -> str:
    tags = sorted({tag for tags, _ in named for tag in tags})
    return ', '.join(map(messages.printable, tags[:_MAX_TAGS]))


def _with_tag(named: Sequence[tuple[Sequence[str], _T]], tag: str) -> list[_T]:
    """Return what has the tag; all without a tag. Raises InvalidImageError."""
    matching = [
        item for tags, item in named if not tag or any(_is_called(name, tag) for name in tags)
    ]
    if named and not matching:
        raise _errors.InvalidImageError(
            f'it has no image {_texts.quoted(tag)}: '
            f'it has {_shown(named) or "images without tags"}'
        )
    return matching


def _is_called(name: str, tag: str) -> bool:
    """Return whether a user may mean a name in an archive: in full, in short, or by its tag."""
    if tag == name:
        return True
    try:
        full = references.Reference.parse(name)
        return tag == full.tag or references.Reference.parse(tag) == full
    except references.InvalidReferenceError:
        return False


def _check_platforms(
    configs: Sequence[images.Config], named: Sequence[tuple[Sequence[str], Any]]
) -> None:
    """Raise InvalidImageError if two images are for the same platform: they are not one."""
    platforms = [json.dumps(config.platform, sort_keys=True) for config in configs]
    if len(set(platforms)) != len(platforms):
        tags = _shown(named)
        raise _errors.InvalidImageError(
            'the archive contains several images for the same platform',
            f'choose one by its tag, as in PATH:TAG, of {tags}'
            if ', ' in tags
            else f'save only one of {", ".join(config.digest for config in configs)}',
        )
