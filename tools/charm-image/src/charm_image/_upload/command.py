"""The command `charm-upload-resource`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from charm_image import _errors, programs, terminal
from charm_image._upload import arguments, resource_upload


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    args = arguments.parse(argv)
    programs.unwind_on_sigterm()
    shown = terminal.Terminal(arguments.PROGRAM, quiet=args.quiet, as_json=args.format == 'json')
    upload = resource_upload.Upload(args, shown)
    status = 1
    try:
        revision = upload.run()
        shown.result(
            f'Revision {revision} created of resource {args.resource!r} for charm {args.charm!r}',
            {
                'charm': args.charm,
                'resource': args.resource,
                'revision': revision,
                **upload.facts,
            },
        )
        return 0
    except _errors.Error as error:
        message, errors = resource_upload.described(error)
        if upload.upload_id and isinstance(
            error, (_errors.ReviewPendingError, _errors.UnavailableError)
        ):
            message += f' {_resumption(args, upload.upload_id)}'
            errors = [{**errors[0], 'message': message}]
    except KeyboardInterrupt as stop:
        status, word = programs.ended_by(stop)
        message = f'{word}.'
        if upload.upload_id:
            message += f' {_resumption(args, upload.upload_id)}'
        errors = [{'code': word.lower(), 'message': message}]
    shown.error(message, errors)
    return status


def _resumption(args: argparse.Namespace, upload_id: str) -> str:
    return (
        'Nothing needs to be sent again. To resume waiting: '
        f'{arguments.PROGRAM} {args.charm} {args.resource} --resume={upload_id}'
    )
