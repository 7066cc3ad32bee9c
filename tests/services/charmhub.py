"""A stand-in for Charmhub: its publisher API, its storage, and the rights on its registry.

It answers as https://api.charmhub.io does to charmcraft, on loopback, and remembers what it was
asked. Its registry is a real docker-registry. To try a command by hand, run in tests/

    python -m services.charmhub --charm=my-charm --resource=my-image=oci-image
"""

import argparse
import base64
import contextlib
import dataclasses
import hashlib
import http.server
import json
import pathlib
import re
import secrets
import signal
import sys
import tempfile
import threading
import urllib.parse

from services import faulty_proxy
from services import registry as registry_

_KEPT = 1 << 20  # bytes of an upload kept for the tests to look at; of larger ones only the hash


@dataclasses.dataclass
class Charm:
    """A charm's name, as its publisher registered it."""

    name: str
    resources: dict  # resource name: 'file' or 'oci-image'
    publisher: str = 'author'
    collaborators: tuple = ()
    id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))


@dataclasses.dataclass
class Upload:
    """Bytes in the storage, and what became of them."""

    id: str
    filename: str
    size: int
    sha256: str
    content: bytes
    charm: str = ''
    resource: str = ''
    type: str = ''
    bases: list = None
    looks: int = 0  # how often its review was asked for
    revision: int = None


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next `times` requests that fit."""

    method: str
    path: str
    status: int = None  # None: the connection is cut
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b''
    after: bool = False  # the request is carried out, only its answer is lost
    at: int = None  # cut once so many bytes of the request's body were read
    hold: threading.Event = None  # waited for before the answer
    times: int = 1


class Refusal(Exception):
    """An answer that isn't a success."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.content = json.dumps({'error-list': [{'code': code, 'message': message}]}).encode()


class Charmhub:
    """Charmhub at `url`. `running` runs one.

    Change what it holds while it runs: `charms`, `tokens` (token: account), `permissions` and
    `packages` of every token (None: not restricted), `faults`, and the review:
    `looks_until_reviewed` and `review_errors`.
    """

    def __init__(self, registry_host='registry.invalid', registry_tokens=None):
        self.url = ''
        self.registry_host = registry_host
        self.registry_tokens = registry_tokens
        self.registry_proxy = None
        self.charms = {}
        self.token = 'token-' + secrets.token_urlsafe(24)
        self.tokens = {self.token: 'author'}
        self.expired_tokens = set()
        self.sso_macaroons = {}  # 'root=…, discharge=…': account
        self.permissions = None
        self.packages = None
        self.uploads = {}
        self.looks_until_reviewed = 0
        self.review_errors = []
        self.faults = []
        self.requests = []  # (method, path with query, status or None where it was cut)
        self._lock = threading.RLock()
        self.add('my-charm', {'my-file': 'file', 'my-image': 'oci-image'})

    def add(self, name, resources, **kwargs):
        self.charms[name] = Charm(name, resources, **kwargs)
        return self.charms[name]

    def fail(self, method, path, **kwargs):
        """Let the next request go wrong whose path the regular expression `path` finds."""
        fault = Fault(method, path, **kwargs)
        self.faults.append(fault)
        return fault

    def revisions(self, charm, resource):
        """Return the resource's uploads, one for each revision, oldest first."""
        uploads = {
            upload.revision: upload
            for upload in reversed(list(self.uploads.values()))
            if (upload.charm, upload.resource) == (charm, resource)
        }
        return [uploads[number] for number in sorted(uploads)]

    def asked(self, method=None, path=''):
        """Return the requests so far that fit: pairs of path and status."""
        return [
            (asked_path, status)
            for asked_method, asked_path, status in self.requests
            if method in (None, asked_method) and re.search(path, asked_path)
        ]

    def take_fault(self, method, path):
        """Return the fault that this request meets, if any."""
        with self._lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    @property
    def environment(self):
        """The variables that point charmcraft, and whoever obeys the same ones, here."""
        return {
            'CHARMCRAFT_STORE_API_URL': self.url,
            'CHARMCRAFT_UPLOAD_URL': self.url,
            'CHARMCRAFT_REGISTRY_URL': f'http://{self.registry_host}',
            'CHARMCRAFT_AUTH': base64.b64encode(self.token.encode()).decode(),
        }

    # What each path answers: the account (None before it is known), the match, the query and the
    # body. A Refusal is an answer too.

    def whoami(self, account):
        """https://api.charmhub.io/docs/default.html#whoami"""
        return {
            'account': {
                'display-name': account.title(),
                'email': f'{account}@example.com',
                'id': hashlib.sha256(account.encode()).hexdigest()[:32],
                'username': account,
                'validation': 'unproven',
            },
            'channels': None,
            'packages': self.packages,
            'permissions': self.permissions
            or ['account-register-package', 'account-view-packages']
            + ['package-manage', 'package-view'],
        }

    def exchange(self, authorization):
        """Trade a login at Ubuntu One for a token of the store."""
        account = self.sso_macaroons.get(authorization)
        if account is None:
            raise Refusal(401, 'macaroon-authorization-required', 'Invalid macaroon')
        token = 'exchanged-' + secrets.token_urlsafe(24)
        self.tokens[token] = account
        return {'macaroon': token}

    def _charm(self, account, name, permission):
        charm = self.charms.get(name)
        if charm is None:
            raise Refusal(
                404, 'resource-not-found', f'Name {name} not found in the charm namespace'
            )
        if account not in (charm.publisher, *charm.collaborators):
            said = f'No publisher or collaborator permission for the {name} charm package'
            raise Refusal(403, 'permission-required', said)
        if self.packages is not None and name not in [one['name'] for one in self.packages]:
            raise Refusal(403, 'permission-required', 'Package access not allowed')
        meta, granted = permission.rpartition('-')[0], self.permissions
        if granted is not None and not {meta, permission} & set(granted):
            said = f'Missing required permission: {permission}'
            raise Refusal(401, 'permission-required', said)
        return charm

    def _resource(self, account, charm, name, permission='package-manage-revisions'):
        charm = self._charm(account, charm, permission)
        if name not in charm.resources:
            raise Refusal(404, 'resource-not-found', f'Resource {name} not found')
        return charm

    def metadata(self, account, name):
        charm = self._charm(account, name, 'package-view-metadata')
        return {
            'metadata': {
                'id': charm.id,
                'name': charm.name,
                'private': False,
                'publisher': {
                    'display-name': charm.publisher.title(),
                    'id': '',
                    'username': charm.publisher,
                },
                'status': 'published',
                'type': 'charm',
            }
        }

    def resources(self, account, name):
        charm = self._charm(account, name, 'package-view-revisions')
        return {
            'resources': [
                {
                    'name': resource,
                    'optional': False,
                    'revision': 1,  # the charm's, not the resource's
                    'type': type_,
                }
                for resource, type_ in charm.resources.items()
            ]
        }

    def resource_revisions(self, account, name, resource):
        self._resource(account, name, resource, 'package-view-revisions')
        return {
            'revisions': [
                {
                    'bases': upload.bases,
                    'created-at': '2026-01-02T03:04:05Z',
                    'name': resource,
                    'revision': upload.revision,
                    'sha256': upload.sha256,
                    'sha3-384': '',
                    'sha384': '',
                    'sha512': '',
                    'size': upload.size,
                    'type': upload.type,
                }
                for upload in reversed(self.revisions(name, resource))
            ]
        }

    def upload_credentials(self, account, name, resource):
        charm = self._resource(account, name, resource)
        if charm.resources[resource] != 'oci-image':
            raise Refusal(400, 'invalid-request', f'Resource {resource} is not an OCI image')
        repository = f'charm/{charm.id}/{resource}'
        username, password = 'user-' + secrets.token_hex(8), 'secret-' + secrets.token_urlsafe(24)
        self._grant(username, password, repository, 'pull', 'push')
        return {
            'image-name': f'{self.registry_host}/{repository}',
            'username': username,
            'password': password,
        }

    def blob(self, account, name, resource, body):
        charm = self._resource(account, name, resource)
        digest = body.get('image-digest', '')
        if not re.fullmatch('sha256:[0-9a-f]{64}', digest):
            raise Refusal(400, 'invalid-request', f'{digest!r} is not a digest')
        repository = f'charm/{charm.id}/{resource}'
        # one image has one blob, so that the same bytes give the same revision again
        username = 'docker-registry-' + hashlib.sha256(repository.encode()).hexdigest()[:8]
        password = 'blob-' + hashlib.sha256(f'{self.token}{repository}'.encode()).hexdigest()
        self._grant(username, password, repository, 'pull')
        image_name = f'{self.registry_host}/{repository}@{digest}'
        return json.dumps({'ImageName': image_name, 'Username': username, 'Password': password})

    def _grant(self, username, password, repository, *actions):
        if self.registry_tokens:
            self.registry_tokens.accounts[username] = password
            self.registry_tokens.rights[username] = {repository: actions}

    def push_revision(self, account, name, resource, body):
        charm = self._resource(account, name, resource)
        upload = self.uploads.get(body['upload-id'])
        if upload is None:
            raise Refusal(400, 'invalid-request', f'Upload {body["upload-id"]} not found')
        if body['type'] != charm.resources[resource]:
            raise Refusal(400, 'invalid-request', f'Resource {resource} has another type')
        with self._lock:
            if upload.revision is not None:
                raise Refusal(400, 'invalid-request', f'Upload {upload.id} was used already')
            for other in self.revisions(name, resource):
                if other.sha256 == upload.sha256:
                    upload.revision = other.revision
            upload.revision = upload.revision or len(self.revisions(name, resource)) + 1
            upload.charm, upload.resource = name, resource
            upload.type, upload.bases = body['type'], body.get('bases')
        return {'status-url': f'/v1/charm/{name}/revisions/review?upload-id={upload.id}'}

    def review(self, account, name, upload_id):
        self._charm(account, name, 'package-manage-revisions')
        upload = self.uploads.get(upload_id)
        if upload is None or upload.charm != name:
            return {'revisions': []}
        upload.looks += 1
        status, errors = 'approved', None
        if upload.looks <= self.looks_until_reviewed:
            status = 'pending'
        elif self.review_errors:
            status, errors = 'rejected', self.review_errors
        revision = upload.revision if status == 'approved' else None
        return {
            'revisions': [
                {'errors': errors, 'revision': revision, 'status': status, 'upload-id': upload_id}
            ]
        }

    def store(self, content_type, length, body):
        """Take the one part of a multipart body, read from the file `body`."""
        boundary = re.search('boundary="?([^";]+)', content_type).group(1).encode()
        line = body.readline()
        if line.rstrip(b'\r\n') != b'--' + boundary:
            raise Refusal(400, 'invalid-request', 'The body does not begin with the boundary')
        tail = b'\r\n--' + boundary + b'--\r\n'
        left = length - len(line) - len(tail)
        disposition = ''
        while line.strip():
            line = body.readline()
            left -= len(line)
            if line.lower().startswith(b'content-disposition:'):
                disposition = line.decode()
        if 'name="binary"' not in disposition:
            raise Refusal(400, 'invalid-request', 'The part is not named "binary"')
        filename = re.search('filename="([^"]*)"', disposition).group(1)
        hash_, size, kept = hashlib.sha256(), left, b''
        while left:
            chunk = body.read(min(left, 1 << 18))
            left -= len(chunk)
            hash_.update(chunk)
            if size <= _KEPT:
                kept += chunk
        if body.read(len(tail)) != tail:
            raise Refusal(400, 'invalid-request', 'The body does not end with the boundary')
        upload = Upload(secrets.token_hex(16), filename, size, hash_.hexdigest(), kept)
        self.uploads[upload.id] = upload
        return {'successful': True, 'upload_id': upload.id}

    def account(self, authorization):
        scheme, _, token = authorization.partition(' ')
        if scheme == 'Macaroon' and token in self.expired_tokens:
            raise Refusal(401, 'macaroon-needs-refresh', 'Expired macaroon (age: 1234567 seconds)')
        if scheme != 'Macaroon' or token not in self.tokens:
            raise Refusal(401, 'macaroon-authorization-required', 'Invalid macaroon')
        return self.tokens[token]


class _Cut(Exception):
    """The connection ends here."""


class _Body:
    """A request's body: reads no further than its length, and is cut where a fault says so."""

    def __init__(self, file, length, cut_at=None):
        self._file, self._left, self._cut_at = file, length, cut_at
        self._read = 0

    def _took(self, data):
        self._left -= len(data)
        self._read += len(data)
        if self._cut_at is not None and self._read >= self._cut_at:
            raise _Cut
        if not data and self._left:
            raise _Cut
        return data

    def read(self, size=None):
        return self._took(self._file.read(self._left if size is None else min(size, self._left)))

    def readline(self):
        return self._took(self._file.readline(self._left))

    def drain(self):
        while self._left:
            self.read(1 << 18)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers, unless a fault of `self.server.charmhub` comes first."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def _serve(self):
        hub = self.server.charmhub
        fault = hub.take_fault(self.command, self.path)
        body = _Body(
            self.rfile, int(self.headers.get('Content-Length') or 0), fault.at if fault else None
        )
        status = None
        try:
            if fault is None or fault.after or fault.at is not None:
                status, headers, content = self._answer(hub, body)
            body.drain()
            if fault and fault.hold:
                fault.hold.wait(60)
            if fault:
                status, headers, content = fault.status, fault.headers, fault.body
            if status is None:
                raise _Cut
        except _Cut:
            status = None
            self.close_connection = True
            self.connection.close()
            return
        finally:
            hub.requests.append((self.command, self.path, status))
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {'Content-Length': str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = _serve

    def _answer(self, hub, body):
        try:
            content = self._content(hub, body)
        except Refusal as refusal:
            return refusal.status, {'Content-Type': 'application/json'}, refusal.content
        if isinstance(content, str):
            return 200, {'Content-Type': 'text/plain; charset=utf-8'}, content.encode()
        return 200, {'Content-Type': 'application/json'}, json.dumps(content).encode()

    def _content(self, hub, body):
        url = urllib.parse.urlsplit(self.path)
        path, query = url.path, urllib.parse.parse_qs(url.query)
        authorization = self.headers.get('Authorization', '')
        if (self.command, path) == ('POST', '/v1/tokens/usso/exchange'):
            return hub.exchange(authorization.partition(' ')[2])
        account = hub.account(authorization)
        if (self.command, path) == ('POST', '/unscanned-upload/'):
            if 'Content-Length' not in self.headers:
                raise Refusal(411, 'length-required', 'A Content-Length is required')
            length = int(self.headers['Content-Length'])
            return hub.store(self.headers.get('Content-Type', ''), length, body)
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                args = [account, *map(urllib.parse.unquote, match.groups())]
                if method == 'POST':
                    args.append(json.loads(body.read()))
                if answer == 'review':
                    args.append(query['upload-id'][0])
                return getattr(hub, answer)(*args)
        raise Refusal(404, 'api-error', f'No endpoint {self.command} {path}')


_ROUTES = [
    ('GET', '/v1/tokens/whoami', 'whoami'),
    ('GET', '/v1/charm/([^/]+)', 'metadata'),
    ('GET', '/v1/charm/([^/]+)/resources', 'resources'),
    ('GET', '/v1/charm/([^/]+)/revisions/review', 'review'),
    ('GET', '/v1/charm/([^/]+)/resources/([^/]+)/revisions', 'resource_revisions'),
    ('POST', '/v1/charm/([^/]+)/resources/([^/]+)/revisions', 'push_revision'),
    (
        'GET',
        '/v1/charm/([^/]+)/resources/([^/]+)/oci-image/upload-credentials',
        'upload_credentials',
    ),
    ('POST', '/v1/charm/([^/]+)/resources/([^/]+)/oci-image/blob', 'blob'),
]


@contextlib.contextmanager
def running(directory=None, *, faulty_registry=False):
    """Run a `Charmhub` on loopback and yield it.

    With a `directory` it has a real registry, whose blobs live there; with `faulty_registry` that
    is behind a `faulty_proxy.FaultyProxy`, its `registry_proxy`.
    """
    with contextlib.ExitStack() as stack:
        hub = Charmhub()
        hub.url = stack.enter_context(_serving(hub))
        if directory:
            directory = pathlib.Path(directory)
            hub.registry_tokens = stack.enter_context(
                registry_.token_server(directory / 'tokens', {}, {})
            )
            registry = stack.enter_context(
                registry_.running(directory / 'registry', tokens=hub.registry_tokens)
            )
            hub.registry_host = registry.host
            if faulty_registry:
                hub.registry_proxy = stack.enter_context(faulty_proxy.running(registry.host))
                hub.registry_host = hub.registry_proxy.host
        yield hub


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may leave
            super().handle_error(request, client_address)


@contextlib.contextmanager
def _serving(hub):
    server = _Server(('127.0.0.1', 0), _Handler)
    server.charmhub = hub
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def home_for_skopeo(directory, host):
    """Make a home where skopeo, and so charmcraft, talks to `host` without TLS."""
    path = pathlib.Path(directory) / 'home' / '.config' / 'containers' / 'registries.conf'
    path.parent.mkdir(parents=True)
    path.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    return {'HOME': str(pathlib.Path(directory) / 'home')}


def main():
    """Run until Ctrl-C, and print the environment of those who want to upload here."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--charm', default='my-charm', help='(default: %(default)s)')
    parser.add_argument(
        '--resource',
        action='append',
        metavar='NAME=TYPE',
        help='TYPE is file or oci-image (default: my-file=file and my-image=oci-image)',
    )
    args = parser.parse_args()
    resources = args.resource or ['my-file=file', 'my-image=oci-image']
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with tempfile.TemporaryDirectory() as directory, running(directory) as hub:
        hub.add(args.charm, dict(resource.split('=') for resource in resources))
        for name, value in hub.environment.items():
            print(f'export {name}={value}')
        home = home_for_skopeo(directory, hub.registry_host)['HOME']
        print(f'# charmcraft needs this too: export HOME={home}', flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == '__main__':
    main()
