"""An image in a container engine, as the engine tells it and as it exports it."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import queue
import re
import threading
import urllib.parse
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from charm_image.image import images, tar

if TYPE_CHECKING:
    import docker

_TIMEOUT = 120
# Docker Engine's graph drivers write the whole export to the engine's disk before its first byte
_EXPORT_TIMEOUT = 3600
_BLOCK = 1 << 20
_BLOCKS_AHEAD = 8


class EngineError(images.ImageError):
    """The engine can't be reached, or can't do what it is asked."""


class ContextNotFound(EngineError):
    """There is no docker context of that name."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest of an index, and whether the engine has all that it names."""

    platform: Mapping[str, Any]
    available: bool


@dataclasses.dataclass(frozen=True)
class LocalImage:
    """An image in the engine, which is one for one platform where nothing else is said.

    `id` is the digest of its configuration; with containerd's image store, of its manifest or
    index. `repo_digests` are the digests under which registries have it, `names` its references.
    `platform` is system and architecture as the engine calls them. `size` is in bytes. `manifests`
    are those of an index, which Docker 28 and later tells.
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
        """Diff IDs of the layers of the platform that the engine tells, from the lowest up."""
        return (self.layers,)

    @property
    def remedy(self) -> str:
        """What to do where some of its content is missing, as in containerd's store."""
        how = f' (`docker pull {self.names[0]}`)' if self.names else ''
        return f'pull it again{how}, or build it again'

    @property
    def architectures(self) -> tuple[str, ...]:
        """Charmhub's name of its architecture. Raises InvalidImageError for one without."""
        if self.platform == ('', ''):
            raise images.InvalidImageError(
                f'the engine has the image {self.id}, but its content is missing; {self.remedy}'
            )
        return (images.charmhub_architecture(*self.platform),)

    @property
    def index_architectures(self) -> tuple[str, ...]:
        """Charmhub's names of what its index names; () where only reading it could tell."""
        if self.manifests:
            return images.known_architectures(m.platform for m in self.manifests)
        return self._read[-1].index_architectures() if self._read else ()

    def matches(self, configs: Sequence[images.Config]) -> bool:
        """Tell whether these are configurations of this image, one for each platform."""
        return any(
            config.digest == self.id
            or (
                config.diff_ids == self.layers
                and (config.platform['os'], config.platform['architecture']) == self.platform
            )
            for config in configs
        )

    def holds(self, configs: Sequence[images.Config]) -> bool:
        """Tell whether these are all the platforms that the engine has now.

        An index in containerd's store gets further ones by `docker pull --platform`. Where the
        engine doesn't tell, its export is read. Raises ImageError.
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
        """Let the engine export the image, and read that as it comes. Raises ImageError."""
        documents = images.Documents()
        # so ends an export for which the engine lacks a blob
        hint = f". If a part of the image's content is missing in the engine, {self.remedy}"
        with contextlib.closing(_ahead(self._export())) as blocks:
            for member in tar.read(_Stream(blocks), hint):
                data = documents.add_member(member)
                yield member if data is None else member._replace(content=io.BytesIO(data))
        self._read[:] = [documents]

    def _export(self) -> Generator[bytes]:
        import requests
        import urllib3

        self._client.timeout = _EXPORT_TIMEOUT
        try:
            yield from self._client.get_image(self.id, _BLOCK)
        except _docker_errors().DockerException as error:
            raise EngineError(
                f'the engine cannot export the image: {explain_missing(error, self.remedy)}'
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise EngineError(
                f'the engine stopped in the middle of exporting the image ({explain(error)}); '
                'its log may say why'
            ) from None


def inspect(client: docker.APIClient, digest: str) -> LocalImage:
    """Ask the engine about an image. Raises what the SDK raises."""
    import requests

    name = urllib.parse.quote(digest, safe=':')
    reply = client.get(
        f'{client.base_url}/v{client.api_version}/images/{name}/json',
        # since API 1.48, others ignore it; the SDK has no argument for it
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
    """Give the digests under which registries have what the engine tells about."""
    found = (name.partition('@')[2] for name in summary.get('RepoDigests') or ())
    return tuple(dict.fromkeys(d for d in found if images.DIGEST.fullmatch(d)))


def _manifests(inspected: Mapping[str, Any]) -> tuple[Manifest, ...]:
    return tuple(
        Manifest((found.get('ImageData') or {}).get('Platform') or {}, bool(found['Available']))
        for found in inspected.get('Manifests') or ()
        if found.get('Kind') == 'image'
    )


def _normal(platform: Mapping[str, Any]) -> tuple[str, str, str]:
    """Give a platform as containerd does, which leaves out the usual variant."""
    architecture, variant = str(platform.get('architecture')), str(platform.get('variant') or '')
    usual = {'amd64': 'v1', 'arm64': 'v8', 'arm': 'v7'}.get(architecture, '')
    return str(platform.get('os')), architecture, '' if variant == usual else variant


def explain(error: BaseException) -> str:
    """Say in few words why, without the layers of libraries that it came through."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
        if explanation := getattr(cause, 'explanation', None):
            return str(explanation).strip()
    return str(error)


def explain_missing(error: BaseException, remedy: str = 'pull or build it again') -> str:
    """Say why, and what to do if it is that containerd's store lacks a part of an image."""
    reason = explain(error)
    if re.search('(blob|content|manifest|layer).*not found', reason, re.DOTALL):
        return f"a part of the image's content is missing: {remedy} ({reason})"
    return reason


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error, and all that libraries wrapped into it."""
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


def _ahead(chunks: Generator[bytes]) -> Generator[bytes]:
    """Read chunks in a thread, some MiB ahead, so that no processor waits for another.

    Closing it closes `chunks` as soon as the thread comes back from them.
    """
    ready: queue.Queue[bytes | BaseException] = queue.Queue(_BLOCKS_AHEAD)
    closed = threading.Event()

    def put(item: bytes | BaseException) -> None:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                pass

    def read() -> None:
        block = bytearray()
        try:
            with contextlib.closing(chunks):
                for chunk in chunks:
                    block += chunk  # engines send 32 KiB at a time
                    if len(block) >= _BLOCK:
                        put(bytes(block))
                        block.clear()
                    if closed.is_set():
                        return
            put(bytes(block))
            put(b'')
        except BaseException as error:
            put(error)

    threading.Thread(target=read, name='export', daemon=True).start()
    try:
        while block := ready.get():
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        closed.set()


class _Stream:
    """Chunks of any size, read as one file."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = memoryview(b'')

    def read(self, size: int, /) -> bytes:
        parts: list[memoryview] = []
        while size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            part, self._rest = self._rest[:size], self._rest[size:]
            parts.append(part)
            size -= len(part)
        return b''.join(parts)
