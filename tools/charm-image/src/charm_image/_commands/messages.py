"""What both commands say in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from charm_image import _errors, _programs, upload
from charm_image._commands import arguments

_DAY = 86400  # seconds


class Uploader(upload.Uploader):
    """An uploader whose messages name options."""

    _spell = staticmethod(arguments.spell)


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


def describe_interrupt(
    stop: KeyboardInterrupt, hint: str
) -> tuple[int, str, Sequence[Mapping[str, str]]]:
    """Return the exit status of a command that was ended, a message, and the same for JSON."""
    status, word = _programs.ended_by(stop)
    message = f'{word}. {hint}'.rstrip()
    return status, message, [{'code': word.lower(), 'message': message}]
