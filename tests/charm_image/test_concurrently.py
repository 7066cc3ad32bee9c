"""Threads that end: pools for a `with` block, and generators side by side."""

import subprocess
import sys
import threading

import pytest

from charm_image import _concurrently


def test_wait_raises_the_first_error_while_other_jobs_run():
    released = threading.Event()

    def fail():
        raise ValueError('first')

    with _concurrently.Workers(2, name='test') as workers:
        jobs = [workers.submit(released.wait, 60), workers.submit(fail)]
        with pytest.raises(ValueError, match='first'):
            workers.wait(jobs)
        assert not jobs[0].done()
        released.set()
        assert jobs[0].result(60)


def test_leaving_a_pool_cancels_the_jobs_that_wait_and_ends_those_that_check():
    begun, proceed = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert proceed.wait(60)
        workers.check()

    with _concurrently.Workers(1, name='test') as workers:
        running, waiting = workers.submit(work), workers.submit(work)
        assert begun.wait(60)
    proceed.set()
    with pytest.raises(_concurrently.StoppedError):
        running.result(60)
    with pytest.raises(_concurrently.concurrent.futures.CancelledError):
        waiting.result(60)


def test_check_lets_a_job_of_a_running_pool_go_on():
    with _concurrently.Workers(1, name='test') as workers:
        assert workers.submit(workers.check).result(60) is None


def test_a_job_that_hangs_does_not_delay_the_exit_of_the_program():
    program = (
        'import threading\n'
        'from charm_image import _concurrently\n'
        'with _concurrently.Workers(1, name="test") as workers:\n'
        '    begun = threading.Event()\n'
        '    workers.submit(lambda: (begun.set(), threading.Event().wait()))\n'
        '    begun.wait()\n'
    )
    done = subprocess.run([sys.executable, '-c', program], timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b'')


def test_with_ticks_yields_the_items_in_order_and_closes_their_source():
    closed = threading.Event()

    def items():
        try:
            yield from range(100)
        finally:
            closed.set()

    assert [each for each in _concurrently.with_ticks(items()) if each is not None] == [
        *range(100)
    ]
    assert closed.is_set()


def test_with_ticks_raises_what_closing_raises():
    class Items:
        def __iter__(self):
            return iter([1])

        def close(self):
            raise OSError('at the end')

    with pytest.raises(OSError, match='at the end'):
        list(_concurrently.with_ticks(Items()))
