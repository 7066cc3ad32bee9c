"""charm_image._oci.registry_certificates: certs.d, as Docker, podman and skopeo read it."""

import os
import shutil
import subprocess

import pytest

import support
from charm_image import _errors
from charm_image._oci import registry_certificates, remote_image
from container_image import reference, registry
from support import certificates, remote_images
from support import registry as registries
from support.charm_cases import AMD64

HOST = 'registry.test:5000'


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without logins, on a machine without certificates."""
    monkeypatch.setattr(
        registry_certificates, 'SYSTEM', (f'{tmp_path}/docker', f'{tmp_path}/containers')
    )
    for name in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'XDG_CONFIG_HOME', 'DOCKER_CONFIG'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('REGISTRY_AUTH_FILE', str(tmp_path / 'auth.json'))
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


def put(directory, *names):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text('')


@pytest.mark.parametrize(
    ('place', 'environment'),
    [
        ('docker', {}),
        ('containers', {}),
        ('home/.config/containers/certs.d', {}),
        ('home/.config/docker/certs.d', {}),
        ('home/.docker/certs.d', {}),
        ('settings/containers/certs.d', {'XDG_CONFIG_HOME': '{}/settings'}),
    ],
)
def test_find_looks_where_docker_podman_and_skopeo_do(place, environment, home, tmp_path):
    names = {name: value.format(tmp_path) for name, value in environment.items()}
    put(tmp_path / place / HOST, 'ca.crt', 'b.crt', 'my.cert', 'my.key', 'README')
    put(tmp_path / place / 'registry.test', 'other.crt')
    there = tmp_path / place / HOST
    assert registry_certificates.find(HOST, {'HOME': str(home), **names}) == (
        (f'{there}/b.crt', f'{there}/ca.crt'),
        (f'{there}/my.cert', f'{there}/my.key'),
    )


def test_find_returns_those_of_all_places(home, tmp_path):
    put(tmp_path / 'docker' / HOST, 'ca.crt')
    put(home / '.config/containers/certs.d' / HOST, 'ca.crt')
    assert len(registry_certificates.find(HOST).authorities) == 2


def test_find_returns_nothing_where_there_is_nothing(tmp_path):
    put(tmp_path, 'docker')  # a file
    assert registry_certificates.find(HOST) == registry.Certificates()


def test_find_names_a_client_certificate_that_lacks_its_key(tmp_path):
    put(tmp_path / 'docker' / HOST, 'ca.cert')
    with pytest.raises(_errors.LoginError, match=r'ca\.cert has no ca\.key .* must end in \.crt'):
        registry_certificates.find(HOST)


def test_find_leaves_out_what_only_docker_can_read(tmp_path, monkeypatch):
    put(tmp_path / 'docker' / HOST, 'ca.crt', 'b.crt', 'my.cert', 'my.key')
    # root, who runs these tests, reads every file
    monkeypatch.setattr(os, 'access', lambda path, mode: 'b.crt' in str(path))
    assert registry_certificates.find(HOST) == ((f'{tmp_path}/docker/{HOST}/b.crt',), None)


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp('registries')


@pytest.fixture(scope='module')
def authority(directory):
    return certificates.Authority(directory, plain=True)


@pytest.fixture(scope='module', params=[True, False], ids=['of clients', 'of the server'])
def private(request, directory, authority):
    """A registry with a certificate of a private authority, and perhaps asking for one."""
    options = {'clients': authority} if request.param else {}
    certificate = authority.issue('127.0.0.1')
    place = directory / str(request.param)
    with registries.running(place, certificate=certificate, **options) as running:
        running.asks_for_certificates = request.param
        yield running


def read(running, stored):
    name = reference.Reference.parse(f'{running.host}/app@{stored.digest}')
    with remote_image.Source(name, tries=1) as source:
        return source.read()


def inspect(running, stored):
    """Return whether skopeo reads the image."""
    support.require('skopeo')
    name = f'docker://{running.host}/app@{stored.digest}'
    return not subprocess.run(['skopeo', 'inspect', '--raw', name], capture_output=True).returncode


def test_source_reads_a_private_registry_with_the_files_with_which_skopeo_does(
    private, authority, home
):
    stored = remote_images.image(AMD64)
    client = authority.issue('client')
    files = (str(client.certificate), str(client.key))
    certs = registry.Certificates((str(authority.certificate),), files)
    stored.push(private.host, 'app', certificates=certs)
    assert not inspect(private, stored)
    with pytest.raises(registry.CertificateNotTrustedError) as caught:
        read(private, stored)
    assert f'put its CA into /etc/docker/certs.d/{private.host}/ca.crt' in str(caught.value)

    place = home / '.config/containers/certs.d' / private.host
    put(place)
    shutil.copy(authority.certificate, place / 'ca.crt')
    if private.asks_for_certificates:
        assert not inspect(private, stored)
        with pytest.raises(registry.CertificateNotTrustedError, match='client.cert and'):
            read(private, stored)
        shutil.copy(client.certificate, place / 'client.cert')
        shutil.copy(client.key, place / 'client.key')
    assert inspect(private, stored)
    assert read(private, stored).id == stored.digest
