"""A group of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from charm_image.resources import _accounts, _scripts
from charm_image.resources._resource import Common, Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Group(Resource):
    """A group of users, in the image's own files (group(5)).

    Args:
        name: the name
        gid: the group ID; default: a free one
        system: whether to take a free ID from the range of system groups
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {'apply': (), 'remove': ('gid', 'system')}
    verb = 'add group'

    def __init__(
        self,
        name: str,
        *,
        gid: int | None = None,
        system: bool = False,
        **common: Unpack[Common],
    ):
        self.name: str = self._account_name('name', name)
        self.gid: int | None = self._number('gid', gid)
        self.system: bool = self._flag('system', system)
        super().__init__(**common)

    @property
    def snapshot(self) -> str:
        return _accounts.SNAPSHOT

    def write(self, script: _scripts.Script) -> None:
        script.functions['accounts'] = _accounts.FUNCTIONS
        name = self.name
        if self.removes:
            script.add(
                f'[ ! -e /etc/group ] || entry /etc/group {name}',
                f'[ ! -e /etc/gshadow ] || entry /etc/gshadow {name}',
            )
            return
        script.add('touch /etc/passwd /etc/group', f'_gid=$(field /etc/group {name} 3)')
        if self.gid is None:
            first, last = _accounts.first_and_last(self.system)
            script.add(f'[ -n "$_gid" ] || _gid=$(unused {first} {last})')
        else:
            script.add(
                f'[ "$_gid" = {self.gid} ] || free /etc/group {self.gid}', f'_gid={self.gid}'
            )
        script.add(f'group {name} "$_gid"')
