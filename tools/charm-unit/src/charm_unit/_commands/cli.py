"""The command charm-unit.

Each of its commands is a module with `HELP` (a line), `DESCRIPTION`, `add_arguments(parser)` and
`main(arguments)`, which returns the exit status.
"""

import argparse
import signal
import sys
import types
import typing

from charm_unit import _version
from charm_unit._commands import check, explore, prompt, unit_options
from charm_unit._unit import errors

_COMMANDS: dict[str, types.ModuleType] = {'check': check, 'explore': explore, 'run': prompt}

_EXAMPLES = """examples:
  charm-unit check ./my-charm
  charm-unit run ./my-charm
  charm-unit check --help
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog='charm-unit',
        description='Run a built charm in a simulated Juju unit.',
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument('--version', action='version', version=f'charm-unit {_version.VERSION}')
    commands = made.add_subparsers(title='commands', metavar='COMMAND', required=True)
    for name, command in _COMMANDS.items():
        its_parser = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        unit_options.add(its_parser)
        command.add_arguments(its_parser)
        its_parser.set_defaults(main=command.main)
    return made


def main(arguments: 'typing.Sequence[str] | None' = None) -> int:
    """Run the command; return the exit status: 2 is wrong usage."""
    parsed = parser().parse_args(arguments)
    # Hooks and folders are left behind by a program that is just ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status: int = parsed.main(parsed)
    except errors.CharmUnitError as error:
        print(f'charm-unit: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status
