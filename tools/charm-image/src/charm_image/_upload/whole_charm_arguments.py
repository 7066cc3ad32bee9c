"""The command line of `charm-upload-resources`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

from charm_image._upload import arguments

#: The name of the command.
PROGRAM = 'charm-upload-resources'
_DESCRIPTION = 'Upload all resources of a charm to Charmhub.'
_EPILOG = """\
Resources of type oci-image with an upstream-source are copied from there, unchanged and with all
architectures. For the others use --image, --from and --filepath, or they are left out.

examples:
  charm-upload-resources .
  charm-upload-resources my-charm_ubuntu-22.04-amd64.charm --dry-run
  charm-upload-resources . --image app=app_1.0_amd64.rock --filepath data=data.tar.gz

environment:
  see charm-upload-resource --help

exit status:
  0 success, 1 one or more failed, 2 wrong usage, 130 interrupted, 143 terminated
"""


class _Named:
    """Converts the value of an option NAME=VALUE to a pair."""

    def __init__(self, convert: Callable[[str], Any]) -> None:
        self._convert = convert

    def __call__(self, text: str) -> tuple[str, Any]:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise argparse.ArgumentTypeError(f'{text!r} is not of the form NAME=VALUE')
        try:
            return name, self._convert(value)
        except argparse.ArgumentTypeError as error:
            # the message is for the command that uploads one resource
            message = str(error)
            for option in ('--image', '--from'):
                message = message.replace(f'{option}=', f'{option} {name}=')
            raise argparse.ArgumentTypeError(message) from None


def _path(value: str) -> str:
    if not os.path.exists(value):
        raise argparse.ArgumentTypeError(f'{value!r} does not exist')
    return value


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        usage='%(prog)s PATH [options]',
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        'path', metavar='PATH', help="a charm's directory, its metadata.yaml, or a built charm"
    )
    made.add_argument(
        '--image',
        metavar='NAME=DIGEST',
        action='append',
        default=[],
        type=_Named(arguments.ImageArgument),
        help='the image of the resource NAME, as in charm-upload-resource --image',
    )
    made.add_argument(
        '--from',
        metavar='NAME=REFERENCE',
        dest='source',
        action='append',
        default=[],
        type=_Named(arguments.source),
        help='the image of the resource NAME, as in charm-upload-resource --from',
    )
    made.add_argument(
        '--filepath',
        metavar='NAME=PATH',
        action='append',
        default=[],
        type=_Named(_path),
        help='the file of the resource NAME',
    )
    made.add_argument(
        '--only',
        metavar='NAME',
        action='append',
        default=[],
        help='upload only this resource; repeatable',
    )
    made.add_argument(
        '--dry-run', action='store_true', help='resolve and check everything, without sending it'
    )
    arguments.add_common(made, 'each review', 'the result')
    return made


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. If it is wrong, exit with status 2."""
    # `charm help upload-resources` calls the program like this
    return parser().parse_args(['--help'] if list(argv) == ['help'] else argv)
