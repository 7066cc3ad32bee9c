"""The command line of `charm-upload-resource`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import NoReturn

from charm_image import _errors
from container_image import reference as references
from container_image import registry

#: The name of the command.
PROGRAM = 'charm-upload-resource'
_DESCRIPTION = 'Upload a file or an OCI image to Charmhub as a resource revision.'
_EPILOG = """\
examples:
  charm-upload-resource my-charm my-data --filepath=data.tar.gz
  charm-upload-resource my-charm my-image --image=70aa8983ec5c
  charm-upload-resource my-charm my-image --image=my-rock_1.0_amd64.rock
  charm-upload-resource my-charm my-image --from=docker.io/library/nginx@sha256:…

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

_ENDINGS = ('.rock', '.oci', '.tar', '.tar.gz', '.tgz', '.tar.zst')


class ImageArgument:
    """The value of --image: a digest, its first digits, or the path of an archive or layout.

    `reference` is the full reference, if the digest came with a name.
    """

    def __init__(self, value: str) -> None:
        digest = value.lower()
        if re.fullmatch('[0-9a-f]{64}', digest):
            digest = f'sha256:{digest}'
        self.long = self.short = self.path = ''
        self.reference: references.Reference | None = None
        if re.fullmatch('sha256:[0-9a-f]{64}', digest):
            self.long = digest
        elif re.fullmatch('(sha256:)?[0-9a-f]{12,63}', digest):
            self.short = digest.removeprefix('sha256:')
        elif os.path.exists(value):
            self.path = value
        elif named := _named(value):
            self.reference, self.long = named, named.digest
        else:
            raise argparse.ArgumentTypeError(_instead(value))


def _named(value: str) -> references.Reference | None:
    """Return `value` as a reference, if it is one with a sha256 digest."""
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError:
        return None
    return reference if reference.digest.startswith('sha256:') else None


def source(value: str) -> references.Reference:
    """Return the value of --from: an image in any registry, by its digest."""
    transport, colon, rest = value.partition('://')
    if _has_credentials(value):  # not repeated in the message
        raise argparse.ArgumentTypeError(
            'leave out the credentials, and log in with `docker login` or `podman login`'
        )
    if colon:
        raise argparse.ArgumentTypeError(f'leave out {transport + colon!r}: --from={rest}')
    if re.fullmatch('(sha256:)?[0-9a-f]{64}', value):
        digest = 'sha256:' + value.removeprefix('sha256:')
        raise argparse.ArgumentTypeError(
            f'registry and name are missing: --from=REGISTRY/NAME@{digest}'
        )
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError as error:
        raise argparse.ArgumentTypeError(
            f'{value!r} is not a valid image reference: {error}'
        ) from None
    if not reference.digest:
        raise argparse.ArgumentTypeError(_today(value, reference))
    if not reference.digest.startswith('sha256:'):
        raise argparse.ArgumentTypeError(
            'Charmhub supports only sha256 digests: use the one that begins with "sha256:"'
        )
    return reference


def _has_credentials(value: str) -> bool:
    """Return whether a name has an @ that is not the one before a digest."""
    return '@' in re.sub(r'@sha[0-9]+:[0-9a-fA-F]*$', '', value)


def _today(value: str, reference: references.Reference) -> str:
    """Return a message that a tag is not accepted, with the digest that it has now."""
    from charm_image._oci import remote_image

    kind = 'a tag' if reference.tag else 'a name without a digest'
    why = f'{value!r} is {kind}, which can move to a different image'
    try:
        return f'{why}: today it is --from={remote_image.resolve(reference)}'
    except (_errors.LoginError, registry.RegistryError) as error:
        return f'{why}; its digest cannot be looked up: {error}'


def _instead(value: str) -> str:
    """Return a message that says what to give instead of `value`, which is not a digest."""
    if '://' in value:
        return (
            "this is a URL: give the digest of an image in your engine or Canonical's registry, "
            'or use --from=REGISTRY/NAME@sha256:… for a different registry'
        )
    transport, colon, path = value.partition(':')
    if _has_credentials(value) and ':' in value.partition('@')[0]:  # not repeated
        return (
            'leave out the credentials: give the digest of an image, or the path of an archive; '
            'to copy from a registry, use --from=REGISTRY/NAME@sha256:…'
        )
    if colon and transport in ('oci', 'oci-archive', 'docker-archive', 'dir', 'docker-daemon'):
        return f'leave out {transport + colon!r}: --image={path}'
    if transport == 'sha256':
        return 'a digest has 64 hexadecimal digits after "sha256:"; give at least the first 12'
    if transport in ('sha384', 'sha512'):
        return f'{transport} digests are not supported: give the one that begins with "sha256:"'
    if value.startswith(('/', './', '../', '~')) or value.endswith(_ENDINGS):
        return f'{value!r} does not exist'
    if not value:
        return 'give the digest of an image'
    advice = (
        'to get the digest of an image in your engine, run '
        f'`docker image inspect --format={{{{.Id}}}} {value}`'
    )
    if re.fullmatch('[0-9a-f]+', value):
        return f'{value!r} is a name, or fewer than 12 digits of a digest: {advice}'
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError as error:
        shown = 'this' if '@' in value else repr(value)  # it may contain a password
        return f'{shown} is not a digest, an existing file or a valid reference: {error}'
    if reference.digest:
        return 'give the digest that begins with "sha256:"'
    return f'{_today(value, reference)}; {advice}'


def seconds(value: str) -> float:
    """Return the value of an option in seconds."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float('inf'):
        raise argparse.ArgumentTypeError(f'{value!r} is not a number of seconds')
    return seconds


def _name(value: str) -> str:
    # more than Juju allows for both, but not a path or a URL
    if not re.fullmatch('[A-Za-z0-9][A-Za-z0-9_.-]*', value):
        raise argparse.ArgumentTypeError(f'{value!r} is not a valid name')
    return value


class _Description(argparse.Action):
    """Prints the description, as charm-tools expects of each command."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        print(str(parser.description).rstrip('.'))
        raise SystemExit(0)


class _Version(argparse.Action):
    """Like `version` of argparse, but looks the version up only if needed."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        import importlib.metadata

        print(parser.prog, importlib.metadata.version('charm-image'))
        raise SystemExit(0)


def add_common(parser: argparse.ArgumentParser, review: str, result: str) -> None:
    """Add the options of both commands, which call the review and result differently."""
    parser.add_argument(
        '--review-timeout',
        metavar='SECONDS',
        type=seconds,
        default=300,
        help=f'how long to wait for {review} (default: %(default)s)',
    )
    parser.add_argument('--format', choices=['json'], help='print the result as JSON')
    parser.add_argument(
        '-q', '--quiet', action='store_true', help=f'print only {result} and errors'
    )
    parser.add_argument('--version', action=_Version, nargs=0, help='print the version')
    parser.add_argument('--description', action=_Description, nargs=0, help=argparse.SUPPRESS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage='%(prog)s CHARM RESOURCE '
        '(--filepath=PATH | --image=DIGEST | --from=REFERENCE) [options]',
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        'charm', metavar='CHARM', type=_name, help='the name of a charm on Charmhub'
    )
    parser.add_argument(
        'resource', metavar='RESOURCE', type=_name, help='the name of one of its resources'
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--filepath', metavar='PATH', help='upload this file (resources of type file)'
    )
    what.add_argument(
        '--image',
        metavar='DIGEST',
        type=ImageArgument,
        help='upload an image (resources of type oci-image): its digest or ID, or the first 12 or '
        "more digits, in Canonical's registry or the local engine; or an OCI archive or layout",
    )
    what.add_argument(
        '--from',
        metavar='REFERENCE',
        dest='source',
        type=source,
        help='copy the image REGISTRY/NAME@sha256:… from its registry, unchanged and with all '
        'architectures, with the login of `docker login` or `podman login`',
    )
    what.add_argument(
        '--resume',
        metavar='UPLOAD_ID',
        type=_name,
        help='resume waiting for the review of an earlier upload',
    )
    add_common(parser, 'the review', 'the revision')
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. If it is wrong, exit with status 2."""
    parser = _parser()
    # `charm help upload-resource` calls the program like this
    args, unknown = parser.parse_known_args(['--help'] if list(argv) == ['help'] else argv)
    # first: for --file, argparse would only report that --filepath is missing
    if unknown:
        import difflib

        option, equals, _ = unknown[0].partition('=')
        options = re.findall('^  .*?(--[a-z-]+)', parser.format_help(), re.MULTILINE)
        similar = difflib.get_close_matches(option, options, 1)
        hint = f': did you mean {similar[0]}{equals}?' if similar else ''
        parser.error(f'unknown argument {unknown[0]!r}{hint}')
    if (args.filepath, args.image, args.source, args.resume) == (None,) * 4:
        parser.error('one of --filepath, --image, --from and --resume is required')
    return args
