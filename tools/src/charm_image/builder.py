"""Images from bundles, built by Docker's engine or podman's through Docker's API.

See the Docker Engine API, https://docs.docker.com/reference/api/engine, from version 1.24 on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from charm_image import (
    _bases,
    _builders,
    _oci,
    _reports,
    _scripts,
    _shell,
    bundle,
    dockerfile,
    errors,
    platforms,
    resources,
)
from container_image import reference

if TYPE_CHECKING:
    import docker

_LAST_LINES = 20

_IMAGE_ID = re.compile('(?:sha256:)?[0-9a-f]{64}')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*')
_PORT = re.compile(r'([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?')
_Plan = dockerfile.Plan
_AUTHORS = 'org.opencontainers.image.authors'


@dataclasses.dataclass(frozen=True)
class Progress:
    """What just happened.

    `state` is one of pull; note; started, output, cached, done (of a step); built, written (of the
    image); plan and planned (of a dry run). `resource` names the resources of step number `step`
    of `steps`, from 1; for the image as a whole it is empty, and `step` 0. `text` is a line of
    output, or says more.
    """

    state: str
    text: str = ''
    resource: str = ''
    step: int = 0
    steps: int = 0

    def __str__(self) -> str:
        if not self.step:
            return self.text
        if self.state == 'output':
            return f'    {self.text}'
        return f'[{self.step}/{self.steps}] {dockerfile.cut(self.resource)}: {self.state}'


class DockerBuilder:
    """An image to be built from a bundle.

    Building with ``docker build`` what `write_context` writes gives the same image.
    """

    def __init__(
        self,
        bundle: bundle.ResourceBundle,
        from_image: str | None = None,
        tag: str | None = None,
        env: Mapping[str, str] | None = None,
        volumes: Sequence[str] | None = None,
        ports: Sequence[int | str] | None = None,
        cmd: Sequence[str] | None = None,
        maintainer: str | None = None,
        platform: str | None = None,
        labels: Mapping[str, str] | None = None,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        network: str | None = None,
        client: docker.APIClient | None = None,
    ):
        """
        Args:
            bundle: what is in the image
            from_image: the image to start from, a name, an ID or `scratch`; `ubuntu:24.04` by
                default. It is pulled if the engine doesn't have it
            tag: the name of the image
            env: variables, for what is run while building and for what the image runs
            volumes: directories to share
            ports: those to expose, such as 80, '53/udp' or '8000-8010'
            cmd: what the image runs by default, word by word
            maintainer: whom to ask; the label org.opencontainers.image.authors
            platform: what to build for, as in linux/arm64
            labels: further labels
            dry_run: whether to build nothing, and to yield the Dockerfile and the steps instead
            output: a file to write the image to, too, as an OCI archive
            network: the network of commands while building, as in `docker build --network`
            client: the engine; by default that which the docker command would use

        Raises:
            errors.ResourceError: an argument is wrong
        """
        self.image_id = ''
        """The ID of the image, sha256:…; empty until it is built."""
        self.dry_run = dry_run
        self.tag = None if tag is None else _name('tag', tag)
        self.platform = platform
        self.output = None if output is None else _output(output)
        self.network = None if network is None else _text('network', network)
        self._client = None if client is None else _api(client)
        self._bundle = _bundle(bundle)
        self._platform = None if platform is None else platforms.parse(_text('platform', platform))
        self._settings = dockerfile.Settings(
            from_image='ubuntu:24.04' if from_image is None else _from(from_image),
            env=_env(env),
            volumes=[_volume(each) for each in _list('volumes', volumes)],
            ports=[_port(each) for each in _list('ports', ports)],
            cmd=None if cmd is None else [_text('cmd', each) for each in _list('cmd', cmd)],
            labels=_labels(labels, maintainer),
        )

    @property
    def dockerfile(self) -> str:
        """The Dockerfile, as far as it is known without asking the engine about from_image."""
        return self._plan().dockerfile(self._settings)

    @property
    def steps(self) -> list[str]:
        """The names of the resources of each step."""
        return [step.title for step in self._plan().steps]

    def write_context(self, directory: str | os.PathLike[str]) -> None:
        """Write the Dockerfile and all that it copies, for `docker build`.

        Raises:
            errors.BuildError: it can't be written, or a file to copy not be read
        """
        try:
            plan = self._plan()
            plan.write(directory, plan.dockerfile(self._settings))
        except OSError as error:
            raise errors.BuildError(f'the context cannot be written: {error}') from error

    def context(self) -> bytes:
        """The same as a tar archive."""
        archive = io.BytesIO()
        self._archive(self._plan(), archive)
        return archive.getvalue()

    def build(self) -> Iterator[Progress]:
        """Build the image, which `image_id` names then; yield what happens as it does.

        A build that fails, or whose generator is closed, leaves nothing behind but BuildKit's
        cache; podman ends the command that it is at first.

        Raises:
            errors.StepError: a resource can't be applied
            errors.BuildError: the image can't be built for another reason
        """
        if self.dry_run:
            yield Progress('plan', self.dockerfile)
            steps = self.steps
            for number, title in enumerate(steps, 1):
                yield Progress('planned', '', title, number, len(steps))
            return
        self.image_id = ''
        with _connected(self._client) as client, _told():
            engine = _builders.Engine(client)
            base = _bases.Base(client, self._settings.from_image, self._platform)
            for line in base.pull():
                yield Progress('pull', line)
            self._settings = dataclasses.replace(self._settings, user=base.user)
            yield from self._build(engine)
            yield Progress('built', f'{self.image_id}{f" {self.tag}" if self.tag else ""}')
            if self.output is not None:
                _oci.write(engine.export(self.image_id), self.output, self.tag)
                yield Progress('written', self.output)

    def _plan(self) -> _Plan:
        return _Plan(self._bundle, self._settings.arguments)

    def _archive(self, plan: _Plan, output: IO[bytes]) -> None:
        try:
            plan.archive(output, plan.dockerfile(self._settings))
        except OSError as error:
            raise errors.BuildError(f'the context cannot be made: {error}') from error

    def _build(self, engine: _builders.Engine) -> Iterator[Progress]:
        options = {'buildargs': json.dumps(self._settings.arguments)}
        if self.tag:
            options['t'] = self.tag
        if self._platform:
            options['platform'] = str(self._platform)
        if self.network:
            options['networkmode'] = self.network
        plan = self._plan()
        instructions = plan.instructions(self._settings)
        follower = _Follower(instructions)
        with tempfile.TemporaryFile() as archive:
            self._archive(plan, archive)
            archive.seek(0)
            with contextlib.closing(
                engine.build(archive, options, [text for _, text in instructions])
            ) as events:
                for event in events:
                    yield from follower.follow(event)
        if follower.image_id is None:
            raise errors.BuildError('the engine built something, but did not say what')
        self.image_id = engine.identify(follower.image_id)


@contextlib.contextmanager
def _connected(client: docker.APIClient | None) -> Iterator[docker.APIClient]:
    if client is not None:
        yield client
        return
    from charm_image import engine, images

    try:
        connected = engine.connect()
    except images.ImageError as error:
        raise errors.BuildError(str(error)) from None
    with connected:
        yield connected.client


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what the engine answers, or that it doesn't, as an error of ours."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        reason = error.explanation or error
        raise errors.BuildError(f'the engine refuses: {reason}') from None
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise errors.BuildError(f'the engine does not answer: {error}') from None


def _api(value: Any) -> docker.APIClient:
    import docker

    if isinstance(value, docker.APIClient):
        return value
    advice = ': give its .api' if isinstance(value, docker.DockerClient) else ''
    raise errors.ResourceError(f'client is a docker.APIClient, not {type(value).__name__}{advice}')


def _bundle(value: Any) -> bundle.ResourceBundle:
    if isinstance(value, bundle.ResourceBundle):
        return value
    raise errors.ResourceError(f'an image is built from a ResourceBundle, not {value!r:.80}')


def _text(argument: str, value: Any) -> str:
    if not isinstance(value, str):
        raise errors.ResourceError(f'{argument}: {value!r:.80} is no str')
    if '\0' in value:
        raise errors.ResourceError(
            f'{argument} has a NUL character, which no program can be given'
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise errors.ResourceError(f'{argument} is not Unicode text') from None
    return value


def _list(argument: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, '__iter__'):
        raise errors.ResourceError(f'{argument} is a list, not {value!r:.80}')
    return list(value)


def _name(argument: str, value: Any) -> str:
    name = _reference(argument, value)
    if name.digest:
        raise errors.ResourceError(f'{argument} {value!r:.80} must not have a digest')
    return str(value)


def _from(value: Any) -> str:
    if not _IMAGE_ID.fullmatch(_text('from_image', value)):
        _reference('from_image', value)
        return str(value)
    return f'sha256:{value.removeprefix("sha256:")}'


def _reference(argument: str, value: Any) -> reference.Reference:
    try:
        return reference.Reference.parse(_text(argument, value))
    except reference.InvalidReference as error:
        raise errors.ResourceError(
            f'{argument} {value!r:.80} is not a valid image reference, such as ubuntu:24.04: '
            f'{error}'
        ) from None


def _env(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise errors.ResourceError(f'env is a dict, not {value!r:.80}')
    for name in value:
        if not _VARIABLE.fullmatch(_text('env', name)):
            raise errors.ResourceError(
                f'env: {name!r:.80} is no name for a variable: letters, digits, _ . and -'
            )
    return {name: _text(f'env {name}', each) for name, each in value.items()}


def _labels(value: Any, maintainer: Any) -> dict[str, str]:
    if value is not None and not isinstance(value, Mapping):
        raise errors.ResourceError(f'labels is a dict, not {value!r:.80}')
    labels = {}
    for name, each in (value or {}).items():
        if not _text('labels', name).isprintable() or '=' in name or not name.strip():
            raise errors.ResourceError(
                f'labels: {name!r:.80} is no name for a label: printable, and without ='
            )
        labels[name] = _text(f'label {name}', each)
    if maintainer is not None:
        if _AUTHORS in labels:
            raise errors.ResourceError(f'maintainer is the label {_AUTHORS}: give one of them')
        labels = {_AUTHORS: _text('maintainer', maintainer), **labels}
    return labels


def _volume(value: Any) -> str:
    path = _text('volumes', os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not path.startswith('/') or path != path.strip():
        raise errors.ResourceError(
            f'volumes: {path!r:.80} is no full path of a directory, or has a space at its end'
        )
    return path


def _output(value: Any) -> str:
    path = _text('output', os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not path or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or '.'):
        raise errors.ResourceError(
            f'output {path!r} is not the path of a file in a directory that is there'
        )
    return path


def _port(value: Any) -> str:
    port = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _PORT.fullmatch(_text('ports', port))
    if not found:
        raise errors.ResourceError(f"ports: {value!r:.80} is none, as in 80, '53/udp' or '80-90'")
    low, high = (int(each) for each in (found[1], found[2] or found[1]))
    if not 0 < low <= high < 65536:
        raise errors.ResourceError(f'ports: {value!r:.80} is not between 1 and 65535')
    return str(port)


class _Follower:
    """Makes progress, and errors, of what an engine reports."""

    def __init__(self, instructions: Sequence[tuple[dockerfile.Step | None, str]]):
        self.image_id: str | None = None
        self._owners = [step for step, _ in instructions]
        self._steps = list(dict.fromkeys(step for step in self._owners if step))
        self._pending = {step: self._owners.count(step) for step in self._steps}
        self._worked: set[dockerfile.Step] = set()
        self._started: set[dockerfile.Step] = set()
        self._current: dockerfile.Step | None = None
        self._resource = ''
        self._command = ''
        self._output: list[str] = []

    def follow(self, event: _reports.Event) -> Iterator[Progress]:
        if event.kind == 'image':
            self.image_id = event.text
        elif event.kind == 'failed':
            self._fail(event)
        elif event.kind == 'note':
            yield Progress('note', event.text)
        elif 0 <= event.instruction < len(self._owners):
            step = self._owners[event.instruction]
            if step is not None:
                yield from self._step(step, event)

    def _step(self, step: dockerfile.Step, event: _reports.Event) -> Iterator[Progress]:
        if step is not self._current and event.kind in ('started', 'output'):
            self._current, self._resource, self._command, self._output = step, '', '', []
        if event.kind in ('started', 'output') and step not in self._started:
            self._started.add(step)
            yield self._progress('started', step)
        if event.kind == 'output':
            yield from self._line(step, event.text)
        elif event.kind in ('cached', 'done'):
            self._pending[step] -= 1
            if event.kind == 'done':
                self._worked.add(step)
            if not self._pending[step]:
                yield self._progress('done' if step in self._worked else 'cached', step)

    def _line(self, step: dockerfile.Step, line: str) -> Iterator[Progress]:
        if line.startswith('=> ') and line[3:] in _titles(step):
            self._resource, self._command, self._output = line[3:], '', []
        elif line.startswith('+ ') and line[2:] in _commands(self._applied(step)):
            self._command = line[2:]
        else:
            self._output = [*self._output[-_LAST_LINES + 1 :], line]
        yield self._progress('output', step, line)

    def _progress(self, state: str, step: dockerfile.Step, text: str = '') -> Progress:
        number = self._steps.index(step) + 1
        return Progress(state, text, step.title, number, len(self._steps))

    def _applied(self, step: dockerfile.Step) -> resources.Resource:
        named = (r for r in step.resources if _shell.one_line(repr(r)) == self._resource)
        return next(named, step.resources[0])

    def _fail(self, event: _reports.Event) -> None:
        step = self._current
        if 0 <= event.instruction < len(self._owners):
            step = self._owners[event.instruction]
        if step is None:
            raise errors.BuildError(f'the engine cannot build the image: {event.text}')
        resource = self._applied(step)
        status = event.status
        for line in self._output[-1:]:
            if found := re.fullmatch('exit status ([0-9]+), expected [0-9]+', line):
                status = int(found[1])
        raise errors.StepError(
            self._resource or step.title,
            resource.location,
            self._command or _scripts.command(resource),
            status,
            self._output,
            event.text,
        )


def _commands(resource: resources.Resource) -> list[str]:
    return _scripts.commands(resource) if isinstance(resource, resources.Execute) else []


def _titles(step: dockerfile.Step) -> set[str]:
    return {_shell.one_line(repr(each)) for each in step.resources} | {step.title}
