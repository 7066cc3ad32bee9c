"""A line of a text file."""

from __future__ import annotations

from typing import Any

from charm_image.resources import regular_expression, scripts
from charm_image.resources.resource import Resource
from charm_image.resources.shell import quote, stop


class Line(Resource):
    """A line of a text file: the first one that matches is replaced, else one is added."""

    policies = {'apply': (), 'remove': ('line',)}
    verb = 'edit'

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
            self.expression = regular_expression.posix(self.match)
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

    @property
    def snapshot(self) -> str:
        # what $() takes is newlines at the end, so one more character follows
        return f'cat {quote(self.name)} 2>/dev/null || :; echo x'

    def write(self, script: scripts.Script) -> None:
        name = quote(self.name)
        temporary = quote(self.name + '.charm-image~')
        script.add(f'[ -f {name} ] || {{ {stop(self.name + " is no file")}; }}')
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
        """Write the program that edits; its variables in the environment are never expanded."""
        strip = 'sub(/\\r$/, "", line); ' if self.linesep == '\r\n' else ''
        end = '\\r\\n' if self.linesep == '\r\n' else '\\n'
        # the end of a line is written before the next one, so that the last may have none
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
