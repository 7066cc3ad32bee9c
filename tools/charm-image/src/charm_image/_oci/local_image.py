"""An image in a container engine: its description and its export."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import urllib.parse
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from charm_image import _errors, _texts
from charm_image._oci import digests, images, platforms
from container_image import messages

if TYPE_CHECKING:
    import docker
    import requests

    from charm_image._oci import engine_push

#: The time-out of requests in seconds.
TIMEOUT = 120
# with graph drivers, Docker Engine writes the export to its disk before it sends the first byte
_EXPORT_TIMEOUT = 3600
_BLOCK = 1 << 20


class Variant(NamedTuple):
    """An image for one platform that an index names; `available`: the engine has its content."""

    platform: Mapping[str, Any]
    available: bool


@dataclasses.dataclass(frozen=True)
class LocalImage:
    """An image in the engine, for one platform unless `variants` names more.

    `id` is the digest of its configuration; with containerd's image store, of its manifest or
    index. `repo_digests` are its digests in registries, `names` its references. `platform` is the
    operating system and architecture, '' where the engine does not know them, `diff_ids` are of
    its layers. `size` is in bytes. `variants` are those of an index, which Docker reports since
    version 28.
    """

    id: str
    repo_digests: tuple[str, ...]
    names: tuple[str, ...]
    platform: tuple[str, str]
    diff_ids: tuple[str, ...]
    size: int
    variants: tuple[Variant, ...]
    _client: docker.APIClient = dataclasses.field(repr=False, compare=False)
    _host: str = dataclasses.field(default='', repr=False, compare=False)

    @property
    def diff_ids_by_platform(self) -> tuple[tuple[str, ...], ...]:
        """Diff IDs of the layers of the platform that the engine reports, from the lowest up."""
        return (self.diff_ids,)

    def default_platform(self) -> dict[str, str]:
        """Return the platform, as in an index, if neither the image nor an index names one.

        That is the engine's own, as which it runs such an image. Raises EngineError.
        """
        system, architecture = self.platform
        if not architecture:
            try:
                version = get(self._client, '/version').json()
            except sdk_errors() as error:
                raise _errors.EngineError(
                    f'the engine did not report its platform ({explain(error)})'
                ) from None
            system, architecture = version['Os'].lower(), version['Arch'].lower()
        return {'os': system, 'architecture': architecture}

    @property
    def hint(self) -> str:
        """What to do if some of its content is missing, as may be in containerd's store."""
        how = f' (`docker pull {_texts.word(self.names[0])}`)' if self.names else ''
        return f'pull it again{how}, or build it again'

    def contents(self) -> images.Contents:
        """Return its configurations, from a push or an export. Raises ImageError."""
        from charm_image._oci import documents

        platform = self.default_platform()
        with contextlib.suppress(_errors.ImageError, *sdk_errors()):
            pusher = self._pusher()
            if pusher and pusher.kind == 'containerd':
                return documents.read(pusher.documents(self.id), platform)
        return documents.read(self.files(), platform)

    def files(self) -> Generator[images.File]:
        """Export the image and yield its files as they arrive. Raises ImageError."""
        from charm_image import _concurrently
        from charm_image._oci import tar

        # an export without a blob ends early
        hint = f"If a part of the image's content is missing in the engine, {self.hint}"
        # read in a thread, so that no processor waits for another
        with contextlib.closing(_concurrently.with_ticks(_blocks(self._export()))) as blocks:
            chunks = (chunk for block in blocks if block for chunk in block)
            yield from tar.read(_Stream(chunks), hint)

    def new_files(
        self, known: Callable[[str], images.Blob | None]
    ) -> tuple[int, Generator[images.File]] | None:
        """Return at most how many bytes its new layers have, and its files without the others.

        `known` finds the blob of a layer by its diff ID, or by the digest of its blob here. None
        if an export is the better way, or the only one. Reading the files may raise ImageError
        where `files` would not; those of `known` are raised, too.
        """
        from charm_image._oci import engine_push

        try:
            pusher = self._pusher()
            if not pusher or not self.diff_ids:
                return None
            first = next(
                (n for n, diff_id in enumerate(self.diff_ids) if not known(diff_id)),
                len(self.diff_ids),
            )
            history = get(self._client, f'/images/{self.id}/history').json() or ()
            total = len(self.diff_ids)
            size = engine_push.size_of_new(history, total - first, total, self.size)
            if not first or not pusher.is_faster(size, self.size):
                return None
            if pusher.kind == 'containerd':
                pusher.remove_leftovers()
        except sdk_errors():
            return None

        def size_of(digest: str) -> int | None:
            blob = known(digest)
            return blob.size if blob else None

        return size, pusher.files(self.id, size_of)

    def _pusher(self) -> engine_push.Pusher | None:
        """Return the engine if it can push the image."""
        from charm_image._oci import engine_push

        pusher = engine_push.find(self._client, self._host)
        # a push names it in Docker, and to remove the last name of an image is to remove the image
        return pusher if pusher and (self.names or pusher.kind == 'podman') else None

    def _export(self) -> Generator[bytes]:
        import requests
        import urllib3

        try:
            yield from export(self._client, self.id, _EXPORT_TIMEOUT)
        except _docker_errors().DockerException as error:
            raise _errors.EngineError(
                f'the engine cannot export the image: {explain_missing(error, self.hint)}'
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _errors.EngineError(
                f'the engine stopped during the export of the image ({explain(error)})',
                'check its log',
            ) from None


def get(client: docker.APIClient, path: str, **options: Any) -> requests.Response:
    """Send a GET request to the engine, below its API version. Raises the errors of the SDK.

    `options` are those of requests, which few methods of the SDK take.
    """
    import requests

    response = client.get(
        f'{client.base_url}/v{client.api_version}{path}', **{'timeout': TIMEOUT, **options}
    )
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        _docker_errors().create_api_error_from_http_exception(error)
    return response


def describe(client: docker.APIClient, image: str, **parameters: str) -> dict[str, Any] | None:
    """Return what the engine says of an image, by its name or ID; None if it has none.

    `parameters` are those of Docker's API. Raises the errors of the SDK.
    """
    path = f'/images/{urllib.parse.quote(image, safe="/:@")}/json'
    try:
        description: dict[str, Any] = get(client, path, params=parameters).json()
    except _docker_errors().NotFound:
        return None
    return description


def export(client: docker.APIClient, image: str, timeout: float | None) -> Generator[bytes]:
    """Yield the archive that `docker save` writes, in chunks. Raises the errors of the SDK.

    `timeout` is for each wait, in seconds: with graph drivers, Docker Engine writes the archive to
    its disk before it sends the first byte.
    """
    name = urllib.parse.quote(image, safe='/:@')
    with get(client, f'/images/{name}/get', stream=True, timeout=timeout) as response:
        yield from response.iter_content(_BLOCK)


def inspect(client: docker.APIClient, digest: str, host: str = '') -> LocalImage:
    """Return the description of an image in the engine at `host`. Raises the errors of the SDK."""
    name = urllib.parse.quote(digest, safe=':')
    # since API 1.48, ignored before
    content = get(client, f'/images/{name}/json', params={'manifests': 'true'}).json()
    return LocalImage(
        id=content['Id'],
        repo_digests=repo_digests(content),
        names=(*(content.get('RepoDigests') or ()), *(content.get('RepoTags') or ())),
        platform=_platform(content),
        diff_ids=tuple((content.get('RootFS') or {}).get('Layers') or ()),
        size=content.get('Size', 0),
        variants=_variants(content),
        _client=client,
        _host=host,
    )


def _platform(inspected: Mapping[str, Any]) -> tuple[str, str]:
    if platform := platforms.Platform.of(inspected):
        return platform.system, platform.architecture
    return str(inspected.get('Os') or ''), ''


def repo_digests(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the digests in registries of an image that the engine describes."""
    found = (name.partition('@')[2] for name in summary.get('RepoDigests') or ())
    return tuple(dict.fromkeys(filter(digests.is_digest, found)))


def _variants(inspected: Mapping[str, Any]) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            (manifest.get('ImageData') or {}).get('Platform') or {}, bool(manifest['Available'])
        )
        for manifest in inspected.get('Manifests') or ()
        if manifest.get('Kind') == 'image'
    )


def explain(error: BaseException) -> str:
    """Return a short reason, without the wrapping of libraries."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return messages.printable(cause.strerror)
        if explanation := getattr(cause, 'explanation', None):
            return messages.printable(str(explanation).strip())
    return messages.printable(str(error))


def explain_missing(error: BaseException, hint: str = 'pull or build it again') -> str:
    """Return a short reason, with what to do if containerd's store lacks a part of an image."""
    reason = explain(error)
    if re.search('(blob|content|manifest|layer).*not found', reason, re.DOTALL):
        return f"a part of the image's content is missing: {hint} ({reason})"
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


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the SDK."""
    import requests

    return _docker_errors().DockerException, requests.RequestException, OSError


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
