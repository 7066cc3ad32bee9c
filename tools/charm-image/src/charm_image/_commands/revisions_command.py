"""The command `charm-resource-revisions`, which lists the revisions of a resource."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from typing import Any

from charm_image import _progress, upload
from charm_image._commands import messages, revisions_arguments, table, terminal
from container_image.messages import printable

_NOTHING = '-'


def run(args: argparse.Namespace) -> int:
    """Run the command with arguments of `revisions_arguments.parse`; return its exit status."""

    def command(output: terminal.Terminal) -> int:
        with messages.Uploader() as uploader:
            revisions = uploader.revisions(args.charm, args.resource, progress=output.show)
        rows = _rows(revisions, is_short=output.width is not None)
        lines = table.lines(rows, output.width) if revisions else ['No revisions found.']
        document = {
            'charm': args.charm,
            'resource': args.resource,
            'revisions': list(map(_document, revisions)),
        }
        output.result('\n'.join(lines), document)
        return 0

    return messages.run(revisions_arguments.PROGRAM, args, command)


def _rows(revisions: Sequence[upload.Revision], *, is_short: bool) -> list[tuple[str, ...]]:
    """Return the head and the rows, without the columns in which nothing is known.

    Short ones have dates without times, and the first 12 digits of a digest.
    """
    rows = [('Rev', 'Created', 'Arch', 'Digest', 'Size', 'Version', 'Channels')]
    rows += [
        (
            str(each.revision),
            _time(each.time)[: 10 if is_short else None],
            ' '.join(each.architectures),
            each.digest[7:19] if is_short else each.digest,
            '' if each.size is None else _progress.amount(each.size),
            each.version,
            ' '.join(each.channels or ()),
        )
        for each in revisions
    ]
    known = [any(column[1:]) for column in zip(*rows, strict=True)]
    return [
        tuple(cell or _NOTHING for cell, is_known in zip(row, known, strict=True) if is_known)
        for row in rows
    ]


def _time(text: str) -> str:
    """Return a time to the minute, in UTC."""
    try:
        time = datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
    except ValueError:
        return printable(text, 20)
    if time.tzinfo:
        time = time.astimezone(datetime.timezone.utc)
    return f'{time:%Y-%m-%d %H:%M}'


def _document(revision: upload.Revision) -> dict[str, Any]:
    """Return a revision as a JSON object; null is what is not known."""
    return {
        'revision': revision.revision,
        'created-at': revision.time or None,
        'architectures': list(revision.architectures),
        'digest': revision.digest or None,
        'size': revision.size,
        'version': revision.version or None,
        'channels': None if revision.channels is None else list(revision.channels),
    }
