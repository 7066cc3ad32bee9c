"""What an image is made of: files, packages, users, commands.

Names, arguments and policies are fuselage's (https://github.com/yaybu/fuselage), as far as they
make sense while an image is built. Every resource takes `id`, the name under which others watch
it; `policy`; and `watches`, ids of earlier resources: it is applied only if one of them changed
something.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import shlex
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from charm_image import _regex, errors

__all__ = [
    'Checkout',
    'Directory',
    'Execute',
    'File',
    'Group',
    'Line',
    'Link',
    'Mount',
    'Package',
    'Patch',
    'Service',
    'Special',
    'User',
]

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ACCOUNT = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]{0,31}')
_PACKAGE = re.compile(r'[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?')
_VERSION = re.compile(r'[A-Za-z0-9][A-Za-z0-9.+:~^_-]*')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_LARGEST_ID = 2**32 - 2  # the last is the kernel's "no change"


class Resource:
    """One thing that an image shall have, or shall not have any more."""

    #: Policies by name, with the arguments that make no sense beside each; the first is default.
    policies: ClassVar[Mapping[str, Sequence[str]]] = {'apply': ()}

    name: str
    location: str  #: file and line of the author's that made it
    watches: tuple[str, ...]

    def __new__(cls, *args: Any, **kwargs: Any) -> Resource:
        self = super().__new__(cls)
        self.location = caller()
        signature = inspect.signature(cls.__init__)
        accepted = [*list(signature.parameters)[1:-1], 'id', 'policy', 'watches']
        for argument in kwargs:
            if argument not in accepted:
                close = difflib.get_close_matches(argument, accepted, 1) or [', '.join(accepted)]
                self._refuse(f'there is no argument {argument}; did you mean {close[0]}?')
        try:
            signature.bind(self, *args, **kwargs)
        except TypeError as error:
            self._refuse(str(error))
        return self

    def __init__(
        self,
        *,
        id: str | None = None,
        policy: str | None = None,
        watches: Iterable[str] = (),
    ):
        default = next(iter(self.policies))
        self.policy = default if policy is None else policy
        if not isinstance(self.policy, str) or self.policy not in self.policies:
            known = ', '.join(self.policies)
            self._refuse(f'there is no policy {policy!r}; its policies are {known}')
        self.id = self._text('id', id) if id is not None else self._implicit_id()
        self.watches = tuple(
            self._text('watches', watched) for watched in self._several('watches', 'ids', watches)
        )
        for argument in self.policies[self.policy]:
            if getattr(self, argument) not in (None, False, (), ''):
                self._refuse(f'{argument} makes no sense with the policy {self.policy}')

    def __repr__(self) -> str:
        return self.typed_id

    @property
    def typed_id(self) -> str:
        """Kind and id, as in `File[/etc/motd]`: unique in a bundle."""
        return f'{type(self).__name__}[{self.id}]'

    @property
    def removes(self) -> bool:
        """Whether the policy is to remove what the resource names."""
        return self.policy in ('remove', 'remove-recursive', 'uninstall')

    def _implicit_id(self) -> str:
        return self.name

    def _refuse(self, reason: str) -> NoReturn:
        name = getattr(self, 'name', None)
        what = f'{type(self).__name__}[{name}]' if isinstance(name, str) else type(self).__name__
        raise errors.ResourceError(f'{what}: {reason}', self.location)

    def _text(self, argument: str, value: Any, *, empty: bool = False) -> str:
        if not isinstance(value, str):
            self._refuse(f'{argument} is a str, not {_kind(value)}')
        if '\0' in value:
            self._refuse(f'{argument} has a NUL character, which no program can be given')
        if not value and not empty:
            self._refuse(f'{argument} is empty')
        try:
            value.encode()
        except UnicodeEncodeError:
            self._refuse(f'{argument} is not Unicode text, so no Dockerfile can have it')
        return value

    def _optional(self, argument: str, value: Any) -> str | None:
        return None if value is None else self._text(argument, value, empty=True)

    def _path(self, argument: str, value: Any) -> str:
        path = self._text(argument, os.fspath(value) if isinstance(value, os.PathLike) else value)
        if not path.startswith('/'):
            self._refuse(f'{argument} is a full path, beginning with /, not {path!r}')
        parts = path.rstrip('/').split('/')[1:]
        if not parts or not all(parts) or {'.', '..'} & set(parts):
            self._refuse(f'{argument} is the path of something below /, without //, . or ..')
        if len(path.encode()) > 4000 or max(len(part.encode()) for part in parts) > 255:
            self._refuse(f'{argument} is longer than any file system can have it')
        return '/' + '/'.join(parts)

    def _mode(self, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch('(0o)?[0-7]+', value):
            value = int(value, 8)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o7777:
            self._refuse(f"mode is an octal number such as 0o644 or '644', not {value!r}")
        if value > 0o777 and re.fullmatch('[0-7]{3}', str(value)):
            self._refuse(f'mode {value} is {value:#o}; write 0o{value} or {str(value)!r}')
        return int(value)

    def _account(self, argument: str, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch('[0-9]+', value)):
            return str(self._number(argument, value))
        return self._account_name(argument, value)

    def _account_name(self, argument: str, value: Any) -> str:
        text = self._text(argument, value)
        if not _ACCOUNT.fullmatch(text):
            self._refuse(
                f'{argument} {text!r} is no name for an account: up to 32 letters, digits, '
                '_ . and -, no digit or - first'
            )
        return text

    def _number(self, argument: str, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch('[0-9]{1,10}', value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_ID:
            self._refuse(f'{argument} is a number from 0 to {_LARGEST_ID}, not {value!r}')
        return int(value)

    def _several(self, argument: str, what: str, value: Any) -> list[Any]:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            self._refuse(f'{argument} is a list of {what}, not {_kind(value)}')
        return list(value)

    def _flag(self, argument: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self._refuse(f'{argument} is True or False, not {value!r}')
        return value


def _kind(value: Any) -> str:
    return 'None' if value is None else type(value).__name__


def caller() -> str:
    """File and line outside this package that called into it."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_HERE) and frame.f_back:
        frame = frame.f_back
    return location(frame)


def location(frame: types.FrameType) -> str:
    """Tell file and line of `frame`, as errors do."""
    return f'{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}'


class File(Resource):
    """A file, made anew with the given contents or those of a file here.

    With neither, a file that is there keeps its contents; one that isn't becomes an empty one.
    Directories above it that are missing are made as root's, mode 755. A link of its name is
    replaced, not followed.
    """

    policies = {'apply': (), 'remove': ('owner', 'group', 'mode', 'contents', 'source')}

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
            self._refuse(f'contents are str or bytes, not {_kind(contents)}')
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
            self._refuse(f'source is the path of a file here, not {_kind(source)}')
        if not os.path.isfile(path):
            self._refuse(f'its source {path} is no file here')
        if not os.access(path, os.R_OK):
            self._refuse(f'its source {path} may not be read')
        return path


class Directory(Resource):
    """A directory: made if it is missing, with owner, group and mode in any case."""

    policies = {
        'apply': (),
        'remove': ('owner', 'group', 'mode', 'parents'),
        'remove-recursive': ('owner', 'group', 'mode', 'parents'),
    }

    def __init__(
        self,
        name: str,
        owner: str | int | None = None,
        group: str | int | None = None,
        mode: int | str | None = None,
        parents: bool = False,
        **common: Any,
    ):
        """
        Args:
            name: the full path
            owner: a user's name or number; by default root
            group: a group's name or number; by default the owner's own, and root's for a number
            mode: permissions, as a number or in octal digits; by default 0o755
            parents: whether missing directories above are made too, with owner, group and mode
            common: see Resource
        """
        self.name = self._path('name', name)
        self.owner = self._account('owner', owner)
        self.group = self._account('group', group)
        self.mode = self._mode(mode)
        self.parents = self._flag('parents', parents)
        super().__init__(**common)


class Link(Resource):
    """A symbolic link. It replaces a file of its name, never a directory."""

    policies = {'apply': (), 'remove': ('to', 'owner', 'group')}

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


class Line(Resource):
    """A line of a text file: the first one that matches is replaced, else one is added."""

    policies = {'apply': (), 'remove': ('line',)}

    def __init__(
        self,
        name: str,
        match: str,
        line: str | None = None,
        linesep: str = '\n',
        sensitive: bool = False,
        **common: Any,
    ):
        r"""
        Args:
            name: the full path of the file, which has to be there
            match: a regular expression in Python's syntax, searched for in each line. What POSIX's
                extended expressions can't say (lookaround, backreferences, `\b`) is refused;
                classes such as `\w` mean ASCII, and a character outside ASCII is its UTF-8 bytes
            line: the line to have, without its end
            linesep: what ends a line, '\n' or '\r\n'
            sensitive: keeps `line` out of the Dockerfile and of every message
            common: see Resource
        """
        self.name = self._path('name', name)
        self.match = self._text('match', match, empty=True)
        try:
            self.expression = _regex.posix(self.match)
        except ValueError as error:
            self._refuse(f'match {self.match!r}: {error}')
        self.line = self._optional('line', line) or ''
        if '\n' in self.line:
            self._refuse('line has a newline; it is one line, without its end')
        if linesep not in ('\n', '\r\n'):
            self._refuse(r"linesep is '\n' or '\r\n'")
        self.linesep = linesep
        self.sensitive = self._flag('sensitive', sensitive)
        super().__init__(**common)
        if line is None and not self.removes:
            self._refuse('line is missing: the line to have')

    def _implicit_id(self) -> str:
        return f'{self.name}:{self.match}'


class Execute(Resource):
    """A command, or several; no shell reads them (for one, run `sh -c`)."""

    policies = {'execute': (), 'apply': ()}

    def __init__(
        self,
        name: str | None = None,
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
        **common: Any,
    ):
        """
        Args:
            name: what to call it; by default the command itself
            command: one command; a string is split into words as a shell would
            commands: several, run in turn; give one or the other
            cwd: the directory to run in
            env: variables to set, beside those of the image
            returncode: the exit status that means success
            user: name or number of the user to run as; by default root
            group: name or number of the group to run as; by default the user's own
            umask: as a number or in octal digits
            unless: a command; if it succeeds, nothing is run. A string is for the shell
            creates: a path; if it is there, nothing is run
            touch: a path; if it is there, nothing is run; made after the commands
            common: see Resource
        """
        if (command is None) == (commands is None):
            self._refuse('it has a command or commands: one of them')
        if command is not None:
            commands = [command]
        if isinstance(commands, str) or not isinstance(commands, Sequence) or not commands:
            self._refuse('commands is a list with at least one command')
        self.commands = [self._words('command', each) for each in commands]
        written = [each if isinstance(each, str) else shlex.join(each) for each in commands]
        self.name = '; '.join(written) if name is None else self._text('name', name)
        self.cwd = '/' if cwd == '/' else self._path('cwd', cwd)
        self.env = {}
        if not isinstance(env, Mapping) and env is not None:
            self._refuse(f'env is a dict, not {_kind(env)}')
        for key, value in (env or {}).items():
            if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
                self._refuse(f'env: {key!r} is no name for a variable: letters, digits and _')
            self.env[key] = self._text(f'env {key}', value, empty=True)
        if not isinstance(returncode, int) or not 0 <= returncode <= 255:
            self._refuse(f'returncode is a number from 0 to 255, not {returncode!r}')
        self.returncode = int(returncode)
        self.user = self._account('user', user)
        self.group = self._account('group', group)
        self.umask = self._mode(umask)
        if self.umask is None or self.umask > 0o777:
            self._refuse(f'umask is an octal number up to 0o777, not {umask!r}')
        self.unless: list[str] | None = None
        if isinstance(unless, str) and unless:
            self.unless = ['/bin/sh', '-c', self._text('unless', unless)]
        elif unless:
            self.unless = self._words('unless', unless)
        self.creates = None if creates is None else self._path('creates', creates)
        self.touch = None if touch is None else self._path('touch', touch)
        super().__init__(**common)

    @property
    def conditional(self) -> bool:
        """Whether the commands may find that there is nothing to do."""
        return bool(self.unless or self.creates or self.touch)

    def _words(self, argument: str, value: Any) -> list[str]:
        if isinstance(value, str):
            try:
                words = shlex.split(self._text(argument, value))
            except ValueError as error:
                self._refuse(f'{argument} {value!r}: {error}')
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            words = [self._text(argument, word, empty=True) for word in value]
        else:
            self._refuse(f'{argument} is a str or a list of words, not {_kind(value)}')
        if not words or not words[0] or words[0].startswith('-'):
            self._refuse(f'{argument} names no program')
        return words


class Package(Resource):
    """A package of the image's distribution. One that is installed already stays as it is.

    What it only recommends is not installed: name what is needed. Neither package lists nor
    archives stay in the image. To remove one that is not installed is no error.
    """

    policies = {
        'install': ('purge',),
        'uninstall': ('version',),
        'apply': ('purge',),
        'remove': ('version',),
    }

    def __init__(
        self,
        name: str,
        version: str | None = None,
        purge: bool = False,
        backend: str | None = None,
        **common: Any,
    ):
        """
        Args:
            name: its name; on Debian with `:ARCHITECTURE` behind it if need be
            version: the version to have, as the distribution writes it
            purge: whether its configuration goes too when it is removed (apt, apk)
            backend: apt, apk, dnf, microdnf or yum; by default the one that the image has
            common: see Resource
        """
        if isinstance(name, (list, tuple)):
            self._refuse('name is one package; make a Package of each')
        self.name = self._text('name', name)
        if not _PACKAGE.fullmatch(self.name) or self.name.endswith('-'):
            self._refuse(f'{self.name!r} is no name of a package')
        self.version = self._optional('version', version)
        if self.version is not None and not _VERSION.fullmatch(self.version):
            self._refuse(f'{self.version!r} is no version of a package')
        self.purge = self._flag('purge', purge)
        if backend not in (None, *PACKAGE_TOOLS):
            self._refuse(f'backend is one of {", ".join(PACKAGE_TOOLS)}, not {backend!r}')
        self.backend = backend
        super().__init__(**common)


#: The programs that Package knows, in the order in which an image is searched for them.
PACKAGE_TOOLS = ('apt', 'apk', 'dnf', 'microdnf', 'yum')


class User(Resource):
    """A user, in the image's own files (passwd(5), shadow(5), group(5)).

    Without gid and group, the user has a group of its own name; if the base has the user with
    another one, say which. A user that is there is changed as far as arguments say so.
    """

    policies = {
        'apply': (),
        'remove': (
            *('password', 'fullname', 'home', 'uid', 'gid', 'group', 'groups', 'shell'),
            *('disabled_password', 'disabled_login'),
        ),
    }

    def __init__(
        self,
        name: str,
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
        **common: Any,
    ):
        """
        Args:
            name: the name
            password: encrypted, as crypt(3) does it; kept out of the Dockerfile
            fullname: the comment, usually the full name
            home: the home directory, which is made; without it, none is
            uid: the number
            gid: the number of the first group; or
            group: its name
            groups: names of further groups
            append: whether the user stays in groups that are not named
            system: whether the number is one of a system user
            shell: the login shell; /bin/sh by default
            disabled_password: no password opens the account
            disabled_login: the account is locked
            common: see Resource
        """
        self.name = self._account_name('name', name)
        self.password = self._field('password', password)
        self.fullname = self._field('fullname', fullname)
        self.home = None if home is None else self._path('home', home)
        self.uid = self._number('uid', uid)
        self.gid = self._number('gid', gid)
        self.group = None if group is None else self._account_name('group', group)
        if self.gid is not None and self.group is not None:
            self._refuse('it has a gid or a group, not both')
        self.groups = tuple(
            self._account_name('groups', each) for each in self._several('groups', 'names', groups)
        )
        self.append = self._flag('append', append)
        self.system = self._flag('system', system)
        self.shell = None if shell is None else self._path('shell', shell)
        self.disabled_password = self._flag('disabled_password', disabled_password)
        self.disabled_login = self._flag('disabled_login', disabled_login)
        if sum((self.password is not None, self.disabled_password, self.disabled_login)) > 1:
            self._refuse('it has one of password, disabled_password and disabled_login')
        for path in (self.home, self.shell):
            self._field('a path in the list of users', path)
        super().__init__(**common)

    @property
    def first_group(self) -> str:
        """Name or number of the group that its files belong to."""
        return self.group or (self.name if self.gid is None else str(self.gid))

    def _field(self, argument: str, value: Any) -> str | None:
        text = self._optional(argument, value)
        if text is not None and re.search(r'[:\x00-\x1f\x7f]', text):
            self._refuse(f'{argument} can have no colon, newline or control character')
        return text


class Group(Resource):
    """A group of users, in the image's own files (group(5))."""

    policies = {'apply': (), 'remove': ('gid', 'system')}

    def __init__(self, name: str, gid: int | None = None, system: bool = False, **common: Any):
        """
        Args:
            name: the name
            gid: the number
            system: whether the number is one of a system group
            common: see Resource
        """
        self.name = self._account_name('name', name)
        self.gid = self._number('gid', gid)
        self.system = self._flag('system', system)
        super().__init__(**common)


class _Senseless(Resource):
    reason = ''

    def __new__(cls, *_: Any, **__: Any) -> _Senseless:
        self = object.__new__(cls)
        self.location = caller()
        self._refuse(cls.reason)


class Service(_Senseless):
    """Makes no sense in an image: nothing runs while one is built."""

    reason = 'no service runs while an image is built; give the image a cmd'


class Mount(_Senseless):
    """Makes no sense in an image: whoever runs it decides what is mounted."""

    reason = 'nothing can be mounted while an image is built; give the image volumes'


class Checkout(_Senseless):
    """Makes no sense in an image, which would keep the program that checks out."""

    reason = 'check out here, and bring what is needed into the image as Files'


class Patch(_Senseless):
    """Makes no sense in an image: what is changed is best changed here."""

    reason = 'patch here, and bring the result into the image as a File'


class Special(_Senseless):
    """Makes no sense in an image: whoever runs it provides devices."""

    reason = 'whoever runs an image provides its devices; for a pipe, Execute mkfifo'
