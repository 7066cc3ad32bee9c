"""The base of all resources: how arguments are checked, and what a build asks of them."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, TypedDict

from charm_image import _errors
from charm_image.resources import _scripts, _shell

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ACCOUNT = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]{0,31}')
_LARGEST_ID = 2**32 - 2  # the last is the kernel's "no change"


class Common(TypedDict, total=False):
    """The arguments that every resource takes.

    Attributes:
        id: the name by which others can watch it; default: its name
        policy: what to do; default: the first one of the kind
        watches: ids of earlier resources: it is applied only if one of them changed something
    """

    id: str | None
    policy: str | None
    watches: Iterable[str]


class Resource:
    """Something that an image should have, or no longer have."""

    #: Policies by name, with the arguments that each does not accept; the first is the default.
    policies: ClassVar[Mapping[str, Sequence[str]]] = {'apply': ()}

    #: What it does to the image, in one or two words, for messages.
    verb: ClassVar[str] = ''

    name: str
    location: str  #: the file and line of the author's code that made it
    watches: tuple[str, ...]

    def __new__(cls, *args: Any, **kwargs: Any) -> Resource:
        self = super().__new__(cls)
        self.location = caller()
        signature = inspect.signature(cls.__init__)
        accepted = [*list(signature.parameters)[1:-1], *Common.__annotations__]
        for argument in kwargs:
            if argument not in accepted:
                close = difflib.get_close_matches(argument, accepted, 1) or [', '.join(accepted)]
                self._refuse(f'unknown argument {argument}', f'did you mean {close[0]}?')
        try:
            signature.bind(self, *args, **kwargs)
        except TypeError as error:
            several = 'too many positional' in str(error)
            self._refuse(str(error), 'give all but the first by name' if several else '')
        return self

    def __init__(
        self,
        *,
        id: str | None = None,
        policy: str | None = None,
        watches: Iterable[str] = (),
    ):
        default = next(iter(self.policies))
        self.policy: str = default if policy is None else policy
        if not isinstance(self.policy, str) or self.policy not in self.policies:
            names = ', '.join(self.policies)
            self._refuse(f'unknown policy {policy!r}', f'use one of {names}')
        self.id: str = self._text('id', id) if id is not None else self._implicit_id()
        self.watches = tuple(
            self._text('watches', watched) for watched in self._several('watches', 'ids', watches)
        )
        for argument in self.policies[self.policy]:
            if getattr(self, argument) not in (None, False, (), ''):
                self._refuse(f'{argument} cannot be used with policy {self.policy}')

    def __repr__(self) -> str:
        return self.typed_id

    @property
    def typed_id(self) -> str:
        """Kind and id, as in `File[/etc/motd]`: unique in a bundle."""
        return f'{type(self).__name__}[{self.id}]'

    @property
    def removes(self) -> bool:
        """Whether the policy removes what the resource names."""
        return self.policy in ('remove', 'remove-recursive', 'uninstall')

    @property
    def title(self) -> str:
        """What it does, as one line without control characters."""
        return f'{"rm" if self.removes else self.verb} {_shell.one_line(self.name)}'

    @property
    def always_changes(self) -> bool:
        """Whether applying it always counts as a change."""
        return False

    @property
    def snapshot(self) -> str:
        """A command whose output changes if the resource changed something.

        It never fails; '' if the script reports changes itself.
        """
        return ''

    def write(self, script: _scripts.Script) -> None:
        """Append the lines that apply it to `script`."""
        raise NotImplementedError

    def _implicit_id(self) -> str:
        return self.name

    def _refuse(self, reason: str, resolution: str = '') -> NoReturn:
        name = getattr(self, 'name', None)
        what = f'{type(self).__name__}[{name}]' if isinstance(name, str) else type(self).__name__
        raise _errors.ResourceError(f'{what}: {reason}', resolution, line=self.location)

    def _text(self, argument: str, value: Any, *, empty: bool = False) -> str:
        if not isinstance(value, str):
            self._refuse(f'{argument} must be a str, not {kind(value)}')
        if '\0' in value:
            self._refuse(f'{argument} must not contain a NUL character')
        if not value and not empty:
            self._refuse(f'{argument} must not be empty')
        try:
            value.encode()
        except UnicodeEncodeError:
            self._refuse(f'{argument} cannot be encoded as UTF-8')
        return value

    def _optional(self, argument: str, value: Any) -> str | None:
        return None if value is None else self._text(argument, value, empty=True)

    def _path(self, argument: str, value: Any) -> str:
        path = self._text(argument, os.fspath(value) if isinstance(value, os.PathLike) else value)
        if not path.startswith('/'):
            self._refuse(f'{argument} must be an absolute path, not {path!r}')
        parts = path.rstrip('/').split('/')[1:]
        if not parts or not all(parts) or {'.', '..'} & set(parts):
            self._refuse(f'{argument} must be a path below /, without //, . or ..')
        if len(path.encode()) > 4000 or max(len(part.encode()) for part in parts) > 255:
            self._refuse(f'{argument} is too long for a file system')
        return '/' + '/'.join(parts)

    def _mode(self, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch('(0o)?[0-7]+', value):
            value = int(value, 8)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o7777:
            self._refuse(f"mode must be an octal number such as 0o644 or '644', not {value!r}")
        if value > 0o777 and re.fullmatch('[0-7]{3}', str(value)):
            self._refuse(
                f'mode {value} is {value:#o} in octal', f'write 0o{value} or {str(value)!r}'
            )
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
                f'{argument} {text!r} is not a valid account name',
                'use up to 32 letters, digits, _ . and -, and begin with a letter or _',
            )
        return text

    def _number(self, argument: str, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch('[0-9]{1,10}', value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_ID:
            self._refuse(f'{argument} must be a number from 0 to {_LARGEST_ID}, not {value!r}')
        return int(value)

    def _several(self, argument: str, what: str, value: Any) -> list[Any]:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            self._refuse(f'{argument} must be a list of {what}, not {kind(value)}')
        return list(value)

    def _flag(self, argument: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self._refuse(f'{argument} must be True or False, not {value!r}')
        return value


def kind(value: Any) -> str:
    """Return the name of the type of `value`, for messages."""
    return 'None' if value is None else type(value).__name__


def caller() -> str:
    """Return the file and line outside this package that called into it."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back:
        frame = frame.f_back
    return location(frame)


def location(frame: types.FrameType) -> str:
    """Return file and line of `frame`, for messages."""
    return f'{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}'
