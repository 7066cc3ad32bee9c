"""Runs several works at the same time; if one fails, the others are ended."""

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
    """A generator, and a function that ends it soon, called from a different thread."""

    steps: Callable[[], Generator[T, None, None]]
    stop: Callable[[], None]


class _Failed(Exception):
    """Wraps the error of a work."""


_ENDED = object()


def run(works: Sequence[Work[T]]) -> Iterator[T]:
    """Run each in its own thread, and yield what they yield.

    When one raises an error, or this generator is closed, the others are stopped and waited for;
    then the first error is raised.
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
        # a thread may be alive for a moment after it has put _ENDED
        for work, thread in zip(works, threads, strict=True):
            if running and thread.is_alive():
                work.stop()
        for thread in threads:
            thread.join()
