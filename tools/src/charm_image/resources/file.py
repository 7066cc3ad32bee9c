"""A file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from charm_image.resources import ownership, scripts
from charm_image.resources.resource import Resource, kind
from charm_image.resources.shell import quote, stop


class File(Resource):
    """A file, made anew with the given contents or those of a file here.

    With neither, a file that is there keeps its contents; one that isn't becomes an empty one.
    Directories above it that are missing are made as root's, mode 755. A link of its name is
    replaced, not followed.
    """

    policies = {'apply': (), 'remove': ('owner', 'group', 'mode', 'contents', 'source')}
    verb = 'copy'

    def __init__(
        self,
        name: str,
        contents: str | bytes | None = None,
        source: str | os.PathLike[str] | None = None,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        sensitive: bool = False,
        **common: Any,
    ):
        """
        Args:
            name: the full path
            contents: what is in it; text becomes UTF-8
            source: the path of a file here, for what is in it
            owner: a user's name or number; by default root
            group: a group's name or number; by default the owner's own, and root's for a number
            mode: permissions, as a number or in octal digits; by default 0o644
            sensitive: accepted for fuselage's sake. No contents are ever shown
            common: see Resource
        """
        self.name = self._path('name', name)
        if contents is not None and source is not None:
            self._refuse('it has contents or a source, not both')
        if contents is not None and not isinstance(contents, (str, bytes)):
            self._refuse(f'contents are str or bytes, not {kind(contents)}')
        self.contents = None
        if isinstance(contents, str):
            try:
                self.contents = contents.encode()
            except UnicodeEncodeError:
                self._refuse('contents are not Unicode text; give them as bytes')
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
            self._refuse(f'source is the path of a file here, not {kind(source)}')
        if not os.path.isfile(path):
            self._refuse(f'its source {path} is no file here')
        if not os.access(path, os.R_OK):
            self._refuse(f'its source {path} may not be read')
        return path

    @property
    def content(self) -> bytes | str | None:
        """What is in it: bytes, or the path of the file that has them; None: what was there."""
        return self.source if self.source is not None else self.contents

    @property
    def permissions(self) -> int:
        """Its mode."""
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
            ownership.chown(self.owner, self.group, script.owners, self.name),
            f'chmod {self.permissions:04o} {name}',
        )

    def finish(self, owners: Mapping[str, str], owned: bool) -> list[str]:
        """What COPY left to do, or nothing; `owned` is whether that is to give it its owner."""
        lines = []
        if owned:
            lines.append(ownership.chown(self.owner, self.group, owners, self.name))
        if self.permissions & 0o6000:  # which only BuildKit copies, and chown clears
            lines.append(f'chmod {self.permissions:04o} {quote(self.name)}')
        return lines
