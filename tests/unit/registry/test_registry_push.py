"""What the registry client pushes, and how it goes on after faults."""

import contextlib
import hashlib
import io
import types

import pytest

from container_image import registry
from support import registry_case as case
from support.pushes import BLOB, BLOB_DIGEST, Uploads, manifest_refused, push, put


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


def test_a_blob_that_comes_from_another_registry_is_pushed_without_a_url_in_the_log(caplog):
    class Copied(io.BytesIO):
        def read(self, size):
            case.ask(source)  # in the middle of the request that sends this
            return super().read(size)

    with case.registry_that(case.has) as (source, _), case.registry_that(Uploads()) as (host, _):
        with registry.Client(host) as client:
            client.push_blob('team/app', BLOB_DIGEST, len(BLOB), lambda: Copied(BLOB))
    assert [one for one in caplog.records if one.name.startswith('urllib3.connection')] == []


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


@pytest.mark.parametrize('status', [400, 404])
def test_a_manifest_whose_blobs_the_registry_does_not_see_yet_is_tried_again(status, pauses):
    with manifest_refused(2, status) as (host, asked):
        assert put(host) == case.DIGEST
    assert len(asked) == 3
    assert pauses == [0.5, 1]


def test_a_manifest_whose_blobs_stay_away_is_refused_in_the_end():
    with manifest_refused(9) as (host, asked):
        error = case.failure_of(put, host, tries=3)
    assert type(error) is registry.BlobUnknownError
    assert isinstance(error, registry.RejectedError)
    assert len(asked) == 3


def test_a_manifest_that_is_refused_for_another_reason_is_not_tried_again():
    with manifest_refused(9, code='MANIFEST_INVALID') as (host, asked):
        assert type(case.failure_of(put, host)) is registry.RejectedError
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
            assert type(error) is registry.ProtocolError
            assert case.OTHER in str(error)


def test_a_different_digest_of_a_stored_manifest_is_printable_and_short():
    def answer(exchange):
        exchange.body()
        exchange.reply(201, Docker_Content_Digest='sha256:\x9b2J' + 'x' * 30000)

    with case.registry_that(answer) as (host, _), registry.Client(host, tries=1) as client:
        error = case.failure_of(client.put_manifest, 'team/app', '1.0', case.MANIFEST, case.TYPE)
    assert type(error) is registry.ProtocolError
    assert str(error).isprintable()
    assert len(str(error)) < 600


def test_the_name_of_an_image_is_printable_and_short_in_a_message():
    with case.registry_that(lambda exchange: exchange.reply(404)) as (host, _):
        error = case.failure_of(case.ask, host, '\x1b[2J' + 'x' * 30000)
    assert str(error).isprintable()
    assert len(str(error)) < 600
