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
from charm_image._oci import images, local_image, oci_archive, platforms

if TYPE_CHECKING:
    import docker


class EngineBuild(build_target.Build):
    """A build with an engine.

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
        super().__init__(target)
        self._client = client
        self._engine_name = engine_name
        self._environ = environ
        self._with_buildx: buildx.BuildxBuild | None = None
        self._builder = api_builders.ApiBuilder(client)
        self._base = bases.Base(client, target.settings.from_image, target.platform)

    @property
    def engine_id(self) -> str:
        info: dict[str, object] = self._client.info()
        return f'{info.get("Name")} {info.get("DockerRootDir")}'

    @property
    def base_missing(self) -> bool:
        return not self._base.found()

    def prepare(self, shared: bool = False) -> Iterator[_progress.Progress]:
        """Pull the base, and check that the engine can run its programs."""
        target = self.target
        copied = (
            bases.Base(self._client, image, target.platform) for image in target.copied_images
        )
        for base in (self._base, *copied):
            for progress in base.pull(target.pull):
                if progress:
                    yield progress
                self.check()
            if pinned := base.pinned_name:
                yield _progress.Progress('note', f'{base.name} is {pinned}')
        name = self._base.pin() if shared else target.settings.from_image
        self.target = target.on(name, bases.user_of(self._base.name, self._base.config))
        if target.platform and target.runs_programs and name != 'scratch':
            emulation.check(self._client, name, target.platform, self._engine_name)

    def build(self) -> Iterator[_progress.Progress]:
        target = self.target
        if target.plan.has_files_only:
            yield from self._assemble(target)
            return
        if target.plan.secrets:
            yield from self._build_with_secrets(target)
            return
        instructions = target.plan.instructions(target.settings)
        follower = events.Follower(instructions, target.proxies)
        with target.archive() as archive:
            texts = [text for _, text in instructions]
            reported = self._builder.build(archive, target.options, texts)
            with contextlib.closing(reported):
                for event in reported:
                    yield from follower.follow(event)
            self.image_id = self._builder.identify(follower.image_id)

    def _build_with_secrets(self, target: build_target.Target) -> Iterator[_progress.Progress]:
        """Build with buildx, which can mount secrets, in this engine."""
        names = ', '.join(target.plan.secrets)
        if self._environ is None:
            raise _errors.BuildError(
                f'a build with secrets ({names}) finds its engine by DOCKER_HOST or `engines`, '
                'not by `client`'
            )
        components = self._client.version().get('Components') or []
        if any(component.get('Name') == 'Podman Engine' for component in components):
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
        with contextlib.ExitStack() as stack:
            platform = target.platform or emulation.engines_own(self._client)
            memory = assembly.Memory(self._base.id, str(platform), target.context_digest)
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
        name = target.settings.from_image
        if name != 'scratch':
            file: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            step = f'{name}: reading it'
            yield from events.watched(step, self._receive(name, file), 'pull')
            base = oci_archive.SavedImage(file, platform)
            yield from events.watched(step, base.measure())
        image = stack.enter_context(contextlib.closing(assembly.Assembly(base, target, platform)))
        image.assemble(self.check)
        self.image_id = images.digest(image.config)
        if not target.no_cache and self._builder.has(self.image_id):
            return True
        archive: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        image.write(archive)
        archive.seek(0)
        self.image_id = self._builder.load(archive, self.image_id)
        return False

    def _copy(self, output: IO[bytes]) -> Iterator[tuple[int, None]]:
        yield from self._receive(self.image_id, output)

    def _receive(self, image: str, output: IO[bytes]) -> Iterator[tuple[int, None]]:
        done = 0
        for chunk in _concurrently.with_ticks(
            local_image.export(self._client, image, timeout=None)
        ):
            done += output.write(chunk or b'')
            self.check()
            yield done, None

    def tag(self, name: str) -> bool:
        self._builder.tag(self.image_id, name)
        return True

    def forget(self, kept: str) -> None:
        if self.image_id and self.image_id != kept:
            with contextlib.suppress(_errors.BuildError), engines.as_build_error():
                self._builder.remove(self.image_id)

    def stop(self) -> None:
        super().stop()
        self._builder.stop()
        if self._with_buildx is not None:
            self._with_buildx.stop()

    def close(self) -> None:
        with contextlib.suppress(_errors.BuildError), engines.as_build_error():
            self._base.unpin()
