"""The command `charm-upload-resources`, which uploads all resources of a charm."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from charm_image import _errors, upload
from charm_image._commands import arguments, charm_arguments, messages, summary, terminal
from charm_image._upload import charm_upload

_RERUN = 'The next run will not send again what was already uploaded.'


def run(args: argparse.Namespace) -> int:
    """Run the command with arguments of `charm_arguments.parse`, and return its exit status."""

    def command(output: terminal.Terminal) -> int:
        try:
            plan = charm_upload.make_plan(
                args.path,
                dict(args.filepath),
                dict(args.image),
                dict(args.source),
                args.only,
                arguments.spell,
            )
            name = plan.charm.name
            with messages.Uploader() as uploader:
                planned: Sequence[upload.Release] = ()
                if args.release:  # checked before anything is uploaded
                    planned = uploader.release(
                        name,
                        args.release,
                        dict.fromkeys(plan.names),
                        charm_revision=args.charm_revision,
                        dry_run=True,
                        progress=output.show,
                    )
                results = uploader.upload_planned(
                    plan,
                    args.platform,
                    output.show,
                    args.review_timeout,
                    with_signatures=args.with_signatures,
                    dry_run=args.dry_run,
                )
                release = _release(uploader, name, planned, results, args, output)
        except _errors.ArgumentError as error:
            charm_arguments.parser().error(str(error))
        summary.show(name, results, output, release, is_dry_run=args.dry_run)
        return int(bool(release.error) or any(result.error for result in results))

    def hint(error: BaseException) -> str:
        return _RERUN if isinstance(error, KeyboardInterrupt) else ''

    return messages.run(charm_arguments.PROGRAM, args, command, hint)


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
