"""The command `charm-upload-resource`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from charm_image import _errors, _texts, upload
from charm_image._commands import arguments, messages, terminal

_RESUMABLE = _errors.ReviewPendingError, _errors.UnavailableError, KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command and return its exit status."""
    return run(arguments.parse(argv))


def run(args: argparse.Namespace) -> int:
    """Run the command with arguments of `arguments.parse`, and return its exit status."""
    upload_id = args.resume or ''

    def command(output: terminal.Terminal) -> int:
        def show(progress: upload.Progress) -> None:
            nonlocal upload_id
            upload_id = progress.upload_id or upload_id
            output.show(progress)

        result = _upload(args, progress=show, review_timeout=args.review_timeout)
        output.result(
            _sentence(result, f'of resource {args.resource!r} for charm {args.charm!r}'),
            _document(result),
        )
        return 0

    def hint(error: BaseException) -> str:
        if not upload_id or not isinstance(error, _RESUMABLE):
            return ''
        return (
            'Nothing needs to be sent again. To resume waiting: '
            f'{arguments.PROGRAM} {args.charm} {args.resource} --resume={_texts.word(upload_id)}'
        )

    return messages.run(arguments.PROGRAM, args, command, hint)


def _upload(args: argparse.Namespace, **options: Any) -> upload.Result:
    with messages.Uploader() as uploader:
        if args.filepath is not None:
            if args.arch:
                options['architectures'] = ','.join(args.arch).split(',')
            return uploader.upload_file(args.charm, args.resource, args.filepath, **options)
        if args.image is not None:
            return uploader.upload_image(args.charm, args.resource, args.image, **options)
        if args.source is not None:
            options.update(platforms=args.platform, with_signatures=args.with_signatures)
            return uploader.copy_image(args.charm, args.resource, args.source, **options)
        return uploader.resume(args.charm, args.resource, args.resume, **options)


def _sentence(result: upload.Result, owner: str) -> str:
    # charmcraft's words, and its number at the same place where it has no words
    if result.existed:
        return f'Revision {result.revision} {owner} already exists'
    return f'Revision {result.revision} created {owner}'


def _document(result: upload.Result) -> dict[str, Any]:
    """Return the result as a JSON object."""
    document: dict[str, Any] = {
        'charm': result.charm,
        'resource': result.resource,
        'revision': result.revision,
        'existed': result.existed,
    }
    if result.type == 'oci-image':
        document['image-digest'] = result.digest
        document['architectures'] = list(result.architectures)
        document['missing-architectures'] = list(result.missing_architectures)
    if result.reference:
        document['reference'] = result.reference
        document['platforms'] = list(result.platforms)
        document['signatures'] = list(result.signatures)
        document['signatures-left'] = list(result.signatures_left)
    if result.type:  # not if the ID was an argument
        document['upload-id'] = result.upload_id
    return document
