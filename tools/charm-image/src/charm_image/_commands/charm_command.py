"""The command `charm-upload-resources`, which uploads all resources of a charm."""

from __future__ import annotations

import argparse

from charm_image import _errors, _programs
from charm_image._commands import charm_arguments, messages, summary, terminal
from charm_image._upload import charm_resources


def run(args: argparse.Namespace) -> int:
    """Run the command with arguments of `charm_arguments.parse`, and return its exit status."""
    _programs.unwind_on_sigterm()
    with terminal.Terminal(
        charm_arguments.PROGRAM, quiet=args.quiet, as_json=args.format == 'json'
    ) as output:
        try:
            charm = charm_resources.read(args.path)
            with messages.Uploader() as uploader:
                results = uploader.upload_charm(
                    args.path,
                    files=dict(args.filepath),
                    images=dict(args.image),
                    sources=dict(args.source),
                    only=args.only,
                    dry_run=args.dry_run,
                    progress=output.show,
                    review_timeout=args.review_timeout,
                )
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
        summary.show(charm.name, results, output, released=not args.dry_run)
        return int(any(result.error for result in results))
