"""An image in a container engine: its description and its export."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import re
import urllib.parse
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from charm_image import _concurrently, _errors
from charm_image._oci import images, tar

if TYPE_CHECKING:
    import docker

_TIMEOUT = 120
# with graph drivers, Docker Engine writes the export to its disk before it sends the first byte
_EXPORT_TIMEOUT = 3600
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest in an index; `available`: the engine has all its content."""

    platform: Mapping[str, Any]
    available: bool


@dataclasses.dataclass(frozen=True)
class LocalImage:
    """An image in the engine, for one platform unless `manifests` names more.

    `id` is the digest of its configuration; with containerd's image store, of its manifest or
    index. `repo_digests` are its digests in registries, `names` its references. `platform` is the
    operating system and architecture, as the engine names them. `size` is in bytes. `manifests`
    are those of an index, which Docker reports since version 28.
    """

    id: str
    repo_digests: tuple[str, ...]
    names: tuple[str, ...]
    platform: tuple[str, str]
    layers: tuple[str, ...]
    size: int
    manifests: tuple[Manifest, ...]
    _client: docker.APIClient = dataclasses.field(repr=False, compare=False)
    _read: list[images.Documents] = dataclasses.field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @property
    def diff_ids(self) -> frozenset[str]:
        """Digests of its uncompressed layers."""
        return frozenset(self.layers)

    @property
    def rootfs(self) -> tuple[tuple[str, ...], ...]:
        """Diff IDs of the layers of the platform that the engine reports, from the lowest up."""
        return (self.layers,)

    @property
    def remedy(self) -> str:
        """What to do if some of its content is missing, as may be in containerd's store."""
        how = f' (`docker pull {self.names[0]}`)' if self.names else ''
        return f'pull it again{how}, or build it again'

    @property
    def architectures(self) -> tuple[str, ...]:
        """Charmhub's name of its architecture. Raises InvalidImageError if there is none."""
        if self.platform == ('', ''):
            raise _errors.InvalidImageError(
                f'the engine has the image {self.id}, but its content is missing: {self.remedy}'
            )
        return (images.charmhub_architecture(*self.platform),)

    @property
    def index_architectures(self) -> tuple[str, ...]:
        """Charmhub's names of the architectures in its index; () if not known before reading."""
        if self.manifests:
            return images.known_architectures(m.platform for m in self.manifests)
        return self._read[-1].index_architectures() if self._read else ()

    def matches(self, configs: Sequence[images.Config]) -> bool:
        """Return whether these are configurations of this image, one for each platform."""
        return any(
            config.digest == self.id
            or (
                config.diff_ids == self.layers
                and (config.platform['os'], config.platform['architecture']) == self.platform
            )
            for config in configs
        )

    def holds(self, configs: Sequence[images.Config]) -> bool:
        """Return whether these are all platforms that the engine has now.

        `docker pull --platform` adds platforms to an index in containerd's store. If the engine
        does not report them, its export is read. Raises ImageError.
        """
        if any(config.digest == self.id for config in configs):
            return len(configs) == 1
        if not self.matches(configs):
            return False
        if self.manifests:
            present = {_normal(m.platform) for m in self.manifests if m.available}
            return present == {_normal(config.platform) for config in configs}
        if not self._read:
            collections.deque(self.members(), maxlen=0)
        return {c.digest for c in self._read[-1].configs()} == {c.digest for c in configs}

    def members(self) -> Generator[images.Member]:
        """Export the image and yield its files as they arrive. Raises ImageError."""
        documents = images.Documents()
        # an export without a blob ends like this
        hint = f". If a part of the image's content is missing in the engine, {self.remedy}"
        # read in a thread, so that no processor waits for another
        with contextlib.closing(_concurrently.with_ticks(_blocks(self._export()))) as blocks:
            chunks = (chunk for block in blocks if block for chunk in block)
            for member in tar.read(_Stream(chunks), hint):
                data = documents.add_member(member)
                yield member if data is None else member._replace(content=_Small(data))
        self._read[:] = [documents]

    def _export(self) -> Generator[bytes]:
        import requests
        import urllib3

        self._client.timeout = _EXPORT_TIMEOUT
        try:
            yield from self._client.get_image(self.id, _BLOCK)
        except _docker_errors().DockerException as error:
            raise _errors.EngineError(
                f'the engine cannot export the image: {explain_missing(error, self.remedy)}'
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _errors.EngineError(
                f'the engine stopped during the export of the image ({explain(error)}): '
                'check its log'
            ) from None


def inspect(client: docker.APIClient, digest: str) -> LocalImage:
    """Return the description of an image. Raises the errors of the SDK."""
    import requests

    name = urllib.parse.quote(digest, safe=':')
    reply = client.get(
        f'{client.base_url}/v{client.api_version}/images/{name}/json',
        # since API 1.48, ignored before; the SDK has no argument for it
        params={'manifests': 'true'},
        timeout=_TIMEOUT,
    )
    try:
        reply.raise_for_status()
    except requests.HTTPError as error:
        _docker_errors().create_api_error_from_http_exception(error)
    content = reply.json()
    return LocalImage(
        id=content['Id'],
        repo_digests=repo_digests(content),
        names=(*(content.get('RepoDigests') or ()), *(content.get('RepoTags') or ())),
        platform=(content.get('Os', ''), content.get('Architecture', '')),
        layers=tuple((content.get('RootFS') or {}).get('Layers') or ()),
        size=content.get('Size', 0),
        manifests=_manifests(content),
        _client=client,
    )


def repo_digests(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the digests in registries of an image that the engine describes."""
    found = (name.partition('@')[2] for name in summary.get('RepoDigests') or ())
    return tuple(dict.fromkeys(d for d in found if images.DIGEST.fullmatch(d)))


def _manifests(inspected: Mapping[str, Any]) -> tuple[Manifest, ...]:
    return tuple(
        Manifest((found.get('ImageData') or {}).get('Platform') or {}, bool(found['Available']))
        for found in inspected.get('Manifests') or ()
        if found.get('Kind') == 'image'
    )


def _normal(platform: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a platform without its default variant, as containerd does."""
    architecture, variant = str(platform.get('architecture')), str(platform.get('variant') or '')
    usual = {'amd64': 'v1', 'arm64': 'v8', 'arm': 'v7'}.get(architecture, '')
    return str(platform.get('os')), architecture, '' if variant == usual else variant


def explain(error: BaseException) -> str:
    """Return a short reason, without the wrapping of libraries."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
        if explanation := getattr(cause, 'explanation', None):
            return str(explanation).strip()
    return str(error)


def explain_missing(error: BaseException, remedy: str = 'pull or build it again') -> str:
    """Return a short reason, with what to do if containerd's store lacks a part of an image."""
    reason = explain(error)
    if re.search('(blob|content|manifest|layer).*not found', reason, re.DOTALL):
        return f"a part of the image's content is missing: {remedy} ({reason})"
    return reason


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and all errors that libraries have wrapped in it."""
    waiting: list[object] = [error]
    seen = set()
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, cause.__cause__, cause.__context__]


def _docker_errors() -> Any:
    import docker

    return docker.errors


def _blocks(chunks: Generator[bytes]) -> Generator[list[bytes]]:
    """Collect chunks in blocks of about 1 MiB: engines send 32 KiB at a time."""
    parts: list[bytes] = []
    size = 0
    with contextlib.closing(chunks):
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= _BLOCK:
                yield parts
                parts, size = [], 0
    if parts:
        yield parts


class _Stream:
    """Reads chunks of any size as one file."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = memoryview(b'')

    def read(self, size: int, /) -> bytes:
        return b''.join(self._parts(size))

    def skip(self, size: int, /) -> int:
        """Return how many of the next `size` bytes there were; copies none of them."""
        return sum(map(len, self._parts(size)))

    def _parts(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            part, self._rest = self._rest[:size], self._rest[size:]
            yield part
            size -= len(part)


class _Small(io.BytesIO):
    """The content of a small file, which was read."""

    def skip(self, size: int, /) -> None:
        self.seek(size, io.SEEK_CUR)
