"""The command line of `charm-resource-revisions`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from charm_image._commands import arguments

#: The name of the command.
PROGRAM = 'charm-resource-revisions'
_DESCRIPTION = 'List the revisions of a resource on Charmhub.'
_EPILOG = """\
Which images they are is shown of charms that are public.

examples:
  charm-resource-revisions my-charm my-image
  charm-resource-revisions my-charm my-image --format=json

environment:
  see charm-upload-resource --help

exit status:
  0 success, 1 failure, 2 wrong usage, 130 interrupted, 143 terminated
"""


def parser() -> arguments.Parser:
    """Return the parser of the command line."""
    made = arguments.Parser(PROGRAM, 'CHARM RESOURCE [options]', _DESCRIPTION, _EPILOG)
    arguments.add_names(made)
    arguments.add_output(made, 'the revisions')
    return made


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. If it is wrong, exit with status 2."""
    return parser().parse_args(arguments.words(argv))
