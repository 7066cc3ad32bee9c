"""Reads the reports of builders in Docker's API: the classic builder, BuildKit and buildah."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from charm_image._build import trace

# colours, and what moves or erases: CSI sequences of ECMA-48
_CONTROL = re.compile(r'\x1b\[[0-?]*[ -/]*[@-~]')
_ENDS = re.compile('[\r\n]')
_MAX_LINE = 1 << 16  # characters; a longer line is shown in parts
_STATUS = re.compile(r'(?:exit code|exit status|non-zero code):? ([0-9]+)')
# the text before and after the script in BuildKit's messages, in 20.10 and in later versions
_SCRIPTS = (
    ('executor failed running [', '\n]: '),
    ('process "', '" did not complete successfully: '),
)


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of a build.

    `kind` is one of started, output, cached, done (of an instruction), image (`text` is its ID),
    failed and note. `instruction` counts from 0.
    """

    kind: str
    instruction: int = -1
    text: str = ''
    status: int | None = None


class _Lines:
    """Splits output that arrives in pieces into lines, at a cost that is linear in its size.

    A carriage return ends a line, too, which is shown if the same piece does not overwrite it: a
    progress bar is shown as it comes. Sequences for a terminal, such as colours, are left out.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._returned = False  # to the start of a line that was shown

    def add(self, text: str) -> list[str]:
        """Return the lines that `text` completes."""
        lines: list[str] = []
        bar, start = '', 0
        for end in _ENDS.finditer(text):
            line = self._take(text[start : end.start()])
            start = end.end()
            if end[0] == '\r':
                bar = line or bar
                continue
            if line or bar or not self._returned:
                lines.append(line or bar)
            bar, self._returned = '', False
        if bar:
            lines.append(bar)
            self._returned = True
        if rest := text[start:]:
            self._parts.append(rest)
            self._size += len(rest)
        return lines if self._size < _MAX_LINE else [*lines, self._take('')]

    def end(self) -> list[str]:
        """Return the last line, if it has no newline."""
        rest, self._returned = self._take(''), False
        return [rest] if rest else []  # Docker's classic builder ends with that of a colour

    def _take(self, end: str) -> str:
        line = ''.join((*self._parts, end))
        self._parts, self._size = [], 0
        return _CONTROL.sub('', line).expandtabs()


def _failure(report: Mapping[str, Any], instruction: int) -> Event | None:
    if 'error' not in report and 'errorDetail' not in report:
        return None
    detail = report.get('errorDetail') or {}
    message = str(detail.get('message') or report.get('error'))
    statuses = _STATUS.findall(message[-100:])
    status = detail.get('code') or (int(statuses[-1]) if statuses else None)
    return Event('failed', instruction, _reason(message), status)


def _reason(message: str) -> str:
    """Return the reason, without the script that BuildKit puts before it."""
    for prefix, end in _SCRIPTS:
        if prefix in message[:100] and end in message:
            return message.rpartition(end)[2].strip()
    return message.strip()


class Classic:
    """Reads the reports of Docker's classic builder and of buildah."""

    _START = re.compile(r'(?i:step) ([0-9]+)/[0-9]+ ?: ')
    _IMAGE = re.compile(r' ?--(?:->|>) ([0-9a-f]{11,64})\n')
    _OWN = re.compile(
        r'( ---> )?(Remov(ing|ed) intermediate container|\[Warning\])|COMMIT|Successfully'
    )

    def __init__(self) -> None:
        self.made: list[str] = []
        self._instruction = -1
        self._cached = False
        self._named = False
        self._image = ''
        self._lines = _Lines()

    def read(self, report: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events in `report`."""
        failure = _failure(report, self._instruction)
        if failure:
            yield from self._output(self._lines.end())
            yield failure
        elif isinstance(report.get('aux'), dict) and 'ID' in report['aux']:
            yield from self._end()
            yield Event('image', text=str(report['aux']['ID']))
        elif isinstance(report.get('stream'), str):
            yield from self._stream(report['stream'])

    def _stream(self, text: str) -> Iterator[Event]:
        if (match := self._START.match(text)) and int(match[1]) == self._instruction + 2:
            yield from self._end()
            self._instruction += 1
            self._cached = False
            self._named = True
        elif text == '\n' and self._named:  # Docker ends the name of a step apart
            self._named = False
        elif re.match(r' ?--(?:->|>) Using cache', text):
            self._cached = True
        elif match := self._IMAGE.fullmatch(text):
            self._image = match[1]
            if not self._cached and self._instruction > 0:
                self.made.append(match[1])
        elif self._image and re.fullmatch(f'{self._image}[0-9a-f]*\n', text):
            pass  # the last line of buildah
        elif text.startswith(' ---> Running in '):
            self._named = False
            yield Event('started', self._instruction)
        elif not self._OWN.match(text):
            yield from self._output(self._lines.add(text))

    def _end(self) -> Iterator[Event]:
        yield from self._output(self._lines.end())
        if self._instruction >= 0:
            yield Event('cached' if self._cached else 'done', self._instruction)

    def _output(self, lines: list[str]) -> Iterator[Event]:
        for line in lines:
            yield Event('output', self._instruction, line)


class BuildKit:
    """Reads BuildKit's trace, which numbers FROM and the instructions that change files."""

    _NAME = re.compile(r'\[(?:\S+ )? *([0-9]+)/[0-9]+\] ')

    def __init__(self, instructions: Sequence[str]) -> None:
        self._counted = [
            index
            for index, instruction in enumerate(instructions)
            if instruction.partition(' ')[0] in ('FROM', 'COPY', 'RUN')
        ]
        self._instructions: dict[str, int] = {}
        self._lines: dict[str, _Lines] = {}
        self._ended: set[str] = set()
        self._failed = -1

    def read(self, report: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events in `report`."""
        failure = _failure(report, self._failed)
        if failure:
            yield failure
        elif report.get('id') == 'moby.image.id':
            yield Event('image', text=str(report['aux']['ID']))
        elif report.get('id') == 'moby.buildkit.trace':
            with contextlib.suppress(ValueError, binascii.Error):
                for traced in trace.decode(base64.b64decode(report['aux'])):
                    yield from self.follow(traced)

    def follow(self, traced: trace.Vertex | trace.Log) -> Iterator[Event]:
        """Yield the events in a part of the trace."""
        yield from (
            self._vertex(traced) if isinstance(traced, trace.Vertex) else self._log(traced)
        )

    def _vertex(self, vertex: trace.Vertex) -> Iterator[Event]:
        match = self._NAME.match(vertex.name)
        if not match or vertex.digest in self._ended or int(match[1]) > len(self._counted):
            return
        instruction = self._instructions[vertex.digest] = self._counted[int(match[1]) - 1]
        if vertex.error:
            self._failed = instruction
        if vertex.completed:
            self._ended.add(vertex.digest)
            yield from self._output(vertex.digest, self._lines_of(vertex.digest).end())
            if not vertex.error:
                yield Event('cached' if vertex.cached else 'done', instruction)
        elif vertex.started:
            yield Event('started', instruction)

    def _log(self, log: trace.Log) -> Iterator[Event]:
        text = log.message.decode(errors='replace')
        yield from self._output(log.vertex, self._lines_of(log.vertex).add(text))

    def _lines_of(self, digest: str) -> _Lines:
        return self._lines.setdefault(digest, _Lines())

    def _output(self, digest: str, lines: list[str]) -> Iterator[Event]:
        for line in lines:
            yield Event('output', self._instructions.get(digest, -1), line)
