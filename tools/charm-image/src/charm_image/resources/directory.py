"""A directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charm_image.resources import ownership, scripts
from charm_image.resources.resource import Common, Resource
from charm_image.resources.shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Directory(Resource):
    """A directory; owner, group and mode are also set if it already exists.

    Args:
        name: the absolute path
        owner: name or ID of a user; default: root
        group: name or ID of a group; default: the owner's group, or root if owner is an ID
        mode: permissions, as a number or a string of octal digits; default: 0o755
        parents: also create missing parent directories, with the same owner, group and mode
        common: id, policy and watches; see Common
    """

    policies = {
        'apply': (),
        'remove': ('owner', 'group', 'mode', 'parents'),
        'remove-recursive': ('owner', 'group', 'mode', 'parents'),
    }
    verb = 'mkdir'

    def __init__(
        self,
        name: str,
        *,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        parents: bool = False,
        **common: Unpack[Common],
    ):
        self.name = self._path('name', name)
        self.owner = self._account('owner', owner)
        self.group = self._account('group', group)
        self.mode = self._mode(mode)
        self.parents = self._flag('parents', parents)
        super().__init__(**common)

    @property
    def snapshot(self) -> str:
        return ownership.snapshot(self.name)

    def write(self, script: scripts.Script) -> None:
        name = quote(self.name)
        if self.removes:
            remove = 'rm -rf' if self.policy == 'remove-recursive' else 'rmdir'
            script.add(
                f'if [ -d {name} ]; then {remove} {name}',
                f'elif [ -e {name} ]; then {stop(self.name + " is not a directory")}; fi',
            )
            return
        mode = 0o755 if self.mode is None else self.mode

        def own(path: str) -> str:
            return ownership.chown(self.owner, self.group, script.primary_groups, path)

        if self.parents:
            parts = self.name.split('/')
            for depth in range(2, len(parts)):
                parent = '/'.join(parts[:depth])
                make = f'mkdir {quote(parent)}; {own(parent)}; chmod {mode:04o} {quote(parent)}'
                script.add(f'[ -d {quote(parent)} ] || {{ {make}; }}')
        script.add(f'[ -d {name} ] || mkdir {name}', own(self.name), f'chmod {mode:04o} {name}')
