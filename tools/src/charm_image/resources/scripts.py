"""Scripts for a POSIX shell (POSIX.1-2017, XCU) with the utilities beside it.

They run under `set -eu`. They set no variable that programs would see, and every value stands in
them quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charm_image.resources import Resource

#: Where files for scripts are while they run.
STAGE = '/.charm-image'


class Script:
    """The lines for one resource, and what has to be beside them."""

    def __init__(
        self, owners: Mapping[str, str], stage: Callable[[bytes | str], str], news: str = ''
    ):
        """
        Args:
            owners: the first group of each user that the bundle makes
            stage: brings contents, or the file with that path, to the image; tells where it is
            news: the variable that says whether something changed, or ''
        """
        self.owners = owners
        self.stage = stage
        self.news = news
        self.lines: list[str] = []
        #: Shell functions by name, which the lines call.
        self.functions: dict[str, list[str]] = {}

    def add(self, *lines: str) -> None:
        """Append `lines`."""
        self.lines += lines

    def apply(self, resource: Resource) -> None:
        """Append what applies `resource`, and sets `news` if that changed something."""
        snapshot = resource.snapshot if self.news else ''
        if snapshot:
            self.add(f'{self.news}_before=$({snapshot})')
        resource.write(self)
        if snapshot:
            self.add(f'[ "${self.news}_before" = "$({snapshot})" ] || {self.news}=1')
