"""The options that every command of charm-unit has: which charm, in what unit."""

import argparse
import typing

from charm_unit._check import charm_setup
from charm_unit._unit import charm, environment, errors, unit


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to the parser of a command."""
    parser.add_argument(
        'built_charm',
        metavar='BUILT_CHARM',
        help='the folder that `charm-build` created, or a packed .charm',
    )
    parser.add_argument(
        '--python',
        metavar='INTERPRETER',
        help='the interpreter that runs the hooks, such as python3.8 '
        '(default: the one that runs charm-unit)',
    )
    parser.add_argument(
        '--juju',
        metavar='VERSION',
        default=unit.JUJU,
        help='the version of Juju to simulate, 2.5 to 3.6 (default: %(default)s)',
    )
    parser.add_argument(
        '--timeout',
        metavar='SECONDS',
        type=seconds,
        default=unit.TIMEOUT,
        help='stop a hook that takes longer (default: %(default)s)',
    )
    parser.add_argument(
        '--no-preload',
        action='store_true',
        help='start a new interpreter for each hook, which takes longer; by default, hooks share '
        'the import of charmhelpers and charms.reactive',
    )


def keywords(arguments: argparse.Namespace) -> dict[str, typing.Any]:
    """Return what these options mean to Unit, as keywords."""
    return {
        'python': arguments.python,
        'juju': arguments.juju,
        'timeout': arguments.timeout,
        'preload': not arguments.no_preload,
    }


def seconds(text: str) -> float:
    """Return the seconds in an argument; raise ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of seconds')
    return number


def charm_with_images(
    arguments: argparse.Namespace, verb: str
) -> 'tuple[charm.BuiltCharm, charm.BuiltCharm | None, charm_setup.Setup]':
    """Return the charm, the older build of --from and what else is given; raise CharmUnitError.

    `verb` is what the command does to a charm, for a message.
    """
    built = charm.BuiltCharm(arguments.built_charm)
    older = None if arguments.older is None else charm.BuiltCharm(arguments.older)
    if older and older.name != built.name:
        raise errors.UsageError(
            f'{arguments.older} is a build of {older.name}, not of {built.name}: pass a build of '
            'the same charm to --from'
        )
    if not built.image_resources:
        raise errors.UsageError(
            f'{built.name} declares no image resources in metadata.yaml: there is nothing to '
            f'{verb}. To run its hooks, use `charm-unit run`'
        )
    setup = charm_setup.from_arguments(arguments)
    setup.check(built)
    for build in (built, older):
        if build:
            environment.find(build.folder, arguments.python)
    return built, older, setup
