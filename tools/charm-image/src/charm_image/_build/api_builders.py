"""Builds through Docker's API: with Docker's classic builder, BuildKit or podman's buildah.

The choice between the first two is that of the docker command: DOCKER_BUILDKIT, else the engine's
default.
"""

from __future__ import annotations

import codecs
import contextlib
import datetime
import email.utils
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from charm_image import _errors
from charm_image._build import bases, builder_reports, emulation
from charm_image._oci import digests, local_image, platforms
from container_image import messages

if TYPE_CHECKING:
    import docker

# the error of Docker 25 to 27 with containerd's image store: https://github.com/moby/moby/pull/49178
_UNREADABLE = 'failed to read downloaded context'
_UNREADING = (
    "BuildKit in Docker 25 to 27 cannot read the build context with containerd's image store, "
    'which Docker 28 fixes'
)


class ApiBuilder:
    """An engine that builds images."""

    def __init__(self, client: docker.APIClient):
        self._client: Any = client  # its type stubs are incomplete
        self._response: Any = None
        self._stopped = False

    def identify(self, image: str) -> str:
        """Return the full ID of `image`."""
        if digests.is_digest(image):
            return image
        return str((self._inspect(image) or {'Id': image})['Id'])

    def tag(self, image: str, name: str) -> None:
        """Tag `image` as `name`."""
        self._client.tag(image, *bases.split(name))

    def has(self, image: str) -> bool:
        """Return whether the engine has an image with that ID."""
        return self._inspect(image) is not None

    def remove(self, image: str) -> None:
        """Remove an image that has no name."""
        if not (self._inspect(image) or {'RepoTags': [image]}).get('RepoTags'):
            self._client.remove_image(image, noprune=False)

    def load(self, archive: IO[bytes], digest: str) -> str:
        """Load the image in an archive; return its ID. `digest` is that of its configuration.

        Raises:
            _errors.BuildError: it cannot be loaded
        """
        response = self._client.post(
            self._url('/images/load'),
            params={'quiet': '1'},
            data=archive,
            headers={'Content-Type': 'application/x-tar'},
        )
        if response.status_code != 200 or '"error' in response.text:
            raise _errors.BuildError(
                f'the engine cannot load the image: {messages.printable(response.text)}'
            )
        if self.has(digest):
            return digest
        # with containerd's image store, the ID is the digest of the manifest
        loaded = re.search('sha256:[0-9a-f]{64}', response.text)
        if not loaded:
            raise _errors.BuildError('the engine did not report the ID of the loaded image')
        return loaded[0]

    def stop(self) -> None:
        """End the build that another thread is running."""
        self._stopped = True
        if self._response is not None:
            _hang_up(self._response)

    def _inspect(self, image: str) -> dict[str, Any] | None:
        return local_image.describe(self._client, image)

    def build(
        self, context: IO[bytes], options: Mapping[str, Any], instructions: Sequence[str]
    ) -> Generator[builder_reports.Event, None, None]:
        """Build; if it fails or is closed early, only BuildKit's cache remains.

        Args:
            context: the tar archive
            options: additional parameters of Docker's API
            instructions: the instructions in the Dockerfile
        """
        import requests

        try:
            ping = self._client.get(f'{self._client.base_url}/_ping').headers
        except (requests.RequestException, OSError) as error:
            raise _errors.BuildError(f'the engine does not respond: {error}') from None
        podman = 'Libpod-Api-Version' in ping
        # BuildKit reads an ID as a name, and would look for it in a registry
        has_name = not instructions[0].startswith('FROM sha256:')
        # the classic builder gives scratch its own platform
        from_nothing = instructions[0] == 'FROM scratch' and 'platform' in options
        if not podman and has_name and _wants_buildkit(ping, default=from_nothing):
            identity = secrets.token_hex(16)
            parameters = {**options, 'version': '2', 'buildid': identity}
            reports = builder_reports.BuildKit(instructions)
            events = self._events(context, parameters, reports, lambda: self._cancel(identity))
            with contextlib.closing(events):
                for event in events:
                    if event.kind == 'failed' and _UNREADABLE in event.text:
                        break
                    yield event
                else:
                    return
            self._refuse_foreign(options, instructions)
            yield builder_reports.Event(
                'note', text=f'{_UNREADING}: building with the classic builder'
            )
            context.seek(0)
        classic = builder_reports.Classic()
        since = _time(ping)
        yield from self._events(
            context, options, classic, lambda: self._remove(classic.made, since, podman)
        )

    def _refuse_foreign(self, options: Mapping[str, Any], instructions: Sequence[str]) -> None:
        """Raise BuildError if the classic builder cannot do it with containerd's image store."""
        platform = options.get('platform')
        copies = any(instruction.startswith('COPY ') for instruction in instructions)
        if (
            platform
            and copies
            and platforms.parse(platform) != emulation.engines_own(self._client)
        ):
            raise _errors.BuildError(
                f'{_UNREADING}, and its classic builder cannot copy files for {platform}',
                'upgrade Docker, or use a different engine with '
                f'--engine {platform}=CONTEXT_OR_URL',
            )

    def _events(
        self,
        context: IO[bytes],
        parameters: Mapping[str, Any],
        reports: builder_reports.Classic | builder_reports.BuildKit,
        undo: Callable[[], None],
    ) -> Generator[builder_reports.Event, None, None]:
        import docker
        import requests
        from docker.utils import json_stream

        built = False
        try:
            with self._client.post(
                self._url('/build'),
                params={'rm': '1', 'forcerm': '1', **parameters},
                data=context,
                headers={'Content-Type': 'application/x-tar'},
                stream=True,
            ) as response:
                self._response = response
                if self._stopped:
                    _hang_up(response)
                if response.status_code != 200:
                    raise _errors.BuildError(
                        f'the engine rejected the build: {_message(response)}'
                    )
                text = codecs.iterdecode(response.iter_content(None), 'utf-8', 'replace')
                for document in json_stream.json_stream(text):
                    if not isinstance(document, dict):
                        continue
                    for event in reports.read(document):
                        built = built or event.kind == 'image'
                        yield event
            if not built:
                raise _errors.BuildError('the engine ended the build without an image')
        except (requests.RequestException, docker.errors.StreamParseError, OSError) as error:
            raise _errors.BuildError(
                f'the engine stopped during the build: {_without_query(str(error))}'
            ) from None
        finally:
            self._response = None
            if not built:
                undo()

    def _url(self, path: str) -> str:
        return f'{self._client.base_url}/v{self._client.api_version}{path}'

    def _cancel(self, identity: str) -> None:
        import requests

        # a build that has ended cannot be cancelled
        with contextlib.suppress(requests.RequestException, OSError):
            self._client.post(self._url('/build/cancel'), params={'id': identity}, timeout=10)

    def _remove(self, images: list[str], since: float, podman: bool) -> None:
        """Remove the images of an unfinished build, last first."""
        import docker
        import requests

        deadline = time.monotonic() + 10
        with contextlib.suppress(requests.RequestException, OSError):
            for image in reversed(images):
                description = self._inspect(image)
                # a command's output may look like a builder's: remove only images made since
                if not description or description.get('RepoTags') or _created(description) < since:
                    continue
                while True:
                    try:
                        self._client.remove_image(description['Id'], force=podman, noprune=True)
                    except docker.errors.NotFound:
                        pass
                    except docker.errors.APIError:
                        # its container ends shortly after the connection
                        if time.monotonic() < deadline:
                            time.sleep(0.1)
                            continue
                    break


def _hang_up(response: Any) -> None:
    """Close the connection, so that the thread that reads the response ends."""
    connection = getattr(response.raw, '_connection', None)
    # http.client hands the socket over to the last response on a connection
    file = getattr(getattr(response.raw, '_fp', None), 'fp', None)
    sockets = [
        getattr(connection, 'sock', None),
        getattr(getattr(file, 'raw', None), '_sock', None),
    ]
    for open_socket in sockets:
        if open_socket is not None:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


def _wants_buildkit(ping: Mapping[str, str], default: bool) -> bool:
    choice = os.environ.get('DOCKER_BUILDKIT', '')
    if choice:
        return choice.lower() not in ('0', 'f', 'false')
    return default or ping.get('Builder-Version') == '2'


def _time(ping: Mapping[str, str]) -> float:
    try:
        # whole seconds
        return email.utils.parsedate_to_datetime(ping['Date']).timestamp() - 1
    except (KeyError, ValueError):
        return time.time()


def _created(image: Mapping[str, Any]) -> float:
    created = re.sub(r'\.\d+', '', str(image.get('Created', ''))).replace('Z', '+00:00')
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(created).timestamp()
    return 0


def _without_query(text: str) -> str:
    # with the build arguments, which may have credentials for proxies
    return re.sub(r'\?\S+', '', text)


def _message(response: Any) -> str:
    try:
        return messages.printable(response.json()['message'])
    except (ValueError, KeyError, TypeError):
        return f'HTTP status {response.status_code}'
