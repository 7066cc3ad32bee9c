"""The image to build for one platform."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import IO

from charm_image import _errors, _progress
from charm_image._build import context, dockerfile, plan
from charm_image._oci import platforms


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
        instructions = (each for step in self.plan.steps for each in step.instructions)
        return any(each.startswith('RUN ') for each in instructions)

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
        texts = (each for step in self.plan.steps for each in step.instructions)
        found = (re.match('COPY --from=(\\S+) ', each) for each in texts)
        return list(dict.fromkeys(each[1] for each in found if each))

    def on(self, base: str, user: str) -> Target:
        """Return the same image on `base`, which runs as `user`."""
        settings = dataclasses.replace(self.settings, from_image=base, base_user=user)
        return dataclasses.replace(self, settings=settings)

    def report(self, *states: str) -> Iterator[_progress.Progress]:
        """Yield that each step went through some states."""
        steps = self.plan.steps
        for number, step in enumerate(steps, 1):
            for state in states:
                yield _progress.Progress(
                    state, resource=step.title, step=number, steps=len(steps)
                )

    def archive(self, output: IO[bytes]) -> None:
        """Write the context as a tar archive. Raises _errors.BuildError."""
        try:
            context.archive(self.plan.files, self.dockerfile, output)
        except OSError as error:
            raise _errors.BuildError(f'cannot make the build context: {error}') from error
