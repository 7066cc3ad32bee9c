"""A symbolic link."""

from __future__ import annotations

from typing import Any

from charm_image.resources import ownership, scripts
from charm_image.resources.resource import Resource
from charm_image.resources.shell import quote, stop


class Link(Resource):
    """A symbolic link. It replaces a file of its name, never a directory."""

    policies = {'apply': (), 'remove': ('to', 'owner', 'group')}
    verb = 'ln -s'

    def __init__(
        self,
        name: str,
        to: str | None = None,
        owner: str | int | None = None,
        group: str | int | None = None,
        **common: Any,
    ):
        """
        Args:
            name: the full path of the link
            to: what it says; need not be there yet
            owner: a user's name or number, for the link itself; by default root
            group: a group's name or number; by default the owner's own, and root's for a number
            common: see Resource
        """
        self.name = self._path('name', name)
        self.to = '' if to is None else self._text('to', to)
        self.owner = self._account('owner', owner)
        self.group = self._account('group', group)
        super().__init__(**common)
        if to is None and not self.removes:
            self._refuse('to is missing: what the link points to')

    @property
    def snapshot(self) -> str:
        return ownership.snapshot(self.name, f'readlink {quote(self.name)}')

    def write(self, script: scripts.Script) -> None:
        name = quote(self.name)
        if self.removes:
            script.add(
                f'if [ -L {name} ]; then rm {name}',
                f'elif [ -e {name} ]; then {stop(self.name + " is no link")}; fi',
            )
            return
        own = ownership.chown(self.owner, self.group, script.owners, self.name)
        script.add(
            f'if [ -d {name} ] && ! [ -L {name} ]; then {stop(self.name + " is a directory")}; fi',
            # what $() takes is newlines at the end, so one more character follows
            f'if ! [ -L {name} ] || '
            f'[ "$(readlink {name}; echo x)" != {quote(self.to)}"$(echo; echo x)" ]; then',
            f'    rm -f {name}',
            f'    ln -s -- {quote(self.to)} {name}',
            'fi',
            own.replace('chown', 'chown -h', 1),
        )
