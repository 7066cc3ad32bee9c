"""A stand-in for Charmhub: its publisher API, its storage, and the rights on its registry.

It answers as https://api.charmhub.io does to charmcraft, on loopback, and remembers what it was
asked. Its registry is a real docker-registry. To try a command by hand, run in tests/

    python -m support.charmhub --charm=my-charm --resource=my-image=oci-image
"""

import argparse
import base64
import contextlib
import hashlib
import json
import pathlib
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading

from support import charmhub_http, charmhub_records, charmhub_releases, faulty_proxy
from support import registry as registry_

_KEPT = 1 << 20  # bytes of an upload kept for the tests to look at; of larger ones only the hash


class Charmhub:
    """Charmhub at `url`. `running` runs one.

    Change what it holds while it runs: `charms`, `tokens` (token: account), `permissions`,
    `packages` and `channels` of every token (None: not restricted), `faults`, and the review:
    `looks_until_reviewed` and `review_errors`.
    """

    def __init__(self, registry_host='registry.invalid', registry_tokens=None):
        self.url = ''
        self.registry_host = registry_host
        self.registry_tokens = registry_tokens
        self.registry_proxy = None
        self.token = 'token-' + secrets.token_urlsafe(24)
        self._lock = threading.RLock()
        self.reset()

    def reset(self):
        """Forget what was asked and what a test has changed."""
        self.charms = {}
        self.tokens = {self.token: 'author'}
        self.expired_tokens = set()
        self.sso_macaroons = {}  # 'root=…, discharge=…': account
        self.permissions = None
        self.packages = None
        self.channels = None
        self.uploads = {}
        self.looks_until_reviewed = 0
        self.review_errors = []
        self.faults = []
        self.requests = []  # (method, path with query, status or None where it was cut)
        self.add('my-charm', {'my-file': 'file', 'my-image': 'oci-image'})

    def add(self, name, resources, **kwargs):
        self.charms[name] = charmhub_records.Charm(name, resources, **kwargs)
        return self.charms[name]

    def fail(self, method, path, **kwargs):
        """Let the next request go wrong whose path the regular expression `path` finds."""
        fault = charmhub_records.Fault(method, path, **kwargs)
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
            'channels': self.channels,
            'packages': self.packages,
            'permissions': self.permissions
            or ['account-register-package', 'account-view-packages']
            + ['package-manage', 'package-view'],
        }

    def exchange(self, authorization):
        """Trade a login at Ubuntu One for a token of the store."""
        account = self.sso_macaroons.get(authorization)
        if account is None:
            raise charmhub_http.Refusal(401, 'macaroon-authorization-required', 'Invalid macaroon')
        token = 'exchanged-' + secrets.token_urlsafe(24)
        self.tokens[token] = account
        return {'macaroon': token}

    def _charm(self, account, name, permission):
        charm = self.charms.get(name)
        if charm is None:
            raise charmhub_http.Refusal(
                404, 'resource-not-found', f'Name {name} not found in the charm namespace'
            )
        if account not in (charm.publisher, *charm.collaborators):
            said = f'No publisher or collaborator permission for the {name} charm package'
            raise charmhub_http.Refusal(403, 'permission-required', said)
        if self.packages is not None and not any(
            one.get('name') == name or one.get('id') == charm.id for one in self.packages
        ):
            raise charmhub_http.Refusal(403, 'permission-required', 'Package access not allowed')
        meta, granted = permission.rpartition('-')[0], self.permissions
        if granted is not None and not {meta, permission} & set(granted):
            said = f'Missing required permission: {permission}'
            raise charmhub_http.Refusal(401, 'permission-required', said)
        return charm

    def _resource(self, account, charm, name, permission='package-manage-revisions'):
        charm = self._charm(account, charm, permission)
        if name not in charm.resources:
            raise charmhub_http.Refusal(404, 'resource-not-found', f'Resource {name} not found')
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
                    'revision': revision,  # the charm's, not the resource's
                    'type': charm.resources.get(resource, 'file'),
                }
                for revision in sorted(charm.builds)
                for resource in charm.declared(revision)
            ]
        }

    def charm_revisions(self, account, name):
        """https://api.charmhub.io/docs/default.html#list-revisions"""
        return charmhub_releases.revisions(self._charm(account, name, 'package-view-revisions'))

    def releases(self, account, name):
        """https://api.charmhub.io/docs/default.html#list-releases"""
        return charmhub_releases.listed(self._charm(account, name, 'package-view-releases'))

    def release(self, account, name, body):
        charm = self._charm(account, name, 'package-manage-releases')

        def known(resource):
            return {upload.revision for upload in self.revisions(name, resource)}

        with self._lock:
            return charmhub_releases.release(charm, body, known)

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

    def public_revisions(self, name, resource):
        """What Juju 3.6 reads: https://api.snapcraft.io/docs/charms.html#list_resource_revisions"""
        charm = self.charms.get(name)
        if charm is None or charm.private or resource not in charm.resources:
            raise charmhub_http.Refusal(404, 'resource-not-found', 'No charm with that name')
        path = f'{self.url}/api/v1/resources/download/charm_{charm.id}.{resource}'
        return {
            'revisions': [
                {
                    'created-at': '2026-01-02T03:04:05Z',
                    'description': '',
                    'download': {
                        'hash-sha-256': upload.sha256,
                        'size': upload.size,
                        'url': f'{path}_{upload.revision}',
                    },
                    'filename': '',
                    'name': resource,
                    'revision': upload.revision,
                    'type': upload.type,
                }
                for upload in self.revisions(name, resource)
            ]
        }

    def public_download(self, charm_id, resource, revision):
        """What Juju downloads: of an image, what refers to it."""
        (charm,) = [each for each in self.charms.values() if each.id == charm_id]
        (found,) = [
            upload
            for upload in self.revisions(charm.name, resource)
            if upload.revision == int(revision)
        ]
        return found.content

    def upload_credentials(self, account, name, resource):
        charm = self._resource(account, name, resource)
        if charm.resources[resource] != 'oci-image':
            raise charmhub_http.Refusal(
                400, 'invalid-request', f'Resource {resource} is not an OCI image'
            )
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
            raise charmhub_http.Refusal(400, 'invalid-request', f'{digest!r} is not a digest')
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
            raise charmhub_http.Refusal(
                400, 'invalid-request', f'Upload {body["upload-id"]} not found'
            )
        if body['type'] != charm.resources[resource]:
            raise charmhub_http.Refusal(
                400, 'invalid-request', f'Resource {resource} has another type'
            )
        with self._lock:
            if upload.revision is not None:
                raise charmhub_http.Refusal(
                    400, 'invalid-request', f'Upload {upload.id} was used already'
                )
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
            raise charmhub_http.Refusal(
                400, 'invalid-request', 'The body does not begin with the boundary'
            )
        tail = b'\r\n--' + boundary + b'--\r\n'
        left = length - len(line) - len(tail)
        disposition = ''
        while line.strip():
            line = body.readline()
            left -= len(line)
            if line.lower().startswith(b'content-disposition:'):
                disposition = line.decode()
        if 'name="binary"' not in disposition:
            raise charmhub_http.Refusal(400, 'invalid-request', 'The part is not named "binary"')
        filename = re.search('filename="([^"]*)"', disposition).group(1)
        hash_, size, kept = hashlib.sha256(), left, b''
        while left:
            chunk = body.read(min(left, 1 << 18))
            left -= len(chunk)
            hash_.update(chunk)
            if size <= _KEPT:
                kept += chunk
        if body.read(len(tail)) != tail:
            raise charmhub_http.Refusal(
                400, 'invalid-request', 'The body does not end with the boundary'
            )
        upload = charmhub_records.Upload(
            secrets.token_hex(16), filename, size, hash_.hexdigest(), kept
        )
        self.uploads[upload.id] = upload
        return {'successful': True, 'upload_id': upload.id}

    def account(self, authorization):
        scheme, _, token = authorization.partition(' ')
        if scheme == 'Macaroon' and token in self.expired_tokens:
            raise charmhub_http.Refusal(
                401, 'macaroon-needs-refresh', 'Expired macaroon (age: 1234567 seconds)'
            )
        if scheme != 'Macaroon' or token not in self.tokens:
            raise charmhub_http.Refusal(401, 'macaroon-authorization-required', 'Invalid macaroon')
        return self.tokens[token]


@contextlib.contextmanager
def running(directory=None, *, faulty_registry=False):
    """Run a `Charmhub` on loopback and yield it.

    With a `directory` it has a real registry, whose blobs live there; with `faulty_registry` that
    is behind a `faulty_proxy.FaultyProxy`, its `registry_proxy`.
    """
    with contextlib.ExitStack() as stack:
        hub = Charmhub()
        hub.url = stack.enter_context(charmhub_http.serving(hub))
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
    if not shutil.which('docker-registry'):
        sys.exit('docker-registry is not installed: apt install docker-registry')
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
