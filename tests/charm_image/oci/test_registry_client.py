"""The registry client and a real docker-registry: open, with accounts, with tokens, with TLS."""

import collections
import hashlib
import io
import json
import os
import subprocess
import threading
import time

import pytest

import support
from container_image import reference, registry
from support import certificates
from support import registry as registries

ACCOUNTS = {'author': 'pass, "word"', 'reader': 'only:reads'}
RIGHTS = {'reader': {'team/app': ['pull']}, '': {'team/public': ['pull']}}
TYPE = 'application/vnd.docker.distribution.manifest.v2+json'

Image = collections.namedtuple('Image', 'digest manifest config layers')


def digest_of(content):
    return 'sha256:' + hashlib.sha256(content).hexdigest()


def described(content, media_type):
    return {'mediaType': media_type, 'size': len(content), 'digest': digest_of(content)}


def make_image(size=3 << 20):
    config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'rootfs': {}}).encode()
    layers = [os.urandom(size), b'']
    manifest = {
        'schemaVersion': 2,
        'mediaType': TYPE,
        'config': described(config, 'application/vnd.docker.container.image.v1+json'),
        'layers': [
            described(layer, 'application/vnd.docker.image.rootfs.diff.tar.gzip')
            for layer in layers
        ],
    }
    content = json.dumps(manifest, indent=3).encode()
    return Image(digest_of(content), content, config, layers)


def push(client, repository, image, tag='1.0', progress=None):
    for blob in (image.config, *image.layers):
        if not client.has_blob(repository, digest_of(blob)):
            client.push_blob(
                repository,
                digest_of(blob),
                len(blob),
                lambda blob=blob: io.BytesIO(blob),
                progress,
            )
    assert client.put_manifest(repository, tag, image.manifest, TYPE) == image.digest


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp('registries')


@pytest.fixture(scope='module')
def authority(directory):
    return certificates.Authority(directory)


@pytest.fixture(scope='module')
def with_accounts(directory):
    with registries.running(directory / 'accounts', accounts=ACCOUNTS) as running:
        yield running


@pytest.fixture(scope='module')
def token_server(directory):
    with registries.token_server(directory / 'tokens', ACCOUNTS, RIGHTS) as server:
        yield server


@pytest.fixture
def tokens(token_server):
    """The token server, with what a test may change as it was."""
    before = dict(vars(token_server))
    token_server.asked.clear()
    yield token_server
    vars(token_server).update(before)


@pytest.fixture(scope='module')
def with_tokens(directory, token_server):
    with registries.running(directory / 'with-tokens', tokens=token_server) as running:
        yield running


@pytest.fixture(scope='module')
def with_tls(directory, authority):
    certificate = authority.issue('127.0.0.1')
    with registries.running(directory / 'tls', certificate=certificate) as running:
        yield running


@pytest.fixture(params=['open_registry', 'with_accounts', 'with_tokens', 'with_tls'])
def any_host(request, authority, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(authority.certificate))
    return request.getfixturevalue(request.param).host


@pytest.fixture
def client(any_host):
    with registry.Client(any_host, 'author', ACCOUNTS['author']) as client:
        yield client


def test_an_image_that_was_pushed_is_there_to_the_byte(client):
    image = make_image()
    push(client, 'team/app', image)
    assert client.head_manifest('team/app', '1.0') == image.digest
    assert client.head_manifest('team/app', image.digest) == image.digest
    assert client.get_manifest('team/app', '1.0') == (image.digest, TYPE, image.manifest)
    assert client.get_blob('team/app', digest_of(image.config)) == image.config
    assert client.has_blob('team/app', digest_of(image.layers[0]))
    assert client.get_blob('team/app', digest_of(image.layers[0]), 3 << 20) == image.layers[0]


def test_an_image_that_is_not_there_is_not_found(client):
    push(client, 'team/app', make_image(1))
    absent = digest_of(b'absent')
    assert not client.has_blob('team/app', absent)
    for missing in (
        lambda: client.head_manifest('team/app', 'absent'),
        lambda: client.head_manifest('team/app', absent),
        lambda: client.head_manifest('team/absent', '1.0'),
        lambda: client.get_manifest('team/app', 'absent'),
        lambda: client.get_blob('team/app', absent),
    ):
        with pytest.raises(registry.NotFoundError):
            missing()


def test_a_blob_that_is_larger_than_requested_is_not_read(client):
    image = make_image(100_000)
    push(client, 'team/app', image)
    with pytest.raises(registry.ProtocolError, match='99999'):
        client.get_blob('team/app', digest_of(image.layers[0]), 99_999)


def test_a_blob_under_another_s_digest_is_refused(client):
    with pytest.raises(registry.RejectedError, match='DIGEST_INVALID'):
        client.push_blob('team/app', digest_of(b'this'), 4, lambda: io.BytesIO(b'that'))


def test_a_manifest_whose_blobs_are_not_there_is_refused(client, impatient):
    with pytest.raises(registry.RejectedError, match='MANIFEST_BLOB_UNKNOWN'):
        client.put_manifest('team/other', '1.0', make_image(1).manifest, TYPE)


def test_progress_of_a_push_has_the_bytes_that_were_sent(client):
    sent = []
    push(client, 'team/app', make_image(), progress=sent.append)
    assert 3 << 20 in sent
    assert sent.count(0) >= 1


def test_a_client_pushes_from_several_threads(client):
    images = [make_image(200_000) for _ in range(4)]
    threads = [
        threading.Thread(target=push, args=(client, 'team/app', image, f'thread-{number}'))
        for number, image in enumerate(images)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [client.head_manifest('team/app', f'thread-{number}') for number in range(4)]
    assert found == [image.digest for image in images]


def test_an_image_that_was_pushed_is_what_skopeo_finds(open_registry):
    support.require('skopeo')
    image = make_image(1000)
    with registry.Client(open_registry.host) as client:
        push(client, 'team/app', image, 'skopeo')
    raw = subprocess.run(
        [
            'skopeo',
            'inspect',
            '--tls-verify=false',
            '--raw',
            f'docker://{open_registry.host}/team/app:skopeo',
        ],
        check=True,
        capture_output=True,
    ).stdout
    assert raw == image.manifest


@pytest.mark.parametrize('kind', ['with_accounts', 'with_tokens'])
def test_credentials_that_are_wrong_are_distinguished_from_none(kind, request):
    host = request.getfixturevalue(kind).host
    for username, password, error in (
        ('author', 'wrong', registry.BadCredentialsError),
        ('nobody', 'wrong', registry.BadCredentialsError),
        ('', '', registry.AccessDeniedError),
        ('author', '', registry.AccessDeniedError),
    ):
        with pytest.raises(error), registry.Client(host, username, password) as client:
            client.head_manifest('team/app', '1.0')


def test_an_account_that_may_pull_only_gets_no_right_to_push(with_tokens):
    image = make_image(1)
    with registry.Client(with_tokens.host, 'author', ACCOUNTS['author']) as client:
        push(client, 'team/app', image, 'reading')
        push(client, 'team/secret', image, 'reading')
    with registry.Client(with_tokens.host, 'reader', ACCOUNTS['reader']) as client:
        assert client.head_manifest('team/app', 'reading') == image.digest
        with pytest.raises(registry.AccessDeniedError):
            client.push_blob('team/app', digest_of(b'x'), 1, lambda: io.BytesIO(b'x'))
        with pytest.raises(registry.AccessDeniedError):
            client.head_manifest('team/secret', 'reading')


def test_a_public_image_may_be_pulled_by_anybody(with_tokens):
    image = make_image(1)
    with registry.Client(with_tokens.host, 'author', ACCOUNTS['author']) as client:
        push(client, 'team/public', image)
    with registry.Client(with_tokens.host) as client:
        assert client.head_manifest('team/public', '1.0') == image.digest


def test_a_token_serves_a_whole_push_and_a_wider_one_replaces_it(with_tokens, tokens):
    with registry.Client(with_tokens.host, 'author', ACCOUNTS['author']) as client:
        push(client, 'team/app', make_image(1))
        assert client.head_manifest('team/app', '1.0')
    assert tokens.asked == [
        ('author', ['repository:team/app:pull']),
        ('author', ['repository:team/app:pull,push']),
    ]


def test_an_access_token_is_a_token(with_tokens, tokens):
    tokens.key = 'access_token'
    with registry.Client(with_tokens.host, 'author', ACCOUNTS['author']) as client:
        push(client, 'team/app', make_image(1))


@pytest.mark.parametrize('promised', [None, 300])
def test_a_token_that_expires_in_the_middle_of_a_blob_is_renewed(promised, with_tokens, tokens):
    tokens.lifetime = 3
    tokens.promised = promised
    slept = []

    def progress(sent):
        if sent and not slept:
            slept.append(time.sleep(4.5))

    with registry.Client(with_tokens.host, 'author', ACCOUNTS['author']) as client:
        push(client, 'team/app', make_image(), f'expiring-{promised}', progress)
        assert client.head_manifest('team/app', f'expiring-{promised}')
    assert len(tokens.asked) > 2


def test_a_token_server_in_trouble_is_not_the_account_s_fault(with_tokens, tokens):
    tokens.status = 503
    client = registry.Client(with_tokens.host, 'author', ACCOUNTS['author'], tries=1)
    with client, pytest.raises(registry.OverloadedError):
        client.head_manifest('team/app', '1.0')


def test_a_certificate_of_an_unknown_authority_is_named_so(with_tls, monkeypatch):
    monkeypatch.delenv('REQUESTS_CA_BUNDLE', raising=False)
    monkeypatch.delenv('CURL_CA_BUNDLE', raising=False)
    with (
        pytest.raises(registry.CertificateNotTrustedError),
        registry.Client(with_tls.host) as client,
    ):
        client.head_manifest('team/app', '1.0')


def test_look_up_asks_all_registries_at_the_same_time(
    open_registry, with_accounts, with_tokens, with_tls, authority, monkeypatch
):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(authority.certificate))
    image = make_image(1)
    author = ('author', ACCOUNTS['author'])
    hosts = [running.host for running in (open_registry, with_accounts, with_tokens, with_tls)]
    wanted, expected = {}, {}
    for host in hosts:
        with registry.Client(host, *author) as client:
            push(client, 'team/app', image, 'at-once')
        for spelling in (':at-once', f'@{image.digest}', f':whatever@{image.digest}'):
            text = f'{host}/team/app{spelling}'
            wanted[text] = (reference.Reference.parse(text), *author)
            expected[text] = image.digest
    assert registry.look_up(wanted) == expected
