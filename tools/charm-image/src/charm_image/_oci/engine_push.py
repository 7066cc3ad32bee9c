"""The files of an image in an engine on this machine, without the layers that need not be sent.

podman and Docker with containerd's store push them to a registry in this process. Docker with a
graph driver is not asked: it sends every layer that it built, compressed by one thread. (To end
that by an early answer makes dockerd 28.5 panic: it takes a digest that it still computes.) An
engine that cannot reach this process's 127.0.0.1 says so within milliseconds.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from charm_image import _errors
from charm_image._oci import images, layers, receiver, tar

if TYPE_CHECKING:
    import docker

_TAG = 'charm-upload'
_LEFT = re.compile(rf'127\.0\.0\.1:([0-9]+)/[0-9a-f]{{32}}:{_TAG}')
_HEAD_BYTES = 1 << 10
_BLOCK_BYTES = 1 << 16
_SNAPSHOTTER = 'io.containerd.snapshotter.v1'
_CONNECT_SECONDS, _SILENCE_SECONDS = 10, 120
_END_SECONDS = 10
# the largest share of an image that a push sends faster than an export: podman compresses with
# one thread for each layer, containerd's store sends blobs as they are (2 processors, 200 MB)
_FASTER_SHARE = {'podman': 0.2, 'containerd': 0.6}


def size_of_new(history: Sequence[Mapping[str, Any]], layers: int, total: int, size: int) -> int:
    """Return about how many bytes the uppermost `layers` of an image have, at most.

    The image has `total` layers and `size` bytes. `history` is the engine's, from the newest down:
    its entries without a size have no layer. Some images have none.
    """
    sizes = [size for entry in history if (size := int(entry.get('Size') or 0))]
    return sum(sizes[:layers]) if len(sizes) >= layers else size * layers // total


def has_containerds_store(client: docker.APIClient) -> bool:
    """Return whether Docker keeps images in containerd's store. Raises the errors of the SDK."""
    return ['driver-type', _SNAPSHOTTER] in (client.info().get('DriverStatus') or [])


@dataclasses.dataclass(frozen=True)
class Pusher:
    """An engine on this machine that can push to this process.

    `host` is its address; `kind` is how it keeps layers, 'podman' or 'containerd'; `version` is
    that of podman's own API.
    """

    client: docker.APIClient
    host: str
    kind: str
    version: str = ''

    def is_faster(self, new: int, size: int) -> bool:
        """Return whether it pushes `new` of `size` bytes faster than it exports all."""
        return new <= size * _FASTER_SHARE[self.kind]

    def files(self, image: str, known: Callable[[str], int | None]) -> Generator[images.File]:
        """Yield the layers of an image that are not known, then its documents, as an OCI layout.

        `image` is its ID. `known` returns the size in bytes of the blob of a layer that need not
        be sent, by its diff ID or the digest of its blob at the source; None if it must be sent.
        The size of a layer is not known before it was read. Nothing stays in the engine, not even
        if this ends early. Raises EngineError if the engine cannot push it.
        """
        with receiver.Receiver(known) as registry:
            push = _Push(self, image, registry)
            try:
                for upload in registry.uploads():
                    head = upload.read(_HEAD_BYTES)
                    if head[:1] == b'{':
                        yield _document(head + upload.read(images.MAX_DOCUMENT_BYTES))
                    else:
                        name = _name(upload.digest) if upload.digest else ''
                        content = layers.Prefixed(head, upload)
                        yield images.File(name, images.MAX_DOCUMENT_BYTES + 1, content)
                    while upload.read(_BLOCK_BYTES):  # whoever leaves a rest would wait for ever
                        pass
            except BaseException:
                push.cancel()
                raise
            finally:
                registry.stop()
                push.wait()
            if push.error:
                raise _errors.EngineError(f'the engine cannot push the image: {push.error}')
            yield from _documents(registry.manifests, image if self.kind == 'containerd' else '')

    def documents(self, image: str) -> Generator[images.File]:
        """Yield only the documents of an image in containerd's store. Raises as `files`."""
        configs = set()
        for manifest in self.files(image, lambda digest: 1):
            content = images.parse_json(manifest.content.read(manifest.size), 'a manifest')
            with contextlib.suppress(KeyError, TypeError):  # an index has none
                configs.add(content['config']['digest'])
        yield from self.files(image, lambda digest: None if digest in configs else 1)

    def remove_leftovers(self) -> None:
        """Remove the names that a push left in Docker if this program was killed at that time.

        Without a different name, an image would go with the last one: such a name stays.
        """
        for summary in self.client.images(filters={'reference': f'127.0.0.1:*/*:{_TAG}'}):
            image = self.client.inspect_image(summary['Id'])  # type: ignore[no-untyped-call]
            names = image.get('RepoTags') or []
            left = [
                name for name in names if (found := _LEFT.fullmatch(name)) and _is_left(found[1])
            ]
            if len(left) < len(names):
                for name in left:
                    self.client.remove_image(name, noprune=True)


def find(client: docker.APIClient, host: str) -> Pusher | None:
    """Return the engine at the address `host`, None if it cannot push to us.

    On a different machine, 127.0.0.1 is not ours. Raises the errors of the SDK.
    """
    if not host.startswith('unix://'):
        return None
    ping = client.get(f'{client.base_url}/_ping', timeout=_CONNECT_SECONDS)
    if version := ping.headers.get('Libpod-API-Version'):
        return Pusher(client, host, 'podman', version)
    return Pusher(client, host, 'containerd') if has_containerds_store(client) else None


def _documents(manifests: list[receiver.Manifest], digest: str) -> Iterator[images.File]:
    """Yield the documents of a layout; `digest` is that of its root, if the image's ID is one."""
    root = manifests[-1] if manifests else None
    if root is None or digest not in ('', images.digest(root.data)):
        raise _errors.EngineError('the engine pushed a different image, or a part of it')
    for manifest in manifests:
        yield _document(manifest.data)
    descriptor = {
        'mediaType': root.media_type,
        'digest': images.digest(root.data),
        'size': len(root.data),
    }
    yield _document(json.dumps({'manifests': [descriptor]}).encode(), 'index.json')


def _name(digest: str) -> str:
    return f'blobs/sha256/{digest.removeprefix("sha256:")}'


def _document(data: bytes, name: str = '') -> images.File:
    return tar.document(name or _name(images.digest(data)), data)


class _EngineConnection(http.client.HTTPConnection):
    """A connection to an engine on this machine that a different thread can end."""

    def __init__(self, path: str):
        super().__init__('localhost', timeout=_SILENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def cancel(self) -> None:
        """Hang up: the engine then ends what it does."""
        with contextlib.suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


class _Push:
    """A push that the engine is asked for in a thread; `error` is '' if it succeeded."""

    def __init__(self, pusher: Pusher, image: str, registry: receiver.Receiver):
        self._pusher = pusher
        self._connection = _EngineConnection(pusher.host.removeprefix('unix://'))
        self._image = image
        self._registry = registry
        self.error = ''
        self._thread = threading.Thread(target=self._run, name='push', daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the push early."""
        self._connection.cancel()

    def wait(self) -> None:
        """Wait until the engine is done, and has no name of the push any more."""
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self.error = 'the engine does not end its push'

    def _run(self) -> None:
        import docker
        import requests

        try:
            self.error = self._by_podman() if self._pusher.kind == 'podman' else self._by_docker()
        except (
            docker.errors.DockerException,
            requests.RequestException,
            http.client.HTTPException,
            OSError,
        ) as error:
            self.error = str(error) or type(error).__name__
        finally:
            self._registry.stop()

    def _by_podman(self) -> str:
        return self._ask(
            f'/v{self._pusher.version}/libpod/images/{self._image}/push',
            {'destination': f'docker://{self._registry.name}:{_TAG}', 'tlsVerify': 'false'},
        )

    def _by_docker(self) -> str:
        client, name = self._pusher.client, self._registry.name
        client.tag(self._image, name, _TAG)
        try:
            path = f'/v{client.api_version}/images/{urllib.parse.quote(name)}/push'
            return self._ask(path, {'tag': _TAG})
        finally:
            # takes the reference by digest along that a push makes; the image has other names
            client.remove_image(f'{name}:{_TAG}', noprune=True)

    def _ask(self, path: str, parameters: dict[str, str]) -> str:
        """Ask the engine to push; return what went wrong."""
        login = {'username': self._registry.username, 'password': self._registry.password}
        header = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
        with contextlib.closing(self._connection):
            self._connection.request(
                'POST',
                f'{path}?{urllib.parse.urlencode(parameters)}',
                headers={'X-Registry-Auth': header, 'Content-Length': '0'},
            )
            response = self._connection.getresponse()
            if response.status >= 400:
                return f'HTTP {response.status}'
            error = ''
            for line in response:
                with contextlib.suppress(ValueError, AttributeError):
                    error = str(json.loads(line).get('error') or '') or error
            return error


def _is_left(port: str) -> bool:
    """Return whether nobody receives a push there any more."""
    with socket.socket() as probe:
        return int(port) >= 1 << 16 or probe.connect_ex(('127.0.0.1', int(port))) != 0
