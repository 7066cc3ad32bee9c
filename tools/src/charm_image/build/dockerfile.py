"""The instructions of a Dockerfile, as every builder reads them.

The same input gives the same bytes. Instructions are those that every builder has: Docker's
classic one, BuildKit and buildah. See the Dockerfile reference,
https://docs.docker.com/reference/dockerfile.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence

NEWLINE = 'CHARM_IMAGE_NEWLINE'
"""The build argument that is a newline, for which ENV and LABEL have no spelling."""

# Docker's parser takes no line above 64 KiB
_LONGEST_LINE = 8_000


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an image starts from and says about itself; all of it valid."""

    from_image: str
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    volumes: Sequence[str] = ()
    ports: Sequence[str] = ()
    cmd: Sequence[str] | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user: str = ''  #: whom the base runs as, if not root

    @property
    def arguments(self) -> dict[str, str]:
        """The build arguments that the Dockerfile needs."""
        values = (*self.env.values(), *self.labels.values())
        return {NEWLINE: '\n'} if any('\n' in value for value in values) else {}


def copy(source: str, target: str, chown: str = '') -> str:
    """Copy what is in the directory `source` of the context into `target`."""
    if re.fullmatch('[A-Za-z0-9._/+@-]+', target):
        return f'COPY {chown}{source}/ {target}'
    return f'COPY {chown}{_words([source + "/", target])}'


def run(lines: Iterable[str]) -> str:
    """Run the script of these lines."""
    return f'RUN ["/bin/sh", "-euc", "{_written(lines)}"]'


def before(settings: Settings, has_steps: bool) -> list[str]:
    """The instructions that come before all steps."""
    instructions = [f'FROM {settings.from_image}']
    instructions += [f'ARG {name}' for name in settings.arguments]
    instructions += [f'ENV {name}={_quoted(value)}' for name, value in settings.env.items()]
    if settings.user and has_steps:
        instructions.append('USER 0')
    return instructions


def after(settings: Settings, has_steps: bool) -> list[str]:
    """The instructions that come after all steps."""
    instructions = []
    if settings.user and has_steps:
        instructions.append(f'USER {_word(settings.user)}')
    for name, value in settings.labels.items():
        instructions.append(f'LABEL {_quoted(name)}={_quoted(value)}')
    if settings.volumes:
        instructions.append(f'VOLUME {_words(settings.volumes)}')
    if settings.ports:
        instructions.append(f'EXPOSE {" ".join(settings.ports)}')
    if settings.cmd is not None:
        instructions.append(_wrapped(f'CMD [{", ".join(map(_json, settings.cmd))}]'))
    return instructions


def _json(text: str) -> str:
    """Write a JSON string that no parser of Dockerfiles takes for more than that."""
    written = json.dumps(text, ensure_ascii=False)
    # << would begin a here-document
    return ''.join(
        each if each.isprintable() and each != '<' else _escaped(each) for each in written
    )


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 126 else f'\\u{ord(character):04x}'


def _written(lines: Iterable[str]) -> str:
    """Write a script inside a JSON string, a line of it on a line.

    The line ends in the backslash that Dockerfiles continue lines with, so none must begin as a
    comment does. Parsers may drop spaces at its start, which indent.
    """
    written = ['\\\n']
    for line in lines:
        text = re.sub('^( *)#', lambda found: found[1] + _escaped('#'), _json(line)[1:-1])
        written.append(_wrapped(text) + '\\n\\\n')
    return ''.join(written)


def _wrapped(text: str) -> str:
    """Continue a line that is too long for Docker's parser on further ones."""
    if len(text) <= _LONGEST_LINE:
        return text
    # not after a backslash, nor before what a parser may drop at the start of a line
    pieces = re.findall(rf'.{{{_LONGEST_LINE},}}?(?<=[^\\\s])(?=[^\\\s#])|.+', text, re.DOTALL)
    return '\\\n'.join(pieces)


def _quoted(value: str) -> str:
    """Write a value of ENV or LABEL, which both expand, so that it stays as it is."""
    escaped = re.sub(r'([\\"$])', r'\\\1', value).replace('\n', f'${{{NEWLINE}}}')
    return _wrapped(f'"{escaped}"')


def _word(text: str) -> str:
    return re.sub(r'([\\"\'$])', r'\\\1', text)


def _words(texts: Iterable[str]) -> str:
    """Write a JSON list whose strings are expanded afterwards, as those of COPY and VOLUME are."""
    return f'[{", ".join(_json(_word(text)) for text in texts)}]'
