"""The results for a charm's resources: as a table or JSON, and the command to release them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from charm_image import upload
from charm_image._commands import messages, terminal

_NOTHING = '-'


def show(
    charm: str, results: Sequence[upload.Result], output: terminal.Terminal, *, released: bool
) -> None:
    """Print the results, and the command to release the charm if it can be `released`."""
    command = _release(charm, results) if released else ''
    failed = [result.resource for result in results if result.error]
    if command and failed:
        output.tell(f'Not in the release command, because the upload failed: {", ".join(failed)}')
    lines = [_table(results), *(['', command] if command else [])]
    document = {
        'charm': charm,
        'resources': [_document(result) for result in results],
        'release': command or None,
    }
    output.result('\n'.join(lines), document)


def _row(result: upload.Result) -> tuple[str, str, str, str]:
    architectures = ' '.join(result.architectures) or _NOTHING
    revision = result.revision
    outcome = result.status.replace('-', ' ') if revision is None else str(revision)
    return result.resource, result.digest or _NOTHING, architectures, outcome


def _document(result: upload.Result) -> dict[str, Any]:
    """Return a result as a JSON object."""
    document: dict[str, Any] = {
        'name': result.resource,
        'type': result.type,
        'status': result.status,
        'revision': result.revision,
        'reference': result.reference or None,
        'image-digest': result.digest or None,
        'architectures': list(result.architectures),
    }
    if result.error:
        _, errors = messages.describe(result.error)
        document['errors'] = list(errors)
    return document


def _table(results: Iterable[upload.Result]) -> str:
    rows = [('Resource', 'Digest', 'Architectures', 'Revision')]
    rows += [_row(result) for result in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return '\n'.join(lines)


def _release(charm: str, results: Iterable[upload.Result]) -> str:
    """Return the command that releases the charm with these revisions; '' without any."""
    options = [
        f'--resource={result.resource}:{result.revision}'
        for result in results
        if result.revision is not None
    ]
    if not options:
        return ''
    return f'charmcraft release {charm} --revision=… --channel=… {" ".join(options)}'
