"""Shortens tracebacks of fabfiles: they begin at the author's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

_OTHERS = ('__main__', 'charm_image', 'fabric', 'functools', 'importlib', 'invoke')
_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def begin_at_the_fabfile() -> None:
    """Leave the frames of fab out of tracebacks while a fabfile is loaded."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get('__name__') != 'invoke.loader':
        frame = frame.f_back
    if frame.f_back and sys.excepthook.__module__ != __name__:
        sys.excepthook = _shortening(sys.excepthook)


def _shortening(show: _Hook) -> _Hook:
    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        own = trace
        while own and _is_others(own):
            own = own.tb_next
        show(kind, error.with_traceback(own or trace), own or trace)

    return excepthook


def _is_others(trace: TracebackType) -> bool:
    name = str(trace.tb_frame.f_globals.get('__name__', ''))
    return name.partition('.')[0] in _OTHERS
