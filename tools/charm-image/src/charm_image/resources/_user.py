"""A user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from charm_image.resources import _accounts, _ownership, _scripts
from charm_image.resources._resource import Common, Resource
from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack

# the fields of passwd(5), from the third on
_FIELDS = ('uid', 'gid', 'full', 'home', 'shell')


class User(Resource):
    """A user, in the image's own files (passwd(5), shadow(5), group(5)).

    Without gid and group, the primary group has the user's name; if the base has the user with a
    different group, name that one. Of an existing user, only what the arguments say is changed.

    Args:
        name: the name
        password: encrypted as by crypt(3); kept out of the Dockerfile
        fullname: the comment, usually the full name
        home: the home directory, which is created; default: none is created
        uid: the user ID; default: a free one
        gid: the ID of the primary group
        group: the name of the primary group, instead of `gid`
        groups: names of further groups
        append: whether the user stays in groups that `groups` does not name
        system: whether to take a free ID from the range of system users
        shell: the login shell; default: /bin/sh
        disabled_password: disable login by password
        disabled_login: lock the account
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {
        'apply': (),
        'remove': (
            *('password', 'fullname', 'home', 'uid', 'gid', 'group', 'groups', 'shell'),
            *('disabled_password', 'disabled_login'),
        ),
    }
    verb = 'add user'

    def __init__(
        self,
        name: str,
        *,
        password: str | None = None,
        fullname: str | None = None,
        home: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        group: str | None = None,
        groups: Sequence[str] = (),
        append: bool = True,
        system: bool = True,
        shell: str | None = None,
        disabled_password: bool = False,
        disabled_login: bool = False,
        **common: Unpack[Common],
    ):
        self.name: str = self._account_name('name', name)
        self.password: str | None = self._field('password', password)
        self.fullname: str | None = self._field('fullname', fullname)
        self.home: str | None = None if home is None else self._path('home', home)
        self.uid: int | None = self._number('uid', uid)
        self.gid: int | None = self._number('gid', gid)
        self.group: str | None = None if group is None else self._account_name('group', group)
        if self.gid is not None and self.group is not None:
            self._refuse('give either gid or group')
        self.groups: tuple[str, ...] = tuple(
            self._account_name('groups', other)
            for other in self._several('groups', 'names', groups)
        )
        self.append: bool = self._flag('append', append)
        self.system: bool = self._flag('system', system)
        self.shell: str | None = None if shell is None else self._path('shell', shell)
        self.disabled_password: bool = self._flag('disabled_password', disabled_password)
        self.disabled_login: bool = self._flag('disabled_login', disabled_login)
        if sum((self.password is not None, self.disabled_password, self.disabled_login)) > 1:
            self._refuse('give only one of password, disabled_password and disabled_login')
        for path in (self.home, self.shell):
            self._field('a path of a user', path)
        super().__init__(**common)

    @property
    def first_group(self) -> str:
        """Name or ID of its primary group."""
        return self.group or (self.name if self.gid is None else str(self.gid))

    def _field(self, argument: str, value: Any) -> str | None:
        text = self._optional(argument, value)
        if text is not None and re.search(r'[:\x00-\x1f\x7f]', text):
            self._refuse(f'{argument} must not contain a colon, newline or control character')
        return text

    @property
    def snapshot(self) -> str:
        if not self.home:
            return _accounts.SNAPSHOT
        return f'{_accounts.SNAPSHOT}; {_ownership.describe(self.home)}'

    def write(self, script: _scripts.Script) -> None:
        script.functions['accounts'] = _accounts.FUNCTIONS
        if self.removes:
            self._write_removal(script)
            return
        name = self.name
        script.add(
            'touch /etc/passwd /etc/group',
            *(f'_{field}=$(field /etc/passwd {name} {n})' for n, field in enumerate(_FIELDS, 3)),
            f'_new=; if [ -z "$_uid" ]; then _new=1 _home=/home/{name} _shell=/bin/sh _full=; fi',
        )
        self._write_ids(script)
        for variable, value in (
            ('_full', self.fullname),
            ('_home', self.home),
            ('_shell', self.shell),
        ):
            if value is not None:
                script.add(f'{variable}={quote(value)}')
        script.add(f'entry /etc/passwd {name} "{name}:x:$_uid:$_gid:$_full:$_home:$_shell"')
        self._write_password(script)
        if self.groups and not self.append:
            script.add(f"members {name} ''")
        for other in self.groups:
            script.add(_accounts.group_exists(other), f'members {name} {other}')
        self._write_home(script)

    def _write_removal(self, script: _scripts.Script) -> None:
        name = self.name
        script.add(
            f'entry /etc/passwd {name}',
            f'[ ! -e /etc/shadow ] || entry /etc/shadow {name}',
            f"members {name} ''",
            f'if [ -z "$(field /etc/group {name} 4)" ]; then',
            f'    entry /etc/group {name}',
            f'    [ ! -e /etc/gshadow ] || entry /etc/gshadow {name}',
            'fi',
        )

    def _write_ids(self, script: _scripts.Script) -> None:
        name = self.name
        first, last = _accounts.first_and_last(self.system)
        if self.uid is None:
            script.add(f'[ -z "$_new" ] || _uid=$(unused {first} {last})')
        else:
            if self.uid != 0:
                script.add(f'[ "$_uid" = {self.uid} ] || free /etc/passwd {self.uid}')
            script.add(f'_uid={self.uid}')
        if self.gid is not None:
            script.add(f'_gid={self.gid}')
        elif self.group is not None:
            script.add(_accounts.group_exists(self.group))
            script.add(f'_gid=$(field /etc/group {self.group} 3)')
        else:
            script.add(
                'if [ -n "$_new" ]; then',
                f'    _gid=$(field /etc/group {name} 3)',
                '    if [ -z "$_gid" ]; then',
                f'        _gid=$(unused "$_uid" {last})',
                f'        group {name} "$_gid"',
                '    fi',
                # the user's files get that group
                f'elif [ "$(field /etc/group {name} 3)" != "$_gid" ]; then',
                f'    {stop(f"user {name} has a different primary group: set group or gid")}',
                'fi',
            )

    def _write_password(self, script: _scripts.Script) -> None:
        if self.password is not None:
            staged = quote(script.stage(self.password.encode()))
            script.add(f'password {self.name} "$(cat {staged})"')
        elif self.disabled_password or self.disabled_login:
            script.add(f"password {self.name} '{'!' if self.disabled_login else '*'}'")
        else:
            script.add(f'[ -z "$_new" ] || password {self.name} \'!\'')

    def _write_home(self, script: _scripts.Script) -> None:
        if self.home is None:
            return
        path = quote(self.home)
        parent = self.home.rpartition('/')[0]
        script.add(
            f'if ! [ -d {path} ]; then',
            *([f'    mkdir -p {quote(parent)}'] if parent else []),
            f'    mkdir {path}',
            f'    [ ! -d /etc/skel ] || cp -R /etc/skel/. {path}',
            f'    chmod 0755 {path}',
            f'    chown -R "$_uid:$_gid" {path}',
            'fi',
        )
