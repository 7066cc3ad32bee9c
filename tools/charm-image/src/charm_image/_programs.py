"""The entry points of the installed programs, which import the rest with Ctrl-C handled."""

from __future__ import annotations

import functools
import gc
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


def _run(arguments: str, command: str) -> int:
    """Run the command in a module with the arguments that a different one parses."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # until it can be handled, Ctrl-C ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    escape_unencodable()
    gc.disable()  # imports leave nothing behind: searching them is a tenth of a short run
    # --help, --version and wrong usage end here, without the imports of an upload
    parsed = importlib.import_module(f'charm_image._commands.{arguments}').parse(sys.argv[1:])
    module = importlib.import_module(f'charm_image._commands.{command}')
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, interrupt)
    try:
        return int(module.run(parsed))
    finally:
        gc.freeze()  # nor are they searched as the interpreter ends


# what [project.scripts] names: each runs its program and returns the exit status
upload = functools.partial(_run, 'arguments', 'resource_command')
upload_all = functools.partial(_run, 'charm_arguments', 'charm_command')
revisions = functools.partial(_run, 'revisions_arguments', 'revisions_command')
