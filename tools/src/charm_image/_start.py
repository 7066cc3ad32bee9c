"""Where the installed programs begin: importing what they need takes a moment."""

from __future__ import annotations

import signal


def upload() -> int:
    """Run charm-upload-resource and return its exit status."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # until it can be handled, Ctrl-C ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charm_image import upload

    signal.signal(signal.SIGINT, interrupt)
    return upload.main()
