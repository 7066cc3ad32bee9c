"""OCI images as an engine or a file on disk gives them: files in a row, told by their contents.

An image is its configuration and the layers that this names; archives of every layout hold these
two, whatever the files in them are called. See the OCI image specification 1.1, and moby's image
specification 1.2 for what Docker and podman export.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

DIGEST = re.compile(r'sha256:[0-9a-f]{64}')

#: Files that may be JSON are read up to this size, in bytes: what registries allow for a manifest.
DOCUMENT_SIZE = 4 << 20

#: How deep indexes may be in each other.
MAX_NESTING = 4

_DOCUMENTS_SIZE = 16 << 20
_BLOB_NAME = re.compile(r'(?:\./)?(?:blobs/sha256/)?([0-9a-f]{64})(?:\.tar|\.json)?')
_CONFIG_TYPES = {
    'application/vnd.docker.container.image.v1+json',
    'application/vnd.oci.image.config.v1+json',
}

# Charmhub has Debian's names of architectures, images have Go's
_CHARMHUB_ARCHITECTURES = {
    '386': 'i386',
    'amd64': 'amd64',
    'arm': 'armhf',
    'arm64': 'arm64',
    'ppc64le': 'ppc64el',
    'riscv64': 'riscv64',
    's390x': 's390x',
}


class ImageError(Exception):
    """An image can't be had, or not as it has to be; the message says what to do."""


class NotFoundError(ImageError):
    """There is no such image."""


class AmbiguousError(ImageError):
    """A short digest fits several images, whose long ones are `candidates`."""

    def __init__(self, message: str, candidates: Iterable[str]):
        super().__init__(message)
        self.candidates = tuple(candidates)


class InvalidImageError(ImageError):
    """What is there is no image, or a damaged one, or one that a charm can't use."""


@dataclasses.dataclass(frozen=True)
class Blob:
    """What a registry stores, as its descriptors name it. `size` is in bytes."""

    digest: str
    size: int


class Content(Protocol):
    """Bytes that are read once, from start to end."""

    def read(self, size: int, /) -> bytes:
        """Give `size` bytes; fewer only at the end."""


class Member(NamedTuple):
    """A file of an image; its content is there until the next one is asked for."""

    name: str
    size: int
    content: Content


class Image(Protocol):
    """An image, and where its files come from."""

    @property
    def id(self) -> str:
        """The digest that its source knows it by: of its configuration, manifest or index."""

    @property
    def size(self) -> int | None:
        """Bytes in its files, about; None where that isn't known."""

    @property
    def diff_ids(self) -> frozenset[str]:
        """Digests of the uncompressed layers that it surely has."""

    @property
    def rootfs(self) -> Sequence[Sequence[str]]:
        """Diff IDs of the layers of each platform that is known, from the lowest up."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """Charmhub's names of the architectures that it runs on, as far as its source tells.

        Raises InvalidImageError for one that no charm runs on.
        """

    @property
    def index_architectures(self) -> tuple[str, ...]:
        """Charmhub's names of all architectures that its index names, as far as that is known.

        Its source may lack the files of some of them.
        """

    @property
    def remedy(self) -> str:
        """What to do where some of its files are missing: an imperative."""

    def matches(self, configs: Sequence[Config]) -> bool:
        """Tell whether these are configurations of this image, one for each platform."""

    def holds(self, configs: Sequence[Config]) -> bool:
        """Tell whether these are all the platforms that its source has now. Raises ImageError."""

    def members(self) -> Generator[Member]:
        """Read its files. Raises ImageError."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of an image for one platform, byte for byte as its source has it."""

    data: bytes
    diff_ids: tuple[str, ...]
    platform: dict[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> Config:
        """Read a configuration. Raises InvalidImageError."""
        content = parse_json(data, 'the image configuration')
        try:
            diff_ids = tuple(content['rootfs']['diff_ids'] or ())
            platform = {
                key: content[key]
                for key in ('architecture', 'os', 'os.version', 'os.features', 'variant')
                if content.get(key)
            }
            valid = (
                all(DIGEST.fullmatch(diff_id) for diff_id in diff_ids)
                and isinstance(platform['architecture'], str)
                and isinstance(platform['os'], str)
            )
        except (KeyError, TypeError, AttributeError):
            valid = False
        if not valid:
            raise InvalidImageError(
                'the image configuration names no architecture, system or layers: '
                'this is no OCI image, or one made by a faulty tool'
            )
        return cls(data, diff_ids, platform)

    @property
    def digest(self) -> str:
        """sha256:…, which Docker and podman call the image's ID."""
        return digest(self.data)

    @property
    def architecture(self) -> str:
        """Charmhub's name of the architecture. Raises InvalidImageError where it has none."""
        return charmhub_architecture(self.platform['os'], self.platform['architecture'])


class Documents:
    """The JSON files of an image, by name and by digest."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytes] = {}
        self._by_digest: dict[str, bytes] = {}
        self._size = 0
        self._seen: set[str] = set()
        self._platforms: list[dict[str, Any]] = []

    def _add(self, name: str, data: bytes) -> None:
        name = name.removeprefix('./')
        if self._by_name.setdefault(name, data) != data:
            raise InvalidImageError(f'the archive holds two different files named {name!r}')
        self._size += len(name) + len(data)
        if self._size > _DOCUMENTS_SIZE:
            raise InvalidImageError(
                f'the archive holds more than {_DOCUMENTS_SIZE >> 20} MiB of JSON: no image does'
            )
        self._by_digest[digest(data)] = data

    def add_member(self, member: Member) -> bytes | None:
        """Give the content of a small file, and keep it if it may be JSON.

        Raises InvalidImageError where that is too much, or another file has the same name.
        """
        if member.size > DOCUMENT_SIZE:
            return None
        data = member.content.read(member.size)
        if data[:1] in (b'{', b'['):
            self._add(member.name, data)
        return data

    def configs(self) -> list[Config]:
        """Find the configurations of the image, one for each platform whose files are there.

        Raises InvalidImageError where the files are none of an image, or those of several.
        """
        # engines and skopeo write both; only the index knows of several platforms
        if 'index.json' in self._by_name:
            index = parse_json(self._by_name['index.json'], 'index.json')
            self._seen.clear()
            self._platforms.clear()
            if found := list({c.digest: c for c in self._in_index(index, depth=0)}.values()):
                return _one_image(found)
        if 'manifest.json' in self._by_name:
            return [self._in_manifest_json()]
        raise InvalidImageError(
            'no image found: this is not an OCI layout or `docker save` archive'
        )

    def index_architectures(self) -> tuple[str, ...]:
        """Give Charmhub's names of all that the index names, files or not. Raises as `configs`."""
        self.configs()
        return known_architectures(self._platforms)

    def _in_index(self, index: Any, depth: int) -> Iterator[Config]:
        if depth > MAX_NESTING:
            raise InvalidImageError('indexes are nested too deeply: no tool makes such an image')
        try:
            if 'manifests' in index:
                for descriptor in index['manifests']:
                    named = descriptor['digest']
                    # once each: indexes may name each other again and again
                    if is_attestation(descriptor) or named in self._seen:
                        continue
                    self._seen.add(named)
                    self._platforms.append(descriptor.get('platform') or {})
                    # an engine keeps only those manifests of an index whose platform it pulled
                    data = self._by_digest.get(named)
                    if data is not None:
                        yield from self._in_index(parse_json(data, 'a manifest'), depth + 1)
            elif index['config'].get('mediaType') in _CONFIG_TYPES:
                data = self._by_digest.get(index['config']['digest'])
                if data is not None:
                    yield Config.parse(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidImageError(
                f'a manifest or index lacks what it must have: {error}'
            ) from None

    def _in_manifest_json(self) -> Config:
        content = parse_json(self._by_name['manifest.json'], 'manifest.json')
        try:
            paths = list(dict.fromkeys(entry['Config'] for entry in content))
            names = [str(name) for entry in content for name in entry.get('RepoTags') or ()]
            if len(paths) > 1:
                raise InvalidImageError(
                    'the archive holds several images, save one alone'
                    + (f' of {", ".join(names)}' if names else '')
                )
            path = paths[0].removeprefix('./')
        except (KeyError, TypeError, AttributeError, IndexError):
            raise InvalidImageError('manifest.json names no image') from None
        if path not in self._by_name:
            raise InvalidImageError(f'manifest.json names {path!r}, which is not in the archive')
        config = Config.parse(self._by_name[path])
        named = _BLOB_NAME.fullmatch(path)
        if named and config.digest != f'sha256:{named[1]}':
            raise InvalidImageError(f'{path!r} has the digest {config.digest}: it was changed')
        return config


def is_attestation(descriptor: Any) -> bool:
    """Tell BuildKit's provenance and SBOMs, which no engine runs, from images."""
    if 'vnd.docker.reference.type' in (descriptor.get('annotations') or {}):
        return True
    return (descriptor.get('platform') or {}).get('os') == 'unknown'


def _one_image(configs: list[Config]) -> list[Config]:
    platforms = [json.dumps(config.platform, sort_keys=True) for config in configs]
    if len(set(platforms)) != len(platforms):
        raise InvalidImageError(
            'the archive holds several images for the same platform, save one alone: '
            + ', '.join(config.digest for config in configs)
        )
    return configs


def charmhub_architecture(system: str, architecture: str) -> str:
    """Translate an image's platform to Charmhub's. Raises InvalidImageError where it has none."""
    name = _CHARMHUB_ARCHITECTURES.get(architecture)
    if system != 'linux' or name is None:
        known = ', '.join(sorted(_CHARMHUB_ARCHITECTURES))
        raise InvalidImageError(
            f'the image is for {system}/{architecture}, where no charm runs; '
            f'build it for linux and one of {known}'
        )
    return name


def charmhub_architectures(configs: Iterable[Config]) -> tuple[str, ...]:
    """Give Charmhub's names of the platforms that have one, each once.

    Raises InvalidImageError where none has.
    """
    names, errors = [], []
    for config in configs:
        try:
            names.append(config.architecture)
        except InvalidImageError as error:
            errors.append(error)
    if not names and errors:
        raise errors[0]
    return tuple(dict.fromkeys(names))


def known_architectures(platforms: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give Charmhub's names of those platforms that have one, each once."""
    names = [
        _CHARMHUB_ARCHITECTURES.get(str(platform.get('architecture')))
        for platform in platforms
        if platform.get('os') == 'linux'
    ]
    return tuple(dict.fromkeys(name for name in names if name))


def digest(data: bytes) -> str:
    """Give the sha256:… of `data`."""
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def claimed_digest(name: str) -> str | None:
    """Give the digest that a file's name claims for its content, as blobs' names do."""
    found = _BLOB_NAME.fullmatch(name)
    return f'sha256:{found[1]}' if found else None


def parse_json(data: bytes, what: str) -> Any:
    """Parse JSON. Raises InvalidImageError, which calls it `what`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f'{what} is not JSON: {error}') from None
