"""Where the installed programs begin: importing what they need takes a moment."""

from __future__ import annotations

import importlib
import signal


def upload() -> int:
    """Run charm-upload-resource and return its exit status."""
    return _run('charm_image.upload')


def upload_all() -> int:
    """Run charm-upload-resources and return its exit status."""
    return _run('charm_image.upload_all')


def _run(module: str) -> int:
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # until it can be handled, Ctrl-C ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = importlib.import_module(module)
    signal.signal(signal.SIGINT, interrupt)
    return int(program.main())
