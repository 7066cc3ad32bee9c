"""What is shown of a long step: bars in a terminal, and where nobody sits before one, lines."""

import contextlib
import io
import re
import time

import pytest
import rich.console

from charm_image import _progress
from charm_image._commands import terminal


@pytest.fixture
def lines(capsys):
    """What was shown, once some of it matches a regular expression."""

    def wait_for(pattern):
        shown, deadline = '', time.monotonic() + 20
        while not re.search(pattern, shown, re.MULTILINE):
            assert time.monotonic() < deadline, shown
            time.sleep(0.01)
            shown += capsys.readouterr().err
        return shown.splitlines()

    return wait_for


@pytest.fixture(autouse=True)
def _each_call_counts(monkeypatch):
    monkeypatch.setattr(_progress, '_BETWEEN', 0)


@contextlib.contextmanager
def _reporter(interval=0.1, **kwargs):
    with terminal.Terminal('program', interval=interval, **kwargs) as shown:
        yield _progress.Reporter(shown.show)


def test_a_long_step_tells_again_and_again_how_far_it_is(lines):
    with _reporter() as report, report.step('Sending a file', 500_000_000) as progress:
        progress(120_000_000)
        first = lines('MB of')
        progress(480_000_000)
        second = lines('480 MB of')
    assert first[0] == 'Sending a file'
    assert re.fullmatch(r'Sending a file: 120 MB of 500 MB, [0-9.]+ [MG]B/s', first[-1])
    assert re.fullmatch(r'Sending a file: 480 MB of 500 MB, [0-9.]+ [MG]B/s', second[-1])


def test_a_step_that_has_nothing_to_count_tells_for_how_long_it_goes_on(lines):
    with _reporter() as report, report.step('Waiting for the review'):
        shown = lines('so far')[-1]
    assert re.fullmatch(r'Waiting for the review: \d+ s so far', shown)


def test_a_step_that_stands_still_is_reported(lines):
    with _reporter() as report, report.step('Sending a file', 1000) as progress:
        progress(500)
        assert 'Sending a file: 500 bytes of 1 kB, 0 bytes/s' in lines('0 bytes/s')


def test_a_step_whose_size_is_not_known_tells_its_bytes(lines):
    with _reporter() as report, report.steps() as progress:
        progress('Reading', 2000, None)
        assert lines('kB, ')[1].startswith('Reading: 2 kB, ')


def test_a_step_at_its_end_is_not_reported_again(lines):
    with _reporter() as report, report.steps() as progress:
        progress('one', 7, 7)
        progress('two', 3, 7)
        shown = lines('(?s)two: .*two: ')
    assert [line for line in shown if line.startswith('one')] == ['one']


def test_a_short_step_has_one_line(capsys, monkeypatch):
    with _reporter(10) as report, report.step('Sending a file', 1000) as progress:
        progress(500)
    assert capsys.readouterr().err == 'Sending a file\n'


def test_a_line_follows_when_the_interval_is_over_and_not_before(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(_progress.time, 'monotonic', lambda: clock[0])
    step = _progress.Rate('Sending a file')
    step.done, step.total = 500, 1000
    clock[0] += 9.9
    assert step.line(10) == ''
    clock[0] += 0.1
    assert step.line(10) == 'Sending a file: 500 bytes of 1 kB, 50 bytes/s'
    assert step.line(10) == ''


def test_a_quiet_terminal_has_no_line(capsys):
    with _reporter(quiet=True) as report, report.step('Sending a file', 1000) as progress:
        progress(500)
        time.sleep(0.3)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    ('size', 'written'),
    [
        (0, '0 bytes'),
        (999, '999 bytes'),
        (1000, '1 kB'),
        (5_242_880, '5.24 MB'),
        (999_600, '1 MB'),
        (16_400_000_000, '16.4 GB'),
    ],
)
def test_amounts_are_written_as_people_do(size, written):
    assert _progress.amount(size) == written


@pytest.mark.parametrize(
    ('columns', 'shown'),
    [
        (58, '61.7/123.5 MB'),
        (68, '61.7/123.5 MB 0:00:03'),
        (80, '61.7/123.5 MB 24.7 MB/s 0:00:03'),
        (120, '61.7/123.5 MB 24.7 MB/s 0:00:03'),
    ],
)
def test_a_bar_is_one_line_in_terminals_of_any_width(columns, shown):
    seconds = 0.0
    console = rich.console.Console(width=columns, file=io.StringIO())
    bars = terminal.bars(console, lambda: seconds)
    task = bars.add_task('Uploading layer 656d66c66b0a', total=123_456_789)
    for seconds in (0.5, 1, 1.5, 2, 2.5):  # the clock, too
        bars.update(task, completed=int(seconds * 24_691_356))
    console.print(bars.get_renderable())
    [line] = console.file.getvalue().splitlines()
    assert ' '.join(line.split()).endswith(f' {shown}')
