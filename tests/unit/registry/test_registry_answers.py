"""What the registry client asks, and what it makes of an answer."""

import hashlib
import json

import case
import pytest

from container_image import registry


def test_the_digest_is_asked_for_with_head_and_all_four_media_types():
    accepted = []

    def answer(exchange):
        accepted.append(exchange.headers['Accept'])
        case.has(exchange)

    with case.registry_that(answer) as (host, asked):
        assert case.ask(host) == case.DIGEST
    assert asked == [('HEAD', '/v2/team/app/manifests/1.0', None)]
    assert set(accepted[0].split(', ')) == {
        'application/vnd.oci.image.index.v1+json',
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.docker.distribution.manifest.list.v2+json',
        'application/vnd.docker.distribution.manifest.v2+json',
    }


def test_docker_io_is_asked_at_its_own_host_over_https(names):
    error = case.failure_of(case.ask, 'docker.io')
    assert isinstance(error, registry.NotResolvedError)
    assert names == ['registry-1.docker.io']


@pytest.mark.parametrize('status', [200, 400, 405, 501])
def test_a_registry_that_gives_no_digest_for_head_is_asked_for_the_manifest(status):
    def answer(exchange):
        if exchange.command == 'HEAD':
            exchange.reply(status)
        else:
            exchange.reply(200, case.MANIFEST, Content_Type=case.TYPE)

    with case.registry_that(answer) as (host, asked):
        assert case.ask(host) == case.DIGEST
    assert [method for method, _, _ in asked] == ['HEAD', 'GET']


def test_a_manifest_asked_for_by_digest_has_to_have_it():
    with case.registry_that(case.has) as (host, _):
        assert case.ask(host, case.DIGEST) == case.DIGEST
        error = case.failure_of(case.ask, host, case.OTHER)
    assert isinstance(error, registry.ProtocolError)
    assert case.OTHER in str(error)


def test_a_manifest_asked_for_by_sha512_is_hashed_where_the_registry_says_sha256():
    digest = 'sha512:' + hashlib.sha512(case.MANIFEST).hexdigest()
    with case.registry_that(case.has) as (host, _):
        assert case.ask(host, digest) == digest
        assert isinstance(
            case.failure_of(case.ask, host, 'sha512:' + 128 * '0'), registry.ProtocolError
        )


@pytest.mark.parametrize(
    'digest', ['sha256:short', 'md5:' + 32 * '0', 'nonsense', case.DIGEST.upper()]
)
def test_a_digest_that_is_none_is_not_taken_for_one(digest):
    with case.registry_that(lambda exchange: case.has(exchange, Docker_Content_Digest=digest)) as (
        host,
        _,
    ):
        assert isinstance(case.failure_of(case.ask, host), registry.ProtocolError)


def test_a_manifest_whose_digest_is_not_its_own_is_refused():
    def answer(exchange):
        case.has(exchange, Docker_Content_Digest=case.OTHER)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert isinstance(
            case.failure_of(client.get_manifest, 'team/app', '1.0'), registry.ProtocolError
        )


def test_a_blob_whose_digest_is_not_its_own_is_refused():
    with case.registry_that(lambda exchange: exchange.reply(200, b'other')) as (host, _):
        with registry.Client(host) as client:
            error = case.failure_of(client.get_blob, 'team/app', case.DIGEST)
    assert isinstance(error, registry.ProtocolError)


@pytest.mark.parametrize(
    ('status', 'kind'),
    [
        (404, registry.NotFoundError),
        (403, registry.AccessDeniedError),
        (418, registry.RejectedError),
        (204, registry.ProtocolError),
        (399, registry.ProtocolError),
    ],
)
def test_a_status_becomes_the_error_that_says_so(status, kind):
    with case.registry_that(lambda exchange: exchange.reply(status)) as (host, _):
        error = case.failure_of(case.ask, host)
    assert type(error) is kind
    assert f'{host}/team/app:1.0' in str(error)


def test_a_refusal_to_store_a_manifest_says_which_but_repeats_only_codes():
    def answer(exchange):
        exchange.body()
        errors = [
            {'code': 'MANIFEST_BLOB_UNKNOWN', 'message': case.PASSWORD},
            {'code': case.PASSWORD},
            7,
        ]
        exchange.reply(400, json.dumps({'errors': errors}).encode())

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        error = case.failure_of(client.put_manifest, 'team/app', '1.0', case.MANIFEST, case.TYPE)
    assert isinstance(error, registry.RejectedError)
    assert 'MANIFEST_BLOB_UNKNOWN' in str(error)
