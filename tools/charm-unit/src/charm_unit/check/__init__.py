"""The command `charm-unit check`: lives the life of each image of a charm, and judges it."""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import sys
import threading
import time
import typing

import rich.console

from charm_unit._commands import unit_options
from charm_unit._unit import charm, environment, errors, process
from charm_unit.check import circumstances, lives, report, verdicts

HELP = 'check what a charm does with its images'
DESCRIPTION = """Run a built charm in simulated units and check what it does with its images.

Prints what every hook did, then one line for each requirement. ✓: met. ✗: not met; the line
shows what was observed. –: could not be checked; the line says why.

If the charm waits for a relation or an option before it sends a pod spec, pass that:

    charm-unit check ./my-charm --config port=80 --relate mysql:host=10.1.0.9,port=3306
    charm-unit check ./my-charm --given given.yaml --from ./older/my-charm

The exit status is 0 if there is no ✗, 1 if there is one, 2 if the charm could not be checked.
"""
_FILE_COLUMNS = 160
"""What a table may take where there is no terminal."""


_Future = concurrent.futures.Future[lives.Life]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    circumstances.add_arguments(parser)
    parser.add_argument(
        '--from',
        dest='older',
        metavar='OLDER_BUILD',
        help='an earlier build of the charm: also check units that are upgraded from it',
    )
    parser.add_argument(
        '--format',
        choices=('text', 'json'),
        default='text',
        help='format of what is printed (default: %(default)s)',
    )
    parser.add_argument(
        '--junit',
        metavar='FILE',
        type=pathlib.Path,
        help='also write the verdicts to FILE as JUnit XML',
    )
    parser.add_argument(
        '--svg',
        metavar='FILE',
        type=pathlib.Path,
        help='also write what the terminal shows to FILE as a picture',
    )


def main(arguments: argparse.Namespace) -> int:
    """Live, judge, tell; return the exit status."""
    built = charm.BuiltCharm(arguments.built_charm)
    older = _older(arguments.older, built)
    if not built.image_resources:
        raise errors.WrongUse(
            f'{built.name} declares no image resources in metadata.yaml: there is nothing to '
            'check. To run its hooks, use `charm-unit run`'
        )
    given = circumstances.given(arguments)
    given.check(built)
    for file in (arguments.junit, arguments.svg):
        if file and not file.parent.is_dir():
            raise errors.WrongUse(f'cannot write {file}: the folder {file.parent} does not exist')
    keywords = unit_options.keywords(arguments)
    for build in (built, older):
        if build:
            environment.find(build.folder, arguments.python)
    begun = time.monotonic()
    terminal = sys.stdout.isatty()
    console = rich.console.Console(
        highlight=False,
        width=None if terminal else _FILE_COLUMNS,
        soft_wrap=not terminal,
        quiet=arguments.format == 'json',
    )
    judged = _judge(
        [lives.Subject(built, name, given, keywords) for name in built.image_resources],
        older,
        console,
    )
    seconds = time.monotonic() - begun
    for one in judged:
        report.tell_verdicts(console, one)
    report.tell_sum(console, judged, seconds)
    if arguments.format == 'json':
        print(report.as_json(built.name, judged))
    if arguments.junit:
        _write(arguments.junit, report.as_junit(built.name, judged))
    if arguments.svg:
        title = f'charm-unit check {built.name}'
        _write(arguments.svg, report.picture(title, judged, seconds).encode())
    return 1 if any(one.fails for one in judged) else 0


def _older(folder: 'str | None', built: charm.BuiltCharm) -> 'charm.BuiltCharm | None':
    if folder is None:
        return None
    older = charm.BuiltCharm(folder)
    if older.name != built.name:
        raise errors.WrongUse(
            f'{folder} is a build of {older.name}, not of {built.name}: pass a build of '
            'the same charm to --from'
        )
    return older


def _judge(
    subjects: typing.Sequence[lives.Subject],
    older: 'charm.BuiltCharm | None',
    console: rich.console.Console,
) -> list[report.Judged]:
    """Live all lives, as many at a time as there are processors; tell each in its turn."""
    judged = []
    stop = threading.Event()
    with _pool(stop) as submit, _progress(stop) as heard:

        def begin(subject: lives.Subject) -> dict[str, _Future]:
            return {name: submit(lives.live, subject, name, heard) for name in lives.NAMES}

        begun = []
        for subject in subjects:
            upgraded = subject.upgraded_from(older) if older else None
            begun.append((subject, begin(subject), upgraded, begin(upgraded) if upgraded else {}))
        for subject, fresh, upgraded, after in begun:
            lived = {name: _result(future) for name, future in fresh.items()}
            one = report.Judged(subject.resource, list(lived.values()))
            one.verdicts = verdicts.judge(subject, lived)
            if upgraded:
                lived = {name: _result(future) for name, future in after.items()}
                again = verdicts.judge(upgraded, lived)
                one.verdicts.append(verdicts.judge_upgrade(one.verdicts, again, lived))
                one.lives += lived.values()
            else:
                one.verdicts.append(verdicts.no_upgrade())
            for life in one.lives:
                report.tell_life(console, life)
            judged.append(one)
    return judged


def _result(future: _Future) -> lives.Life:
    """Wait for a life, but never for good: a signal just before a wait would not end the wait."""
    while not future.done():
        concurrent.futures.wait([future], timeout=0.2)
    return future.result()


@contextlib.contextmanager
def _pool(stop: threading.Event) -> typing.Iterator[typing.Callable[..., _Future]]:
    """Yield what begins a life; at the end, on Ctrl-C for one, `stop` and end what still runs."""
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
    begun: list[_Future] = []

    def submit(*words: typing.Any) -> _Future:
        begun.append(pool.submit(*words))
        return begun[-1]

    try:
        yield submit
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        while any(future.running() for future in begun):
            process.end_all()
            time.sleep(0.05)


@contextlib.contextmanager
def _progress(stop: threading.Event) -> typing.Iterator[lives.Heard]:
    """Yield what shows on a terminal's stderr how far the lives are."""
    hooks = 0
    with rich.console.Console(stderr=True).status('preparing the units') as status:

        def heard(life: lives.Life, step: lives.Step) -> None:
            nonlocal hooks
            if stop.is_set():
                raise concurrent.futures.CancelledError
            hooks += len(step.runs)
            status.update(f'{hooks} hooks; {life.title}: {step.title}')

        yield heard


def _write(file: pathlib.Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise errors.WrongUse(f'cannot write {file}: {error.strerror}') from error
