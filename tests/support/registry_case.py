"""A registry whose answers a test writes, and what the client makes of them."""

import base64
import contextlib
import hashlib
import json
import socket
import traceback
import urllib.parse

import pytest

from container_image import registry
from support import loopback

USERNAME = 'operator'
PASSWORD = 'hunter2/correct horse'
BASIC = base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()
TOKEN = 'a-token-that-nobody-else-may-see'
SIGNATURE = 'a-signature-that-is-as-good-as-a-token'
SECRETS = (PASSWORD, BASIC, TOKEN, SIGNATURE, 'hunter2')

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = 'sha256:' + hashlib.sha256(MANIFEST).hexdigest()
OTHER = 'sha256:' + 64 * '0'
TYPE = registry.MEDIA_TYPES[1]


def host_of(url):
    return urllib.parse.urlsplit(url).netloc


@contextlib.contextmanager
def registry_that(answer, **kwargs):
    """Yield the host of a registry that answers so, and a list of what it was asked."""
    asked = []

    def noted(exchange):
        asked.append((exchange.command, exchange.path, exchange.headers.get('Authorization')))
        answer(exchange)

    with loopback.serving(noted, **kwargs) as url:
        yield host_of(url), asked


def has(exchange, **headers):
    headers.setdefault('Docker_Content_Digest', DIGEST)
    exchange.reply(200, MANIFEST, Content_Type=TYPE, **headers)


def ask(host, tag_or_digest='1.0', username='', password='', tries=1, **kwargs):
    with registry.Client(host, username, password, tries=tries, **kwargs) as client:
        return client.head_manifest('team/app', tag_or_digest)


def failure_of(function, *args, **kwargs):
    """Return the error that a call raises, after a look for secrets in all that it refers to."""
    with pytest.raises(registry.RegistryError) as caught:
        function(*args, **kwargs)
    return without_secrets(caught.value)


def without_secrets(error):
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if '/tests/' not in frame.f_code.co_filename]
    held = [repr(value) for frame in ours for value in frame.f_locals.values()]
    shown = '\n'.join([str(error), repr(error), repr(vars(error)), *held])
    assert not [secret for secret in SECRETS if secret in shown]
    assert str(error).isprintable()
    return error


def wants_basic(exchange):
    if exchange.headers.get('Authorization') == f'Basic {BASIC}':
        has(exchange)
    else:
        exchange.reply(401, WWW_Authenticate='Basic realm="a, b"')


def cut(exchange, before=b''):
    exchange.wfile.write(before)
    exchange.wfile.flush()
    exchange.close_connection = True
    exchange.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def token_registry(
    document=None,
    status=200,
    service='the registry, "ours"',
    scope='repository:team/app:pull',
    certificate=None,
    name='127.0.0.1',
):
    """Yield the host of a registry that wants tokens, what it was asked, and its token server."""
    document = {'token': TOKEN, 'expires_in': 300} if document is None else document

    def give_token(exchange):
        tokens_asked.append((exchange.path, exchange.headers.get('Authorization')))
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        exchange.reply(status, content, Content_Type='application/json')

    tokens_asked = []
    with loopback.serving(give_token, certificate, name) as url:

        def answer(exchange):
            if exchange.headers.get('Authorization') == f'Bearer {TOKEN}':
                return has(exchange)
            quoted = service.replace('"', r'\"')
            challenge = f'Bearer realm="{url}/token",service="{quoted}",scope="{scope}"'
            return exchange.reply(401, WWW_Authenticate=challenge)

        with registry_that(answer, certificate=certificate) as (host, asked):
            yield host, asked, tokens_asked
