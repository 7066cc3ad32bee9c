"""Builds images from bundles, with Docker or podman through Docker's API.

See the Docker Engine API, https://docs.docker.com/reference/api/engine, from version 1.24 on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from charm_image import _errors
from charm_image._build import (
    arguments,
    build_target,
    buildx,
    bundle,
    comparison,
    context,
    dockerfile,
    engine_build,
    engines,
    events,
    multi_platform,
    plan,
    proxies,
)
from charm_image._oci import oci_archive, platforms, timestamps
from charm_image._progress import Progress

if TYPE_CHECKING:
    import docker

_Settings = dockerfile.Settings
_MOST_DIFFERENCES = 50
_SET_OUTPUT = 'set output=PATH (--output=PATH)'


class DockerBuilder:
    """Builds an image from a bundle.

    ``docker build`` makes the same image from what `write_context` writes.

    Args:
        bundle: the resources of the image; or a function that takes a platform, such as
            linux/arm64, and returns the resources for it
        from_image: the base image: a name, an ID or `scratch`; default: `ubuntu:24.04`. The
            engine pulls it if it does not have it
        tag: the name of the image
        env: environment variables, for the build and for containers
        volumes: absolute paths of directories that are volumes
        ports: ports to expose, such as 80, '53/udp' or '8000-8010'
        cmd: the default command, or the arguments of `entrypoint`, as a list of words
        maintainer: the value of the label org.opencontainers.image.authors
        platform: the platform to build for, such as linux/arm64; or several, with `output`
        labels: additional labels
        entrypoint: the program of containers, as a list of words; without `cmd`, the cmd of the
            base does not apply
        workdir: the directory in which containers start; it is created if it does not exist
        user: whom containers run as, a name or ID, or USER:GROUP; the build runs as root
        stop_signal: the signal that ends containers, such as SIGINT
        pull: ask for a newer base, and for newer images that resources copy from
        no_cache: repeat all steps
        check_reproducible: build twice, the second time without the cache, and name the files
            that differ
        dry_run: build nothing, but yield the Dockerfile and the steps
        output: the path of an OCI archive to write as well; several platforms become one image
            index in it
        network: the network of commands during the build, as in `docker build --network`
        client: the engine; default: the one that the docker command would use
        engines: the engine for each of some platforms: a docker context, a buildx builder, or a
            URL as in DOCKER_HOST

    Raises:
        _errors.ResourceError: an argument is not valid
    """

    def __init__(
        self,
        bundle: bundle.ResourceBundle | Callable[[str], bundle.ResourceBundle],
        from_image: str | None = None,
        *,
        tag: str | None = None,
        env: Mapping[str, str] | None = None,
        volumes: Sequence[str] | None = None,
        ports: Sequence[int | str] | None = None,
        cmd: Sequence[str] | None = None,
        maintainer: str | None = None,
        platform: str | Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
        workdir: str | os.PathLike[str] | None = None,
        user: str | int | None = None,
        stop_signal: str | int | None = None,
        pull: bool = False,
        no_cache: bool = False,
        check_reproducible: bool = False,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        network: str | None = None,
        client: docker.APIClient | None = None,
        engines: Mapping[str, str] | None = None,
    ):
        self.image_id: str = ''
        """The image's ID, sha256:…; for several platforms, the digest of the index. Empty until it
        is built."""
        self.base_user: str = ''
        """Whom the base runs as, if not root. Empty until it is built: a build asks for it."""
        self.dry_run = dry_run
        self.tag: str | None = None if tag is None else arguments.tag(tag)
        self.platform = platform
        self.output: str | None = None if output is None else arguments.check_output(output)
        self.network: str | None = None if network is None else arguments.text('network', network)
        self._client = None if client is None else arguments.check_client(client)
        self._platforms = arguments.parse_platforms(platform)
        self._engines = arguments.parse_engines(engines, self._platforms)
        self._settings = dockerfile.Settings(
            from_image='ubuntu:24.04' if from_image is None else arguments.base(from_image),
            env=arguments.variables(env),
            volumes=[arguments.volume(each) for each in arguments.sequence('volumes', volumes)],
            ports=[arguments.port(each) for each in arguments.sequence('ports', ports)],
            cmd=None if cmd is None else arguments.words('cmd', cmd),
            labels=arguments.read_labels(labels, maintainer),
            entrypoint=None if entrypoint is None else arguments.words('entrypoint', entrypoint),
            workdir=None if workdir is None else arguments.workdir(workdir),
            user=None if user is None else arguments.user(user),
            stop_signal=None if stop_signal is None else arguments.stop_signal(stop_signal),
        )
        self._pull = arguments.flag('pull', pull)
        self._no_cache = arguments.flag('no_cache', no_cache)
        self._check_reproducible = arguments.flag('check_reproducible', check_reproducible)
        if len(self._platforms) > 1 and self.output is None and not dry_run:
            raise _errors.ResourceError(
                'an image for several platforms must be written to a file', _SET_OUTPUT
            )
        if len(self._platforms) > 1 and check_reproducible:
            raise _errors.ResourceError(
                'check_reproducible needs a single platform', 'set platform'
            )
        self._bundles = arguments.make_bundles(bundle, self._platforms)

    @property
    def dockerfile(self) -> str:
        """The Dockerfile; USER is in it only once `base_user` is known.

        Raises:
            _errors.BuildError: it differs by platform
        """
        return self._common().dockerfile

    @property
    def steps(self) -> list[str]:
        """The resources of each step, as one line."""
        return [step.title for step in self._common().plan.steps]

    def write_context(self, directory: str | os.PathLike[str]) -> None:
        """Write the Dockerfile and the files that it copies, for `docker build`.

        Raises:
            _errors.BuildError: they cannot be written, a file to copy cannot be read, or the
                Dockerfile differs by platform
        """
        target = self._common()
        try:
            context.write(target.plan.files, target.dockerfile, directory)
        except OSError as error:
            raise _errors.BuildError(f'cannot write the build context: {error}') from error

    def context(self) -> bytes:
        """Return the same as a tar archive. Raises _errors.BuildError."""
        with self._common().archive() as archive:
            return archive.read()

    def build(self) -> Iterator[Progress]:
        """Build the image and set `image_id`; yield the progress.

        A build that fails, or whose generator is closed, leaves only BuildKit's cache behind;
        podman finishes the running command first. If the build for one platform fails, the others
        are ended.

        Raises:
            _errors.StepError: a resource cannot be applied
            _errors.BuildError: the image cannot be built for a different reason
        """
        self.image_id = ''
        with engines.as_build_error():
            if self.dry_run:
                yield from self._planned()
            elif len(self._platforms) > 1 and self.output is not None:
                yield from self._build_several(self.output)
            else:
                yield from self._build_one()

    def _build_one(self) -> Iterator[Progress]:
        epoch = timestamps.epoch()
        [target] = self._targets(self._settings)
        with contextlib.ExitStack() as stack:
            build = self._open(target, stack)
            if isinstance(build, buildx.BuildxBuild) and self.output is None:
                raise _errors.BuildError('a buildx builder does not store images', _SET_OUTPUT)
            yield from build.prepare()
            yield from build.build()
            self.image_id = build.image_id
            self.base_user = build.target.settings.base_user
            if self._check_reproducible:
                yield from self._build_again(build, epoch or 0)
            yield Progress('built', f'{self.image_id}{f" {self.tag}" if self.tag else ""}')
            if self.output is not None:
                file = stack.enter_context(oci_archive.temporary(self.output))
                yield from build.save(file)
                saved = oci_archive.SavedImage(file, epoch=epoch)
                yield from events.watched('reading the image', saved.measure())
                archive = oci_archive.ArchiveWriter.from_saved(saved, self.tag)
                yield from events.watched(f'writing {self.output}', archive.write(self.output))
                yield Progress('written', self.output)

    def _build_again(self, build: build_target.Build, epoch: int) -> Iterator[Progress]:
        """Build the image again without the cache, and compare both, with times up to `epoch`."""
        yield Progress('note', 'building it again, to compare both images')
        with contextlib.ExitStack() as stack:
            again = self._open(dataclasses.replace(build.target, no_cache=True, tag=None), stack)
            saved = []
            if build.image_id:
                yield from again.prepare()
                yield from again.build()
            stack.callback(again.forget, self.image_id)
            for each in (build, again):
                file = stack.enter_context(tempfile.TemporaryFile())
                yield from each.save(file)
                image = oci_archive.SavedImage(file, epoch=epoch)
                yield from events.watched('reading the image', image.measure())
                saved.append(image)
            differences = comparison.compare(*saved)
        if differences:
            lines = [f'    {difference}' for difference in differences[:_MOST_DIFFERENCES]]
            more = len(differences) - len(lines)
            lines += [f'    and {more} more'] if more > 0 else []
            raise _errors.BuildError('two builds of the image differ:', details=lines)
        yield Progress('note', 'both images are the same')

    def _build_several(self, output: str) -> Iterator[Progress]:
        builds: dict[platforms.Platform, build_target.Build] = {}
        with contextlib.ExitStack() as stack:
            for platform, target in zip(
                self._platforms, self._targets(self._settings), strict=True
            ):
                builds[platform] = self._open(target, stack)
            self.image_id = yield from multi_platform.build_index(
                builds, output, self.tag, timestamps.epoch()
            )
            self.base_user = next(iter(builds.values())).target.settings.base_user
            yield Progress('written', output)
            yield Progress('built', self.image_id)

    def _open(
        self, target: build_target.Target, stack: contextlib.ExitStack
    ) -> build_target.Build:
        engine_name = self._engines.get(target.platform, '') if target.platform else ''
        if engine_name and buildx.is_builder(engine_name):
            # buildx itself gives them to the builder
            target = dataclasses.replace(target, proxies=proxies.read('', os.environ))
            return stack.enter_context(buildx.BuildxBuild(target, engine_name))
        client, environ, host = self._client, None, ''
        if client is None or engine_name:
            from charm_image._oci import engine

            connected = stack.enter_context(engines.connect(engine_name))
            client, host = connected.client, connected.host
            environ = engine.environment(engine_name)
        target = dataclasses.replace(target, proxies=proxies.read(host, environ or os.environ))
        build = engine_build.EngineBuild(target, client, engine_name, environ)
        return stack.enter_context(build)

    def _targets(self, settings: _Settings) -> list[build_target.Target]:
        several = len(self._platforms) > 1
        return [
            build_target.Target(
                plan.Plan(resources, settings.arguments),
                settings,
                platform,
                None if several else self.tag,
                self.network,
                self._pull,
                self._no_cache,
            )
            for platform, resources in self._bundles.items()
        ]

    def _common(self) -> build_target.Target:
        settings = dataclasses.replace(self._settings, base_user=self.base_user)
        first, *others = self._targets(settings)
        if any(target.context_digest != first.context_digest for target in others):
            raise _errors.BuildError('the Dockerfile differs by platform', 'set one platform')
        return first

    def _planned(self) -> Iterator[Progress]:
        by_context: dict[str, list[build_target.Target]] = {}
        for target in self._targets(self._settings):
            by_context.setdefault(target.context_digest, []).append(target)
        for same in by_context.values():
            names = ', '.join(str(target.platform) for target in same)
            heading = f'# {names}\n' if len(by_context) > 1 else ''
            yield Progress('plan', heading + same[0].dockerfile)
            yield from same[0].report('planned')
