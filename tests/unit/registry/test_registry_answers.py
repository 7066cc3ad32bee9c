"""What the registry client asks, and what it makes of an answer."""

import hashlib
import json

import pytest

from container_image import _connection, registry
from support import registry_case as case


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


@pytest.mark.parametrize('host', ['docker.io', 'index.docker.io', 'registry-1.docker.io'])
def test_docker_io_is_asked_at_its_own_host_over_https(host, names):
    error = case.failure_of(case.ask, host)
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


CHILD = {'mediaType': case.TYPE}
DOCKER_CHILD = {'mediaType': registry.MEDIA_TYPES[3]}
DOCKER_CONFIG = {'mediaType': 'application/vnd.docker.container.image.v1+json'}


@pytest.mark.parametrize(
    'header',
    ['application/json', 'text/plain; charset=utf-8', 'application/octet-stream', '', 'x'],
)
@pytest.mark.parametrize(
    ('document', 'media_type'),
    [
        *(({'mediaType': kind}, kind) for kind in registry.MEDIA_TYPES),
        ({'manifests': [CHILD]}, registry.MEDIA_TYPES[0]),
        ({'manifests': []}, registry.MEDIA_TYPES[0]),
        ({'config': {}, 'layers': []}, registry.MEDIA_TYPES[1]),
        ({'mediaType': ['x'], 'config': {}, 'layers': None}, registry.MEDIA_TYPES[1]),
        ({'manifests': [DOCKER_CHILD]}, registry.MEDIA_TYPES[2]),
        ({'config': DOCKER_CONFIG, 'layers': []}, registry.MEDIA_TYPES[3]),
    ],
)
def test_get_manifest_knows_a_manifest_without_its_header_by_its_content(
    header, document, media_type
):
    content = json.dumps(document).encode()
    with case.registry_that(
        lambda exchange: exchange.reply(200, content, Content_Type=header)
    ) as (host, _), registry.Client(host) as client:
        assert client.get_manifest('team/app', '1.0')[1:] == (media_type, content)


@pytest.mark.parametrize('header', ['application/json', ''])
def test_get_manifest_names_schema_1_by_its_content(header):
    content = b'{"schemaVersion": 1, "fsLayers": [], "signatures": []}'
    with case.registry_that(
        lambda exchange: exchange.reply(200, content, Content_Type=header)
    ) as (host, _), registry.Client(host) as client:
        error = case.failure_of(client.get_manifest, 'team/app', '1.0')
    assert type(error) is registry.RejectedError
    assert 'schema 1' in str(error)


@pytest.mark.parametrize(
    'content', [b'{}', b'[]', b'"x"', b'{"errors": []}', b'[' * 100000, b'\xff', b'{"config": 1}']
)
def test_get_manifest_takes_no_other_json_for_one(content):
    with case.registry_that(
        lambda exchange: exchange.reply(200, content, Content_Type='application/json')
    ) as (host, _), registry.Client(host) as client:
        error = case.failure_of(client.get_manifest, 'team/app', '1.0')
    assert type(error) is registry.ProtocolError
    assert 'unexpected content' in str(error)


@pytest.mark.parametrize('coding', ['', 'identity', 'aws-chunked', 'AWS-Chunked, identity'])
def test_a_coding_that_leaves_the_content_as_it_is_is_no_compression(coding):
    def answer(exchange):
        case.has(exchange, Content_Encoding=coding)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert client.head_manifest('team/app', '1.0') == case.DIGEST
        assert client.get_manifest('team/app', '1.0').content == case.MANIFEST


@pytest.mark.parametrize('status', [403, 404])
def test_a_registry_that_denies_a_manifest_for_head_and_returns_it_for_get_has_it(status):
    def answer(exchange):
        if exchange.command == 'HEAD':
            exchange.reply(status)
        else:
            case.has(exchange)

    with case.registry_that(answer) as (host, asked):
        assert case.ask(host) == case.DIGEST
    assert [method for method, _, _ in asked] == ['HEAD', 'GET']


def test_storage_whose_address_is_signed_for_get_only_has_the_manifest():
    def storage_answer(exchange):
        if exchange.command == 'HEAD':
            exchange.reply(403)
        else:
            case.has(exchange)

    with case.registry_that(storage_answer) as (storage, _):
        location = f'http://{storage}/there?signature={case.SIGNATURE}'
        with case.registry_that(lambda exchange: exchange.reply(307, Location=location)) as (
            host,
            _,
        ):
            assert case.ask(host) == case.DIGEST


@pytest.mark.parametrize('status', [403, 404])
def test_docker_hub_which_counts_each_get_is_asked_with_head_only(status, monkeypatch):
    with case.registry_that(lambda exchange: exchange.reply(status)) as (host, asked):
        monkeypatch.setattr(_connection, '_HUB', host)
        assert isinstance(case.failure_of(case.ask, host), registry.RejectedError)
    assert [method for method, _, _ in asked] == ['HEAD']


@pytest.mark.parametrize(
    ('head', 'get', 'kind'),
    [
        (404, 404, registry.NotFoundError),
        (403, 404, registry.NotFoundError),
        (404, 403, registry.AccessDeniedError),
        (404, 503, registry.OverloadedError),
    ],
)
def test_what_get_says_of_a_manifest_counts_more_than_what_head_says(head, get, kind):
    def answer(exchange):
        exchange.reply(head if exchange.command == 'HEAD' else get)

    with case.registry_that(answer) as (host, _):
        assert type(case.failure_of(case.ask, host)) is kind


@pytest.mark.parametrize(
    ('options', 'name'), [({}, 'docker-resource'), ({'user_agent': 'my-tool/1'}, 'my-tool/1')]
)
def test_each_request_says_which_program_asks(options, name):
    names = []

    def answer(exchange):
        names.append(exchange.headers['User-Agent'])
        if exchange.path.startswith('/token'):
            exchange.reply(200, b'{"token": "%s"}' % case.TOKEN.encode())
        elif exchange.headers.get('Authorization'):
            case.has(exchange)
        else:
            exchange.reply(
                401, WWW_Authenticate=f'Bearer realm="http://{exchange.headers["Host"]}/token"'
            )

    with case.registry_that(answer) as (host, _):
        assert case.ask(host, **options) == case.DIGEST
    assert names == [name] * 3


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


@pytest.mark.parametrize(
    ('content', 'asks_for_credentials'),
    [
        (b'', False),
        (b'<html>Blocked by the firewall</html>', False),
        (b'{"errors": [{"code": "TOOMANYREQUESTS"}]}', False),
        (b'{"errors": [{"code": "DENIED"}]}', True),
        (b'{"errors": [{"code": "UNAUTHORIZED"}]}', True),
    ],
)
def test_only_a_registry_s_own_403_says_that_credentials_are_needed(content, asks_for_credentials):
    with case.registry_that(lambda exchange: exchange.reply(403, content)) as (host, _):
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.AccessDeniedError
    assert ('needs credentials' in str(error)) is asks_for_credentials
    assert ('firewall' in str(error)) is not asks_for_credentials


def test_a_rejection_whose_page_is_compressed_is_a_rejection():
    def answer(exchange):
        exchange.reply(404, b'\x1f\x8b', Content_Encoding='gzip')

    with case.registry_that(answer) as (host, _):
        assert type(case.failure_of(case.ask, host)) is registry.NotFoundError


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
