"""What an OCI image is, at each of its sources: configurations and files.

See the OCI image specification 1.1.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from charm_image import _errors
from charm_image._oci import digests, platforms
from container_image import messages

#: The limit of registries for a manifest, and ours for any JSON file of an image.
MAX_DOCUMENT_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True)
class Blob:
    """The descriptor of a blob in a registry. `size` is in bytes."""

    digest: str
    size: int


class Content(Protocol):
    """Bytes that are read once, from start to end."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes; fewer only at the end."""


class FileContent(Content, Protocol):
    """Bytes of which some need not be read."""

    def skip(self, size: int, /) -> object:
        """Skip the next `size` bytes."""


class File(NamedTuple):
    """A file of an image; its content can be read until the next file is requested."""

    name: str
    size: int
    content: FileContent


class Config(NamedTuple):
    """The configuration of an image for one platform, unchanged from its source.

    `platform` is as in an index, with the usual names. `names_platform`: the configuration itself
    names the architecture.
    """

    data: bytes
    diff_ids: tuple[str, ...]
    platform: dict[str, Any]
    names_platform: bool = True

    @classmethod
    def parse(cls, data: bytes, index: Mapping[str, Any] | None = None) -> Config:
        """Parse a configuration; `index` is its platform in an index, which may be all there is.

        Raises InvalidImageError.
        """
        content = parse_json(data, 'the image configuration')
        try:
            diff_ids = tuple(content['rootfs']['diff_ids'] or ())
            named = bool(content.get('architecture'))
            platform = _platform(content if named else {**content, **(index or {})})
            valid = all(map(digests.is_digest, diff_ids))
        except (KeyError, TypeError, AttributeError):
            valid = False
        if not valid:
            raise _errors.InvalidImageError(
                'the image configuration lacks layers, or has invalid ones: this is not a valid '
                'OCI image'
            )
        if platform is None:
            raise _errors.InvalidImageError(
                'neither the image configuration nor an index names an architecture',
                'build the image again with --platform',
            )
        return cls(data, diff_ids, platform, named)

    @property
    def digest(self) -> str:
        """sha256:…, which Docker and podman call the image's ID."""
        return digest(self.data)


class Contents(NamedTuple):
    """What an image consists of.

    `configs` are its configurations, one for each platform whose files its source has; `platforms`
    are all in its index, as it names them, those whose files are missing included.
    """

    configs: tuple[Config, ...]
    platforms: tuple[Mapping[str, Any], ...] = ()


class Image(Protocol):
    """An image at its source: an engine, a file on disk, or a registry.

    `engine.Engine.find`, `archives.open` and `remote_image.Source.read` return one.
    """

    @property
    def id(self) -> str:
        """Its digest at the source: that of its configuration, manifest or index."""

    @property
    def size(self) -> int | None:
        """The approximate size of its files in bytes; None if not known."""

    @property
    def diff_ids_by_platform(self) -> Sequence[Sequence[str]]:
        """Diff IDs of the layers of each platform that it certainly has, from the lowest up."""

    def contents(self) -> Contents:
        """Return its configurations. Raises ImageError.

        An engine exports the whole image for that.
        """

    def files(self) -> Generator[File]:
        """Yield its files, in the order of the source. Raises ImageError."""


def _platform(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a platform as an index names it, None without an architecture.

    Some tools write the names of uname or Debian, which no node looks for.
    """
    if (usual := platforms.Platform.of(content)) is None:
        return None
    names: dict[str, Any] = {'architecture': usual.architecture, 'os': usual.system}
    for key in ('os.version', 'os.features', 'variant'):
        if content.get(key):
            names[key] = content[key]
    if usual.variant:
        names.setdefault('variant', usual.variant)
    return names


def digest(data: bytes) -> str:
    """Return the sha256 digest of `data`."""
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def digest_of(content: Content) -> str:
    """Return the sha256 digest of the rest of `content`."""
    hash_ = hashlib.sha256()
    while block := content.read(1 << 20):
        hash_.update(block)
    return f'sha256:{hash_.hexdigest()}'


def parse_json(data: bytes, what: str) -> Any:
    """Parse JSON. Raises InvalidImageError with `what` as its name."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _errors.InvalidImageError(
            f'{messages.printable(what)} is not JSON: {error}'
        ) from None
