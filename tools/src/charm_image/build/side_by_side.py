"""Several works at the same time, of which one that fails ends the others."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Work(Generic[T]):
    """A generator, and what makes it come to its end soon, called from another thread."""

    steps: Callable[[], Generator[T, None, None]]
    stop: Callable[[], None]


class _Failed(Exception):
    """Carries what a work raised."""


_ENDED = object()


def run(works: Sequence[Work[T]]) -> Iterator[T]:
    """Run each in a thread of its own, and yield what they yield, as it comes.

    When one raises, or this generator is closed, the others are stopped and waited for; what the
    first one raised is raised then.
    """
    results: queue.SimpleQueue[object] = queue.SimpleQueue()
    stopped = threading.Event()

    def follow(work: Work[T]) -> None:
        try:
            with contextlib.closing(work.steps()) as steps:
                for step in steps:
                    results.put(step)
                    if stopped.is_set():
                        break
        except BaseException as error:
            failed = _Failed()
            failed.__cause__ = error
            results.put(failed)
        finally:
            results.put(_ENDED)

    threads = [threading.Thread(target=follow, args=[each], daemon=True) for each in works]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            result = results.get()
            if result is _ENDED:
                running -= 1
            elif isinstance(result, _Failed) and result.__cause__:
                raise result.__cause__
            else:
                yield result  # type: ignore[misc]
    finally:
        stopped.set()
        # a thread that has told its end may be there for another moment
        for work, thread in zip(works, threads, strict=True):
            if running and thread.is_alive():
                work.stop()
        for thread in threads:
            thread.join()
