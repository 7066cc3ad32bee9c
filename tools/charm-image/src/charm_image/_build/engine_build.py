"""Builds the image for one platform with an engine, through Docker's API."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator, Iterator, Mapping
from typing import IO, TYPE_CHECKING

from charm_image import _concurrently, _errors, _progress
from charm_image._build import (
    api_builders,
    assembly,
    bases,
    build_target,
    buildx,
    emulation,
    engines,
    events,
)
from charm_image._oci import images, oci_archive, platforms

if TYPE_CHECKING:
    import docker


class EngineBuild:
    """One build; `image_id` is the image's ID once it is built.

    `engine_name` is the author's name for the engine, '' for the engine of the docker command;
    `environ` is the environment in which the docker command finds it, None if it does not.
    """

    def __init__(
        self,
        target: build_target.Target,
        client: docker.APIClient,
        engine_name: str = '',
        environ: Mapping[str, str] | None = None,
    ):
        self.target = target
        self.image_id = ''
        self._client = client
        self._engine_name = engine_name
        self._environ = environ
        self._with_buildx: buildx.BuildxBuild | None = None
        self._stopped = False
        self._builder = api_builders.ApiBuilder(client)
        self._base = bases.Base(client, target.settings.from_image, target.platform)

    @property
    def engine_id(self) -> str:
        """Identifies the engine, whatever its address."""
        with engines.as_build_error():
            info: dict[str, object] = self._client.info()
        return f'{info.get("Name")} {info.get("DockerRootDir")}'

    @property
    def base_missing(self) -> bool:
        """Whether the engine lacks the base."""
        with engines.as_build_error():
            return not self._base.found()

    def prepare(self, shared: bool = False) -> Iterator[_progress.Progress]:
        """Pull the base, and check that the engine can run its programs.

        `shared`: the engine builds for several platforms at the same time.
        """
        with engines.as_build_error():
            target = self.target
            copied = (
                bases.Base(self._client, each, target.platform) for each in target.copied_images
            )
            for base in (self._base, *copied):
                for line in base.pull(target.pull):
                    if line:
                        yield _progress.Progress('pull', line)
                    self._go_on()
                if pinned := base.pinned_name:
                    yield _progress.Progress('note', f'{base.name} is {pinned}')
            name = self._base.pin() if shared else target.settings.from_image
            self.target = target.on(name, self._base.user)
            if target.platform and target.runs_programs and name != 'scratch':
                emulation.check(self._client, name, target.platform, self._engine_name)

    def build(self) -> Iterator[_progress.Progress]:
        """Build the image; call `prepare` first.

        Raises:
            _errors.StepError: a resource cannot be applied
            _errors.BuildError: the image cannot be built for a different reason
        """
        target = self.target
        if target.plan.has_files_only:
            yield from self._assemble(target)
            return
        if target.plan.secrets:
            yield from self._build_with_secrets(target)
            return
        instructions = target.plan.instructions(target.settings)
        follower = events.Follower(instructions, target.proxies)
        with engines.as_build_error(), tempfile.TemporaryFile() as archive:
            target.archive(archive)
            archive.seek(0)
            texts = [text for _, text in instructions]
            reported = self._builder.build(archive, target.options, texts)
            with contextlib.closing(reported):
                for event in reported:
                    yield from follower.follow(event)
            if follower.image_id is None:
                raise _errors.BuildError('the engine did not report the ID of the built image')
            self.image_id = self._builder.identify(follower.image_id)

    def _build_with_secrets(self, target: build_target.Target) -> Iterator[_progress.Progress]:
        """Build with buildx, which can mount secrets, in this engine."""
        names = ', '.join(target.plan.secrets)
        if self._environ is None:
            raise _errors.BuildError(
                f'a build with secrets ({names}) finds its engine by DOCKER_HOST or `engines`, not '
                'by `client`'
            )
        with engines.as_build_error():
            components = self._client.version().get('Components') or []
        if any(each.get('Name') == 'Podman Engine' for each in components):
            raise _errors.BuildError(
                f'podman cannot mount secrets ({names}) in a build through its API',
                'use Docker with buildx',
            )
        builder = buildx.builder_of_engine(self._environ)
        with buildx.BuildxBuild(target, builder, self._environ) as build:
            if not build.installed():
                raise _errors.BuildError(
                    f'only buildx can mount secrets ({names}) in a build', buildx.INSTALL
                )
            self._with_buildx = build
            yield from build.build()
            self.image_id = self._builder.identify(build.image_id)

    def _assemble(self, target: build_target.Target) -> Iterator[_progress.Progress]:
        with engines.as_build_error(), contextlib.ExitStack() as stack:
            platform = target.platform or emulation.engines_own(self._client)
            context = stack.enter_context(tempfile.TemporaryFile())
            target.archive(context)
            context.seek(0)
            memory = assembly.Memory(self._base.id, str(platform), assembly.sha256(context))
            self.image_id = '' if target.no_cache else memory.recall()
            is_cached = bool(self.image_id) and self._builder.has(self.image_id)
            if not is_cached:
                is_cached = yield from self._make(target, platform, stack)
                memory.store(self.image_id)
            yield from target.report(*(('cached',) if is_cached else ('started', 'done')))
            if target.tag:
                self._builder.tag(self.image_id, target.tag)

    def _make(
        self,
        target: build_target.Target,
        platform: platforms.Platform,
        stack: contextlib.ExitStack,
    ) -> Generator[_progress.Progress, None, bool]:
        """Assemble the image; return whether the engine had it."""
        base = None
        if target.settings.from_image != 'scratch':
            base = yield from self._read_base(platform, stack)
        image = assembly.Assembly(base, target.settings, platform)
        stack.callback(image.close)
        for step in target.plan.steps:
            image.apply(step, target.plan)
            self._go_on()
        image.finish()
        self.image_id = images.digest(image.config)
        if not target.no_cache and self._builder.has(self.image_id):
            return True
        archive = stack.enter_context(tempfile.TemporaryFile())
        image.write(archive)
        archive.seek(0)
        self.image_id = self._builder.load(archive, self.image_id)
        return False

    def _read_base(
        self, platform: platforms.Platform, stack: contextlib.ExitStack
    ) -> Generator[_progress.Progress, None, oci_archive.SavedImage]:
        name = self.target.settings.from_image
        step = _progress.Rate(f'{name}: reading it')
        file = stack.enter_context(tempfile.TemporaryFile())
        for chunk in _concurrently.with_ticks(self._builder.export(name)):
            step.done += file.write(chunk or b'')
            self._go_on()
            if line := step.line(events.INTERVAL):
                yield _progress.Progress('pull', line)
        base = oci_archive.SavedImage(file, platform)
        yield from events.watched(f'{name}: reading it', base.measure())
        return base

    def save(self, output: IO[bytes]) -> Iterator[_progress.Progress]:
        """Write the archive that `docker save` writes of the image. Raises _errors.BuildError."""
        step = _progress.Rate('saving the image')
        yield _progress.Progress('saving', step.name)
        with engines.as_build_error():
            for chunk in _concurrently.with_ticks(self._builder.export(self.image_id)):
                step.done += output.write(chunk or b'')
                self._go_on()
                if line := step.line(events.INTERVAL):
                    yield _progress.Progress('saving', line)

    def tag(self, name: str) -> bool:
        """Tag the built image; return True."""
        with engines.as_build_error():
            self._builder.tag(self.image_id, name)
        return True

    def forget(self, kept: str) -> None:
        """Remove the built image, unless it is the one called `kept` or has a name."""
        if self.image_id and self.image_id != kept:
            with contextlib.suppress(_errors.BuildError), engines.as_build_error():
                self._builder.remove(self.image_id)

    def stop(self) -> None:
        """End the build; can be called from any thread."""
        self._stopped = True
        self._builder.stop()
        if self._with_buildx is not None:
            self._with_buildx.stop()

    def _go_on(self) -> None:
        if self._stopped:
            raise _errors.BuildError('stopped')

    def close(self) -> None:
        """Remove the names that only this build needed."""
        with contextlib.suppress(_errors.BuildError), engines.as_build_error():
            self._base.unpin()
