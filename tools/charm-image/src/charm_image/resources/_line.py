"""A line of a text file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from charm_image.resources import _scripts
from charm_image.resources._resource import Common, Resource
from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack

# regular expressions that Python and `sed -E` (POSIX.1-2017, 9.4) read in the same way
_REPEAT = r'(?:[*+?]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\})'
_BRACKET = r'\[\^?\]?(?:[^]\\[\n\x80-\U0010ffff]|\[(?![.:=]))*\]'
_SAME = re.compile(
    rf'(?!\|)(?:(?:\\[][\\.*+?(){{}}|^$/]|{_BRACKET}'
    rf'|[^][\\*+?(){{}}|^$\1\n\x80-\U0010ffff]|\)){_REPEAT}?'
    rf'|[\x80-\U0010ffff](?!{_REPEAT})|\((?![?|)])|\|(?![|)]|\Z)|[$^](?!{_REPEAT}))*'
)
_INSTEAD = {r'\d': '[0-9]', r'\w': '[A-Za-z0-9_]', r'\s': '[ \t]', '(?': '('}


class Line(Resource):
    r"""A line of a text file: replaces the first line that matches, or is added at the end.

    Args:
        name: the absolute path of an existing file
        match: an extended regular expression, as for `sed -E`, searched for in each line. What
            Python reads differently is an error: `\d`, `(?…)`, `*?`, `[[:alpha:]]`, a backslash
            in brackets. A character outside ASCII is several bytes, and `.` matches one
        line: the line to write, without its end
        linesep: the end of a line, '\n' or '\r\n'
        sensitive: whether to keep `line` out of the Dockerfile and of all messages
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {'apply': (), 'remove': ('line',)}
    verb = 'edit'

    def __init__(
        self,
        name: str,
        match: str,
        *,
        line: str | None = None,
        linesep: str = '\n',
        sensitive: bool = False,
        **common: Unpack[Common],
    ):
        self.name: str = self._path('name', name)
        self.match: str = self._text('match', match, empty=True)
        self._check_match()
        self.line: str = self._optional('line', line) or ''
        if '\n' in self.line:
            self._refuse('line must not contain a newline')
        if linesep not in ('\n', '\r\n'):
            self._refuse(r"linesep must be '\n' or '\r\n'")
        self.linesep = linesep
        self.sensitive: bool = self._flag('sensitive', sensitive)
        super().__init__(**common)
        if line is None and not self.removes:
            self._refuse('line is missing: the line to write')

    def _check_match(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', FutureWarning)  # about future syntax of Python
                re.compile(self.match)
        except (re.error, RecursionError) as error:
            self._refuse(f'match {self.match!r} is not a valid regular expression: {error}')
        same = _SAME.match(self.match)
        end = same.end() if same else 0
        if end < len(self.match):
            text = self.match[end : end + 2]
            self._refuse(
                f'match {self.match!r}: {text!r} at {end} has no equivalent in `sed -E`',
                f'write {_INSTEAD[text]}' if text in _INSTEAD else '',
            )

    def _implicit_id(self) -> str:
        return f'{self.name}:{self.match}'

    @property
    def snapshot(self) -> str:
        # $() strips trailing newlines, so print one more character
        return f'cat {quote(self.name)} 2>/dev/null || :; echo x'

    def write(self, script: _scripts.Script) -> None:
        name = quote(self.name)
        temporary = quote(self.name + '.charm-image~')
        marked = quote(self.name + '.charm-image~~')
        script.add(f'[ -f {name} ] || {{ {stop(self.name + " is not a file")}; }}')
        variables = 'LC_ALL=C'
        if not self.removes and self.sensitive:
            text = f'"$(cat {quote(script.stage(self.line.encode() + b"x"))})"'
            script.add(f'set -- {text}', 'set -- "${1%x}"')
            variables += ' charm_image_line="$1"'
        elif not self.removes:
            variables += f' charm_image_line={quote(self.line)}'
        script.add(
            f'LC_ALL=C sed -E {self._sed()} {name} >{marked}',
            f'{variables} awk -v FINAL="$(tail -c 1 {name} | wc -l)" '
            f'{quote(self._awk())} {marked} >{temporary}',
            f'[ "$(cat {temporary}; echo x)" = "$(cat {name}; echo x)" ]'
            f' || cat {temporary} >{name}',
            f'rm {temporary} {marked}',
        )

    def _sed(self) -> str:
        """Return the words for sed that put 1 before each line that matches, 0 before others."""
        strip = ['s/\r$//'] if self.linesep == '\r\n' else []
        # neither a line nor a pattern has the delimiter \1
        script = [*strip, f'\\\1{self.match or "^"}\1{{', 's/^/1/', 'b', '}', 's/^/0/']
        return ' '.join(f'-e {quote(expression)}' for expression in script)

    def _awk(self) -> str:
        """Return the awk program that edits; it reads the new line, unexpanded, from ENVIRON."""
        end = '\\r\\n' if self.linesep == '\r\n' else '\\n'
        # the end of a line is written before the next line, so that the last one may have none
        put = f'BEGIN {{ ORS = "" }} function put(line) {{ print end line; end = "{end}" }} '
        if self.removes:
            return f'{put}/^0/ {{ put(substr($0, 2)) }} END {{ if (FINAL) print end }}'
        return (
            put + '{ if (!done && /^1/) { put(ENVIRON["charm_image_line"]); done = 1 }'
            ' else put(substr($0, 2)) }'
            ' END { if (!done) put(ENVIRON["charm_image_line"]); if (FINAL || !done) print end }'
        )
