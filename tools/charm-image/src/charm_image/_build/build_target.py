"""The image to build for one platform, and what all ways to build it have in common."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING

from charm_image import _errors, _progress
from charm_image._build import context, dockerfile, events, plan
from charm_image._oci import images, platforms

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclasses.dataclass(frozen=True)
class Target:
    """An image for `platform`, or for the engine's platform if that is None.

    `proxies` are build arguments for its commands, and may have credentials.
    """

    plan: plan.Plan
    settings: dockerfile.Settings
    platform: platforms.Platform | None = None
    tag: str | None = None
    network: str | None = None
    pull: bool = False
    no_cache: bool = False
    proxies: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def dockerfile(self) -> str:
        """The Dockerfile; the base's user is in it only after the engine was asked for it."""
        return self.plan.dockerfile(self.settings)

    @property
    def runs_programs(self) -> bool:
        """Whether a builder runs programs of the image's platform."""
        if self.plan.has_files_only:
            return False
        return any(text.startswith('RUN ') for text in self._instructions)

    @property
    def options(self) -> dict[str, str]:
        """The parameters of the build in Docker's API."""
        options = {
            'buildargs': json.dumps({**self.proxies, **self.settings.arguments}),
            't': self.tag,
            'platform': str(self.platform) if self.platform else None,
            'networkmode': self.network,
            'nocache': '1' if self.no_cache else None,
        }
        return {name: value for name, value in options.items() if value}

    @property
    def copied_images(self) -> list[str]:
        """The images that resources copy from."""
        matches = (re.match('COPY --from=(\\S+) ', text) for text in self._instructions)
        return list(dict.fromkeys(match[1] for match in matches if match))

    @property
    def _instructions(self) -> Iterator[str]:
        return (text for step in self.plan.steps for text in step.instructions)

    def on(self, base: str, user: str) -> Target:
        """Return the same image on `base`, which runs as `user`."""
        settings = dataclasses.replace(self.settings, from_image=base, base_user=user)
        return dataclasses.replace(self, settings=settings)

    def report(self, *states: str) -> Iterator[_progress.Progress]:
        """Yield that each step went through some states."""
        steps = self.plan.steps
        for number, step in enumerate(steps, 1):
            for state in states:
                yield _progress.Progress(state, resource=step.title, step=number, steps=len(steps))

    @property
    def context_digest(self) -> str:
        """The digest of the context. Raises _errors.BuildError."""
        with self.archive() as archive:
            return images.digest_of(archive)

    def archive(self) -> IO[bytes]:
        """Return the context as a tar archive, in a temporary file. Raises _errors.BuildError."""
        output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            context.archive(self.plan.files, self.dockerfile, output)
        except OSError as error:
            output.close()
            raise _errors.BuildError(f'cannot make the build context: {error}') from error
        output.seek(0)
        return output


class Build:
    """A build of `target`: with an engine, or with a buildx builder; `close` it at the end.

    `image_id` is the image's ID there, or else the digest of its configuration, once it is built.
    """

    def __init__(self, target: Target):
        self.target = target
        self.image_id = ''
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def engine_id(self) -> str:
        """Identifies the engine, whatever its address."""
        raise NotImplementedError

    @property
    def base_missing(self) -> bool:
        """Whether the base has to be pulled, which `prepare` would do."""
        return False

    def prepare(self, shared: bool = False) -> Iterator[_progress.Progress]:
        """Find the base; `shared`: the engine builds for several platforms at the same time.

        Raises:
            _errors.BuildError: the image cannot be built
        """
        raise NotImplementedError

    def build(self) -> Iterator[_progress.Progress]:
        """Build the image; call `prepare` first.

        Raises:
            _errors.StepError: a resource cannot be applied
            _errors.BuildError: the image cannot be built for a different reason
        """
        raise NotImplementedError

    def save(self, output: IO[bytes]) -> Iterator[_progress.Progress]:
        """Write the archive that `docker save` writes of the image. Raises _errors.BuildError."""
        name = 'saving the image'
        yield _progress.Progress('saving', name)
        yield from events.watched(name, self._copy(output))

    def _copy(self, output: IO[bytes]) -> Iterator[tuple[int, int | None]]:
        """Do what `save` does; yield the bytes done and in total."""
        raise NotImplementedError

    def tag(self, name: str) -> bool:
        """Tag the image in its engine; return whether the engine stores images."""
        return False

    def forget(self, kept: str) -> None:
        """Remove the image from its engine, unless it is the one called `kept` or has a name."""

    def stop(self) -> None:
        """End the build; can be called from any thread."""
        self._stopped = True

    def check(self) -> None:
        """Raise BuildError once the build is stopped."""
        if self._stopped:
            raise _errors.BuildError('stopped')

    def close(self) -> None:
        """Remove what only this build needed."""
