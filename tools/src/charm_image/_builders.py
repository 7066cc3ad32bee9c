"""The builders behind Docker's API, and what each reports while it builds.

Docker's classic one, BuildKit, and podman's. Which one an engine is asked for follows the docker
command: DOCKER_BUILDKIT, else what the engine says is its default.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib
import dataclasses
import datetime
import email.utils
import json
import os
import re
import secrets
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from charm_image import _trace, errors

if TYPE_CHECKING:
    import docker

_COLOR = re.compile(r'\x1b\[[0-9;]*m')
_STATUS = re.compile(r'(?:exit code|exit status|non-zero code):? ([0-9]+)')


@dataclasses.dataclass(frozen=True)
class Event:
    """What a builder reports.

    `kind` is one of started, output, cached, done (of an instruction), image (whose ID is the
    text), failed and note. `instruction` counts from 0.
    """

    kind: str
    instruction: int = -1
    text: str = ''
    status: int | None = None


class Engine:
    """An engine that builds images."""

    def __init__(self, client: docker.APIClient):
        self._client: Any = client  # its stubs say little
        self._base: dict[str, Any] | None = None

    def pull(self, image: str, platform: str | None) -> Iterator[str]:
        """Have `image`, pulled if it isn't there; yield what the engine reports."""
        if image == 'scratch' or self._is_there(image, platform):
            return
        import docker

        if image.startswith('sha256:'):
            raise errors.BuildError(f'the engine has no image {image}')
        name, _, digest = image.partition('@')
        repository, _, tag = (
            name.rpartition(':') if ':' in name.rpartition('/')[2] else (name, '', '')
        )
        told: dict[str, str] = {}  # layers come at once, each repeating what it does
        try:
            for line in self._client.pull(
                repository, digest or tag or 'latest', stream=True, decode=True, platform=platform
            ):
                if 'error' in line:
                    raise errors.BuildError(f'{image} cannot be pulled: {line["error"]}')
                layer, status = line.get('id') or '', line.get('status') or ''
                if told.get(layer) != status:
                    told[layer] = status
                    yield f'{image}: {f"{layer} {status}".strip()}'
        except docker.errors.APIError as error:
            reason = error.explanation or error
            raise errors.BuildError(f'{image} cannot be pulled: {reason}') from error

    def _is_there(self, image: str, platform: str | None) -> bool:
        found = self._inspect(image)
        if found is None:
            return False
        if platform is not None and not image.startswith('sha256:'):
            system, architecture = (*platform.split('/'), '')[:2]
            if system != found.get('Os') or architecture not in ('', found.get('Architecture')):
                return False
        self._base = found
        return True

    def _inspect(self, image: str) -> dict[str, Any] | None:
        import docker

        try:
            content: dict[str, Any] = self._client.inspect_image(image)
        except docker.errors.NotFound:
            return None
        return content

    def user(self, image: str) -> str:
        """Whom `image`, which is there, runs as; '' for root."""
        found = self._base if self._base or image == 'scratch' else self._inspect(image)
        user = str(((found or {}).get('Config') or {}).get('User') or '')
        return '' if user.partition(':')[0] in ('', '0', 'root') else user

    def identify(self, image: str) -> str:
        """The whole ID of `image`."""
        if re.fullmatch('sha256:[0-9a-f]{64}', image):
            return image
        return str((self._inspect(image) or {'Id': image})['Id'])

    def export(self, image: str) -> Iterator[bytes]:
        """Give the archive that `docker save` writes."""
        waits, self._client.timeout = self._client.timeout, None
        try:
            # graph drivers write all of it to the engine's disk before the first byte
            chunks: Iterator[bytes] = self._client.get_image(image)
        finally:
            self._client.timeout = waits
        return chunks

    def build(
        self, context: IO[bytes], options: Mapping[str, Any], instructions: Sequence[str]
    ) -> Generator[Event, None, None]:
        """Build; if that fails or is given up, nothing remains but BuildKit's cache.

        Args:
            context: the tar archive
            options: further parameters of Docker's API
            instructions: those in the Dockerfile
        """
        import requests

        try:
            ping = self._client.get(f'{self._client.base_url}/_ping').headers
        except (requests.RequestException, OSError) as error:
            raise errors.BuildError(f'the engine does not answer: {error}') from error
        podman = 'Libpod-Api-Version' in ping
        # BuildKit takes an ID for a name, and would ask a registry
        named = not instructions[0].startswith('FROM sha256:')
        buildkit = not podman and named and _wants_buildkit(ping)
        identity = secrets.token_hex(16)
        parameters = {'rm': '1', 'forcerm': '1', **options}
        if buildkit:
            parameters |= {'version': '2', 'buildid': identity}
        reports = _BuildKit(instructions) if buildkit else _Classic()
        built = False
        try:
            with self._client.post(
                self._url('/build'),
                params=parameters,
                data=context,
                headers={'Content-Type': 'application/x-tar'},
                stream=True,
            ) as response:
                if response.status_code != 200:
                    raise errors.BuildError(f'the engine refuses to build: {_message(response)}')
                for document in _documents(response.iter_content(None)):
                    for event in reports.read(document):
                        built = built or event.kind == 'image'
                        yield event
            if not built:
                raise errors.BuildError('the engine stopped before the image was built')
        except (requests.RequestException, OSError) as error:
            raise errors.BuildError(f'the engine stopped in the middle: {error}') from error
        finally:
            if not built:
                if buildkit:
                    self._cancel(identity)
                self._remove(reports.made, _time(ping), podman)

    def _url(self, path: str) -> str:
        return f'{self._client.base_url}/v{self._client.api_version}{path}'

    def _cancel(self, identity: str) -> None:
        import requests

        # one that has ended is none any more
        with contextlib.suppress(requests.RequestException, OSError):
            self._client.post(self._url('/build/cancel'), params={'id': identity}, timeout=10)

    def _remove(self, images: list[str], since: float, podman: bool) -> None:
        """Remove what unfinished builds leave, last first."""
        import docker
        import requests

        deadline = time.monotonic() + 10
        with contextlib.suppress(requests.RequestException, OSError):
            for image in reversed(images):
                found = self._inspect(image)
                # commands could write what builders do: remove nothing that was there before
                if not found or found.get('RepoTags') or _created(found) < since:
                    continue
                while True:
                    try:
                        self._client.remove_image(found['Id'], force=podman, noprune=True)
                    except docker.errors.NotFound:
                        pass
                    except docker.errors.APIError:
                        # its container ends a little after the connection
                        if time.monotonic() < deadline:
                            time.sleep(0.1)
                            continue
                    break


def _wants_buildkit(ping: Mapping[str, str]) -> bool:
    wanted = os.environ.get('DOCKER_BUILDKIT', '')
    if wanted:
        return wanted.lower() not in ('0', 'f', 'false')
    return ping.get('Builder-Version') == '2'


def _time(ping: Mapping[str, str]) -> float:
    try:
        # whole seconds
        return email.utils.parsedate_to_datetime(ping['Date']).timestamp() - 1
    except (KeyError, ValueError):
        return time.time()


def _created(image: Mapping[str, Any]) -> float:
    created = re.sub(r'(\.\d{1,6})\d*', r'\1', str(image.get('Created', ''))).replace(
        'Z', '+00:00'
    )
    with contextlib.suppress(ValueError):
        created = re.sub(r'\.\d+', '', created)
        return datetime.datetime.fromisoformat(created).timestamp()
    return 0


def _message(response: Any) -> str:
    try:
        return str(response.json()['message'])
    except (ValueError, KeyError, TypeError):
        return f'HTTP status {response.status_code}'


def _documents(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    text = ''
    incremental = codecs.getincrementaldecoder('utf-8')('replace')
    for chunk in chunks:
        text = (text + incremental.decode(chunk)).lstrip()
        while text:
            try:
                document, end = decoder.raw_decode(text)
            except ValueError:
                break  # the rest of it is to come
            text = text[end:].lstrip()
            if isinstance(document, dict):
                yield document


class _Lines:
    """Output, which comes in pieces, line by line."""

    def __init__(self) -> None:
        self._rest = ''

    def add(self, text: str) -> list[str]:
        """Give the lines that `text` ends."""
        *lines, self._rest = (self._rest + _COLOR.sub('', text)).split('\n')
        return [line.rstrip('\r').rpartition('\r')[2] for line in lines]

    def end(self) -> list[str]:
        """Give the last line, if it has no end."""
        return self.add('\n') if self._rest else []


def _failure(report: Mapping[str, Any], instruction: int) -> Event | None:
    if 'error' not in report and 'errorDetail' not in report:
        return None
    detail = report.get('errorDetail') or {}
    message = str(detail.get('message') or report.get('error'))
    found = _STATUS.findall(message[-100:])
    status = detail.get('code') or (int(found[-1]) if found else None)
    return Event('failed', instruction, message.strip(), status)


class _Classic:
    """What Docker's classic builder writes, and buildah in its stead."""

    _START = re.compile(r'(?i:step) ([0-9]+)/[0-9]+ ?: ')
    _IMAGE = re.compile(r' ?--(?:->|>) ([0-9a-f]{11,64})\n')

    def __init__(self) -> None:
        self.made: list[str] = []
        self._instruction = -1
        self._cached = False
        self._lines = _Lines()

    def read(self, report: Mapping[str, Any]) -> Iterator[Event]:
        """Give what `report` says."""
        failure = _failure(report, self._instruction)
        if failure:
            yield from self._output(self._lines.end())
            yield failure
        elif isinstance(report.get('aux'), dict) and 'ID' in report['aux']:
            yield from self._end()
            yield Event('image', text=str(report['aux']['ID']))
        elif isinstance(report.get('stream'), str):
            yield from self._stream(report['stream'])

    def _stream(self, text: str) -> Iterator[Event]:
        if (found := self._START.match(text)) and int(found[1]) == self._instruction + 2:
            yield from self._end()
            self._instruction += 1
            self._cached = False
        elif re.match(r' ?--(?:->|>) Using cache', text):
            self._cached = True
        elif found := self._IMAGE.fullmatch(text):
            if not self._cached and self._instruction > 0:
                self.made.append(found[1])
        elif text.startswith(' ---> Running in '):
            yield Event('started', self._instruction)
        elif text != '\n' and not re.match(
            'Removing intermediate container|COMMIT|Successfully', text
        ):
            yield from self._output(self._lines.add(text))

    def _end(self) -> Iterator[Event]:
        yield from self._output(self._lines.end())
        if self._instruction >= 0:
            yield Event('cached' if self._cached else 'done', self._instruction)

    def _output(self, lines: list[str]) -> Iterator[Event]:
        for line in lines:
            yield Event('output', self._instruction, line)


class _BuildKit:
    """What BuildKit traces. It counts only instructions that change files: FROM is its first."""

    _NAME = re.compile(r'\[(?:\S+ )? *([0-9]+)/[0-9]+\] ')

    def __init__(self, instructions: Sequence[str]) -> None:
        self.made: list[str] = []  # it keeps its cache to itself
        self._counted = [
            index
            for index, each in enumerate(instructions)
            if each.partition(' ')[0] in ('FROM', 'COPY', 'RUN')
        ]
        self._instructions: dict[str, int] = {}
        self._lines: dict[str, _Lines] = {}
        self._ended: set[str] = set()
        self._failed = -1

    def read(self, report: Mapping[str, Any]) -> Iterator[Event]:
        """Give what `report` says."""
        failure = _failure(report, self._failed)
        if failure:
            yield failure
        elif report.get('id') == 'moby.image.id':
            yield Event('image', text=str(report['aux']['ID']))
        elif report.get('id') == 'moby.buildkit.trace':
            with contextlib.suppress(ValueError, binascii.Error):
                for each in _trace.decode(base64.b64decode(report['aux'])):
                    yield from (
                        self._vertex(each) if isinstance(each, _trace.Vertex) else self._log(each)
                    )

    def _vertex(self, vertex: _trace.Vertex) -> Iterator[Event]:
        found = self._NAME.match(vertex.name)
        if not found or vertex.digest in self._ended or int(found[1]) > len(self._counted):
            return
        instruction = self._instructions[vertex.digest] = self._counted[int(found[1]) - 1]
        if vertex.error:
            self._failed = instruction
        if vertex.completed:
            self._ended.add(vertex.digest)
            yield from self._output(vertex.digest, self._lines_of(vertex.digest).end())
            if not vertex.error:
                yield Event('cached' if vertex.cached else 'done', instruction)
        elif vertex.started:
            yield Event('started', instruction)

    def _log(self, log: _trace.Log) -> Iterator[Event]:
        text = log.message.decode(errors='replace')
        yield from self._output(log.vertex, self._lines_of(log.vertex).add(text))

    def _lines_of(self, digest: str) -> _Lines:
        return self._lines.setdefault(digest, _Lines())

    def _output(self, digest: str, lines: list[str]) -> Iterator[Event]:
        for line in lines:
            yield Event('output', self._instructions.get(digest, -1), line)
