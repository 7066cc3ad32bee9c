"""OCI images from an engine or a file on disk: a series of files, recognized by their contents.

An image consists of its configuration and the layers that it names; archives in every layout
contain both, under different file names. See the OCI image specification 1.1, and moby's image
specification 1.2 for the exports of Docker and podman.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from charm_image import _errors

DIGEST = re.compile(r'sha256:[0-9a-f]{64}')

#: The maximum size of a JSON file in bytes: the limit of registries for a manifest.
DOCUMENT_SIZE = 4 << 20

#: The maximum nesting of indexes.
MAX_NESTING = 4

_DOCUMENTS_SIZE = 16 << 20
_BLOB_NAME = re.compile(r'(?:\./)?(?:blobs/sha256/)?([0-9a-f]{64})(?:\.tar|\.json)?')
_CONFIG_TYPES = {
    'application/vnd.docker.container.image.v1+json',
    'application/vnd.oci.image.config.v1+json',
}

# Charmhub uses Debian's names of architectures, images use Go's
_CHARMHUB_ARCHITECTURES = {
    '386': 'i386',
    'amd64': 'amd64',
    'arm': 'armhf',
    'arm64': 'arm64',
    'ppc64le': 'ppc64el',
    'riscv64': 'riscv64',
    's390x': 's390x',
}


@dataclasses.dataclass(frozen=True)
class Blob:
    """The descriptor of a blob in a registry. `size` is in bytes."""

    digest: str
    size: int


class Content(Protocol):
    """Bytes that are read once, from start to end."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes; fewer only at the end."""


class MemberContent(Content, Protocol):
    """Bytes of which some need not be read."""

    def skip(self, size: int, /) -> object:
        """Skip the next `size` bytes."""


class Member(NamedTuple):
    """A file of an image; its content can be read until the next member is requested."""

    name: str
    size: int
    content: MemberContent


class Image(Protocol):
    """An image and its source: an engine, or a file on disk."""

    @property
    def id(self) -> str:
        """Its digest at the source: that of its configuration, manifest or index."""

    @property
    def size(self) -> int | None:
        """The approximate size of its files in bytes; None if not known."""

    @property
    def diff_ids(self) -> frozenset[str]:
        """Digests of the uncompressed layers that it certainly has."""

    @property
    def rootfs(self) -> Sequence[Sequence[str]]:
        """Diff IDs of the layers of each known platform, from the lowest up."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """Charmhub's names of its architectures, as far as its source reports them.

        Raises InvalidImageError if no charm can run it.
        """

    @property
    def index_architectures(self) -> tuple[str, ...]:
        """Charmhub's names of all architectures in its index, as far as known.

        The files of some of them may be missing at its source.
        """

    @property
    def remedy(self) -> str:
        """What to do if some of its files are missing, in the imperative."""

    def matches(self, configs: Sequence[Config]) -> bool:
        """Return whether these are configurations of this image, one for each platform."""

    def holds(self, configs: Sequence[Config]) -> bool:
        """Return whether these are all platforms that its source has now. Raises ImageError."""

    def members(self) -> Generator[Member]:
        """Yield its files. Raises ImageError."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of an image for one platform, unchanged from its source."""

    data: bytes
    diff_ids: tuple[str, ...]
    platform: dict[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> Config:
        """Parse a configuration. Raises InvalidImageError."""
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
            raise _errors.InvalidImageError(
                'the image configuration lacks the architecture, operating system or layers: '
                'this is not a valid OCI image'
            )
        return cls(data, diff_ids, platform)

    @property
    def digest(self) -> str:
        """sha256:…, which Docker and podman call the image's ID."""
        return digest(self.data)

    @property
    def architecture(self) -> str:
        """Charmhub's name of the architecture. Raises InvalidImageError if there is none."""
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
            raise _errors.InvalidImageError(
                f'the archive contains two different files named {name!r}'
            )
        self._size += len(name) + len(data)
        if self._size > _DOCUMENTS_SIZE:
            raise _errors.InvalidImageError(
                f'the archive contains more than {_DOCUMENTS_SIZE >> 20} MiB of JSON'
            )
        self._by_digest[digest(data)] = data

    def add_member(self, member: Member) -> bytes | None:
        """Return the content of a small file, None for a large one; keep it if it may be JSON.

        Raises InvalidImageError if there is too much JSON, or two files have the same name.
        """
        if member.size > DOCUMENT_SIZE:
            return None
        data = member.content.read(member.size)
        if data[:1] in (b'{', b'['):
            self._add(member.name, data)
        return data

    def config(self, named: str) -> Config | None:
        """Return the configuration with this digest; None if it was not read, or is none."""
        with contextlib.suppress(KeyError, _errors.InvalidImageError):
            return Config.parse(self._by_digest[named])
        return None

    def configs(self) -> list[Config]:
        """Return the configurations of the image, one for each platform whose files exist.

        Raises InvalidImageError if the files do not belong to exactly one image.
        """
        # engines and skopeo write both files; only the index names several platforms
        if 'index.json' in self._by_name:
            index = parse_json(self._by_name['index.json'], 'index.json')
            self._seen.clear()
            self._platforms.clear()
            if found := list({c.digest: c for c in self._in_index(index, depth=0)}.values()):
                return _one_image(found)
        if 'manifest.json' in self._by_name:
            return [self._in_manifest_json()]
        raise _errors.InvalidImageError(
            'no image found: this is not an OCI layout or `docker save` archive'
        )

    def index_architectures(self) -> tuple[str, ...]:
        """Return Charmhub's names of all architectures in the index. Raises as `configs`."""
        self.configs()
        return known_architectures(self._platforms)

    def _in_index(self, index: Any, depth: int) -> Iterator[Config]:
        if depth > MAX_NESTING:
            raise _errors.InvalidImageError('indexes are nested too deeply')
        try:
            if 'manifests' in index:
                for descriptor in index['manifests']:
                    named = descriptor['digest']
                    # once each: indexes may refer to each other
                    if is_attestation(descriptor) or named in self._seen:
                        continue
                    self._seen.add(named)
                    self._platforms.append(descriptor.get('platform') or {})
                    # an engine has only the manifests of the platforms that it pulled
                    data = self._by_digest.get(named)
                    if data is not None:
                        yield from self._in_index(parse_json(data, 'a manifest'), depth + 1)
            elif index['config'].get('mediaType') in _CONFIG_TYPES:
                data = self._by_digest.get(index['config']['digest'])
                if data is not None:
                    yield Config.parse(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise _errors.InvalidImageError(
                f'a manifest or index is not valid: it lacks {error}'
            ) from None

    def _in_manifest_json(self) -> Config:
        content = parse_json(self._by_name['manifest.json'], 'manifest.json')
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
        config = Config.parse(self._by_name[path])
        named = _BLOB_NAME.fullmatch(path)
        if named and config.digest != f'sha256:{named[1]}':
            raise _errors.InvalidImageError(f'{path!r} is damaged: its digest is {config.digest}')
        return config


def is_attestation(descriptor: Any) -> bool:
    """Return whether a descriptor is of BuildKit's provenance or SBOM, not of an image."""
    if 'vnd.docker.reference.type' in (descriptor.get('annotations') or {}):
        return True
    return (descriptor.get('platform') or {}).get('os') == 'unknown'


def _one_image(configs: list[Config]) -> list[Config]:
    platforms = [json.dumps(config.platform, sort_keys=True) for config in configs]
    if len(set(platforms)) != len(platforms):
        raise _errors.InvalidImageError(
            'the archive contains several images for the same platform: save only one of '
            + ', '.join(config.digest for config in configs)
        )
    return configs


def charmhub_architecture(system: str, architecture: str) -> str:
    """Return Charmhub's name of an architecture. Raises InvalidImageError if there is none."""
    name = _CHARMHUB_ARCHITECTURES.get(architecture)
    if system != 'linux' or name is None:
        known = ', '.join(sorted(_CHARMHUB_ARCHITECTURES))
        raise _errors.InvalidImageError(
            f'the image is for {system}/{architecture}, which charms do not support: '
            f'build it for linux on one of {known}'
        )
    return name


def charmhub_architectures(configs: Iterable[Config]) -> tuple[str, ...]:
    """Return Charmhub's names of the architectures that have one, each once.

    Raises InvalidImageError if none has.
    """
    names, errors = [], []
    for config in configs:
        try:
            names.append(config.architecture)
        except _errors.InvalidImageError as error:
            errors.append(error)
    if not names and errors:
        raise errors[0]
    return tuple(dict.fromkeys(names))


def known_architectures(platforms: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return Charmhub's names of the architectures that have one, each once."""
    names = [
        _CHARMHUB_ARCHITECTURES.get(str(platform.get('architecture')))
        for platform in platforms
        if platform.get('os') == 'linux'
    ]
    return tuple(dict.fromkeys(name for name in names if name))


def digest(data: bytes) -> str:
    """Return the sha256 digest of `data`."""
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def claimed_digest(name: str) -> str | None:
    """Return the digest in a file's name, as in the names of blobs; None without one."""
    found = _BLOB_NAME.fullmatch(name)
    return f'sha256:{found[1]}' if found else None


def parse_json(data: bytes, what: str) -> Any:
    """Parse JSON. Raises InvalidImageError with `what` as its name."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _errors.InvalidImageError(f'{what} is not JSON: {error}') from None
