"""Commands."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from charm_image.resources import _scripts, _shell
from charm_image.resources._resource import Common, Resource, kind
from charm_image.resources._shell import quote, say

if TYPE_CHECKING:
    from typing_extensions import Unpack

_SECRET = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')

# USER GROUP COMMAND. A shell cannot change its user, and bases have different programs for it
_AS = r"""
as() (
    _user=$1 _uid= _gid= _first= _home=/
    while IFS=: read -r _name _x _id _group _comment _dir _x; do
        if [ "$_name" = "$1" ] || [ "$_id" = "$1" ]; then
            _user=$_name _uid=$_id _gid=$_group _first=$_group _home=$_dir
            break
        fi
    done </etc/passwd
    if [ -n "$2" ]; then
        _gid=
        while IFS=: read -r _name _x _id _x; do
            if [ "$_name" = "$2" ] || [ "$_id" = "$2" ]; then _gid=$_id; break; fi
        done </etc/group
    fi
    case ${_uid:-$1} in *[!0-9]*) echo "the user $1 does not exist" >&2; exit 1 ;; esac
    case ${_gid:-${2:-0}} in *[!0-9]*) echo "the group $2 does not exist" >&2; exit 1 ;; esac
    export HOME="$_home" USER="$_user" LOGNAME="$_user"
    set -- "$3" "${_uid:-$1}" "${_gid:-${2:-0}}" "${_uid:+--init-groups}"
    if setpriv --reuid=0 true 2>/dev/null; then
        exec setpriv --reuid="$2" --regid="$3" "${4:---clear-groups}" /bin/sh -c "$1"
    elif chroot --userspec=0:0 / true 2>/dev/null; then
        exec chroot --userspec="$2:$3" / /bin/sh -c "$1"
    elif [ "$3" = "$_first" ] && su -s /bin/sh root -c true 2>/dev/null; then
        exec su -s /bin/sh "$_user" -c "$1"
    fi
    echo 'to run as another user, the image needs setpriv, chroot --userspec or su' >&2
    exit 1
)
""".strip().splitlines()


class Execute(Resource):
    """One or more commands, run without a shell (to use one, run `sh -c`).

    Args:
        name: a name for it; default: the command
        command: the command; a string is split into words as a shell does, and must not need one
        commands: several commands, run in order, instead of `command`
        cwd: the working directory
        env: environment variables, in addition to those of the image
        returncode: the exit status that means success
        user: name or ID of the user to run as; default: root
        group: name or ID of the group to run as; default: the user's group
        umask: as a number or a string of octal digits
        unless: a command; if it succeeds, nothing is run. A string is run by the shell
        creates: a path; if it exists, nothing is run
        touch: a path; if it exists, nothing is run; created after the commands
        secrets: files on this machine by a name: the commands, and nothing else, can read each as
            /run/secrets/NAME. Needs a build with buildx. What a secret contains is not part of
            the cache
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {'execute': (), 'apply': ()}

    def __init__(
        self,
        name: str | None = None,
        *,
        command: str | Sequence[str] | None = None,
        commands: Sequence[str | Sequence[str]] | None = None,
        cwd: str = '/',
        env: Mapping[str, str] | None = None,
        returncode: int = 0,
        user: str | int | None = None,
        group: str | int | None = None,
        umask: int | str = 0o022,
        unless: str | Sequence[str] | None = None,
        creates: str | None = None,
        touch: str | None = None,
        secrets: Mapping[str, str | os.PathLike[str]] | None = None,
        **common: Unpack[Common],
    ):
        if (command is None) == (commands is None):
            self._refuse('give either command or commands')
        if command is not None:
            commands = [command]
        if isinstance(commands, str) or not isinstance(commands, Sequence) or not commands:
            self._refuse('commands must be a list of at least one command')
        self.commands: list[list[str]] = [self._words('command', words) for words in commands]
        titles = [words if isinstance(words, str) else shlex.join(words) for words in commands]
        self.name: str = '; '.join(titles) if name is None else self._text('name', name)
        self.cwd: str = '/' if cwd == '/' else self._path('cwd', cwd)
        self.env: dict[str, str] = {}
        if not isinstance(env, Mapping) and env is not None:
            self._refuse(f'env must be a dict, not {kind(env)}')
        for key, value in (env or {}).items():
            if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
                self._refuse(
                    f'env: {key!r} is not a valid variable name', 'use letters, digits and _'
                )
            self.env[key] = self._text(f'env {key}', value, empty=True)
        if not isinstance(returncode, int) or not 0 <= returncode <= 255:
            self._refuse(f'returncode must be a number from 0 to 255, not {returncode!r}')
        self.returncode: int = int(returncode)
        self.user: str | None = self._account('user', user)
        self.group: str | None = self._account('group', group)
        self.umask: int | None = self._mode(umask)
        if self.umask is None or self.umask > 0o777:
            self._refuse(f'umask must be an octal number up to 0o777, not {umask!r}')
        self.unless: list[str] | None = None
        if isinstance(unless, str) and unless:
            self.unless = ['/bin/sh', '-c', self._text('unless', unless)]
        elif unless:
            self.unless = self._words('unless', unless)
        self.creates: str | None = None if creates is None else self._path('creates', creates)
        self.touch: str | None = None if touch is None else self._path('touch', touch)
        self.secrets: dict[str, str] = self._secrets(secrets)
        super().__init__(**common)

    def _secrets(self, value: Any) -> dict[str, str]:
        """Return the absolute path of each secret by its name."""
        if value is not None and not isinstance(value, Mapping):
            self._refuse(f'secrets must be a dict of paths by name, not {kind(value)}')
        paths = {}
        for name, source in (value or {}).items():
            if not isinstance(name, str) or not _SECRET.fullmatch(name):
                self._refuse(
                    f'secrets: {name!r} is not a valid name', 'use letters, digits, _ . and -'
                )
            try:
                path = os.path.abspath(os.path.expanduser(os.fsdecode(source)))
            except TypeError:
                self._refuse(f'secrets: {name} must be the path of a file, not {kind(source)}')
            if not os.path.isfile(path) or not os.access(path, os.R_OK) or ',' in path:
                self._refuse(
                    f'secrets: {name}: {path} must be a file that can be read, without a comma in '
                    'its path'
                )
            paths[name] = path
        return paths

    @property
    def conditional(self) -> bool:
        """Whether a condition may skip the commands."""
        return bool(self.unless or self.creates or self.touch)

    def _words(self, argument: str, value: Any) -> list[str]:
        if isinstance(value, str):
            try:
                words = shlex.split(self._text(argument, value))
            except ValueError as error:
                self._refuse(f'{argument} {value!r}: {error}')
            if syntax := _shell.needs_shell(value):
                self._refuse(
                    f'{argument} is run without a shell, which {syntax!r} needs',
                    f"write {argument}=['sh', '-c', {value!r}]; or, if the program shall get it, "
                    f'quote it, or give the words: {argument}={words!r}',
                )
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            words = [self._text(argument, word, empty=True) for word in value]
        else:
            self._refuse(f'{argument} must be a str or a list of str, not {kind(value)}')
        if not words or not words[0] or words[0].startswith('-'):
            self._refuse(f'{argument} must begin with the name of a program')
        return words

    @property
    def titles(self) -> list[str]:
        """Each of its commands, as one line."""
        return [_shell.one_line(shlex.join(words)) for words in self.commands]

    @property
    def title(self) -> str:
        return '; '.join(self.titles)

    @property
    def always_changes(self) -> bool:
        return not self.watches and not self.conditional

    def write(self, script: _scripts.Script) -> None:
        conditions = [
            f'! [ -e {quote(path)} ]' for path in (self.creates, self.touch) if path is not None
        ]
        if self.unless:
            conditions.append(f'! {self._run(script, self.unless)} >/dev/null 2>&1')
        indent = ''
        if conditions:
            script.add(f'if {" && ".join(conditions)}; then')
            indent = '    '
        for words in self.commands:
            if len(self.commands) > 1:
                script.add(f'{indent}{say("+ " + shlex.join(words))}')
            if self.returncode == 0:
                script.add(f'{indent}{self._run(script, words)}')
            else:
                script.add(
                    f'{indent}{self._run(script, words)} && set -- 0 || set -- $?',
                    f'{indent}[ $1 = {self.returncode} ] || '
                    f'{{ echo "exit status $1, expected {self.returncode}" >&2; '
                    'exit $(($1 ? $1 : 1)); }',
                )
        if self.touch is not None:
            script.add(f'{indent}: >{quote(self.touch)}')
        if script.changed_flag:
            script.add(f'{indent}{script.changed_flag}=1')
        if conditions:
            script.add('fi')

    def _run(self, script: _scripts.Script, words: Iterable[str]) -> str:
        """Return the shell command that runs `words` as its user, in its directory."""
        setting = [f'umask {self.umask:04o}']
        setting += [f'export {key}={quote(value)}' for key, value in self.env.items()]
        setting += [f'cd {quote(self.cwd)}']
        body = '; '.join(setting) + f' && exec {" ".join(map(quote, words))}'
        if self.user in (None, '0', 'root') and self.group is None:
            return f'({body})'
        script.functions['as'] = _AS
        return f'as {quote(self.user or "0")} {quote(self.group or "")} {quote(body)}'
