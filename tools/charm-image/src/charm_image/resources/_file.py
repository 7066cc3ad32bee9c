"""A file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from charm_image.resources import _copied, _ownership, _scripts, _tree
from charm_image.resources._resource import Common, kind
from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class File(_copied.Copied):
    """A file, with the given contents or those of a file on this machine or in another image.

    With neither, an existing file keeps its contents, and a missing one is created empty. Missing
    parent directories are created, owned by root, with mode 755. A symbolic link of that name is
    replaced, not followed.

    Args:
        name: the absolute path
        contents: its content; a str is encoded as UTF-8
        source: the path of a file that has the content, on this machine or in `from_image`
        from_image: the name of an image to copy the file from
        owner: name or ID of a user; default: root
        group: name or ID of a group; default: the owner's group, or root if owner is an ID
        mode: permissions, as a number or a string of octal digits; default: 0o644, or
            with `from_image` as they are there
        sensitive: accepted for compatibility with fuselage; contents are never shown
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {
        'apply': (),
        'remove': ('owner', 'group', 'mode', 'contents', 'source', 'from_image'),
    }
    verb = 'copy'

    def __init__(
        self,
        name: str,
        *,
        contents: str | bytes | None = None,
        source: str | os.PathLike[str] | None = None,
        from_image: str | None = None,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        sensitive: bool = False,
        **common: Unpack[Common],
    ):
        self.name: str = self._path('name', name)
        if contents is not None and source is not None:
            self._refuse('give either contents or source')
        if contents is not None and not isinstance(contents, (str, bytes)):
            self._refuse(f'contents must be str or bytes, not {kind(contents)}')
        self.contents: bytes | None = None
        if isinstance(contents, str):
            try:
                self.contents = contents.encode()
            except UnicodeEncodeError:
                self._refuse('contents cannot be encoded as UTF-8', 'give bytes')
        elif contents is not None:
            self.contents = contents
        self.from_image: str | None
        self.source: str | None
        self.from_image, self.source = self._from(from_image, source)
        self.owner: str | None = self._account('owner', owner)
        self.group: str | None = self._account('group', group)
        self.mode: int | None = self._mode(mode)
        self.sensitive: bool = self._flag('sensitive', sensitive)
        super().__init__(**common)

    def _local(self, source: Any) -> str | None:
        path = super()._local(source)
        if path is not None and os.path.isdir(path):
            self._refuse(f'source {path} is a directory', 'use Directory(source=…)')
        if path is not None and not os.path.isfile(path):
            self._refuse(f'source {path} does not exist or is not a file')
        if path is not None and not os.access(path, os.R_OK):
            self._refuse(f'no permission to read source {path}')
        return path

    @property
    def has_content(self) -> bool:
        return self.source is not None or self.contents is not None

    @property
    def content(self) -> bytes | str:
        return self.source or self.contents or b''

    @property
    def entries(self) -> list[_tree.Entry]:
        if self.from_image is not None or not self.has_content:
            return []
        return [_tree.Entry(self.name.rpartition('/')[2], self.content, self.permissions)]

    @property
    def permissions(self) -> int:
        """Its mode, with the default applied."""
        return 0o644 if self.mode is None else self.mode

    @property
    def snapshot(self) -> str:
        return _ownership.snapshot(self.name, f'cat {quote(self.name)}')

    def write(self, script: _scripts.Script) -> None:
        name = quote(self.name)
        script.add(f'[ ! -d {name} ] || {{ {stop(self.name + " is a directory")}; }}')
        if self.removes:
            script.add(f'rm -f {name}')
            return
        parent = self.name.rpartition('/')[0]
        if parent:
            script.add(f'mkdir -p {quote(parent)}')
        if self.has_content:
            script.add(f'rm -f {name}', f'cp {quote(self._stage(script))} {name}')
        else:
            script.add(f'[ -e {name} ] || : >{name}')
        script.add(_ownership.chown(self.owner, self.group, script.primary_groups, self.name))
        if self.from_image is None or self.mode is not None:
            script.add(f'chmod {self.permissions:04o} {name}')

    def finish(self, primary_groups: Mapping[str, str], owned: bool) -> list[str]:
        lines = super().finish(primary_groups, owned)
        if self.from_image is not None and self.mode is not None:
            lines.append(f'chmod {self.mode:04o} {quote(self.name)}')
        return lines
