"""Scripts for a POSIX shell and its utilities (POSIX.1-2017, XCU).

They run with `set -eu`. They export no variables to programs, and quote every value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from charm_image.resources import _tree

if TYPE_CHECKING:
    from charm_image.resources import Resource

#: The directory in the image where scripts find their files.
STAGE = '/.charm-image'


class FromImage(NamedTuple):
    """A path in another image."""

    image: str
    path: str


Staged: TypeAlias = 'bytes | str | list[_tree.Entry] | FromImage'
"""Contents, the path of a file on this machine, a tree, or a path in another image."""


class Script:
    """The script for one resource, and the files and functions that it needs.

    Args:
        primary_groups: the primary group of each user that the bundle creates
        stage: brings content to the image; returns the path there
        changed_flag: the shell variable to set if something changed, or ''
    """

    def __init__(
        self,
        primary_groups: Mapping[str, str],
        stage: Callable[[Staged], str],
        changed_flag: str = '',
    ):
        self.primary_groups = primary_groups
        self.stage = stage
        self.changed_flag = changed_flag
        self.lines: list[str] = []
        #: Shell functions that the lines call, by name.
        self.functions: dict[str, list[str]] = {}

    def add(self, *lines: str) -> None:
        """Append `lines`."""
        self.lines += lines

    def apply(self, resource: Resource) -> None:
        """Append the lines that apply `resource`; if it changes something, they set the flag."""
        snapshot = resource.snapshot if self.changed_flag else ''
        if snapshot:
            self.add(f'{self.changed_flag}_before=$({snapshot})')
        resource.write(self)
        if snapshot:
            self.add(
                f'[ "${self.changed_flag}_before" = "$({snapshot})" ] || {self.changed_flag}=1'
            )
