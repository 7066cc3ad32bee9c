"""The results for a charm's resources: as a table or JSON, and the command to release them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from charm_image import _errors, _texts, upload
from charm_image._commands import messages, table, terminal
from container_image.messages import printable

_NOTHING = '-'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a release: `releases` are those to each channel, [] without any.

    `status` is `released`, or `checked` (a dry run), `skipped` or `failed`, with an `error`.
    """

    status: Literal['released', 'checked', 'skipped', 'failed']
    releases: Sequence[upload.Release]
    error: _errors.Error | None = None


def show(
    charm: str,
    results: Sequence[upload.Result],
    output: terminal.Terminal,
    release: Outcome,
    *,
    is_dry_run: bool,
) -> None:
    """Print the results, and what was released, or else the command to release the charm."""
    is_released = release.status == 'released'
    command = '' if is_released or is_dry_run else _command(charm, results, release.releases)
    failed = [printable(result.resource) for result in results if result.error]
    if release.status == 'skipped':
        output.tell(f'Nothing is released, because the upload failed: {", ".join(failed)}')
    elif command and failed:
        output.tell(f'Not in the release command, because the upload failed: {", ".join(failed)}')
    rows = [('Resource', 'Digest', 'Architectures', 'Revision'), *map(_row, results)]
    lines = [*table.lines(rows, output.width), *(['', command] if command else [])]
    if release.releases and release.status in ('released', 'checked'):
        lines += ['', *(_sentence(charm, each, release.status) for each in release.releases)]
    document: dict[str, Any] = {
        'charm': charm,
        'resources': [_document(result) for result in results],
        'release': command or None,
        'releases': [_release_document(each, release.status) for each in release.releases],
    }
    if release.error:
        message, errors = messages.describe(release.error)
        document['errors'] = list(errors)
        output.error(message, ())
    output.result('\n'.join(lines), document)


def _sentence(charm: str, release: upload.Release, status: str) -> str:
    """Return a line in charmcraft's words."""
    resources = ', '.join(
        f'{_texts.quoted(name)} r{number}' for name, number in release.resources.items()
    )
    subject = f'Revision {release.revision} of {_texts.quoted(charm)}'
    channel = printable(release.channel)
    if status == 'checked':
        return f'{subject} would be released to {channel}'
    return f'{subject} released to {channel}' + (
        f' (attaching resources: {resources})' if resources else ''
    )


def _release_document(release: upload.Release, status: str) -> dict[str, Any]:
    return {
        'channel': release.channel,
        'charm-revision': release.revision,
        'status': status,
        'resources': [
            {'name': name, 'revision': number} for name, number in release.resources.items()
        ],
    }


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
        'existed': result.existed,
        'reference': result.reference or None,
        'platforms': list(result.platforms),
        'signatures': list(result.signatures),
        'signatures-left': list(result.signatures_left),
        'image-digest': result.digest or None,
        'architectures': list(result.architectures),
    }
    if result.error:
        _, errors = messages.describe(result.error)
        document['errors'] = list(errors)
    return document


def _command(
    charm: str, results: Iterable[upload.Result], releases: Sequence[upload.Release]
) -> str:
    """Return the command that releases the charm with these revisions; '' without any."""
    options = [
        f'--resource={_texts.word(f"{result.resource}:{result.revision}")}'
        for result in results
        if result.revision is not None
    ]
    if not options:
        return ''
    revision = releases[0].revision if releases else '…'
    channels = [f'--channel={_texts.word(release.channel)}' for release in releases] or [
        '--channel=…'
    ]
    return ' '.join(
        [f'charmcraft release {_texts.word(charm)} --revision={revision}', *channels, *options]
    )
