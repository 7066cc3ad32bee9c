"""Builds the image for one platform with a buildx builder, such as one in a cluster.

With every driver (kubernetes, remote, docker-container), buildx sends the context to the builder
and receives the image as a file. See https://docs.docker.com/build/builders.
"""

from __future__ import annotations

import base64
import binascii
import collections
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from charm_image import _concurrently, _errors, _progress
from charm_image._build import (
    assembly,
    bases,
    build_target,
    builder_reports,
    context,
    events,
    plan,
    trace,
)
from charm_image._oci import docker_config, oci_archive, platforms

INSTALL = (
    'install buildx (apt install docker-buildx, or docker-buildx-plugin from the packages of '
    'Docker, Inc.)'
)

_CHUNK = 1 << 20


def is_builder(name: str) -> bool:
    """Return whether `docker buildx create` made a builder of that name."""
    if '/' in name or name in ('', '.', '..'):
        return False
    config = docker_config.directory(os.environ)
    folder = pathlib.Path(os.environ.get('BUILDX_CONFIG') or config / 'buildx')
    return (folder / 'instances' / name).is_file()


def builder_of_engine(environ: Mapping[str, str]) -> str:
    """Return the name of the builder that is the engine of the docker command: its context's."""
    try:
        command = ['docker', 'context', 'show']
        process = subprocess.run(command, capture_output=True, check=False, text=True, env=environ)
    except OSError:
        return 'default'
    return (
        process.stdout.strip() if process.returncode == 0 and process.stdout.strip() else 'default'
    )


class BuildxBuild(build_target.Build):
    """A build with a builder, which pulls what it needs.

    With `environ`, the environment of buildx, the builder is an engine, which stores the image.
    """

    def __init__(
        self, target: build_target.Target, builder: str, environ: Mapping[str, str] | None = None
    ):
        super().__init__(target)
        self._environ = environ
        self._builder = builder
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix='charm-image-')
        self._result = pathlib.Path(self._directory.name) / 'image.tar'

    def close(self) -> None:
        self.stop()
        self._directory.cleanup()

    @property
    def engine_id(self) -> str:
        return f'buildx {self._builder}'

    def prepare(self, shared: bool = False) -> Iterator[_progress.Progress]:
        """Find buildx, and the user of the base."""
        if not self.installed():
            raise _errors.BuildError(f'{self._builder} is a buildx builder', INSTALL)
        name = self.target.settings.from_image
        if name.startswith('sha256:'):
            raise _errors.BuildError(
                f'the builder {self._builder} does not store images',
                'use a reference for from_image, not an ID',
            )
        if name != 'scratch':
            yield _progress.Progress(
                'pull', f'{name}: reading its configuration from the registry'
            )
            user = bases.user_of(name, self._configuration(name))
            digest = self._digest(name)
            if digest and '@' not in name:
                yield _progress.Progress('note', f'{name} is {bases.split(name)[0]}@{digest}')
            self.target = self.target.on(name, user)

    def build(self) -> Iterator[_progress.Progress]:
        target = self.target
        if target.plan.has_files_only and target.platform and self._environ is None:
            yield from self._assemble(target, target.platform)
            return
        with target.archive() as archive:
            yield from self._run(archive, target.plan.instructions(target.settings))
        self.image_id = self._identify()

    def _assemble(
        self, target: build_target.Target, platform: platforms.Platform
    ) -> Iterator[_progress.Progress]:
        """Have the builder send the base, and assemble the image here."""
        base = None
        with tempfile.TemporaryFile() as archive, tempfile.TemporaryFile() as file:
            if target.settings.from_image != 'scratch':
                instruction = f'FROM {target.settings.from_image}'
                context.archive({}, f'{instruction}\n', archive)
                archive.seek(0)
                yield from self._run(archive, [(None, instruction)])
                for _ in self._copy(file):
                    pass
                base = oci_archive.SavedImage(file, platform)
                yield from events.watched('reading the base', base.measure())
            with contextlib.closing(assembly.Assembly(base, target, platform)) as image:
                image.assemble(self.check)
                with self._result.open('wb') as result:
                    self.image_id = image.write(result)
        yield from target.report('started', 'done')

    def _run(
        self, archive: IO[bytes], instructions: Sequence[tuple[plan.Step | None, str]]
    ) -> Iterator[_progress.Progress]:
        """Have the builder build the context in `archive`."""
        follower = events.Follower(instructions, self.target.proxies)
        reports = builder_reports.BuildKit([text for _, text in instructions])
        last: collections.deque[str] = collections.deque(maxlen=5)
        arriving = _progress.Rate('saving the image')
        for line in self._lines(self._command(), archive):
            if line is None:
                arriving.done = self._result.stat().st_size if self._result.exists() else 0
                if arriving.done:
                    yield from arriving.report('saving', events.INTERVAL)
                continue
            traced = _traced(line)
            if traced is None:
                last.append(line)
            for part in traced or ():
                for event in reports.follow(part):
                    yield from follower.follow(event)
        if self._process is None or self._process.returncode:
            message = next((text for text in reversed(last) if text.startswith('ERROR')), '')
            reason = message.removeprefix('ERROR: ').removeprefix('failed to solve: ')
            report = {'error': reason or '\n'.join(last) or 'buildx failed without a message'}
            for event in reports.read(report):
                yield from follower.follow(event)

    def _copy(self, output: IO[bytes]) -> Iterator[tuple[int, int]]:
        done, total = 0, self._result.stat().st_size
        with self._result.open('rb') as result:
            while chunk := result.read(_CHUNK):
                done += output.write(chunk)
                yield done, total

    def stop(self) -> None:
        super().stop()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _command(self) -> list[str]:
        target = self.target
        options = [f'--platform={target.platform}'] if target.platform else []
        if target.network:
            options += [f'--network={target.network}']
        options += ['--pull'] if target.pull else []
        options += ['--no-cache'] if target.no_cache else []
        if target.network == 'host':
            options += ['--allow=network.host']
        for name, path in target.plan.secrets.items():
            options += ['--secret', f'id={name},src={path}']
        for name, value in target.settings.arguments.items():
            options += ['--build-arg', f'{name}={value}']
        return [
            *('docker', 'buildx', 'build', f'--builder={self._builder}', '--progress=rawjson'),
            *('--provenance=false', *self._output(), *options, '-'),
        ]

    def _output(self) -> list[str]:
        if self._environ is None:
            return [f'--output=type=docker,dest={self._result}']
        tag = [f'--tag={self.target.tag}'] if self.target.tag else []
        return ['--load', f'--iidfile={self._result}', *tag]

    def _lines(self, command: list[str], stdin: IO[bytes]) -> Iterator[str | None]:
        """Run a command; yield the lines that it writes, and None for each second without one."""
        try:
            # in a new session: Ctrl-C goes to this program only, which then ends the build
            with subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._environ,
                start_new_session=True,
            ) as process:
                self._process = process
                try:
                    for line in _concurrently.with_ticks(process.stderr or ()):
                        if self._stopped:
                            process.terminate()
                            break
                        yield None if line is None else line.decode(errors='replace').rstrip('\n')
                except BaseException:  # nobody will read the output
                    process.terminate()
                    raise
        except OSError as error:
            raise _errors.BuildError(f'cannot run buildx: {error}') from None

    def installed(self) -> bool:
        """Return whether buildx is there."""
        try:
            command = ['docker', 'buildx', 'version']
            process = subprocess.run(command, capture_output=True, check=False, env=self._environ)
        except OSError:
            return False
        return process.returncode == 0

    def _inspect(self, name: str, part: str) -> subprocess.CompletedProcess[str]:
        """Ask for a part of an image in its registry, as JSON."""
        command = ['docker', 'buildx', 'imagetools', 'inspect', f'--builder={self._builder}']
        command += [f'--format={{{{json {part}}}}}', name]
        return subprocess.run(command, capture_output=True, check=False, text=True)

    def _digest(self, name: str) -> str:
        """Return the digest of an image in its registry; '' if buildx does not report it."""
        process = self._inspect(name, '.Manifest')
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(process.stdout).get('digest') or '')
        return ''

    def _configuration(self, name: str) -> Mapping[str, Any]:
        process = self._inspect(name, '.Image')
        if process.returncode:
            reason = (process.stderr.strip().splitlines() or ['no reason was given'])[-1]
            reason = reason.removeprefix('ERROR: ')
            raise _errors.BuildError(f'cannot read {name} from its registry: {reason}')
        try:
            content = json.loads(process.stdout)
            if 'config' not in content:  # one configuration for each platform
                content = next(
                    image
                    for image in content.values()
                    if self.target.platform in (None, platforms.Platform.of(image))
                )
            config: Mapping[str, Any] = content.get('config') or {}
        except StopIteration:
            raise _errors.BuildError(f'{name} has no image for {self.target.platform}') from None
        except (ValueError, AttributeError, TypeError) as error:
            raise _errors.BuildError(
                f'buildx returned no configuration of {name}: {error}'
            ) from None
        return config

    def _identify(self) -> str:
        if self._environ is not None:
            return self._result.read_text().strip()
        from charm_image._oci import archives

        try:
            return archives.open(self._result).id
        except _errors.ImageError as error:
            raise _errors.BuildError(f'buildx did not write a valid image: {error}') from None


def _traced(line: str) -> list[trace.Vertex | trace.Log] | None:
    """Read a line of --progress=rawjson (client.SolveStatus); None for other lines."""
    try:
        status = json.loads(line)
        parts: list[trace.Vertex | trace.Log] = [
            trace.Vertex(
                str(entry.get('digest', '')),
                str(entry.get('name', '')),
                bool(entry.get('cached')),
                bool(entry.get('started')),
                bool(entry.get('completed')),
                str(entry.get('error', '')),
            )
            for entry in status.get('vertexes') or ()
        ]
        parts += [
            trace.Log(str(entry.get('vertex', '')), base64.b64decode(entry.get('data') or ''))
            for entry in status.get('logs') or ()
        ]
    except (ValueError, AttributeError, TypeError, binascii.Error):
        return None
    return parts
