"""What the registry client pushes, and how it goes on after faults."""

import contextlib
import hashlib
import io
import json
import threading
import types
import urllib.parse

import case
import pytest

from container_image import registry
from services import loopback


class Uploads:
    """A registry that takes uploads, with faults at the places that `faults` names, once each."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.blobs = {}
        self.parts = b''

    def __call__(self, exchange):
        fault = self.faults[0] if self.faults else ('', None)
        if fault[0] == exchange.command:
            self.faults.pop(0)
            if fault[1] is None:
                case.cut(exchange)
                return
            exchange.body()
            exchange.reply(fault[1])
            return
        self.answer(exchange)

    def answer(self, exchange):
        content = exchange.body()
        if exchange.command == 'HEAD':
            exchange.reply(200 if exchange.path.rpartition('/')[2] in self.blobs else 404)
        elif exchange.command == 'POST':
            self.parts = b''
            exchange.reply(202, Location='/upload?state=1')
        elif exchange.command == 'PATCH':
            self.parts += content
            exchange.reply(202, Location='/upload?state=2')
        else:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query)
            assert query['state']
            self.blobs[query['digest'][0]] = self.parts
            exchange.reply(201)


BLOB = bytes(range(256)) * 5000
BLOB_DIGEST = 'sha256:' + hashlib.sha256(BLOB).hexdigest()


def push(host, open_blob=lambda: io.BytesIO(BLOB), size=None, progress=None):
    size = len(BLOB) if size is None else size
    with registry.Client(host) as client:
        client.push_blob('team/app', BLOB_DIGEST, size, open_blob, progress)


@pytest.mark.parametrize(
    'faults',
    [
        (),
        (('POST', None),),
        (('POST', 503),),
        (('PATCH', None),),
        (('PATCH', 500),),
        (('PATCH', 404),),
        (('PATCH', 416),),
        (('PUT', 500),),
        (('PUT', None), ('PATCH', None), ('POST', 429)),
    ],
)
def test_a_blob_is_pushed_from_its_beginning_again_after_each_fault(faults):
    uploads = Uploads(*faults)
    sent = []
    with case.registry_that(uploads) as (host, _):
        push(host, progress=sent.append)
    assert uploads.blobs == {BLOB_DIGEST: BLOB}
    assert sent[-1] == len(BLOB)
    assert sent[0] == 0


def test_a_blob_whose_last_answer_was_lost_is_not_sent_again():
    uploads = Uploads()

    def answer(exchange):
        uploads.answer(exchange)
        if exchange.command == 'PUT':
            exchange.close_connection = True

    def lose(exchange):
        if exchange.command == 'PUT' and not uploads.blobs:
            uploads.blobs[BLOB_DIGEST] = uploads.parts
            case.cut(exchange)
        else:
            answer(exchange)

    with case.registry_that(lose) as (host, asked):
        push(host)
    assert [method for method, _, _ in asked] == ['POST', 'PATCH', 'PUT', 'HEAD']


def test_a_registry_may_take_longer_to_read_a_blob_than_to_be_reached():
    uploads = Uploads()
    blob = bytes(32 << 20)  # more than what waits in sockets

    def answer(exchange):
        if exchange.command == 'PATCH':
            exchange.stopped.wait(1)
        uploads(exchange)

    with case.registry_that(answer) as (host, asked):
        with registry.Client(host, timeouts=(0.2, 60)) as client:
            client.push_blob('team/app', BLOB_DIGEST, len(blob), lambda: io.BytesIO(blob))
    assert uploads.blobs == {BLOB_DIGEST: blob}
    assert [method for method, _, _ in asked] == ['POST', 'PATCH', 'PUT']


def test_an_empty_blob_can_be_pushed():
    uploads = Uploads()
    with case.registry_that(uploads) as (host, asked):
        push(host, lambda: io.BytesIO(b''), 0)
    assert uploads.blobs == {BLOB_DIGEST: b''}
    assert [method for method, _, _ in asked] == ['POST', 'PUT']


@pytest.mark.parametrize('size', [len(BLOB) - 1, len(BLOB) + 1])
def test_a_file_of_another_size_is_not_pushed(size):
    uploads = Uploads()
    with case.registry_that(uploads) as (host, asked):
        with pytest.raises(ValueError, match=str(size)):
            push(host, size=size)
    assert uploads.blobs == {}
    assert [method for method, _, _ in asked].count('POST') == 1


class Stop(Exception):
    pass


def test_what_the_file_or_the_progress_raises_is_raised_and_not_taken_for_the_network_s():
    opened = []

    def broken():
        blob = types.SimpleNamespace(read=fail(OSError('disk')))
        opened.append(blob)
        return contextlib.closing(types.SimpleNamespace(read=blob.read, close=lambda: None))

    def fail(error):
        def raising(*args):
            raise error

        return raising

    with case.registry_that(Uploads()) as (host, asked):
        with pytest.raises(OSError, match='disk'):
            push(host, broken)
        with pytest.raises(Stop):
            push(host, progress=fail(Stop()))
    assert len(opened) == 1
    assert [method for method, _, _ in asked].count('POST') == 2


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


def test_all_of_a_push_goes_over_one_connection():
    connections = set()
    uploads = Uploads()

    def answer(exchange):
        connections.add(exchange.client_address)
        uploads(exchange)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert not client.has_blob('team/app', BLOB_DIGEST)
        client.push_blob('team/app', BLOB_DIGEST, len(BLOB), lambda: io.BytesIO(BLOB))
        assert client.has_blob('team/app', BLOB_DIGEST)
    assert len(connections) == 1


def test_a_manifest_is_stored_to_the_byte_and_known_by_its_digest():
    stored = []

    def answer(exchange):
        stored.append((exchange.path, exchange.headers['Content-Type'], exchange.body()))
        exchange.reply(201)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE) == case.DIGEST
    assert stored == [('/v2/team/app/manifests/1.0', case.TYPE, case.MANIFEST)]


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


def manifest_refused(times, status=400, code='MANIFEST_BLOB_UNKNOWN'):
    """A registry that refuses so many manifests, and what it was asked."""
    left = [times]

    def answer(exchange):
        exchange.body()
        if not left[0]:
            exchange.reply(201)
            return
        left[0] -= 1
        exchange.reply(status, json.dumps({'errors': [{'code': code}]}).encode())

    return case.registry_that(answer)


def put(host, **kwargs):
    with registry.Client(host, **kwargs) as client:
        return client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE)


@pytest.mark.parametrize('status', [400, 404])
def test_a_manifest_whose_blobs_the_registry_does_not_see_yet_is_tried_again(status, pauses):
    with manifest_refused(2, status) as (host, asked):
        assert put(host) == case.DIGEST
    assert len(asked) == 3
    assert pauses == [0.5, 1]


def test_a_manifest_whose_blobs_stay_away_is_refused_in_the_end():
    with manifest_refused(9) as (host, asked):
        error = case.failure_of(put, host, tries=3)
    assert type(error) is registry.BlobUnknown
    assert isinstance(error, registry.Refused)
    assert len(asked) == 3


def test_a_manifest_that_is_refused_for_another_reason_is_not_tried_again():
    with manifest_refused(9, code='MANIFEST_INVALID') as (host, asked):
        assert type(case.failure_of(put, host)) is registry.Refused
    assert len(asked) == 1


@pytest.mark.parametrize(
    ('stored', 'good'),
    [
        (case.DIGEST, True),
        ('sha512:' + hashlib.sha512(case.MANIFEST).hexdigest(), True),
        (case.OTHER, False),
    ],
)
def test_a_manifest_that_the_registry_stored_under_another_digest_is_not_the_one_sent(
    stored, good
):
    with case.registry_that(
        lambda exchange: exchange.reply(201, Docker_Content_Digest=stored)
    ) as (host, _):
        if good:
            assert put(host) == case.DIGEST
        else:
            error = case.failure_of(put, host)
            assert type(error) is registry.Misbehaving
            assert case.OTHER in str(error)


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
