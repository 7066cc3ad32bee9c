"""The command `charm-unit check`: runs scenarios for each image of a charm, and checks them."""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import threading
import time
import typing

import rich.console

from charm_unit._check import charm_setup, report, scenarios, verdicts
from charm_unit._commands import console as consoles
from charm_unit._commands import display, unit_options
from charm_unit._unit import charm, errors, process

HELP = 'check what a charm does with its images'
DESCRIPTION = """Run a built charm in simulated units and check what it does with its images.

Prints what every hook did, then one line for each requirement. ✓: met. ✗: not met; the line
shows what was observed. –: could not be checked; the line says why.

If the charm waits for a relation or an option before it sends a pod spec, pass that:

    charm-unit check ./my-charm --config port=80 --relate mysql:host=10.1.0.9,port=3306
    charm-unit check ./my-charm --given given.yaml --from ./older/my-charm

The exit status is 0 if there is no ✗, 1 if there is one, 2 if the charm could not be checked.
"""
_Future = concurrent.futures.Future[scenarios.Scenario]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    charm_setup.add_arguments(parser)
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
    """Run the scenarios, check them, print the report; return the exit status."""
    for file in (arguments.junit, arguments.svg):
        if file and not file.parent.is_dir():
            raise errors.UsageError(
                f'cannot write {file}: the folder {file.parent} does not exist'
            )
    built, older, setup = unit_options.charm_with_images(arguments, 'check')
    keywords = unit_options.keywords(arguments)
    start = time.monotonic()
    console = consoles.output(quiet=arguments.format == 'json')
    results = _check(
        [scenarios.Subject(built, name, setup, keywords) for name in built.image_resources],
        older,
        console,
    )
    seconds = time.monotonic() - start
    for one in results:
        report.print_verdicts(console, one)
    report.print_summary(console, results, seconds)
    if arguments.format == 'json':
        print(report.as_json(built.name, results))
    if arguments.junit:
        _write(arguments.junit, report.as_junit(built.name, results))
    if arguments.svg:
        title = f'charm-unit check {built.name}'
        _write(arguments.svg, report.picture(title, results, seconds).encode())
    return 1 if any(one.fails for one in results) else 0


def _check(
    subjects: typing.Sequence[scenarios.Subject],
    older: 'charm.BuiltCharm | None',
    console: rich.console.Console,
) -> list[report.Result]:
    """Run all scenarios, one more at a time than there are processors; print each in turn."""
    results = []
    stop = threading.Event()
    columns = display.hook_columns(
        f'{endpoint}-relation-changed'
        for subject in subjects
        for endpoint in subject.setup.relations
    )
    with _pool(stop) as submit, consoles.Progress() as progress:
        on_step = _shown(progress, stop)

        def start(subject: scenarios.Subject) -> dict[str, _Future]:
            return {
                name: submit(scenarios.run, subject, name, on_step) for name in scenarios.NAMES
            }

        started = []
        for subject in subjects:
            upgraded = subject.upgraded_from(older) if older else None
            started.append(
                (subject, start(subject), upgraded, start(upgraded) if upgraded else {})
            )
        for subject, fresh, upgraded, after in started:
            recorded = {name: _result(future) for name, future in fresh.items()}
            one = report.Result(subject.resource, list(recorded.values()))
            one.verdicts = verdicts.evaluate(subject, recorded)
            if upgraded:
                recorded = {name: _result(future) for name, future in after.items()}
                again = verdicts.evaluate(upgraded, recorded)
                one.verdicts.append(verdicts.evaluate_upgrade(one.verdicts, again, recorded))
                one.scenarios += recorded.values()
            else:
                one.verdicts.append(verdicts.no_upgrade())
            with progress.hidden():
                for scenario in one.scenarios:
                    report.print_scenario(console, scenario, columns)
            results.append(one)
    return results


def _result(future: _Future) -> scenarios.Scenario:
    """Wait for a scenario in short waits: a signal just before a wait would not end it."""
    while not future.done():
        concurrent.futures.wait([future], timeout=0.2)
    return future.result()


@contextlib.contextmanager
def _pool(stop: threading.Event) -> typing.Iterator[typing.Callable[..., _Future]]:
    """Yield a function that starts scenarios; at the end, set `stop` and end what still runs."""
    pool = concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1)
    futures: list[_Future] = []

    def submit(*words: typing.Any) -> _Future:
        futures.append(pool.submit(*words))
        return futures[-1]

    try:
        yield submit
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        while any(future.running() for future in futures):
            process.end_all()
            time.sleep(0.05)


def _shown(progress: consoles.Progress, stop: threading.Event) -> scenarios.OnStep:
    """Return a function that shows which step was done; it raises CancelledError after `stop`."""
    hooks = 0

    def on_step(scenario: scenarios.Scenario, step: scenarios.Step) -> None:
        nonlocal hooks
        if stop.is_set():
            raise concurrent.futures.CancelledError
        hooks += len(step.runs)
        progress.update(f'{hooks} hooks; {scenario.title}: {step.title}')

    return on_step


def _write(file: pathlib.Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise errors.UsageError(f'cannot write {file}: {error.strerror}') from error
