"""A directory."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from charm_image.resources import _copied, _ownership, _scripts, _tree
from charm_image.resources._resource import Common
from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Directory(_copied.Copied):
    """A directory, empty or with the content of a tree; it keeps other files that it has.

    Without `source`, owner, group and mode are also set if it already exists, and its parent must
    exist. With `source`, missing parent directories are created, owned by root, with mode 755.

    Args:
        name: the absolute path
        source: a directory whose content is copied, on this machine or in `from_image`. Symbolic
            links stay links
        exclude: patterns of what is not copied, as in a .dockerignore file: `*.pyc` is for the top
            directory only, `**/*.pyc` for all; `!` before a pattern makes an exception
        dockerignore: whether the patterns in the file .dockerignore in `source` precede `exclude`
        from_image: the name of an image to copy from
        owner: name or ID of a user; default: root
        group: name or ID of a group; default: the owner's group, or root if owner is an ID
        mode: permissions, as a number or a string of octal digits; default: 0o755. With `source`,
            those of the files in it; default: as they are there
        directory_mode: with `source`, those of the directories; default: as they are there
        parents: also create missing parent directories, with the same owner, group and mode
        common: id, policy and watches; see Common
    """

    _own = ('owner', 'group', 'mode', 'parents', 'source', 'exclude', 'dockerignore')
    policies: ClassVar[Mapping[str, Sequence[str]]] = {
        'apply': (),
        'remove': (*_own, 'from_image', 'directory_mode'),
        'remove-recursive': (*_own, 'from_image', 'directory_mode'),
    }

    def __init__(
        self,
        name: str,
        *,
        source: str | os.PathLike[str] | None = None,
        exclude: Sequence[str] = (),
        dockerignore: bool = False,
        from_image: str | None = None,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        directory_mode: int | str | None = None,
        parents: bool = False,
        **common: Unpack[Common],
    ):
        self.name: str = self._path('name', name)
        self.owner: str | None = self._account('owner', owner)
        self.group: str | None = self._account('group', group)
        self.mode: int | None = self._mode(mode)
        self.directory_mode: int | None = self._mode(directory_mode)
        self.parents: bool = self._flag('parents', parents)
        self.exclude: tuple[str, ...] = tuple(
            self._text('exclude', pattern)
            for pattern in self._several('exclude', 'patterns', exclude)
        )
        self.dockerignore: bool = self._flag('dockerignore', dockerignore)
        self.from_image: str | None
        self.source: str | None
        self.from_image, self.source = self._from(from_image, source)
        narrowed = bool(self.exclude or self.dockerignore or self.directory_mode is not None)
        if self.source is None and narrowed:
            self._refuse('exclude, dockerignore and directory_mode need source')
        if self.source is not None and self.parents:
            self._refuse('parents cannot be used with source, which creates missing parents')
        if self.from_image is not None and (narrowed or self.mode is not None):
            self._refuse('from_image copies all as it is there: it takes no patterns and no modes')
        super().__init__(**common)
        self._tree = self._read() if self.source is not None and self.from_image is None else []

    def _local(self, source: Any) -> str | None:
        path = super()._local(source)
        if path is not None and not os.path.isdir(path):
            self._refuse(f'source {path} does not exist or is not a directory')
        return path

    def _read(self) -> list[_tree.Entry]:
        patterns = list(self.exclude)
        try:
            if self.dockerignore:
                ignored = pathlib.Path(self.source or '', '.dockerignore')
                text = ignored.read_text(encoding='utf-8') if ignored.exists() else ''
                patterns[:0] = _tree.patterns_of(text)
            entries = _tree.read(self.source or '', patterns)
        except (OSError, ValueError) as error:
            self._refuse(f'source: {error}')
        return [entry._replace(mode=self._entry_mode(entry)) for entry in entries]

    def _entry_mode(self, entry: _tree.Entry) -> int:
        if isinstance(entry.content, _tree.Link):
            return entry.mode
        mode = self.directory_mode if entry.content is None else self.mode
        return entry.mode if mode is None else mode

    @property
    def content(self) -> list[_tree.Entry]:
        return self._tree

    @property
    def entries(self) -> list[_tree.Entry]:
        top = self.name.rpartition('/')[2]
        return [entry._replace(path=f'{top}/{entry.path}'.rstrip('/')) for entry in self._tree]

    @property
    def title(self) -> str:
        return f'copy {super().title.partition(" ")[2]}' if self.has_content else super().title

    verb = 'mkdir'
    _chown_option = '-hR'

    @property
    def snapshot(self) -> str:
        name = quote(self.name)
        listing = f"find {name} -exec ls -ldn {{}} + | awk '{{ print $1, $3, $4, $9 }}'"
        checksums = f'find {name} -type f -exec cksum {{}} +'
        return _ownership.snapshot(
            self.name, f'{{ {listing}; {checksums}; }}' if self.source else ':'
        )

    def write(self, script: _scripts.Script) -> None:
        name = quote(self.name)
        if self.removes:
            remove = 'rm -rf' if self.policy == 'remove-recursive' else 'rmdir'
            script.add(
                f'if [ -d {name} ]; then {remove} {name}',
                f'elif [ -e {name} ]; then {stop(self.name + " is not a directory")}; fi',
            )
            return
        if self.has_content:
            self._write_tree(script)
            return
        mode = 0o755 if self.mode is None else self.mode

        def own(path: str) -> str:
            return _ownership.chown(self.owner, self.group, script.primary_groups, path)

        if self.parents:
            parts = self.name.split('/')
            for depth in range(2, len(parts)):
                parent = '/'.join(parts[:depth])
                make = f'mkdir {quote(parent)}; {own(parent)}; chmod {mode:04o} {quote(parent)}'
                script.add(f'[ -d {quote(parent)} ] || {{ {make}; }}')
        script.add(f'[ -d {name} ] || mkdir {name}', own(self.name), f'chmod {mode:04o} {name}')

    def _write_tree(self, script: _scripts.Script) -> None:
        name, staged = quote(self.name), self._stage(script)
        script.add(
            _ownership.chown(self.owner, self.group, script.primary_groups, staged, '-hR'),
            f'if [ -e {name} ] && ! [ -d {name} ]; then',
            f'    {stop(self.name + " is not a directory")}',
            'fi',
            f'mkdir -p {name}',
            f'cp -a {quote(staged)}/. {name}',
            *self.finish({}, False),
        )
