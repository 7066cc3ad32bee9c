"""What `charm-upload-resources` is told on its command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

from charm_image.upload import arguments

#: The name of the command.
PROGRAM = 'charm-upload-resources'
_DESCRIPTION = 'Upload all resources of a charm to Charmhub.'
_EPILOG = """\
A resource of type oci-image that has an upstream-source is copied from there, as it is, with all
its architectures. The others come from --image, --from and --filepath, or are left out.

examples:
  charm-upload-resources .
  charm-upload-resources my-charm_ubuntu-22.04-amd64.charm --dry-run
  charm-upload-resources . --image app=app_1.0_amd64.rock --filepath data=data.tar.gz

environment:
  as for charm-upload-resource, see charm-upload-resource --help

exit status:
  0 done, 1 some were refused or failed, 2 wrong usage, 130 interrupted, 143 terminated
"""


class _Named:
    """The type of an option NAME=VALUE: a pair of both."""

    def __init__(self, convert: Callable[[str], Any]) -> None:
        self._convert = convert

    def __call__(self, text: str) -> tuple[str, Any]:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise argparse.ArgumentTypeError(f'{text!r} is not of the form NAME=VALUE')
        try:
            return name, self._convert(value)
        except argparse.ArgumentTypeError as error:
            # what it says to type is for the command that uploads one resource
            message = str(error)
            for option in ('--image', '--from'):
                message = message.replace(f'{option}=', f'{option} {name}=')
            raise argparse.ArgumentTypeError(message) from None


def _path(value: str) -> str:
    if not os.path.exists(value):
        raise argparse.ArgumentTypeError(f'there is no file {value!r}')
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
        'path', metavar='PATH', help="a charm's folder, its metadata.yaml, or a built charm"
    )
    made.add_argument(
        '--image',
        metavar='NAME=DIGEST',
        action='append',
        default=[],
        type=_Named(arguments.ImageArgument),
        help='what the resource NAME is to be, as with charm-upload-resource --image',
    )
    made.add_argument(
        '--from',
        metavar='NAME=REFERENCE',
        dest='source',
        action='append',
        default=[],
        type=_Named(arguments.source),
        help='the same from another registry, as with charm-upload-resource --from',
    )
    made.add_argument(
        '--filepath',
        metavar='NAME=PATH',
        action='append',
        default=[],
        type=_Named(_path),
        help='the file that the resource NAME is to be',
    )
    made.add_argument(
        '--only',
        metavar='NAME',
        action='append',
        default=[],
        help='upload this resource alone; may be repeated',
    )
    made.add_argument(
        '--dry-run', action='store_true', help='resolve and check everything, and send nothing'
    )
    arguments.add_common(made, 'each review', 'the result')
    return made


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Ends the program, with status 2, where that is wrong."""
    # `charm help upload-resources` comes as this
    return parser().parse_args(['--help'] if list(argv) == ['help'] else argv)
