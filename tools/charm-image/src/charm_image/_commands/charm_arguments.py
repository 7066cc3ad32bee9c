"""The command line of `charm-upload-resources`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

from charm_image import _errors, _pairs, _texts
from charm_image._commands import arguments
from charm_image._upload import values

#: The name of the command.
PROGRAM = 'charm-upload-resources'
_DESCRIPTION = 'Upload all resources of a charm to Charmhub.'
_EPILOG = """\
Resources of type oci-image with an upstream-source are copied from there, unchanged and with all
architectures. For the others use --image, --from and --filepath, or they are left out.

examples:
  charm-upload-resources .
  charm-upload-resources my-charm_ubuntu-22.04-amd64.charm --dry-run
  charm-upload-resources . --release=latest/edge --charm-revision=14
  charm-upload-resources . --image app=app_1.0_amd64.rock --filepath data=data.tar.gz

environment:
  see charm-upload-resource --help

exit status:
  0 success, 1 one or more failed, 2 wrong usage, 130 interrupted, 143 terminated
"""

_AS_FOR_ONE = 'the image of the resource NAME, as in charm-upload-resource {}'

_Pair = tuple[str, str]


def _pair_type(parse: Callable[[str, values.Spell], object]) -> Callable[[str], _Pair]:
    """Return a type of argparse for NAME=VALUE, whose value is checked as an upload will."""

    def convert(text: str) -> _Pair:
        try:
            name, value = _pairs.split(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

        def spell(kind: str, value: str = '', name: str = name) -> str:
            return arguments.spell(kind, value, name)

        arguments.argument_type(parse, spell)(value)
        return name, value

    return convert


def _parse_path(value: str, spell: values.Spell) -> None:
    if not os.path.exists(value):
        raise _errors.ArgumentError(f'{_texts.quoted(value)} does not exist')


def _number(value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise argparse.ArgumentTypeError(f'{_texts.quoted(value)} is not the number of a revision')
    return int(value)


def parser() -> arguments.Parser:
    """Return the parser of the command line."""
    made = arguments.Parser(PROGRAM, 'PATH [options]', _DESCRIPTION, _EPILOG)
    made.add_argument(
        'path', metavar='PATH', help="a charm's directory, its metadata.yaml, or a built charm"
    )
    for option, dest, value, parse_value, what in (
        ('--image', 'image', 'DIGEST', values.parse_image, _AS_FOR_ONE.format('--image')),
        ('--from', 'source', 'REFERENCE', values.parse_source, _AS_FOR_ONE.format('--from')),
        ('--filepath', 'filepath', 'PATH', _parse_path, 'the file of the resource NAME'),
    ):
        made.add_argument(
            option,
            metavar=f'NAME={value}',
            dest=dest,
            action='append',
            default=[],
            type=_pair_type(parse_value),
            help=what,
        )
    made.add_argument(
        '--only',
        metavar='NAME',
        action='append',
        default=[],
        help='upload only this resource; repeatable',
    )
    arguments.add_copying(made, 'all images that are copied')
    made.add_argument(
        '--release',
        metavar='CHANNEL[,CHANNEL]',
        action='append',
        default=[],
        type=arguments.argument_type(values.parse_channels),
        help='then release the charm with these revisions to channels such as latest/edge, unless '
        'one failed; repeatable',
    )
    made.add_argument(
        '--charm-revision',
        metavar='NUMBER',
        type=_number,
        help='the revision of the charm to release (default: the newest one)',
    )
    made.add_argument(
        '--dry-run', action='store_true', help='resolve and check everything, without sending it'
    )
    arguments.add_common(made, 'each review', 'the result')
    return made


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. If it is wrong, exit with status 2."""
    args = parser().parse_args(arguments.words(argv))
    for option, pairs in (
        ('--image', args.image),
        ('--from', args.source),
        ('--filepath', args.filepath),
    ):
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                parser().error(f'{option}: {_texts.quoted(name)} is given twice')
    if args.charm_revision is not None and not args.release:
        parser().error('--charm-revision is only for --release')
    return args
