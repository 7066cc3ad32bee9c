"""Scripts for a POSIX shell and its utilities (POSIX.1-2017, XCU).

They run with `set -eu`. They export no variables to programs, and quote every value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charm_image.resources import Resource

#: The directory in the image where scripts find their files.
STAGE = '/.charm-image'


class Script:
    """The script for one resource, and the files and functions that it needs.

    Args:
        owners: the primary group of each user that the bundle creates
        stage: brings contents, or the file at a path, to the image; returns the path there
        news: the shell variable to set if something changed, or ''
    """

    def __init__(
        self, owners: Mapping[str, str], stage: Callable[[bytes | str], str], news: str = ''
    ):
        self.owners = owners
        self.stage = stage
        self.news = news
        self.lines: list[str] = []
        #: Shell functions that the lines call, by name.
        self.functions: dict[str, list[str]] = {}

    def add(self, *lines: str) -> None:
        """Append `lines`."""
        self.lines += lines

    def apply(self, resource: Resource) -> None:
        """Append the lines that apply `resource`, and set `news` if that changed something."""
        snapshot = resource.snapshot if self.news else ''
        if snapshot:
            self.add(f'{self.news}_before=$({snapshot})')
        resource.write(self)
        if snapshot:
            self.add(f'[ "${self.news}_before" = "$({snapshot})" ] || {self.news}=1')
