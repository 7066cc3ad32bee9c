"""The command `charm-unit explore`: random sequences, until one breaks a requirement."""

import argparse
import contextlib
import secrets
import typing

import rich.console

from charm_unit._check import charm_setup
from charm_unit._commands import console as consoles
from charm_unit._commands import unit_options
from charm_unit._explore import prepare, report, search, sequences, world

HELP = 'search for an order of events in which a charm does something wrong with its images'
DESCRIPTION = """Run random sequences of events in simulated units of a built charm.

Images are attached, replaced, broken and detached, options and relations change, peers come and
go, leaders are elected, resource-get fails or hangs, hooks fail or are killed in their middle,
actions run, the charm is refreshed, the unit is removed. After each step, it is checked against
requirements, such as "the last valid image is in the leader's pod spec". The first
sequence that breaks one is shortened as far as possible, and printed with its hooks, as a script
for `charm-unit run` and as a test for pytest.

    charm-unit explore ./my-charm --seconds 60
    charm-unit explore ./my-charm --seed 4711 --from ./older/my-charm --relate mysql:host=db
    charm-unit explore ./my-charm --format json >found.json

The same seed gives the same sequences. The exit status is 0 if no requirement was broken, 1 if
one was, 2 if the charm could not be explored.
"""
_TIMEOUT = 40
"""The layer gives all of a hook's resource-get 30 seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    charm_setup.add_arguments(parser)
    parser.set_defaults(timeout=_TIMEOUT)
    parser.add_argument(
        '--from',
        dest='older',
        metavar='OLDER_BUILD',
        help='an earlier build of the charm: units are deployed from it, and upgraded',
    )
    parser.add_argument(
        '--seconds',
        metavar='SECONDS',
        type=unit_options.seconds,
        default=60,
        help='how long to search (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', metavar='NUMBER', type=int, help='which sequences to run (default: random)'
    )
    parser.add_argument(
        '--format',
        choices=('text', 'json'),
        default='text',
        help='format of what is printed (default: %(default)s)',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='print each sequence when it has been run'
    )


def main(arguments: argparse.Namespace) -> int:
    """Search, shrink, print the report; return the exit status."""
    built, older, setup = unit_options.charm_with_images(arguments, 'explore')
    keywords = unit_options.keywords(arguments)
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    console = consoles.output(quiet=arguments.format == 'json')
    juju = keywords.pop('juju')
    prepared = prepare.prepare(world.World(built, older, setup, juju, keywords))
    known = prepared.known
    found = search.Found()
    if prepared.finding:
        found.findings.append(prepared.finding)
        known = world.World(built, None, setup, juju, keywords)
    else:
        with _progress(console, known, arguments.verbose) as played:
            found = search.Search(known, seed, arguments.seconds, played).run()
    found.findings = [search.shrink(known, finding) for finding in found.findings]
    for finding in found.findings:
        report.print_finding(console, known, finding)
    report.print_verdicts(console, prepared, found)
    report.print_summary(console, found, seed)
    if arguments.format == 'json':
        print(report.as_json(known, prepared, found, seed))
    return 1 if found.findings else 0


@contextlib.contextmanager
def _progress(
    console: rich.console.Console, known: world.World, verbose: bool
) -> typing.Iterator[search.Played]:
    """Yield a function that shows progress on stderr, if that is a terminal."""
    count = 0
    with consoles.Progress() as progress:
        progress.update('deploying units')

        def played(name: str, sequence: sequences.Sequence, why: str) -> None:
            nonlocal count
            count += 1
            if verbose:
                mark = f'{name}: ' + (f'({why}) ' if why else '')
                with progress.hidden():
                    console.print(mark + report.describe(known, sequence), markup=False)
            progress.update(f'{count} sequences')

        yield played
