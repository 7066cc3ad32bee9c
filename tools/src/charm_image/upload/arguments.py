"""What `charm-upload-resource` is told on its command line."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Sequence
from typing import NoReturn

from charm_image.image import registry_logins
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
  CHARMCRAFT_AUTH           credentials, as `charmcraft login --export=FILE` writes them;
                            without it, those that `charmcraft login` put into the keyring
  CHARMCRAFT_STORE_API_URL  Charmhub's API, instead of https://api.charmhub.io
  CHARMCRAFT_UPLOAD_URL     its storage, instead of https://storage.snapcraftcontent.com
  CHARMCRAFT_REGISTRY_URL   the registry, instead of the one that Charmhub names
  DOCKER_HOST               the engine that has the image, as for `docker`
  DOCKER_CONFIG, REGISTRY_AUTH_FILE
                            where `docker login` and `podman login` keep the logins for --from

exit status:
  0 done, 1 refused or failed, 2 wrong usage, 130 interrupted, 143 terminated
"""

_ENDINGS = ('.rock', '.oci', '.tar', '.tar.gz', '.tgz', '.tar.zst')


class ImageArgument:
    """What --image names: a digest, the beginning of one, or an archive or layout on disk.

    `reference` is the name that stood before the digest, if one did.
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
    """Return the reference that is spelled, if it has a sha256 digest."""
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReference:
        return None
    return reference if reference.digest.startswith('sha256:') else None


def source(value: str) -> references.Reference:
    """Return what --from names: an image in any registry, by its digest."""
    transport, colon, rest = value.partition('://')
    if '@' in value.partition('@sha')[0]:  # it is not repeated, since it may be a password
        raise argparse.ArgumentTypeError(
            'give no credentials: those of `docker login` and `podman login` are used'
        )
    if colon:
        raise argparse.ArgumentTypeError(f'give it without {transport + colon!r}: --from={rest}')
    if re.fullmatch('(sha256:)?[0-9a-f]{64}', value):
        digest = 'sha256:' + value.removeprefix('sha256:')
        raise argparse.ArgumentTypeError(
            f'the registry and the name are missing: --from=REGISTRY/NAME@{digest}'
        )
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReference as error:
        raise argparse.ArgumentTypeError(
            f'{value!r} is not a valid image reference: {error}'
        ) from None
    if not reference.digest:
        raise argparse.ArgumentTypeError(_today(value, reference))
    if not reference.digest.startswith('sha256:'):
        raise argparse.ArgumentTypeError(
            'Charmhub knows images by sha256 digests: give the one that begins with "sha256:"'
        )
    return reference


def _today(value: str, reference: references.Reference) -> str:
    """Say why a tag isn't taken, and which image it means now."""
    from charm_image.image import remote_image

    kind = 'a tag' if reference.tag else 'a name without a digest'
    why = f'{value!r} is {kind}, which can move to a different image'
    try:
        return f'{why}: today it is --from={remote_image.name(remote_image.today(reference))}'
    except (registry_logins.LoginError, registry.RegistryError) as error:
        return f'{why}; what it means today cannot be found out: {error}'


def _instead(value: str) -> str:
    """Say what to give instead of an image that isn't told by its digest."""
    if '://' in value:
        return (
            'this is a URL: give the digest of an image that your engine or '
            "Canonical's registry has, or --from=REGISTRY/NAME@sha256:… for another registry's"
        )
    transport, colon, path = value.partition(':')
    if colon and transport in ('oci', 'oci-archive', 'docker-archive', 'dir', 'docker-daemon'):
        return f'give the path or digest alone, without {transport!r}: --image={path}'
    if transport == 'sha256':
        return 'a digest has 64 hexadecimal digits after "sha256:"; its first 12 are enough'
    if transport in ('sha384', 'sha512'):
        return f'{transport} digests are not used here: give the one that begins with "sha256:"'
    if value.startswith(('/', './', '../', '~')) or value.endswith(_ENDINGS):
        return f'there is no file or directory {value!r}'
    if not value:
        return 'give the digest of an image'
    advice = (
        'the digest of an image in your engine is what '
        f'`docker image inspect --format={{{{.Id}}}} {value}` prints'
    )
    if re.fullmatch('[0-9a-f]+', value):
        return f'{value!r} is a name, or less than the first 12 digits of a digest: {advice}'
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReference as error:
        shown = 'this' if '@' in value else repr(value)  # it may hold a password
        return f'{shown} is neither a digest nor a file, and not a valid reference: {error}'
    if reference.digest:
        return 'give the digest that begins with "sha256:"'
    return f'{_today(value, reference)}; {advice}'


def seconds(value: str) -> float:
    """Return a number of seconds that an option gives."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float('inf'):
        raise argparse.ArgumentTypeError(f'{value!r} is not a number of seconds')
    return seconds


def _name(value: str) -> str:
    # what Juju allows for both, and more; a path or a URL here is a slip
    if not re.fullmatch('[A-Za-z0-9][A-Za-z0-9_.-]*', value):
        raise argparse.ArgumentTypeError(f'{value!r} is not a name')
    return value


class _Description(argparse.Action):
    """What charm-tools asks each of its commands for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        print(str(parser.description).rstrip('.'))
        raise SystemExit(0)


class _Version(argparse.Action):
    """What `version` of argparse does, but looked up only if asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        import importlib.metadata

        print(parser.prog, importlib.metadata.version('charm-image'))
        raise SystemExit(0)


def add_common(parser: argparse.ArgumentParser, review: str, result: str) -> None:
    """Add the options that both commands have; `review` and `result` are what theirs are."""
    parser.add_argument(
        '--review-timeout',
        metavar='SECONDS',
        type=seconds,
        default=300,
        help=f'how long to wait for {review} (default: %(default)s)',
    )
    parser.add_argument('--format', choices=['json'], help='print the result for a script')
    parser.add_argument('-q', '--quiet', action='store_true', help=f'print only {result}')
    parser.add_argument(
        '--version', action=_Version, nargs=0, help='print the version of this program'
    )
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
    parser.add_argument('charm', metavar='CHARM', type=_name, help='a charm that you may publish')
    parser.add_argument(
        'resource', metavar='RESOURCE', type=_name, help='a resource in its metadata.yaml'
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--filepath', metavar='PATH', help='a file, uploaded as it is (resources of type file)'
    )
    what.add_argument(
        '--image',
        metavar='DIGEST',
        type=ImageArgument,
        help="an image's digest or ID, or its first digits (type oci-image); Canonical's registry "
        'and then the local engine are looked through. Or the path of an OCI archive or layout',
    )
    what.add_argument(
        '--from',
        metavar='REFERENCE',
        dest='source',
        type=source,
        help='an image in another registry, as REGISTRY/NAME@sha256:… (type oci-image): copied '
        'as it is, with all its architectures, by the login of `docker login` or `podman login`',
    )
    what.add_argument(
        '--resume',
        metavar='UPLOAD_ID',
        type=_name,
        help='wait on for the review of an earlier upload, sending nothing',
    )
    add_common(parser, 'the review', 'the revision')
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Ends the program, with status 2, where that is wrong."""
    parser = _parser()
    # `charm help upload-resource` comes as this
    args, unknown = parser.parse_known_args(['--help'] if list(argv) == ['help'] else argv)
    # first, since argparse alone says only that --filepath is missing where --file was given
    if unknown:
        option, equals, _ = unknown[0].partition('=')
        options = re.findall('^  .*?(--[a-z-]+)', parser.format_help(), re.MULTILINE)
        similar = difflib.get_close_matches(option, options, 1)
        hint = f': did you mean {similar[0]}{equals}?' if similar else ''
        parser.error(f'unknown argument {unknown[0]!r}{hint}')
    if (args.filepath, args.image, args.source, args.resume) == (None,) * 4:
        parser.error('one of --filepath, --image, --from and --resume is required')
    return args
