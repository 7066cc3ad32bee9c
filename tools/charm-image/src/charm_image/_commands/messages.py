"""What all commands do and say in the same way."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from charm_image import _errors, _programs, upload
from charm_image._commands import arguments, terminal

_DAY = 86400  # seconds


class Uploader(upload.Uploader):
    """An uploader whose messages name options, and which takes a plan that is already made."""

    _spell = staticmethod(arguments.spell)
    upload_planned = upload.Uploader._upload_planned


def run(
    program: str,
    args: argparse.Namespace,
    command: Callable[[terminal.Terminal], int],
    hint: Callable[[BaseException], str] = lambda error: '',
) -> int:
    """Run a command and return its exit status, after an error or Ctrl-C with a message.

    `hint` returns what the message adds about the error.
    """
    _programs.unwind_on_sigterm()
    as_json = args.format == 'json'
    with terminal.Terminal(program, quiet=args.quiet, as_json=as_json) as output:
        try:
            return command(output)
        except _errors.Error as error:
            status = 1
            message, errors = describe(error, hint(error))
        except KeyboardInterrupt as stop:
            status, word = _programs.ended_by(stop)
            message = f'{word}. {hint(stop)}'.rstrip()
            errors = [{'code': word.lower(), 'message': message}]
        output.error(message, errors)
        return status


def describe(error: _errors.Error, hint: str = '') -> tuple[str, Sequence[Mapping[str, str]]]:
    """Return the message of an error, and the list of errors for the JSON output."""
    if isinstance(error, _errors.RejectedError) and error.errors:
        return str(error), error.errors
    message = str(error)
    # the registry's message is that of a unit, which retries itself
    if isinstance(error, _errors.RegistryError) and error.code == 'overloaded':
        wait = error.retry_after
        again = 'later' if wait is None or wait > _DAY else f'in {wait:.0f} s'
        message += f'{", or" if error.resolution else ":"} try again {again}'
    message = f'{message} {hint}'.rstrip()
    return message, [{'code': error.code, 'message': message}]
