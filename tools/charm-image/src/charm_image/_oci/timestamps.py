"""Limits the times in an image to SOURCE_DATE_EPOCH (https://reproducible-builds.org)."""

from __future__ import annotations

import datetime
import os
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from charm_image import _errors
from charm_image._oci import images, tar

# times, and what tarfile writes itself
_DROPPED = (
    *('atime', 'ctime', 'mtime', 'LIBARCHIVE.creationtime'),
    *('path', 'linkpath', 'size', 'uid', 'gid', 'uname', 'gname'),
)


def epoch() -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds, None if it is not set.

    Raises:
        ResourceError: it is not a number
    """
    value = os.environ.get('SOURCE_DATE_EPOCH', '')
    if not value:
        return None
    if not value.isascii() or not value.isdecimal() or len(value) > 11:
        raise _errors.ResourceError(
            f'SOURCE_DATE_EPOCH must be a number of seconds since 1970, not {value!r:.80}'
        )
    return int(value)


def text(seconds: int) -> str:
    """Return a time as in configurations (RFC 3339)."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ')


def limit_text(created: object, seconds: int) -> str:
    """Return the time `created` of a configuration, or `seconds` if that is earlier."""
    try:
        whole = str(created).partition('.')[0].rstrip('Z')
        moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return text(seconds)
    return text(min(int(moment.timestamp()), seconds))


def limit_layer(layer: images.Content, seconds: int) -> tuple[IO[bytes], int] | None:
    """Return a layer with no time later than `seconds`, and its size; None if it has none.

    Raises:
        tarfile.TarError, OSError: it cannot be read or written
    """
    output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    has_later = False
    content: Any = layer
    with tarfile.open(fileobj=content, mode='r|') as archive:
        for member in archive:
            has_later = has_later or any(time > seconds for time in _times(member))
            member.mtime = min(int(member.mtime), seconds)
            headers = member.pax_headers
            member.pax_headers = {k: v for k, v in headers.items() if k not in _DROPPED}
            file = archive.extractfile(member) if member.isreg() else None
            output.writelines(tar.member(member, file))
    if not has_later:
        output.close()
        return None
    output.write(tar.END)
    return output, output.tell()


def _times(member: tarfile.TarInfo) -> Iterator[float]:
    yield member.mtime
    for name in ('atime', 'ctime', 'LIBARCHIVE.creationtime'):
        try:
            yield float(member.pax_headers.get(name, 0))
        except ValueError:
            continue
