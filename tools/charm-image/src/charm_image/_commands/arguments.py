"""The command line of `charm-upload-resource`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from charm_image import _errors, _texts, _version
from charm_image._upload import values
from container_image import messages

#: The name of the command.
PROGRAM = 'charm-upload-resource'
_MAX_ERROR = 4000  # characters
_DESCRIPTION = 'Upload a file or an OCI image to Charmhub as a resource revision.'
_EPILOG = """\
examples:
  charm-upload-resource my-charm my-data --filepath=data.tar.gz
  charm-upload-resource my-charm my-image --image=70aa8983ec5c
  charm-upload-resource my-charm my-image --image=my-rock_1.0_amd64.rock
  charm-upload-resource my-charm my-image --image=amd64.rock --image=arm64.rock
  charm-upload-resource my-charm my-image --from=docker.io/library/nginx@sha256:… \\
      --platform=linux/amd64,linux/arm64

environment:
  CHARMCRAFT_AUTH           credentials from `charmcraft login --export=FILE`;
                            default: those of `charmcraft login` in the keyring
  CHARMCRAFT_STORE_API_URL  Charmhub's API; default: https://api.charmhub.io
  CHARMCRAFT_UPLOAD_URL     its storage; default: https://storage.snapcraftcontent.com
  CHARMCRAFT_REGISTRY_URL   the image registry; default: the one that Charmhub names
  DOCKER_HOST               the container engine, as for `docker`
  DOCKER_CONFIG, REGISTRY_AUTH_FILE
                            the logins of `docker login` and `podman login`, for --from

exit status:
  0 success, 1 failure, 2 wrong usage, 130 interrupted, 143 terminated
"""


def spell(kind: str, value: str = '', name: str = '') -> str:
    """Spell a way to upload as an option, of the command for one resource or, with `name`, all."""
    option = {
        'file': '--filepath',
        'image': '--image',
        'source': '--from',
        'only': '--only',
        'signatures': '--with-signatures',
        'platform': '--platform',
    }[kind]
    if name:
        return f'{option} {_texts.word(f"{name}={value}")}'
    return f'{option}={_texts.word(value)}' if value else option


def argument_type(
    parse: Callable[[str, values.Spell], object], spell: values.Spell = spell
) -> Callable[[str], str]:
    """Return a type of argparse that checks a value as an upload will."""

    def check(value: str) -> str:
        try:
            parse(value, spell)
        except _errors.Error as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return check


def seconds(value: str) -> float:
    """Return the value of an option in seconds."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float('inf'):
        raise argparse.ArgumentTypeError(f'{_texts.quoted(value)} is not a number of seconds')
    return seconds


class Parser(argparse.ArgumentParser):
    """The parser of a command, which shows wrong arguments printable, whoever made them."""

    def __init__(self, prog: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            usage=f'%(prog)s {usage}',
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        super().error(messages.printable(message, _MAX_ERROR))


class _Description(argparse.Action):
    """Prints the description, as charm-tools expects of each command."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        print(str(parser.description).rstrip('.'))
        raise SystemExit(0)


def words(argv: Sequence[str]) -> Sequence[str]:
    """Return the arguments: `charm help COMMAND` gives `help` alone."""
    return ['--help'] if list(argv) == ['help'] else argv


def add_names(parser: argparse.ArgumentParser) -> None:
    """Add the names of a charm and of a resource."""
    for name, what in (
        ('charm', 'the name of a charm on Charmhub'),
        ('resource', 'the name of one of its resources'),
    ):
        parser.add_argument(
            name, metavar=name.upper(), type=argument_type(values.parse_name), help=what
        )


def add_copying(parser: argparse.ArgumentParser, of_what: str) -> None:
    """Add the options of both commands for copies from registries."""
    parser.add_argument(
        '--platform',
        metavar='NAME',
        action='append',
        default=[],
        type=argument_type(values.parse_platforms),
        help=f'copy only this platform of {of_what}, such as linux/amd64: repeatable, or with '
        'commas; the index is then a different one, or for one platform its manifest',
    )
    parser.add_argument(
        '--with-signatures',
        action='store_true',
        help=f'also copy the signatures, attestations and other artifacts of {of_what}',
    )


def add_common(parser: argparse.ArgumentParser, review: str, result: str) -> None:
    """Add the options of both commands, which call the review and result differently."""
    parser.add_argument(
        '--review-timeout',
        metavar='SECONDS',
        type=seconds,
        default=300,
        help=f'how long to wait for {review} (default: %(default)s)',
    )
    add_output(parser, result)


def add_output(parser: argparse.ArgumentParser, result: str) -> None:
    """Add the options of all commands for what they print."""
    parser.add_argument('--format', choices=['json'], help='print the result as JSON')
    parser.add_argument(
        '-q', '--quiet', action='store_true', help=f'print only {result} and errors'
    )
    version = f'%(prog)s {_version.VERSION}'
    parser.add_argument('--version', action='version', version=version, help='print the version')
    parser.add_argument('--description', action=_Description, nargs=0, help=argparse.SUPPRESS)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    usage = 'CHARM RESOURCE (--filepath=PATH | --image=DIGEST | --from=REFERENCE) [options]'
    made = Parser(PROGRAM, usage, _DESCRIPTION, _EPILOG)
    add_names(made)
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        '--filepath', metavar='PATH', help='upload this file (resources of type file)'
    )
    what.add_argument(
        '--image',
        metavar='DIGEST',
        action='append',
        type=argument_type(values.parse_image),
        help='upload an image (resources of type oci-image): its digest or ID, or the first 12 or '
        "more digits, in Canonical's registry or the local engine; or an OCI archive or layout, "
        'as PATH or PATH:TAG; several times, for images for one platform each',
    )
    what.add_argument(
        '--from',
        metavar='REFERENCE',
        dest='source',
        type=argument_type(values.parse_source),
        help='copy the image REGISTRY/NAME@sha256:… from its registry, unchanged and with all '
        'architectures, with the login of `docker login` or `podman login`',
    )
    what.add_argument(
        '--resume',
        metavar='UPLOAD_ID',
        type=argument_type(values.parse_name),
        help='resume waiting for the review of an earlier upload',
    )
    made.add_argument(
        '--arch',
        metavar='NAME',
        action='append',
        type=argument_type(values.parse_architectures),
        help='an architecture that the file is for, as Charmhub names it: repeatable, or with '
        'commas; only with --filepath (default: all)',
    )
    add_copying(made, 'the image, with --from')
    add_common(made, 'the review', 'the revision')
    return made


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. If it is wrong, exit with status 2."""
    args, unknown = parser().parse_known_args(words(argv))
    # first: for --file, argparse would only report that --filepath is missing
    if unknown:
        import difflib

        option, equals, _ = unknown[0].partition('=')
        options = re.findall('^  .*?(--[a-z-]+)', parser().format_help(), re.MULTILINE)
        similar = difflib.get_close_matches(option, options, 1)
        hint = f': did you mean {similar[0]}{equals}?' if similar else ''
        parser().error(f'unknown argument {_texts.quoted(unknown[0])}{hint}')
    if (args.filepath, args.image, args.source, args.resume) == (None,) * 4:
        parser().error('one of --filepath, --image, --from and --resume is required')
    if args.arch and args.filepath is None:
        parser().error('--arch is only for --filepath: an image says itself what it is for')
    if args.platform and args.source is None:
        parser().error('--platform is only for --from')
    if args.with_signatures and args.source is None:
        parser().error('--with-signatures is only for --from')
    return args
