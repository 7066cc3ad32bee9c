"""Reads an iterator in a thread, some items ahead, so that nobody waits in silence."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar('T')

SECOND = 1.0
_AHEAD = 4  # items, which may be large


class _End:
    """Follows the last item; `error` is the error that the iterator raised, if any."""

    def __init__(self, error: BaseException | None = None):
        self.error = error


def with_ticks(items: Iterable[T]) -> Generator[T | None]:
    """Yield the items, which a thread reads, and None for each second without one.

    Errors of `items` are raised. If this is closed early, the thread closes `items` after the next
    one.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(_AHEAD)
    closed = threading.Event()

    def read() -> None:
        try:
            for item in items:
                waiting.put(item)
                if closed.is_set():
                    return
            waiting.put(_End())
        except BaseException as error:
            waiting.put(_End(error))
        finally:
            if close := getattr(items, 'close', None):
                close()

    threading.Thread(target=read, name='read', daemon=True).start()
    try:
        while True:
            try:
                item = waiting.get(timeout=SECOND)
            except queue.Empty:
                yield None
                continue
            if not isinstance(item, _End):
                yield item
            elif item.error:
                raise item.error
            else:
                return
    finally:
        closed.set()
        with contextlib.suppress(queue.Empty):
            while True:  # makes room for a waiting put
                waiting.get_nowait()
