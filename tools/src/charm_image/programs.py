"""Where the installed programs begin: importing what they need takes a moment."""

from __future__ import annotations

import importlib
import signal
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Unwinds like Ctrl-C, so that temporary files are removed."""


def unwind_on_sigterm() -> None:
    """From now on, SIGTERM raises Terminated."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(*args: object) -> NoReturn:
    raise Terminated


def upload() -> int:
    """Run charm-upload-resource and return its exit status."""
    return _run('charm_image.upload.command')


def upload_all() -> int:
    """Run charm-upload-resources and return its exit status."""
    return _run('charm_image.upload.whole_charm')


def _run(module: str) -> int:
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # until it can be handled, Ctrl-C ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = importlib.import_module(module)
    signal.signal(signal.SIGINT, interrupt)
    return int(program.main())
