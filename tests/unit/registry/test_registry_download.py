"""Blobs that the registry client reads as they come."""

import contextlib
import hashlib
import re

import pytest

from container_image import registry
from support import registry_case as case

BLOB = bytes(range(256)) * 16384  # 4 MiB
DIGEST = 'sha256:' + hashlib.sha256(BLOB).hexdigest()


def read(host, digest=DIGEST, **kwargs):
    with registry.Client(host, **kwargs) as client:
        with client.open_blob('team/app', digest, len(BLOB)) as blob:
            return b''.join(iter(lambda: blob.read(100000), b''))


class Storage:
    """Has the blob, but cuts the connection after `cuts` bytes of it, once each."""

    def __init__(self, cuts=(), ranges=True, blob=BLOB):
        self.cuts = list(cuts)
        self.ranges = ranges
        self.blob = blob
        self.sent = 0

    def __call__(self, exchange):
        found = re.match('bytes=([0-9]+)-$', exchange.headers.get('Range', ''))
        first = int(found.group(1)) if found and self.ranges else 0
        exchange.send_response(206 if first else 200)
        exchange.send_header('Content-Length', str(len(self.blob) - first))
        if first:
            exchange.send_header('Content-Range', f'bytes {first}-{len(BLOB) - 1}/{len(BLOB)}')
        exchange.end_headers()
        most = self.cuts.pop(0) if self.cuts else len(self.blob)
        self.sent += min(most, len(self.blob) - first)
        with contextlib.suppress(OSError):
            exchange.wfile.write(self.blob[first : first + most])
        exchange.close_connection = True


def test_a_blob_is_read_as_it_comes():
    with case.registry_that(Storage()) as (host, asked):
        assert read(host) == BLOB
    assert asked == [('GET', f'/v2/team/app/blobs/{DIGEST}', None)]


@pytest.mark.parametrize('ranges', [True, False])
@pytest.mark.parametrize('cuts', [(1000000,), (1000000, 700000, 0), (0, 0, 0)])
def test_a_connection_that_breaks_is_made_again_and_goes_on(cuts, ranges):
    storage = Storage(cuts, ranges)
    with case.registry_that(storage) as (host, asked):
        assert read(host) == BLOB
    assert len(asked) == len(cuts) + 1
    if ranges:
        assert storage.sent == len(BLOB)


def refuses(exchange, first):
    exchange.reply(416, b'x', Content_Range=f'bytes */{len(BLOB)}')


def is_forbidden(exchange, first):
    exchange.reply(403)


def knows_no_ranges(exchange, first):
    exchange.reply(501)


def skips_some(exchange, first):
    content = BLOB[first + 1 :]
    exchange.reply(206, content, Content_Range=f'bytes {first + 1}-{len(BLOB) - 1}/{len(BLOB)}')


def does_not_say_which(exchange, first):
    exchange.reply(206, BLOB[first:])


def has_too_large_a_number(exchange, first):
    exchange.reply(206, BLOB[first:], Content_Range=f'bytes {"9" * 5000}-/1')


@pytest.mark.parametrize(
    'answer',
    [
        refuses,
        is_forbidden,
        knows_no_ranges,
        skips_some,
        does_not_say_which,
        has_too_large_a_number,
    ],
)
def test_open_blob_reads_from_the_beginning_where_ranges_are_refused_or_wrong(answer, pauses):
    storage = Storage([1000000, 2000000])

    def ranged(exchange):
        found = re.match('bytes=([0-9]+)-$', exchange.headers.get('Range', ''))
        if found:
            answer(exchange, int(found.group(1)))
        else:
            storage(exchange)

    with case.registry_that(ranged) as (host, asked):
        assert read(host, tries=2) == BLOB
    # the range is asked for once, and costs no attempt
    assert len(asked) == 4
    assert len(pauses) == 2


def test_open_blob_takes_a_range_that_begins_earlier():
    storage = Storage([1000000])

    def earlier(exchange):
        if exchange.headers.get('Range'):
            range_ = f'bytes 1000-{len(BLOB) - 1}/{len(BLOB)}'
            exchange.reply(206, BLOB[1000:], Content_Range=range_)
        else:
            storage(exchange)

    with case.registry_that(earlier) as (host, asked):
        assert read(host) == BLOB
    assert len(asked) == 2


def test_open_blob_says_that_a_blob_was_lost_while_it_was_read():
    storage = Storage([1000000])

    def lost(exchange):
        storage(exchange) if storage.cuts else exchange.reply(404)

    with case.registry_that(lost) as (host, asked):
        error = case.failure_of(read, host)
    assert type(error) is registry.NotFoundError
    assert len(asked) == 3


def test_one_that_breaks_again_and_again_but_gets_on_is_made_as_often_as_it_takes():
    storage = Storage([300000] * 20)
    with case.registry_that(storage) as (host, asked):
        assert read(host, tries=2) == BLOB
    assert len(asked) == 14


def test_one_that_does_not_get_on_is_given_up(pauses):
    with case.registry_that(Storage([100000] + [0] * 20)) as (host, asked):
        error = case.failure_of(read, host, tries=3)
    assert type(error) is registry.NotReachableError
    assert host in str(error)
    assert len(asked) == 3


def test_a_registry_that_is_overloaded_is_waited_for_with_a_word(pauses):
    answers = [lambda exchange: exchange.reply(429, Retry_After='7'), Storage()]
    told = []
    with case.registry_that(lambda exchange: answers.pop(0)(exchange)) as (host, _):
        assert read(host, on_retry=told.append) == BLOB
    assert pauses == [7]
    assert len(told) == 1
    assert 'retrying in 7 s' in told[0]


@pytest.mark.parametrize('blob', [BLOB[:-1] + b'x', BLOB + b'x', b'x' + BLOB[1:]])
def test_content_of_another_digest_is_refused(blob):
    digest = 'sha256:' + hashlib.sha256(blob).hexdigest()
    with case.registry_that(Storage(blob=BLOB)) as (host, _):
        error = case.failure_of(read, host, digest=digest)
    assert type(error) is registry.ProtocolError
    assert 'does not match' in str(error)


def test_a_blob_is_not_read_any_further_than_its_size():
    storage = Storage(blob=BLOB * 4)
    with case.registry_that(storage) as (host, _):
        assert read(host) == BLOB


def test_storage_elsewhere_is_told_no_credentials():
    with case.registry_that(Storage([1000000])) as (storage, stored):

        def answer(exchange):
            if exchange.headers.get('Authorization') == f'Basic {case.BASIC}':
                location = f'http://{storage}/blob?signature={case.SIGNATURE}'
                exchange.reply(307, Location=location)
            else:
                exchange.reply(401, WWW_Authenticate='Basic realm="x"')

        with case.registry_that(answer) as (host, asked):
            assert read(host, username=case.USERNAME, password=case.PASSWORD) == BLOB
    assert [authorization for _, _, authorization in stored] == [None, None]
    assert len(asked) == 3  # a signed address may be out of date, so the registry is asked again


@pytest.mark.parametrize(
    ('status', 'kind'),
    [
        (404, registry.NotFoundError),
        (403, registry.AccessDeniedError),
        (418, registry.RejectedError),
    ],
)
def test_a_blob_that_is_not_there_is_named_so(status, kind):
    with case.registry_that(lambda exchange: exchange.reply(status)) as (host, _):
        assert type(case.failure_of(read, host)) is kind


@pytest.mark.parametrize('kind', ['v1+json', 'v1+prettyjws'])
def test_a_manifest_of_schema_1_is_named_so(kind):
    media_type = f'application/vnd.docker.distribution.manifest.{kind}'
    with case.registry_that(
        lambda exchange: exchange.reply(200, case.MANIFEST, Content_Type=media_type)
    ) as (host, _), registry.Client(host) as client:
        error = case.failure_of(client.get_manifest, 'team/app', case.DIGEST)
    assert type(error) is registry.RejectedError
    assert 'schema 1' in str(error)
