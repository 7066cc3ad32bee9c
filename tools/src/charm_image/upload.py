"""The command `charm-upload-resource`: a file or an image becomes a resource revision."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import signal
import stat
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from charm_image import credentials, images, pushed, store, terminal
from container_image import registry

if TYPE_CHECKING:
    # these, like archives and push, are imported only where they have work
    from charm_image import engine

_PROGRAM = 'charm-upload-resource'
_DESCRIPTION = 'Upload a file or an OCI image to Charmhub as a resource revision.'
_EPILOG = """\
examples:
  charm-upload-resource my-charm my-data --filepath=data.tar.gz
  charm-upload-resource my-charm my-image --image=70aa8983ec5c
  charm-upload-resource my-charm my-image --image=my-rock_1.0_amd64.rock

environment:
  CHARMCRAFT_AUTH           credentials, as `charmcraft login --export=FILE` writes them;
                            without it, those that `charmcraft login` put into the keyring
  CHARMCRAFT_STORE_API_URL  Charmhub's API, instead of https://api.charmhub.io
  CHARMCRAFT_UPLOAD_URL     its storage, instead of https://storage.snapcraftcontent.com
  CHARMCRAFT_REGISTRY_URL   the registry, instead of the one that Charmhub names
  DOCKER_HOST               the engine that has the image, as for `docker`

exit status:
  0 done, 1 refused or failed, 2 wrong usage, 130 interrupted, 143 terminated
"""


class UploadError(Exception):
    """What the command itself finds wrong; the message says what to do."""


class _ImageArgument:
    """What --image names: a digest, the beginning of one, or an archive or layout on disk."""

    def __init__(self, value: str) -> None:
        digest = value.lower()
        if re.fullmatch('[0-9a-f]{64}', digest):
            digest = f'sha256:{digest}'
        self.long = self.short = self.path = ''
        if re.fullmatch('sha256:[0-9a-f]{64}', digest):
            self.long = digest
        elif re.fullmatch('(sha256:)?[0-9a-f]{12,63}', digest):
            self.short = digest.removeprefix('sha256:')
        elif os.path.exists(value):
            self.path = value
        else:
            raise argparse.ArgumentTypeError(_instead(value))


def _instead(value: str) -> str:
    """Say what to give instead of an image that isn't told by its digest."""
    name, at, digest = value.partition('@')
    if at and re.fullmatch('sha256:[0-9a-f]{64}', digest):
        return f'give the digest alone, without the name: --image={digest}'
    if '://' in value:
        return (
            f'{value!r} is a URL: give the digest of an image that your engine or '
            "Canonical's registry has; `docker pull` gets it from another registry"
        )
    transport, colon, path = value.partition(':')
    if colon and transport in ('oci', 'oci-archive', 'docker-archive', 'dir', 'docker-daemon'):
        return f'give the path or digest alone, without {transport!r}: --image={path}'
    if transport == 'sha256':
        return 'a digest has 64 hexadecimal digits after "sha256:"; its first 12 are enough'
    if transport in ('sha384', 'sha512'):
        return f'{transport} digests are not used here: give the one that begins with "sha256:"'
    if value.startswith(('/', './', '../')) or value.endswith(('.rock', '.tar', '.tar.gz')):
        return f'there is no file {value!r}'
    if not value:
        return 'give the digest of an image'
    advice = (
        'give the digest that '
        f'`docker image inspect --format={{{{.Id}}}} {shlex.quote(value)}` prints'
    )
    if re.fullmatch('[0-9a-f]+', value):
        return f'{value!r} is a name, or less than the first 12 digits of a digest: {advice}'
    kind = 'a tag' if ':' in value.rpartition('/')[2] else 'a name'
    return f'{value!r} is {kind}, which may mean another image tomorrow: {advice}'


def _seconds(value: str) -> float:
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

    def __call__(self, *args: object) -> NoReturn:
        print(_DESCRIPTION.rstrip('.'))
        raise SystemExit(0)


class _Version(argparse.Action):
    """What `version` of argparse does, but looked up only if asked for."""

    def __call__(self, *args: object) -> NoReturn:
        import importlib.metadata

        print(_PROGRAM, importlib.metadata.version('charm-image'))
        raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage='%(prog)s CHARM RESOURCE (--filepath=PATH | --image=DIGEST) [options]',
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('charm', metavar='CHARM', type=_name, help='a charm that you may publish')
    parser.add_argument(
        'resource', metavar='RESOURCE', type=_name, help='a resource in its metadata.yaml'
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        '--filepath', metavar='PATH', help='a file, uploaded as it is (resources of type file)'
    )
    what.add_argument(
        '--image',
        metavar='DIGEST',
        type=_ImageArgument,
        help="an image's digest or ID, or its first digits (type oci-image); Canonical's registry "
        'and then the local engine are looked through. Or the path of an OCI archive or layout',
    )
    what.add_argument(
        '--resume',
        metavar='UPLOAD_ID',
        type=_name,
        help='wait on for the review of an earlier upload, sending nothing',
    )
    parser.add_argument(
        '--review-timeout',
        metavar='SECONDS',
        type=_seconds,
        default=300,
        help='how long to wait for the review (default: %(default)s)',
    )
    parser.add_argument('--format', choices=['json'], help='print the result for a script')
    parser.add_argument('-q', '--quiet', action='store_true', help='print only the revision')
    parser.add_argument(
        '--version', action=_Version, nargs=0, help='print the version of this program'
    )
    parser.add_argument('--description', action=_Description, nargs=0, help=argparse.SUPPRESS)
    return parser


class _Upload:
    """One run of the command. `upload_id` is known once everything is at Charmhub."""

    def __init__(self, args: argparse.Namespace, shown: terminal.Terminal) -> None:
        self._charm: str = args.charm
        self._resource: str = args.resource
        self._args, self._shown = args, shown
        self._facts: dict[str, Any] = {}
        self.upload_id: str = args.resume or ''

    def run(self) -> None:
        """Do it. Raises what the modules that it uses raise, and UploadError."""
        with contextlib.ExitStack() as stack:
            path = self._args.filepath
            file = None if path is None else stack.enter_context(_open(path))
            hub = _store(self._shown.tell)
            if file:
                self._check(hub, 'file')
                self._send_file(hub, file, os.path.basename(path))
            elif self._args.image:
                self._check(hub, 'oci-image')
                self._send_image(hub)
            with self._shown.step('Waiting for the review'):
                revision = hub.wait(self._charm, self.upload_id, self._args.review_timeout)
        charm, resource = self._charm, self._resource
        self._shown.result(
            f'Revision {revision} created of resource {resource!r} for charm {charm!r}',
            {'charm': charm, 'resource': resource, 'revision': revision, **self._facts},
        )

    def _check(self, hub: store.Store, type_: str) -> None:
        """Find out whether there is such a resource to upload to, before any byte is sent."""
        charm, resource = self._charm, self._resource
        with self._shown.step(f'Checking resource {resource!r} of charm {charm!r}'):
            account = hub.whoami()
            if not account.permits('package-manage-revisions') or (
                account.packages is not None and charm not in account.packages
            ):
                raise store.NotAllowed(
                    f'The credentials are restricted: they do not allow uploads to {charm!r}.',
                    f'Export others with `charmcraft login --export=FILE --charm={charm} '
                    '--permission=package-manage --permission=package-view`.',
                )
            try:
                types = hub.resources(charm)
            except store.NotAllowed as error:
                if not account.permits('package-view'):
                    self._shown.tell(
                        'The credentials lack the permission package-view: name and type of the '
                        'resource are not checked before it is sent.'
                    )
                    return
                raise store.NotAllowed(
                    f'{account.username!r} may not upload to the charm {charm!r}. {error.message}',
                    'Ask its publisher to make you a collaborator at https://charmhub.io.',
                    error.code,
                ) from None
            except store.NotFound as error:
                raise store.NotFound(
                    f'{account.username!r} has no charm {charm!r}. {error.message}',
                    'Check the name: `charmcraft names --include-collaborations` lists those that '
                    'you may upload to.',
                    error.code,
                ) from None
        if resource not in types:
            raise store.NotFound(
                f'The charm {charm!r} has no resource {resource!r}. '
                f'It has: {", ".join(map(repr, sorted(types))) or "none"}.',
                'One that is new in its metadata.yaml is known after `charmcraft upload`.',
            )
        if types[resource] != type_:
            options = {'file': '--filepath=PATH', 'oci-image': '--image=DIGEST'}
            raise store.WrongType(
                f'The resource {resource!r} is of type {types[resource]!r}, not {type_!r}.',
                f'Use {options[types[resource]]}.' if types[resource] in options else '',
            )

    def _send_file(self, hub: store.Store, file: BinaryIO, name: str) -> None:
        name = name if name.isprintable() else repr(name)
        before = os.fstat(file.fileno())
        if not before.st_size:
            self._shown.tell(f'{name} is empty: so will be the resource.')
        upload_id = self._send(hub, file, before.st_size, name)
        after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise store.FileChanged(
                'The file changed while it was sent.', 'No revision was created: try again.'
            )
        self._create_revision(hub, upload_id, 'file', ['all'])

    def _send_image(self, hub: store.Store) -> None:
        way_in = hub.upload_credentials(self._charm, self._resource)
        with _Registry(way_in) as remote:
            digest = self._digest(remote)
            architectures = pushed.architectures(remote.client, remote.repository, digest)
        self._facts['image-digest'] = digest
        blob = hub.image_blob(self._charm, self._resource, digest)
        # charmcraft names it so, with random letters after "resource"
        upload_id = self._send(hub, io.BytesIO(blob), len(blob), 'image-resource.json')
        self._create_revision(hub, upload_id, 'oci-image', architectures)

    def _digest(self, remote: _Registry) -> str:
        """Return the digest of the image in the registry, after a push if need be."""
        wanted: _ImageArgument = self._args.image
        found: str | None = None
        with contextlib.ExitStack() as stack:
            image: images.Image
            if wanted.path:
                from charm_image import archives

                image = archives.open(wanted.path)
            else:
                if wanted.long:
                    with self._shown.step(f'Looking for {wanted.long}'):
                        found = remote.find(wanted.long)
                if not found:
                    image = local = self._local(stack, wanted)
                    for known in {local.id, *local.repo_digests} - {wanted.long}:
                        found = found or remote.find(known)
            if not found:
                found = remote.find_pushed(image)
            if found:
                self._shown.say("Using the OCI image from Canonical's registry")
                return found
            source = repr(wanted.path) if wanted.path else 'local registry'
            self._shown.say(f'Remote image not found, uploading from {source}')
            from charm_image import push

            with self._shown.steps() as progress:
                digest = push.push(image, remote.client, remote.repository, progress)
        self._shown.say(f'Image uploaded, new remote digest: {digest}')
        return digest

    def _local(self, stack: contextlib.ExitStack, wanted: _ImageArgument) -> engine.LocalImage:
        from charm_image import engine

        try:
            return stack.enter_context(engine.connect()).find(wanted.long or wanted.short)
        except (images.NotFoundError, engine.EngineError) as error:
            message = (
                f"{error}. If only Canonical's registry has the image, give its whole digest."
            )
            if wanted.long:
                message = (
                    f"The image is not in Canonical's registry for resource {self._resource!r} of "
                    f'charm {self._charm!r}, and {error}.'
                )
            raise UploadError(message) from None

    def _send(self, hub: store.Store, file: BinaryIO, size: int, name: str) -> str:
        with self._shown.step(f'Sending {name} ({_amount(size)})', size) as progress:
            return hub.send(file, size, name, progress)

    def _create_revision(
        self, hub: store.Store, upload_id: str, type_: str, architectures: Sequence[str]
    ) -> None:
        # from here on there may be a revision, whatever happens
        self.upload_id = self._facts['upload-id'] = upload_id
        hub.create_revision(self._charm, self._resource, upload_id, type_, architectures)


def _store(tell: Callable[[str], None]) -> store.Store:
    api_url = store.secure(os.environ.get('CHARMCRAFT_STORE_API_URL') or store.API_URL)
    return store.Store(
        credentials.find(urllib.parse.urlsplit(api_url).netloc),
        api_url=api_url,
        storage_url=os.environ.get('CHARMCRAFT_UPLOAD_URL') or store.STORAGE_URL,
        tell=tell,
    )


class _Registry:
    """Canonical's registry, where a resource's images live in one `repository`."""

    def __init__(self, way_in: store.UploadCredentials) -> None:
        host, self.repository = way_in.host, way_in.repository
        url = os.environ.get('CHARMCRAFT_REGISTRY_URL')
        if url:
            host = urllib.parse.urlsplit(store.secure(url)).netloc
        self.client = registry.Client(host, way_in.username, way_in.password)
        self._impatient = registry.Client(host, way_in.username, way_in.password, tries=1)

    def __enter__(self) -> _Registry:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()
        self._impatient.close()

    def find(self, digest: str) -> str | None:
        """Return the digest of the manifest that has this one, or whose image has it as its ID."""
        return self.find_pushed(digest) or _unless_absent(lambda: self._manifest(digest))

    def find_pushed(self, image: images.Image | str) -> str | None:
        """Return the digest of the manifest that an earlier push made of `image`, or of its ID."""
        return _unless_absent(lambda: pushed.find(self.client, self.repository, image))

    def _manifest(self, digest: str) -> str | None:
        try:
            return self._impatient.head_manifest(self.repository, digest)
        except registry.Unavailable:
            # docker-registry 2.8 answers 500 where the digest is a configuration's, however often
            # it is asked
            if self.client.has_blob(self.repository, digest):
                return None
            return self.client.head_manifest(self.repository, digest)


def _unless_absent(ask: Callable[[], str | None]) -> str | None:
    """Return the answer, or None: some registries deny having what they never had."""
    try:
        return ask()
    except (registry.NotFound, registry.NoRight):
        return None


@contextlib.contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    """Open a file to upload. A fifo or device is refused rather than waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or 'no path'
        raise UploadError(f'{path!r} cannot be read: {reason}.') from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise UploadError(f'{path!r} is a directory: give a file, such as an archive of it.')
        raise UploadError(f'{path!r} is not a regular file: copy what it gives into one.')
    with open(descriptor, 'rb', buffering=0) as file:
        yield file


def _amount(size: float) -> str:
    for unit in ('bytes', 'kB', 'MB'):
        if size < 1000:
            return f'{size:.3g} {unit}'
        size /= 1000
    return f'{size:.3g} GB'


class _Terminated(KeyboardInterrupt):
    """SIGTERM came. Unwinds like Ctrl-C, so that temporary files are removed."""


def _terminate(*args: object) -> NoReturn:
    raise _Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # `charm help upload-resource` comes as this
    args = _parser().parse_args(['--help'] if list(argv) == ['help'] else argv)
    signal.signal(signal.SIGTERM, _terminate)
    shown = terminal.Terminal(_PROGRAM, quiet=args.quiet, as_json=args.format == 'json')
    upload = _Upload(args, shown)
    status, code = 1, ''
    errors: Sequence[Mapping[str, str]] = ()
    try:
        upload.run()
        return 0
    except store.Rejected as error:
        message, code, errors = str(error), 'rejected', error.errors
    except (
        UploadError,
        credentials.CredentialsError,
        store.StoreError,
        images.ImageError,
        registry.RegistryError,
    ) as error:
        message = str(error)
        code = getattr(error, 'code', '') or re.sub('\\B[A-Z]', r'-\g<0>', type(error).__name__)
        if upload.upload_id and isinstance(error, (store.ReviewPending, store.Unavailable)):
            message += f' {_resumption(args, upload.upload_id)}'
    except KeyboardInterrupt as stop:
        status, message, code = 130, 'Interrupted.', 'interrupted'
        if isinstance(stop, _Terminated):
            status, message, code = 143, 'Terminated.', 'terminated'
        if upload.upload_id:
            message += f' {_resumption(args, upload.upload_id)}'
    if not errors:
        errors = [{'code': code.lower(), 'message': message}]
    shown.error(message, errors)
    return status


def _resumption(args: argparse.Namespace, upload_id: str) -> str:
    return (
        'Nothing has to be sent again. To wait on: '
        f'{_PROGRAM} {args.charm} {args.resource} --resume={upload_id}'
    )
