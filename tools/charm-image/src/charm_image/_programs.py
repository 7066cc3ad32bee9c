"""The entry points of the installed programs, which import the rest with Ctrl-C handled."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM was received. Unwinds like Ctrl-C, so that temporary files are removed."""


def ended_by(stop: KeyboardInterrupt) -> tuple[int, str]:
    """Return the exit status for a program that was ended, and a word for that."""
    return (143, 'Terminated') if isinstance(stop, Terminated) else (130, 'Interrupted')


def unwind_on_sigterm() -> None:
    """Make SIGTERM raise Terminated."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(*args: object) -> NoReturn:
    raise Terminated


def escape_unencodable() -> None:
    """Print escaped what the encoding of a terminal lacks, as Python's stderr does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def upload() -> int:
    """Run charm-upload-resource and return its exit status."""
    return _run('charm_image._commands.arguments', 'charm_image._commands.resource_command')


def upload_all() -> int:
    """Run charm-upload-resources and return its exit status."""
    return _run('charm_image._commands.charm_arguments', 'charm_image._commands.charm_command')


def revisions() -> int:
    """Run charm-resource-revisions and return its exit status."""
    return _run(
        'charm_image._commands.revisions_arguments', 'charm_image._commands.revisions_command'
    )


def _run(arguments: str, module: str) -> int:
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # until it can be handled, Ctrl-C ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    escape_unencodable()
    # --help, --version and wrong usage end here, without the imports of an upload
    parsed = importlib.import_module(arguments).parse(sys.argv[1:])
    program = importlib.import_module(module)
    signal.signal(signal.SIGINT, interrupt)
    return int(program.run(parsed))
