"""An image on its way from one docker-registry to another."""

import contextlib
import json
import random
import threading
import time
import urllib.parse

import pytest

from charm_image import _errors
from charm_image._commands import messages
from charm_image._oci import remote_image
from charm_image._upload import architectures, registry_copy
from container_image import reference, registry
from support import faulty_proxy, loopback, remote_images
from support import registry as registries
from support.remote_cases import (
    ACCOUNT,
    AMD64,
    ARM64,
    KINDS,
    MIB,
    assert_same,
    log_in,
    nested,
    schema_1,
)
from support.uploads import reporter


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp('registries')


@pytest.fixture(scope='module')
def here(directory):
    """The one that they go to, where a token is needed, as in Canonical's."""
    with (
        registries.token_server(directory / 'tokens', {'author': 'secret'}) as tokens,
        registries.running(directory / 'here', tokens=tokens) as running,
    ):
        yield running


@pytest.fixture
def way_in(here):
    """The way to the registry that images go to."""
    with faulty_proxy.running(here.host) as proxy:
        yield proxy


@pytest.fixture
def client(way_in):
    with registry.Client(way_in.host, 'author', 'secret') as client:
        yield client


@pytest.fixture(autouse=True)
def waited(monkeypatch, tmp_path):
    """No time is lost with waiting; the logins of whoever runs the tests are not looked at."""
    waits = []
    monkeypatch.setattr(time, 'sleep', waits.append)
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('REGISTRY_AUTH_FILE', str(tmp_path / 'auth.json'))
    monkeypatch.delenv('DOCKER_CONFIG', raising=False)
    return waits


def source(host, stored, repository, **kwargs):
    name = reference.Reference.parse(f'{host}/{repository}@{stored.digest}')
    return remote_image.Source(name, **kwargs)


def copy(host, stored, client, repository, progress=None, **kwargs):
    with source(host, stored, repository, **kwargs) as origin:
        image = origin.read()
        registry_copy.copy(image, client, repository, progress)
    return image


@pytest.mark.parametrize('kind', KINDS)
def test_copy_keeps_manifests_and_blobs_to_the_byte(kind, there, client, repository):
    stored = KINDS[kind]()
    stored.push(there.host, repository)
    image = copy(there.host, stored, client, repository)
    assert image.id == stored.digest
    expected = ('amd64', 'arm64') if ARM64.id in stored.blobs else ('amd64',)
    assert architectures.of(image) == expected
    assert_same(client, repository, stored)


def test_copy_neither_reads_nor_sends_what_is_there_already(
    proxy, there, way_in, client, repository
):
    first = remote_images.image(AMD64)
    first.push(there.host, repository)
    copy(there.host, first, client, repository)
    second = remote_images.image(AMD64, ARM64)
    second.push(there.host, repository)
    way_in.forget()
    told = []
    copy(proxy.host, second, client, repository, reporter(lambda *step: told.append(step)))
    new = second.blobs.keys() - first.blobs.keys()
    assert {path.rpartition('/')[2] for path in proxy.paths('GET', '/blobs/')} == new | {
        AMD64.id  # its architecture is in it
    }
    assert way_in.count('PATCH', '/blobs/') == len(new)
    assert {step.split()[1] for step, _, _ in told} == {digest[7:19] for digest in new}


def test_copy_sends_nothing_but_manifests_the_second_time(there, way_in, client, repository):
    stored = remote_images.image(AMD64, ARM64, attested=True)
    stored.push(there.host, repository)
    copy(there.host, stored, client, repository)
    way_in.forget()
    copy(there.host, stored, client, repository)
    assert way_in.count('POST', '') == way_in.count('PATCH', '') == 0


# Ways in


@pytest.fixture(params=['basic', 'token'])
def closed(request, directory):
    """A registry that wants an account, in each of the two ways."""
    with contextlib.ExitStack() as stack:
        options = {'accounts': ACCOUNT}
        if request.param == 'token':
            tokens = registries.token_server(directory / 'more-tokens', ACCOUNT)
            options = {'tokens': stack.enter_context(tokens)}
        yield stack.enter_context(registries.running(directory / request.param, **options))


def test_source_reads_a_closed_registry_with_the_login_for_it(
    closed, client, repository, monkeypatch, tmp_path
):
    stored = remote_images.image(AMD64, ARM64)
    ((username, password),) = ACCOUNT.items()
    stored.push(closed.host, repository, username=username, password=password)
    log_in(tmp_path / 'auth.json', closed.host)
    copy(closed.host, stored, client, repository)
    assert_same(client, repository, stored)


@pytest.mark.parametrize('account', [None, {'puller': 'wrong'}])
def test_source_is_refused_without_the_right_login(
    closed, client, repository, monkeypatch, tmp_path, account, way_in
):
    stored = remote_images.image(AMD64)
    ((username, password),) = ACCOUNT.items()
    stored.push(closed.host, repository, username=username, password=password)
    if account:
        log_in(tmp_path / 'auth.json', closed.host, account)
    with pytest.raises(
        registry.BadCredentialsError if account else registry.AccessDeniedError
    ) as caught:
        copy(closed.host, stored, client, repository)
    assert closed.host in str(caught.value)
    assert 'wrong' not in str(caught.value).replace('wrong,', '')
    assert way_in.requests == []


def test_source_names_a_login_that_cannot_be_used_only_if_the_registry_wants_one(
    closed, there, client, repository, tmp_path
):
    stored = remote_images.image(AMD64)
    ((username, password),) = ACCOUNT.items()
    stored.push(closed.host, repository, username=username, password=password)
    stored.push(there.host, repository)
    (tmp_path / 'auth.json').write_text(json.dumps({'credsStore': 'missing'}))
    copy(there.host, stored, client, repository)
    assert_same(client, repository, stored)
    with pytest.raises(_errors.LoginError, match=r'credentials.*docker-credential-missing'):
        copy(closed.host, stored, client, repository)
    (tmp_path / 'auth.json').write_text(
        json.dumps({'auths': {closed.host: {'identitytoken': 'hunter2'}}})
    )
    # which this registry takes for nothing: it knows no OAuth2
    with pytest.raises(registry.AccessDeniedError, match='has no access') as caught:
        copy(closed.host, stored, client, repository)
    assert 'hunter2' not in str(caught.value)


def test_copy_sends_a_login_to_the_registry_that_it_is_for_and_to_no_other(
    there, client, repository, monkeypatch, tmp_path, here, way_in
):
    """Not to where its blobs are, and not to the registry that is written to."""
    seen = {'storage': [], 'registry': []}
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)

    def store(exchange):
        seen['storage'].append(dict(exchange.headers))
        exchange.reply(200, stored.blobs[exchange.path.rpartition('/')[2]])

    with loopback.serving(store) as storage, faulty_proxy.running(there.host) as proxy:
        host = urllib.parse.urlsplit(storage).netloc

        def watch(exchange):
            seen['registry'].append(exchange.headers.get('Authorization'))
            if not exchange.headers.get('Authorization'):
                return exchange.reply(401, WWW_Authenticate='Basic realm="x"')
            if '/blobs/' in exchange.path:
                digest = exchange.path.rpartition('/')[2]
                return exchange.reply(307, Location=f'http://{host}/signed/{digest}')
            return proxy.serve(exchange)

        with loopback.serving(watch) as url:
            registry_host = urllib.parse.urlsplit(url).netloc
            log_in(tmp_path / 'auth.json', registry_host)
            copy(registry_host, stored, client, repository)
    assert_same(client, repository, stored)
    assert len(seen['storage']) == len(stored.blobs)
    assert not any('Authorization' in headers for headers in seen['storage'])
    assert any(seen['registry'])


def test_copy_reads_blobs_from_the_host_that_has_them(proxy, there, client, repository):
    stored = remote_images.image(AMD64, ARM64)
    stored.push(there.host, repository)
    asked = []

    def storage(exchange):
        asked.append(exchange.path)
        exchange.reply(200, stored.blobs[exchange.path.rpartition('/')[2]])

    with loopback.serving(storage) as url:
        proxy.redirect('GET', '/blobs/', url)
        copy(proxy.host, stored, client, repository)
    assert_same(client, repository, stored)
    assert len(asked) == len(stored.blobs)


# Faults


@pytest.mark.parametrize('at', [0, 1, 100_000, 2_500_000])
@pytest.mark.parametrize('times', [1, 3])
def test_copy_goes_on_after_the_source_cuts_a_connection(
    at, times, proxy, there, client, repository
):
    stored = remote_images.image(AMD64, ARM64)
    stored.push(there.host, repository)
    proxy.cut_answer('GET', '/blobs/', at, times=times)
    copy(proxy.host, stored, client, repository)
    assert_same(client, repository, stored)


@pytest.mark.parametrize('at', [0, 300_000])
def test_copy_starts_an_upload_again_that_is_cut(at, there, way_in, client, repository):
    stored = remote_images.image(AMD64, ARM64)
    stored.push(there.host, repository)
    way_in.cut('PATCH', '/blobs/uploads/', at=at, times=2)
    copy(there.host, stored, client, repository)
    assert_same(client, repository, stored)


def test_copy_says_that_it_waits_for_a_rate_limit(proxy, there, client, repository, waited):
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)
    proxy.answer('GET', '/manifests/', 429, Retry_After='17')
    proxy.answer('GET', '/blobs/', 429, times=2, Retry_After='23')
    told = []
    copy(proxy.host, stored, client, repository, on_retry=told.append)
    assert_same(client, repository, stored)
    assert sorted(waited) == [17, 23, 23]
    assert len(told) == 3
    assert all(proxy.host in sentence for sentence in told)


def test_copy_reports_a_rate_limit_that_lasts(proxy, there, client, repository):
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)
    proxy.answer('GET', '/manifests/', 429, times=50, Retry_After='7200')
    with pytest.raises(registry.OverloadedError, match='429') as raised:
        copy(proxy.host, stored, client, repository)
    message, _ = messages.describe(_errors.RegistryError.of(raised.value))
    assert message == (
        f'the registry {proxy.host} is rate-limiting requests (HTTP 429): try again in 7200 s'
    )


def test_copy_stores_no_manifest_if_the_source_lacks_a_blob(
    proxy, there, way_in, client, repository
):
    stored = remote_images.image(AMD64, ARM64)
    stored.push(there.host, repository)
    largest = max(stored.blobs, key=lambda digest: len(stored.blobs[digest]))
    proxy.answer('GET', largest, 404, times=50)
    with pytest.raises(registry.NotFoundError, match=largest):
        copy(proxy.host, stored, client, repository)
    assert way_in.count('PUT', '/manifests/') == 0
    assert proxy.count('GET', largest) == 1  # nothing was repeated for it


def test_copy_does_not_ask_the_target_again_for_the_sake_of_the_source(
    proxy, there, way_in, client, repository
):
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)
    largest = max(stored.blobs, key=lambda digest: len(stored.blobs[digest]))
    proxy.answer('GET', largest, 503, times=100)
    with pytest.raises(registry.OverloadedError, match=proxy.host):
        copy(proxy.host, stored, client, repository)
    assert proxy.count('GET', largest) == 5


def test_copy_does_not_store_bytes_that_are_not_the_blobs(
    proxy, there, way_in, client, repository
):
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)
    largest = max(stored.blobs, key=lambda digest: len(stored.blobs[digest]))
    with loopback.serving(
        lambda exchange: exchange.reply(200, bytes(len(stored.blobs[largest])))
    ) as url:
        proxy.redirect('GET', largest, url)
        with pytest.raises(registry.ProtocolError, match='does not match'):
            copy(proxy.host, stored, client, repository)
    assert not client.has_blob(repository, largest)
    assert way_in.count('PUT', '/manifests/') == 0


def test_copy_reports_a_refusal_of_the_target_as_its_own(there, way_in, client, repository):
    stored = remote_images.image(AMD64)
    stored.push(there.host, repository)
    way_in.answer('POST', '/blobs/uploads/', 403, times=50)
    with pytest.raises(registry.AccessDeniedError, match=way_in.host):
        copy(there.host, stored, client, repository)


def _child(stored, number):
    """Return the digest of a manifest in the index."""
    return json.loads(stored.manifests[-1][0])['manifests'][number]['digest']


LOST = {
    'a platform': (
        lambda stored: _child(stored, 2),
        'the image for linux/arm64',
        'other platforms',
    ),
    'an attestation': (
        lambda stored: _child(stored, 3),
        'the attestation of the image for linux/arm64',
        'without attestations',
    ),
    'a configuration': (
        lambda stored: ARM64.id,
        'the configuration of the image for linux/arm64',
        'other platforms',
    ),
    'a layer': (
        lambda stored: max(stored.blobs, key=lambda digest: len(stored.blobs[digest])),
        'a layer of the image for linux/amd64',
        'other platforms',
    ),
}


@pytest.mark.parametrize('part', LOST)
def test_copy_says_which_part_of_the_image_its_registry_has_lost(
    part, proxy, there, way_in, client, repository
):
    digest_of, name, advice = LOST[part]
    stored = remote_images.image(AMD64, ARM64, attested=True)
    stored.push(there.host, repository)
    digest = digest_of(stored)
    proxy.answer('GET', digest, 404, times=50)
    with pytest.raises(registry.NotFoundError) as caught:
        copy(proxy.host, stored, client, repository)
    assert caught.value.message == (
        f'{proxy.host}/{repository}@{stored.digest} is incomplete: its registry has lost {name}, '
        f'{digest}'
    )
    assert advice in caught.value.resolution
    assert caught.value.status == 404
    assert proxy.count('GET', digest) == 1
    assert way_in.count('PUT', '/manifests/') == 0


def test_copy_takes_layers_that_are_null_for_none(there, client, repository):
    stored = remote_images.image(remote_images.platform(layers=()))
    content, media_type = stored.manifests[-1]
    stored.manifests[-1] = content.replace(b'"layers": []', b'"layers": null'), media_type
    stored.push(there.host, repository)
    assert copy(there.host, stored, client, repository).platforms[0].layers == ()
    assert_same(client, repository, stored)


@pytest.mark.parametrize('header', ['application/json', ''])
def test_copy_stores_a_manifest_under_its_own_type_where_the_source_does_not_say_it(
    header, there, client, repository
):
    stored = remote_images.image(AMD64, ARM64)
    stored.push(there.host, repository)
    types = dict(stored.manifests)

    def untyped(exchange):
        digest = exchange.path.rpartition('/')[2]
        if '/blobs/' in exchange.path:
            exchange.reply(200, stored.blobs[digest])
        else:
            (content,) = [each for each in types if remote_images.digest_of(each) == digest]
            exchange.reply(200, content, Content_Type=header)

    with loopback.serving(untyped) as url:
        copy(url.partition('//')[2], stored, client, repository)
    assert_same(client, repository, stored)


# What is no image


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (remote_images.artifact, 'artifact.*helm'),
        (
            lambda: remote_images.artifact(
                'application/vnd.oci.empty.v1+json', artifactType='application/sbom'
            ),
            'artifact.*sbom',
        ),
        (
            lambda: remote_images.artifact('application/vnd.oci.image.config.v1+json'),
            'artifact.*helm.chart',
        ),
        (lambda: remote_images.image(remote_images.platform('mips64le')), 'linux/mips64le'),
        (
            lambda: remote_images.image(remote_images.platform('amd64', 'windows')),
            'windows/amd64',
        ),
        (lambda: nested(6), 'nested too deeply'),
    ],
)
def test_copy_refuses_what_no_charm_can_run_before_a_byte_is_sent(
    make, said, there, way_in, client, repository
):
    stored = make()
    stored.push(there.host, repository)
    with pytest.raises(_errors.InvalidImageError, match=said):
        copy(there.host, stored, client, repository)
    assert way_in.requests == []


def test_copy_refuses_a_manifest_of_schema_1_before_a_byte_is_sent(way_in, client, repository):
    kind = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
    with loopback.serving(
        lambda exchange: exchange.reply(200, schema_1(), Content_Type=kind)
    ) as url:
        host = urllib.parse.urlsplit(url).netloc
        stored = remote_images.image(AMD64)
        with pytest.raises(registry.RejectedError, match='schema 1'):
            copy(host, stored, client, repository)
    assert way_in.requests == []


def test_copy_keeps_all_platforms_of_an_index(there, client, repository):
    stored = remote_images.image(AMD64, remote_images.platform('mips64le'))
    stored.push(there.host, repository)
    image = copy(there.host, stored, client, repository)
    assert architectures.of(image) == ('amd64',)
    assert_same(client, repository, stored)


# Memory and speed


def test_copy_reads_block_by_block_and_several_blobs_at_the_same_time(
    proxy, there, way_in, client, repository, tmp_path, monkeypatch
):
    """Six blobs are on their way at the same time, and none is held whole."""
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'nowhere'))
    stored = remote_images.image(
        remote_images.platform(layers=[random.Random(n).randbytes(MIB) for n in range(6)])
    )
    stored.push(there.host, repository)
    together = threading.Barrier(6, timeout=60)
    largest = []
    read = registry.Download.read

    def reading(download, size=-1):
        if not download._at:
            together.wait()
        block = read(download, size)
        largest.append(len(block))
        return block

    monkeypatch.setattr(registry.Download, 'read', reading)
    copy(there.host, stored, client, repository)
    assert max(largest) <= MIB
    assert_same(client, repository, stored)
