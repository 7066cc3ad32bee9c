"""Threads that end: a pool for a `with` block, and generators that run side by side."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

P = ParamSpec('P')
S = TypeVar('S')
T = TypeVar('T')
_Job: TypeAlias = tuple[concurrent.futures.Future[Any], Callable[[], Any]]

#: The seconds after which `with_ticks` yields None.
SECOND = 1.0
_AHEAD = 4  # items, which may be large


class StoppedError(Exception):
    """The pool of this job has stopped, because a different job failed or nobody waits for it."""


class Workers:
    """A pool of threads; leaving its `with` block stops it.

        with concurrently.Workers(4, name='upload') as workers:
            futures = [workers.submit(send, blob) for blob in blobs]
            workers.wait(futures)

    Jobs that have not started are cancelled then. Running ones are not waited for, and end at
    their next `check`. Nor do they delay the exit of the program, as those of a
    `concurrent.futures.ThreadPoolExecutor` do: a server may not respond for a long time.
    """

    def __init__(self, threads: int, *, name: str):
        self.threads = threads
        self.stopped = threading.Event()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        for _ in range(threads):
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Do what leaving the `with` block does."""
        self.stopped.set()
        for _ in range(self.threads):
            self._jobs.put(None)

    def submit(
        self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `call` in one of the threads."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((future, lambda: call(*args, **kwargs)))
        return future

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Return what `call` returns for each item. Raises the first error at once."""
        futures = [self.submit(call, item) for item in items]
        self.wait(futures)
        return [future.result() for future in futures]

    def wait(self, futures: Iterable[concurrent.futures.Future[Any]]) -> None:
        """Wait until all are done. Raises the first error at once."""
        for future in concurrent.futures.as_completed(futures):
            future.result()

    def check(self) -> None:
        """Raise StoppedError, in a job, once the pool is stopped."""
        if self.stopped.is_set():
            raise StoppedError

    def _work(self) -> None:
        while job := self._jobs.get():
            future, call = job
            if self.stopped.is_set():
                future.cancel()
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
                del result
            del job, future, call  # they may reference much memory


def with_ticks(items: Iterable[T]) -> Generator[T | None]:
    """Yield the items, which a thread reads some ahead, and None for each second without one.

    Errors of `items` are raised. If this is closed early, the thread closes `items` after the next
    one.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(_AHEAD)
    with Workers(1, name='read') as workers:
        workers.submit(_forward, items, waiting.put, workers.stopped)
        try:
            while True:
                try:
                    item = waiting.get(timeout=SECOND)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(item, _End):
                    item.check()
                    return
                yield item
        finally:
            workers.stopped.set()
            with contextlib.suppress(queue.Empty):
                while True:  # makes room for a waiting put
                    waiting.get_nowait()


@dataclasses.dataclass(frozen=True)
class Task(Generic[T]):
    """A generator, and a function that ends it soon, called from a different thread."""

    steps: Callable[[], Generator[T, None, None]]
    stop: Callable[[], None]


def run(tasks: Sequence[Task[T]]) -> Iterator[T]:
    """Run each in its own thread, and yield what they yield.

    When one raises an error, or this generator is closed, the others are stopped and waited for;
    then the first error is raised.
    """
    results: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    with Workers(len(tasks), name='task') as workers:
        futures = [
            workers.submit(_forward, task.steps(), results.put, workers.stopped) for task in tasks
        ]
        running = len(tasks)
        try:
            while running:
                result = results.get()
                if isinstance(result, _End):
                    running -= 1
                    result.check()
                else:
                    yield result
        finally:
            workers.stopped.set()
            for task, future in zip(tasks, futures, strict=True):
                # the last one that ended may not be done for a moment
                if running and not future.done():
                    task.stop()
            concurrent.futures.wait(futures)


@dataclasses.dataclass(frozen=True)
class _End:
    """Follows the last item; `error` is the error that the iterator raised, if any."""

    error: BaseException | None

    def check(self) -> None:
        if self.error:
            raise self.error


def _forward(
    items: Iterable[T], put: Callable[[T | _End], None], stopped: threading.Event
) -> None:
    """Put the items, which are closed once `stopped` is set, and an _End."""
    ended = None
    try:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        finally:
            if close := getattr(items, 'close', None):
                close()
    except BaseException as error:
        ended = error
    put(_End(ended))
