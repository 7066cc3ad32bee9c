"""Debian's docker-registry on loopback: open, with accounts, with tokens, with TLS."""

import base64
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives import serialization

import support
from container_image import registry
from support import certificates, layouts, loopback

_LEEWAY = 60  # seconds for which docker-registry takes a token that has expired


class Registry:
    """A running docker-registry: `.host` is its name and port in references."""

    def __init__(self, host, directory):
        self.host = host
        self.directory = pathlib.Path(directory)

    def store(self, archive, repository, tag):
        """Store an OCI archive, an index or manifest, byte for byte; give its full name."""
        files = layouts.files(archive)
        blobs = {n.rpartition('/')[2]: d for n, d in files.items() if n.startswith('blobs/')}
        with registry.Client(self.host) as client:

            def put(descriptor, name):
                content = blobs[descriptor['digest'].partition(':')[2]]
                document = json.loads(content)
                for child in document.get('manifests', ()):
                    if child['digest'].partition(':')[2] in blobs:
                        put(child, child['digest'])
                for blob in (document.get('config'), *document.get('layers', ())):
                    if blob:
                        data = blobs[blob['digest'].partition(':')[2]]
                        client.push_blob(
                            repository,
                            blob['digest'],
                            len(data),
                            lambda data=data: io.BytesIO(data),
                        )
                client.put_manifest(repository, name, content, descriptor['mediaType'])

            put(json.loads(files['index.json'])['manifests'][0], tag)
        return f'{self.host}/{repository}'

    @property
    def log(self):
        """All that it has written, requests included."""
        return (self.directory / 'log').read_text()


@contextlib.contextmanager
def running(
    directory,
    *,
    accounts=None,
    tokens=None,
    certificate=None,
    clients=None,
    name='127.0.0.1',
    port=0,
):
    """Run a docker-registry that keeps its blobs in `directory`, and yield a `Registry`.

    `accounts` (username to password) makes it ask for Basic authentication, `tokens`
    (a `TokenServer`) for tokens; `certificate` (a `certificates.Certificate`) makes it speak TLS,
    and `clients` (a `certificates.Authority`) ask for a certificate of the client.
    `name` is that by which it is to be called, `port` one that was its before, to be it again.
    """
    support.require('docker-registry', *(['htpasswd'] if accounts else []))
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = _config(directory, accounts, tokens, certificate, clients, port)
    (directory / 'config.yml').write_text(json.dumps(config))  # JSON is YAML
    with (directory / 'log').open('wb') as log:
        process = subprocess.Popen(
            ['docker-registry', 'serve', str(directory / 'config.yml')],
            # it takes any variable that begins so for one of its settings, podman's, too
            env={n: v for n, v in os.environ.items() if not n.startswith('REGISTRY_')},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    registry = Registry('', directory)
    try:
        registry.host = f'{name}:{_port(process, registry)}'
        yield registry
    finally:
        process.terminate()
        process.wait(timeout=30)


def _config(directory, accounts, tokens, certificate, clients, port):
    """Return the configuration of a docker-registry; write its file of passwords."""
    config = {
        'version': 0.1,
        'log': {'level': 'info'},
        'storage': {
            'filesystem': {'rootdirectory': str(directory / 'storage')},
            'delete': {'enabled': True},
        },
        'http': {'addr': f'127.0.0.1:{port}', 'secret': 'only for tests'},
    }
    if accounts:
        passwords = directory / 'htpasswd'
        passwords.touch()
        for username, password in accounts.items():
            subprocess.run(
                ['htpasswd', '-iB', str(passwords), username],
                input=password.encode(),
                check=True,
                capture_output=True,
            )
        config['auth'] = {'htpasswd': {'realm': 'tests', 'path': str(passwords)}}
    if tokens:
        config['auth'] = {
            'token': {
                'realm': tokens.realm,
                'service': tokens.service,
                'issuer': tokens.issuer,
                'rootcertbundle': str(tokens.bundle),
            }
        }
    if certificate:
        config['http']['tls'] = {
            'certificate': str(certificate.certificate),
            'key': str(certificate.key),
        }
    if clients:
        config['http']['tls']['clientcas'] = [str(clients.certificate)]
    return config


def _port(process, registry):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        match = re.search(r'listening on 127\.0\.0\.1:(\d+)', registry.log)
        if match:
            return match.group(1)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f'docker-registry did not start:\n{registry.log}')


class TokenServer:
    """A token service that a docker-registry trusts, by the CNCF distribution project's protocol.

    `accounts` maps usernames to passwords; '' stands for everybody who gives none. `rights` maps
    usernames to what they may: repository to actions. Whoever is not in it may do all, but for
    '', who may nothing. All attributes may be changed at any time: `lifetime` is that of tokens,
    in seconds, to the second for docker-registry too, and `promised` what is said of it instead;
    `key` is the field of the answer that holds the token; `status` an HTTP status to give instead
    of an answer.
    `asked` lists for each request the username and the scopes.
    """

    service = 'registry of the tests, "quoted"'
    issuer = 'token server of the tests'

    def __init__(self, address, directory, accounts, rights):
        self.realm = f'{address}/token?from=tests'
        self.accounts = dict(accounts)
        self.rights = dict(rights or {})
        self.lifetime = 300
        self.promised = None
        self.key = 'token'
        self.status = 200
        self.asked = []
        self._authority = certificates.Authority(directory, 'token-server')
        self.bundle = self._authority.certificate

    def answer(self, username, password, scopes):
        """Return the HTTP status and the document for one request."""
        self.asked.append((username, scopes))
        if self.status != 200:
            return self.status, {}
        if username and self.accounts.get(username) != password:
            return 401, {'errors': [{'code': 'UNAUTHORIZED'}]}
        access = [self._access(username, scope) for scope in scopes]
        lifetime = self.lifetime if self.promised is None else self.promised
        return 200, {self.key: self.token(username, access), 'expires_in': lifetime}

    def token(self, username, access):
        """Return a signed token that allows `access`."""
        now = int(time.time())
        der = self._authority.x509.public_bytes(serialization.Encoding.DER)
        return jwt.encode(
            {
                'iss': self.issuer,
                'sub': username,
                'aud': self.service,
                'exp': now + self.lifetime - _LEEWAY,
                'nbf': now - 2 * _LEEWAY,
                'iat': now,
                'jti': str(time.monotonic_ns()),
                'access': access,
            },
            self._authority.private_key,
            algorithm='ES256',
            headers={'x5c': [base64.b64encode(der).decode()]},
        )

    def _access(self, username, scope):
        resource, _, wanted = scope.rpartition(':')
        kind, _, repository = resource.partition(':')
        granted = wanted.split(',')
        if username in self.rights or not username:
            allowed = self.rights.get(username, {}).get(repository, ())
            granted = [action for action in granted if action in allowed]
        return {'type': kind, 'name': repository, 'actions': granted}


@contextlib.contextmanager
def token_server(directory, accounts, rights=None, certificate=None, name='127.0.0.1'):
    """Run a `TokenServer` on loopback and yield it; its files are in `directory`."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)

    def answer(exchange):
        if exchange.command != 'GET':  # the OAuth 2 of some engines, who then ask by GET
            exchange.reply(405)
            return
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query)
        username = password = ''
        scheme, _, value = exchange.headers.get('Authorization', '').partition(' ')
        if scheme == 'Basic':
            username, _, password = base64.b64decode(value).decode().partition(':')
        status, document = tokens.answer(username, password, query.get('scope', []))
        exchange.reply(status, json.dumps(document).encode(), Content_Type='application/json')

    with loopback.serving(answer, certificate, name) as address:
        tokens = TokenServer(address, directory, accounts, rights)
        yield tokens
