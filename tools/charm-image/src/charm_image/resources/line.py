"""A line of a text file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charm_image.resources import regular_expression, scripts
from charm_image.resources.resource import Common, Resource
from charm_image.resources.shell import quote, stop

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Line(Resource):
    r"""A line of a text file: replaces the first line that matches, or is added at the end.

    Args:
        name: the absolute path of an existing file
        match: a regular expression in Python's syntax, searched for in each line. Constructs
            without an equivalent in POSIX extended expressions (lookaround, backreferences,
            `\b`) are an error; classes such as `\w` match ASCII only, and a character outside
            ASCII matches as its UTF-8 bytes
        line: the line to write, without its end
        linesep: the end of a line, '\n' or '\r\n'
        sensitive: whether to keep `line` out of the Dockerfile and of all messages
        common: id, policy and watches; see Common
    """

    policies = {'apply': (), 'remove': ('line',)}
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
        self.name = self._path('name', name)
        self.match = self._text('match', match, empty=True)
        try:
            self.expression = regular_expression.posix(self.match)
        except ValueError as error:
            self._refuse(f'match {self.match!r}: {error}')
        self.line = self._optional('line', line) or ''
        if '\n' in self.line:
            self._refuse('line must not contain a newline')
        if linesep not in ('\n', '\r\n'):
            self._refuse(r"linesep must be '\n' or '\r\n'")
        self.linesep = linesep
        self.sensitive = self._flag('sensitive', sensitive)
        super().__init__(**common)
        if line is None and not self.removes:
            self._refuse('line is missing: the line to write')

    def _implicit_id(self) -> str:
        return f'{self.name}:{self.match}'

    @property
    def snapshot(self) -> str:
        # $() strips trailing newlines, so print one more character
        return f'cat {quote(self.name)} 2>/dev/null || :; echo x'

    def write(self, script: scripts.Script) -> None:
        name = quote(self.name)
        temporary = quote(self.name + '.charm-image~')
        script.add(f'[ -f {name} ] || {{ {stop(self.name + " is not a file")}; }}')
        variables = f'LC_ALL=C charm_image_match={quote(self.expression)}'
        if not self.removes and self.sensitive:
            text = f'"$(cat {quote(script.stage(self.line.encode() + b"x"))})"'
            script.add(f'set -- {text}', 'set -- "${1%x}"')
            variables += ' charm_image_line="$1"'
        elif not self.removes:
            variables += f' charm_image_line={quote(self.line)}'
        script.add(
            f'{variables} awk -v FINAL="$(tail -c 1 {name} | wc -l)" '
            f'{quote(self._awk())} {name} >{temporary}',
            f'[ "$(cat {temporary}; echo x)" = "$(cat {name}; echo x)" ]'
            f' || cat {temporary} >{name}',
            f'rm {temporary}',
        )

    def _awk(self) -> str:
        """Return the awk program that edits; it reads its values, unexpanded, from ENVIRON."""
        strip = 'sub(/\\r$/, "", line); ' if self.linesep == '\r\n' else ''
        end = '\\r\\n' if self.linesep == '\r\n' else '\\n'
        # the end of a line is written before the next line, so that the last one may have none
        put = f'BEGIN {{ ORS = "" }} function put(line) {{ print end line; end = "{end}" }} '
        if self.removes:
            return (
                put
                + f'{{ line = $0; {strip}if (line !~ ENVIRON["charm_image_match"]) put(line) }}'
                f' END {{ if (FINAL) print end }}'
            )
        return (
            put + f'{{ line = $0; {strip}'
            'if (!done && line ~ ENVIRON["charm_image_match"])'
            ' { line = ENVIRON["charm_image_line"]; done = 1 } put(line) }'
            ' END { if (!done) put(ENVIRON["charm_image_line"]); if (FINAL || !done) print end }'
        )
