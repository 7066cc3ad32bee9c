"""Credentials while a blob is pushed: tokens that expire, other hosts, threads."""

import io
import json
import threading
import urllib.parse

from container_image import registry
from support import loopback
from support import registry_case as case
from support.pushes import BLOB, BLOB_DIGEST, Uploads, push


def test_a_token_that_expires_in_the_middle_is_renewed_for_all_that_was_ever_wanted():
    uploads = Uploads()
    scopes = []

    def give_token(exchange):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query)
        scopes.append(query['scope'])
        exchange.reply(200, json.dumps({'token': f'token-{len(scopes)}'}).encode())

    with loopback.serving(give_token) as url:
        expired = set()

        def answer(exchange):
            token = exchange.headers.get('Authorization', '')
            wanted = 'pull' if exchange.command == 'HEAD' else 'pull,push'
            enough = token > 'Bearer token-1' or (token and wanted == 'pull')
            if (exchange.command, token) in (
                ('PATCH', 'Bearer token-2'),
                ('HEAD', 'Bearer token-3'),
            ):
                expired.add(token)
            if enough and token not in expired:
                uploads.answer(exchange)
                return
            exchange.body()
            scope = f'repository:team/app:{wanted}'
            challenge = f'Bearer realm="{url}/token",scope="{scope}"'
            exchange.reply(401, WWW_Authenticate=challenge)

        with case.registry_that(answer) as (host, _), registry.Client(host) as client:
            assert not client.has_blob('team/app', BLOB_DIGEST)
            client.push_blob('team/app', BLOB_DIGEST, len(BLOB), lambda: io.BytesIO(BLOB))
            assert client.has_blob('team/app', BLOB_DIGEST)
    assert scopes == [
        ['repository:team/app:pull'],
        ['repository:team/app:pull,push'],
        ['repository:team/app:pull,push'],
        ['repository:team/app:pull,push'],
    ]
    assert uploads.blobs == {BLOB_DIGEST: BLOB}


def test_a_token_is_renewed_too_where_the_registry_cuts_the_blob_off_instead_of_refusing_it():
    uploads = Uploads()
    given = []

    def give_token(exchange):
        given.append(f'token-{len(given)}')
        exchange.reply(200, json.dumps({'token': given[-1]}).encode())

    with loopback.serving(give_token) as url:

        def answer(exchange):
            token = exchange.headers.get('Authorization')
            if not token:
                exchange.reply(401, WWW_Authenticate=f'Bearer realm="{url}/token"')
            elif exchange.command == 'PATCH' and token == 'Bearer token-0':
                case.cut(exchange)
            else:
                uploads.answer(exchange)

        with case.registry_that(answer) as (host, _):
            push(host)
    assert uploads.blobs == {BLOB_DIGEST: BLOB}
    assert len(given) == 2


def test_uploads_to_another_host_go_without_credentials():
    uploads = Uploads()
    with case.registry_that(uploads) as (storage, stored):

        def answer(exchange):
            if exchange.headers.get('Authorization'):
                exchange.reply(202, Location=f'http://{storage}/upload?state={case.SIGNATURE}')
            else:
                exchange.reply(401, WWW_Authenticate='Basic realm="x"')

        with case.registry_that(answer) as (host, _):
            with registry.Client(host, case.USERNAME, case.PASSWORD) as client:
                client.push_blob('team/app', BLOB_DIGEST, len(BLOB), lambda: io.BytesIO(BLOB))
    assert uploads.blobs == {BLOB_DIGEST: BLOB}
    assert [authorization for _, _, authorization in stored] == [None, None]


def test_a_body_goes_along_when_an_upload_is_sent_on_and_the_credentials_do_not():
    uploads = Uploads()
    with case.registry_that(uploads) as (storage, stored):

        def answer(exchange):
            if not exchange.headers.get('Authorization'):
                exchange.reply(401, WWW_Authenticate='Basic realm="x"')
            elif exchange.command == 'PATCH':
                exchange.reply(307, Location=f'http://{storage}/upload')
            else:
                uploads.answer(exchange)

        with case.registry_that(answer) as (host, _):
            with registry.Client(host, case.USERNAME, case.PASSWORD) as client:
                client.push_blob('team/app', BLOB_DIGEST, len(BLOB), lambda: io.BytesIO(BLOB))
    assert uploads.parts == BLOB
    assert stored[0] == ('PATCH', '/upload', None)


def test_threads_share_one_client_and_its_token():
    with case.token_registry() as (host, _, tokens_asked), registry.Client(host) as client:
        found = []

        def look():
            found.append(client.head_manifest('team/app', '1.0'))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [case.DIGEST] * 8
    assert len(tokens_asked) == 1


def test_a_thread_that_wants_more_than_the_token_that_another_just_got_gets_one_for_more():
    scopes = []
    has_token = threading.Event()

    def give_token(exchange):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query)
        scopes.append(query['scope'])
        exchange.reply(200, json.dumps({'token': query['scope'][0].rpartition(':')[2]}).encode())

    with loopback.serving(give_token) as url:

        def answer(exchange):
            token = exchange.headers.get('Authorization', '')
            exchange.body()
            if exchange.command == 'PUT' and not token:
                has_token.wait()
            wanted = 'pull' if exchange.command == 'HEAD' else 'pull,push'
            if token.startswith(f'Bearer {wanted}'):
                case.has(exchange)
            else:
                scope = f'repository:team/app:{wanted}'
                challenge = f'Bearer realm="{url}/token",scope="{scope}"'
                exchange.reply(401, WWW_Authenticate=challenge)

        with case.registry_that(answer) as (host, _), registry.Client(host) as client:
            stored = []

            def put_manifest():
                stored.append(client.put_manifest('team/app', '1', case.MANIFEST, case.TYPE))

            thread = threading.Thread(target=put_manifest)
            thread.start()
            client.head_manifest('team/app', '1.0')
            has_token.set()
            thread.join()
    assert stored == [case.DIGEST]
    assert scopes == [['repository:team/app:pull'], ['repository:team/app:pull,push']]
