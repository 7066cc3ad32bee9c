"""Writes the instructions of a Dockerfile.

The same input gives the same bytes. Every builder supports these instructions: Docker's classic
builder, BuildKit and buildah. See the Dockerfile reference,
https://docs.docker.com/reference/dockerfile.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence

NEWLINE = 'CHARM_IMAGE_NEWLINE'
"""The build argument that contains a newline, which ENV and LABEL cannot spell."""

# Docker's parser does not accept lines above 64 KiB
_LONGEST_LINE = 8_000


@dataclasses.dataclass(frozen=True)
class Settings:
    """The base and the configuration of an image, already checked."""

    from_image: str
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    volumes: Sequence[str] = ()
    ports: Sequence[str] = ()
    cmd: Sequence[str] | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entrypoint: Sequence[str] | None = None
    workdir: str | None = None
    user: str | None = None
    stop_signal: str | None = None
    base_user: str = ''  #: the user of the base, if not root

    @property
    def arguments(self) -> dict[str, str]:
        """The build arguments that the Dockerfile needs."""
        values = (*self.env.values(), *self.labels.values())
        return {NEWLINE: '\n'} if any('\n' in value for value in values) else {}


def copy(source: str, target: str, chown: str = '') -> str:
    """Return the instruction that copies the files in the directory `source` into `target`."""
    if re.fullmatch('[A-Za-z0-9._/+@-]+', target):
        return f'COPY {chown}{source}/ {target}'
    return f'COPY {chown}{_words([source + "/", target])}'


def copy_from(image: str, source: str, target: str, chown: str = '') -> str:
    """Return the instruction that copies a file, or the content of `source/`, from an image."""
    return f'COPY --from={image} {chown}{_words([source, target])}'


def run(lines: Iterable[str], secrets: Iterable[str] = ()) -> str:
    """Return the instruction that runs a script, with some secrets by name."""
    mounts = ''.join(
        f'--mount=type=secret,id={name},target=/run/secrets/{name},mode=0444,required=true '
        for name in secrets
    )
    return f'RUN {mounts}["/bin/sh", "-euc", "{_written(lines)}"]'


def before(settings: Settings, has_steps: bool) -> list[str]:
    """Return the instructions before all steps."""
    instructions = [f'FROM {settings.from_image}']
    instructions += [f'ARG {name}' for name in settings.arguments]
    instructions += [f'ENV {name}={_quoted(value)}' for name, value in settings.env.items()]
    if settings.base_user and has_steps:
        instructions.append('USER 0')
    return instructions


def after(settings: Settings, has_steps: bool) -> list[str]:
    """Return the instructions after all steps."""
    instructions = []
    for name, value in settings.labels.items():
        instructions.append(f'LABEL {_quoted(name)}={_quoted(value)}')
    if settings.volumes:
        instructions.append(f'VOLUME {_words(settings.volumes)}')
    if settings.ports:
        instructions.append(f'EXPOSE {" ".join(settings.ports)}')
    if settings.stop_signal is not None:
        instructions.append(f'STOPSIGNAL {settings.stop_signal}')
    if settings.workdir is not None:
        instructions.append(f'WORKDIR {_word(settings.workdir)}')  # as root, which may create it
    if settings.user is not None:
        instructions.append(f'USER {settings.user}')
    elif settings.base_user and has_steps:
        instructions.append(f'USER {_word(settings.base_user)}')
    for name, words in (('ENTRYPOINT', settings.entrypoint), ('CMD', settings.cmd)):
        if words is not None:
            instructions.append(_wrapped(f'{name} [{", ".join(map(_json, words))}]'))
    return instructions


def _json(text: str) -> str:
    """Return a JSON string in which Dockerfile parsers find no syntax of theirs."""
    quoted = json.dumps(text, ensure_ascii=False)
    # << would begin a here-document
    return ''.join(
        char if char.isprintable() and char != '<' else _escaped(char) for char in quoted
    )


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 126 else f'\\u{ord(character):04x}'


def _written(lines: Iterable[str]) -> str:
    """Return a script for a JSON string, with a line of the Dockerfile for each of its lines.

    Lines are continued with a backslash, so none may begin like a comment. Parsers may drop the
    spaces at the start of a line, which are only indentation.
    """
    script = ['\\\n']
    for line in lines:
        text = re.sub('^( *)#', lambda found: found[1] + _escaped('#'), _json(line)[1:-1])
        script.append(_wrapped(text) + '\\n\\\n')
    return ''.join(script)


def _wrapped(text: str) -> str:
    """Split a line that is too long for Docker's parser into continued lines."""
    if len(text) <= _LONGEST_LINE:
        return text
    # not after a backslash, nor before characters that a parser drops at the start of a line
    pieces = re.findall(rf'.{{{_LONGEST_LINE},}}?(?<=[^\\\s])(?=[^\\\s#])|.+', text, re.DOTALL)
    return '\\\n'.join(pieces)


def _quoted(value: str) -> str:
    """Quote a value of ENV or LABEL, whose variables the builder would expand."""
    escaped = re.sub(r'([\\"$])', r'\\\1', value).replace('\n', f'${{{NEWLINE}}}')
    return _wrapped(f'"{escaped}"')


def _word(text: str) -> str:
    return re.sub(r'([\\"\'$])', r'\\\1', text)


def _words(texts: Iterable[str]) -> str:
    """Return a JSON list for COPY or VOLUME, whose variables the builder would expand."""
    return f'[{", ".join(_json(_word(text)) for text in texts)}]'
