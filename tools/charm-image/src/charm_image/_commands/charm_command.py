"""The command `charm-upload-resources`, which uploads all resources of a charm."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from charm_image import _errors, _programs, upload
from charm_image._commands import arguments, charm_arguments, messages, summary, terminal
from charm_image._upload import charm_resources, charm_upload


def run(args: argparse.Namespace) -> int:
    """Run the command with arguments of `charm_arguments.parse`, and return its exit status."""
    _programs.unwind_on_sigterm()
    with terminal.Terminal(
        charm_arguments.PROGRAM, quiet=args.quiet, as_json=args.format == 'json'
    ) as output:
        try:
            charm = charm_resources.read(args.path)
            with messages.Uploader() as uploader:
                planned = _plan(uploader, charm, args, output) if args.release else []
                results = uploader.upload_charm(
                    args.path,
                    files=dict(args.filepath),
                    images=dict(args.image),
                    sources=dict(args.source),
                    only=args.only,
                    platforms=args.platform,
                    with_signatures=args.with_signatures,
                    dry_run=args.dry_run,
                    progress=output.show,
                    review_timeout=args.review_timeout,
                )
                release = _release(uploader, charm.name, planned, results, args, output)
        except _errors.ArgumentError as error:
            charm_arguments.parser().error(str(error))
        except _errors.Error as error:
            output.error(*messages.describe(error))
            return 1
        except KeyboardInterrupt as stop:
            hint = 'The next run will not send again what was already uploaded.'
            status, message, errors = messages.describe_interrupt(stop, hint)
            output.error(message, errors)
            return status
        summary.show(charm.name, results, output, release, is_dry_run=args.dry_run)
        return int(bool(release.error) or any(result.error for result in results))


def _plan(
    uploader: upload.Uploader,
    charm: charm_resources.Charm,
    args: argparse.Namespace,
    output: terminal.Terminal,
) -> list[upload.Release]:
    """Return what is to be released, checked before anything is uploaded."""
    choices = charm_upload.choices(dict(args.filepath), dict(args.image), dict(args.source))
    charm_upload.check(charm, choices, args.only, arguments.spell)
    return uploader.release(
        charm.name,
        args.release,
        dict.fromkeys(charm_upload.names(charm, choices, args.only)),
        charm_revision=args.charm_revision,
        dry_run=True,
        progress=output.show,
    )


def _release(
    uploader: upload.Uploader,
    charm: str,
    planned: Sequence[upload.Release],
    results: Sequence[upload.Result],
    args: argparse.Namespace,
    output: terminal.Terminal,
) -> summary.Outcome:
    """Release what is planned, unless a resource failed."""
    if planned and any(result.error for result in results):
        return summary.Outcome('skipped', planned)
    if not planned or args.dry_run:
        return summary.Outcome('checked', planned)
    revisions = {
        result.resource: result.revision for result in results if result.revision is not None
    }
    try:
        released = uploader.release(
            charm,
            args.release,
            revisions,
            charm_revision=planned[0].revision,
            progress=output.show,
        )
    except _errors.Error as error:
        return summary.Outcome('failed', planned, error)
    return summary.Outcome('released', released)
