"""What is to be built for one platform."""

from __future__ import annotations

import dataclasses
import json
from typing import IO

from charm_image import errors
from charm_image.build import context, dockerfile, plan
from charm_image.image import platforms


@dataclasses.dataclass(frozen=True)
class Target:
    """An image for `platform`, or for the engine's own if that is None."""

    plan: plan.Plan
    settings: dockerfile.Settings
    platform: platforms.Platform | None = None
    tag: str | None = None
    network: str | None = None

    @property
    def dockerfile(self) -> str:
        """The Dockerfile, as far as it is known without asking the engine about its base."""
        return self.plan.dockerfile(self.settings)

    @property
    def runs_programs(self) -> bool:
        """Whether its engine has to be able to run programs of its platform."""
        instructions = (each for step in self.plan.steps for each in step.instructions)
        return any(each.startswith('RUN ') for each in instructions)

    @property
    def options(self) -> dict[str, str]:
        """Parameters of a build by Docker's API."""
        options = {
            'buildargs': json.dumps(self.settings.arguments),
            't': self.tag,
            'platform': str(self.platform) if self.platform else None,
            'networkmode': self.network,
        }
        return {name: value for name, value in options.items() if value}

    def on(self, base: str, user: str) -> Target:
        """The same on `base`, which runs as `user`."""
        settings = dataclasses.replace(self.settings, from_image=base, user=user)
        return dataclasses.replace(self, settings=settings)

    def archive(self, output: IO[bytes]) -> None:
        """Write the context as a tar archive. Raises errors.BuildError."""
        try:
            context.archive(self.plan.files, self.dockerfile, output)
        except OSError as error:
            raise errors.BuildError(f'the context cannot be made: {error}') from error
