"""A file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from charm_image.resources import ownership, scripts
from charm_image.resources.resource import Common, Resource, kind
from charm_image.resources.shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class File(Resource):
    """A file, with the given contents or those of a file on this machine.

    With neither, an existing file keeps its contents, and a missing one is created empty. Missing
    parent directories are created, owned by root, with mode 755. A symbolic link of that name is
    replaced, not followed.

    Args:
        name: the absolute path
        contents: its content; a str is encoded as UTF-8
        source: the path of a file on this machine that has the content
        owner: name or ID of a user; default: root
        group: name or ID of a group; default: the owner's group, or root if owner is an ID
        mode: permissions, as a number or a string of octal digits; default: 0o644
        sensitive: accepted for compatibility with fuselage; contents are never shown
        common: id, policy and watches; see Common
    """

    policies = {'apply': (), 'remove': ('owner', 'group', 'mode', 'contents', 'source')}
    verb = 'copy'

    def __init__(
        self,
        name: str,
        *,
        contents: str | bytes | None = None,
        source: str | os.PathLike[str] | None = None,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        sensitive: bool = False,
        **common: Unpack[Common],
    ):
        self.name = self._path('name', name)
        if contents is not None and source is not None:
            self._refuse('give either contents or source')
        if contents is not None and not isinstance(contents, (str, bytes)):
            self._refuse(f'contents must be str or bytes, not {kind(contents)}')
        self.contents = None
        if isinstance(contents, str):
            try:
                self.contents = contents.encode()
            except UnicodeEncodeError:
                self._refuse('contents cannot be encoded as UTF-8: give bytes')
        elif contents is not None:
            self.contents = contents
        self.source = self._source(source)
        self.owner = self._account('owner', owner)
        self.group = self._account('group', group)
        self.mode = self._mode(mode)
        self.sensitive = self._flag('sensitive', sensitive)
        super().__init__(**common)

    def _source(self, source: Any) -> str | None:
        if source is None:
            return None
        try:
            path: str = os.path.abspath(os.fsdecode(source))
        except TypeError:
            self._refuse(f'source must be a path, not {kind(source)}')
        if not os.path.isfile(path):
            self._refuse(f'source {path} does not exist or is not a file')
        if not os.access(path, os.R_OK):
            self._refuse(f'no permission to read source {path}')
        return path

    @property
    def content(self) -> bytes | str | None:
        """Its content as bytes, or the path of the file that has it; None to keep what exists."""
        return self.source if self.source is not None else self.contents

    @property
    def permissions(self) -> int:
        """Its mode, with the default applied."""
        return 0o644 if self.mode is None else self.mode

    @property
    def always_changes(self) -> bool:
        return not self.watches and self.content is not None

    @property
    def snapshot(self) -> str:
        return ownership.snapshot(self.name, f'cat {quote(self.name)}')

    def write(self, script: scripts.Script) -> None:
        name = quote(self.name)
        script.add(f'[ ! -d {name} ] || {{ {stop(self.name + " is a directory")}; }}')
        if self.removes:
            script.add(f'rm -f {name}')
            return
        parent = self.name.rpartition('/')[0]
        if parent:
            script.add(f'mkdir -p {quote(parent)}')
        if self.content is None:
            script.add(f'[ -e {name} ] || : >{name}')
        else:
            script.add(f'rm -f {name}', f'cp {quote(script.stage(self.content))} {name}')
        script.add(
            ownership.chown(self.owner, self.group, script.primary_groups, self.name),
            f'chmod {self.permissions:04o} {name}',
        )

    def finish(self, primary_groups: Mapping[str, str], owned: bool) -> list[str]:
        """Return the commands to run after COPY; `owned`: whether they set the owner."""
        lines = []
        if owned:
            lines.append(ownership.chown(self.owner, self.group, primary_groups, self.name))
        if self.permissions & 0o6000:  # which only BuildKit copies, and chown clears
            lines.append(f'chmod {self.permissions:04o} {quote(self.name)}')
        return lines
