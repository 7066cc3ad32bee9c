"""What files and directories have in common: content that COPY brings into the image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from charm_image.resources import _ownership, _scripts, _tree
from charm_image.resources._resource import Resource, kind
from charm_image.resources._shell import quote
from container_image import reference


class Copied(Resource):
    """A resource whose content comes from this machine or from another image, if it has one."""

    owner: str | None
    group: str | None
    source: str | None
    from_image: str | None
    _chown_option = ''

    @property
    def has_content(self) -> bool:
        """Whether it brings content into the image."""
        return self.source is not None

    @property
    def content(self) -> bytes | str | list[_tree.Entry]:
        """Its content, without `from_image`: bytes, or the path of a file, or a tree."""
        raise NotImplementedError

    @property
    def entries(self) -> list[_tree.Entry]:
        """What to copy into the parent directory, with paths from there; [] with `from_image`."""
        raise NotImplementedError

    @property
    def always_changes(self) -> bool:
        return not self.watches and self.has_content

    def finish(self, primary_groups: Mapping[str, str], owned: bool) -> list[str]:
        """Return the commands to run after COPY; `owned`: whether they set the owner."""
        lines = []
        if owned:
            option = self._chown_option
            lines.append(
                _ownership.chown(self.owner, self.group, primary_groups, self.name, option)
            )
        parent = self.name.rpartition('/')[0]
        for entry in self.entries:
            if entry.mode & 0o6000 and not isinstance(entry.content, _tree.Link):
                # only BuildKit copies these bits, and chown clears them
                lines.append(f'chmod {entry.mode:04o} {quote(f"{parent}/{entry.path}")}')
        return lines

    def _stage(self, script: _scripts.Script) -> str:
        """Return the path of the content where the script runs."""
        if self.from_image is not None:
            return script.stage(_scripts.FromImage(self.from_image, self.source or ''))
        return script.stage(self.content)

    def _from(self, image: Any, source: Any) -> tuple[str | None, str | None]:
        """Check `from_image` and `source`."""
        if image is None:
            return None, self._local(source)
        name = self._text('from_image', image)
        try:
            if not name.startswith('sha256:'):
                reference.Reference.parse(name)
        except reference.InvalidReferenceError as error:
            self._refuse(f'from_image {name!r} is not a valid image reference: {error}')
        if source is None:
            self._refuse('source is missing: the path in the image that from_image names')
        return name, self._path('source', source)

    def _local(self, source: Any) -> str | None:
        if source is None:
            return None
        try:
            path: str = os.path.abspath(os.fsdecode(source))
        except TypeError:
            self._refuse(f'source must be a path, not {kind(source)}')
        return path
