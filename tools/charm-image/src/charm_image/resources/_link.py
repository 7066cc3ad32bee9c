"""A symbolic link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from charm_image.resources import _ownership, _scripts
from charm_image.resources._resource import Common, Resource
from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Link(Resource):
    """A symbolic link. It replaces an existing file, but not a directory.

    Args:
        name: the absolute path of the link
        to: the path that it points to, which need not exist
        owner: name or ID of a user, for the link itself; default: root
        group: name or ID of a group; default: the owner's group, or root if owner is an ID
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {
        'apply': (),
        'remove': ('to', 'owner', 'group'),
    }
    verb = 'ln -s'

    def __init__(
        self,
        name: str,
        to: str | None = None,
        *,
        owner: str | int | None = None,
        group: str | int | None = None,
        **common: Unpack[Common],
    ):
        self.name: str = self._path('name', name)
        self.to: str = '' if to is None else self._text('to', to)
        self.owner: str | None = self._account('owner', owner)
        self.group: str | None = self._account('group', group)
        super().__init__(**common)
        if to is None and not self.removes:
            self._refuse('to is missing: the path that the link points to')

    @property
    def snapshot(self) -> str:
        return _ownership.snapshot(self.name, f'readlink {quote(self.name)}')

    def write(self, script: _scripts.Script) -> None:
        name = quote(self.name)
        if self.removes:
            script.add(
                f'if [ -L {name} ]; then rm {name}',
                f'elif [ -e {name} ]; then {stop(self.name + " is not a symbolic link")}; fi',
            )
            return
        own = _ownership.chown(self.owner, self.group, script.primary_groups, self.name, '-h')
        script.add(
            f'if [ -d {name} ] && ! [ -L {name} ]; then {stop(self.name + " is a directory")}; fi',
            # $() strips trailing newlines, so print one more character
            f'if ! [ -L {name} ] || '
            f'[ "$(readlink {name}; echo x)" != {quote(self.to)}"$(echo; echo x)" ]; then',
            f'    rm -f {name}',
            f'    ln -s -- {quote(self.to)} {name}',
            'fi',
            own,
        )
