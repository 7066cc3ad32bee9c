"""Decodes BuildKit's progress in Docker's API: protobuf moby.buildkit.v1.StatusResponse.

See api/services/control/control.proto in moby/buildkit; unknown fields are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Vertex(NamedTuple):
    """The current state of a step in BuildKit."""

    digest: str
    name: str
    cached: bool
    started: bool
    completed: bool
    error: str


class Log(NamedTuple):
    """Output of a vertex."""

    vertex: str
    message: bytes


def decode(message: bytes) -> Iterator[Vertex | Log]:
    """Yield the vertexes and logs in one message.

    Raises:
        ValueError: the message is not valid
    """
    for number, value in _fields(message):
        if number not in (1, 3) or not isinstance(value, bytes):
            continue
        fields = dict(_fields(value))
        if number == 1:
            yield Vertex(
                _text(fields.get(1)),
                _text(fields.get(3)),
                bool(fields.get(4)),
                5 in fields,
                6 in fields,
                _text(fields.get(7)),
            )
        else:
            content = fields.get(4)
            yield Log(_text(fields.get(1)), content if isinstance(content, bytes) else b'')


def _text(value: bytes | int | None) -> str:
    return value.decode(errors='replace') if isinstance(value, bytes) else ''


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f'unknown protobuf wire type {kind}')
        if position + size > len(message):
            raise ValueError('the message is truncated')
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError('the message is truncated')
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
