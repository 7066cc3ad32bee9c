"""Images from bundles, built by Docker's engine or podman's through Docker's API.

See the Docker Engine API, https://docs.docker.com/reference/api/engine, from version 1.24 on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from charm_image import errors
from charm_image.build import (
    arguments,
    build_target,
    buildx,
    bundle,
    context,
    dockerfile,
    engine_build,
    events,
    multi_platform,
    places,
    plan,
)
from charm_image.image import oci_archive, platforms

if TYPE_CHECKING:
    import docker

Progress = events.Progress


class DockerBuilder:
    """An image to be built from a bundle.

    Building with ``docker build`` what `write_context` writes gives the same image.

    Args:
        bundle: what is in the image; or a function that is given a platform, such as
            linux/arm64, and returns what is in the image for that
        from_image: the image to start from, a name, an ID or `scratch`; `ubuntu:24.04` by
            default. It is pulled if the engine doesn't have it
        tag: the name of the image
        env: variables, for what is run while building and for what the image runs
        volumes: directories to share
        ports: those to expose, such as 80, '53/udp' or '8000-8010'
        cmd: what the image runs by default, word by word
        maintainer: whom to ask; the label org.opencontainers.image.authors
        platform: what to build for, as in linux/arm64; or several, with `output`
        labels: further labels
        dry_run: whether to build nothing, and to yield the Dockerfile and the steps instead
        output: a file to write the image to, too, as an OCI archive; of several platforms,
            one image with an index
        network: the network of commands while building, as in `docker build --network`
        client: the engine; by default that which the docker command would use
        engines: an engine of its own for a platform: a docker context, a builder of buildx, or
            a URL as in DOCKER_HOST

    Raises:
        errors.ResourceError: an argument is wrong
    """

    def __init__(
        self,
        bundle: bundle.ResourceBundle | Callable[[str], bundle.ResourceBundle],
        from_image: str | None = None,
        tag: str | None = None,
        env: Mapping[str, str] | None = None,
        volumes: Sequence[str] | None = None,
        ports: Sequence[int | str] | None = None,
        cmd: Sequence[str] | None = None,
        maintainer: str | None = None,
        platform: str | Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        network: str | None = None,
        client: docker.APIClient | None = None,
        engines: Mapping[str, str] | None = None,
    ):
        self.image_id = ''
        """The ID of the image, sha256:…, of several platforms the digest of its index; empty until
        it is built."""
        self.dry_run = dry_run
        self.tag = None if tag is None else arguments.tag('tag', tag)
        self.platform = platform
        self.output = None if output is None else arguments.output_of(output)
        self.network = None if network is None else arguments.text('network', network)
        self._client = None if client is None else arguments.client_of(client)
        self._platforms = arguments.platforms_of(platform)
        self._engines = arguments.engines_of(engines, self._platforms)
        self._settings = dockerfile.Settings(
            from_image='ubuntu:24.04' if from_image is None else arguments.base(from_image),
            env=arguments.variables(env),
            volumes=[arguments.volume(each) for each in arguments.sequence('volumes', volumes)],
            ports=[arguments.port(each) for each in arguments.sequence('ports', ports)],
            cmd=None if cmd is None else arguments.words('cmd', cmd),
            labels=arguments.labels_of(labels, maintainer),
        )
        if len(self._platforms) > 1 and self.output is None and not dry_run:
            raise errors.ResourceError(
                'an image for several platforms needs a file to be written to: '
                'output=PATH (--output=PATH)'
            )
        self._bundles = arguments.bundles_of(bundle, self._platforms)

    @property
    def dockerfile(self) -> str:
        """The Dockerfile, as far as it is known without asking the engine about from_image.

        Raises:
            errors.BuildError: it is not the same for all platforms
        """
        return self._common().dockerfile

    @property
    def steps(self) -> list[str]:
        """The names of the resources of each step."""
        return [step.title for step in self._common().plan.steps]

    def write_context(self, directory: str | os.PathLike[str]) -> None:
        """Write the Dockerfile and all that it copies, for `docker build`.

        Raises:
            errors.BuildError: it can't be written, or a file to copy not be read, or it is not the
                same for all platforms
        """
        target = self._common()
        try:
            context.write(target.plan.files, target.dockerfile, directory)
        except OSError as error:
            raise errors.BuildError(f'the context cannot be written: {error}') from error

    def context(self) -> bytes:
        """The same as a tar archive."""
        return _context(self._common())

    def build(self) -> Iterator[Progress]:
        """Build the image, which `image_id` names then; yield what happens as it does.

        A build that fails, or whose generator is closed, leaves nothing behind but BuildKit's
        cache; podman ends the command that it is at first. Of several platforms, one that fails
        ends the others.

        Raises:
            errors.StepError: a resource can't be applied
            errors.BuildError: the image can't be built for another reason
        """
        self.image_id = ''
        if self.dry_run:
            yield from self._planned()
        elif len(self._platforms) > 1 and self.output is not None:
            yield from self._build_several(self.output)
        else:
            yield from self._build_one()

    def _build_one(self) -> Iterator[Progress]:
        [target] = self._targets()
        with contextlib.ExitStack() as stack:
            build = self._open(target, stack)
            if isinstance(build, buildx.BuildxBuild) and self.output is None:
                raise errors.BuildError(
                    'a builder of buildx keeps no images: give output=PATH (--output=PATH), too'
                )
            yield from build.prepare()
            yield from build.build()
            self.image_id = build.image_id
            # whose settings now know the base
            self._settings = build.target.settings
            yield Progress('built', f'{self.image_id}{f" {self.tag}" if self.tag else ""}')
            if self.output is not None:
                with oci_archive.told(self.output):
                    directory = os.path.dirname(self.output) or '.'
                    file = stack.enter_context(tempfile.TemporaryFile(dir=directory))
                yield from build.save(file)
                oci_archive.write(oci_archive.Saved(file), self.output, self.tag)
                yield Progress('written', self.output)

    def _build_several(self, output: str) -> Iterator[Progress]:
        builds: dict[platforms.Platform, multi_platform.Build] = {}
        with contextlib.ExitStack() as stack:
            for platform, target in zip(self._platforms, self._targets(), strict=True):
                builds[platform] = self._open(target, stack)
            made = multi_platform.Images(builds)
            yield from made.make(output, self.tag)
            self.image_id = made.digest
            user = next(iter(builds.values())).target.settings.user
            self._settings = dataclasses.replace(self._settings, user=user)
            yield Progress('written', output)
            yield Progress('built', self.image_id)

    def _open(
        self, target: build_target.Target, stack: contextlib.ExitStack
    ) -> engine_build.EngineBuild | buildx.BuildxBuild:
        place = self._engines.get(target.platform, '') if target.platform else ''
        if place and buildx.is_builder(place):
            return stack.enter_context(buildx.BuildxBuild(target, place))
        client = self._client
        if client is None or place:
            client = stack.enter_context(places.connect(place)).client
        build = engine_build.EngineBuild(target, client, place)
        return stack.enter_context(contextlib.closing(build))

    def _targets(self) -> list[build_target.Target]:
        several = len(self._platforms) > 1
        return [
            build_target.Target(
                plan.Plan(resources, self._settings.arguments),
                self._settings,
                platform,
                None if several else self.tag,
                self.network,
            )
            for platform, resources in self._bundles.items()
        ]

    def _common(self) -> build_target.Target:
        first, *others = self._targets()
        if any(_context(each) != _context(first) for each in others):
            raise errors.BuildError(
                'the Dockerfile differs by platform: give one platform at a time'
            )
        return first

    def _planned(self) -> Iterator[Progress]:
        by_context: dict[bytes, list[build_target.Target]] = {}
        for target in self._targets():
            by_context.setdefault(_context(target), []).append(target)
        for same in by_context.values():
            names = ', '.join(str(each.platform) for each in same)
            heading = f'# {names}\n' if len(by_context) > 1 else ''
            yield Progress('plan', heading + same[0].dockerfile)
            steps = same[0].plan.steps
            for number, step in enumerate(steps, 1):
                yield Progress('planned', '', step.title, number, len(steps))


def _context(target: build_target.Target) -> bytes:
    archive = io.BytesIO()
    target.archive(archive)
    return archive.getvalue()
