"""The engine is found as the docker command finds it, and the image by its digest."""

import hashlib
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys

import docker
import pytest

from charm_image import _errors
from charm_image._oci import engine, engine_address
from charm_image._upload import architectures
from support import certificates, fake_engine, layouts, loopback, require

pytestmark = pytest.mark.holds('finds images')

SMALL = layouts.tar([('small', b'small')])


def _inspected(digits, **kwargs):
    digits = digits.ljust(64, '0')
    return {**layouts.Image((SMALL,)).inspected, 'Id': f'sha256:{digits}', **kwargs}


# Which engine


def _context(config, name, host, **endpoint):
    """Have the docker command make a context; give the environment that has it."""
    require('docker')
    settings = ','.join([f'host={host}', *(f'{k}={v}' for k, v in endpoint.items())])
    environ = {'DOCKER_CONFIG': str(config), 'PATH': os.environ['PATH'], 'HOME': str(config)}
    command = ['docker', 'context', 'create', name, '--docker', settings]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return environ


def test_connect_takes_docker_host_before_contexts(fake, tmp_path):
    environ = _context(tmp_path, 'other', 'unix:///nowhere')
    with engine.connect({**environ, 'DOCKER_HOST': fake.host, 'DOCKER_CONTEXT': 'other'}) as local:
        assert local.host == fake.host


def test_connect_takes_docker_context_even_without_a_configuration_of_docker(fake, tmp_path):
    environ = _context(tmp_path, 'mine', fake.host)
    assert not (tmp_path / 'config.json').exists()
    with engine.connect({**environ, 'DOCKER_CONTEXT': 'mine'}) as local:
        assert local.host == fake.host


def test_connect_takes_the_context_in_use(fake, tmp_path):
    environ = _context(tmp_path, 'mine', fake.host)
    subprocess.run(['docker', 'context', 'use', 'mine'], env=environ, check=True)
    with engine.connect(environ) as local:
        assert local.host == fake.host


def test_connect_takes_docker_context_before_the_context_in_use(fake, tmp_path):
    environ = _context(tmp_path, 'mine', fake.host)
    _context(tmp_path, 'other', 'unix:///nowhere')
    subprocess.run(['docker', 'context', 'use', 'other'], env=environ, check=True)
    with engine.connect({**environ, 'DOCKER_CONTEXT': 'mine'}) as local:
        assert local.host == fake.host


@pytest.mark.parametrize('settings', [{}, {'DOCKER_CONTEXT': 'default', 'DOCKER_HOST': ''}])
def test_connect_takes_the_default_socket_without_any_settings(settings, monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise docker.errors.DockerException

    monkeypatch.setattr(docker, 'APIClient', refuse)
    with pytest.raises(_errors.EngineError, match=' at unix:///var/run/docker.sock '):
        engine.connect({'HOME': str(tmp_path), **settings})


def test_connect_names_an_unknown_context(tmp_path):
    with pytest.raises(_errors.EngineError, match="no docker context 'gone'.*context ls"):
        engine.connect({'DOCKER_CONFIG': str(tmp_path), 'DOCKER_CONTEXT': 'gone'})


def test_connect_names_a_damaged_configuration_of_docker(tmp_path):
    (tmp_path / 'config.json').write_text('{')
    with pytest.raises(_errors.EngineError, match='config.json cannot be read'):
        engine.connect({'DOCKER_CONFIG': str(tmp_path)})


@pytest.mark.parametrize('entry', [{'auth': ''}, {'auth': 'hunter2'}, 'hunter2'])
def test_connect_does_not_read_logins(entry, fake, tmp_path, monkeypatch):
    content = {'auths': {'other.example.com': entry}, 'credsStore': 'missing'}
    (tmp_path / 'config.json').write_text(json.dumps(content))
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path))
    local = engine.connect({'DOCKER_HOST': fake.host})
    with local, pytest.raises(_errors.ImageNotFoundError):
        local.find('a' * 12)


@pytest.fixture
def tls_engine(fake, tmp_path):
    """The address of an engine behind TLS, and a directory with what its clients need."""
    authority = certificates.Authority(tmp_path)
    client = authority.issue('client')
    keys = tmp_path / 'keys'
    keys.mkdir()
    shutil.copy(authority.certificate, keys / 'ca.pem')
    shutil.copy(client.certificate, keys / 'cert.pem')
    shutil.copy(client.key, keys / 'key.pem')
    with fake_engine.behind_tls(fake, authority.issue('127.0.0.1'), authority) as port:
        yield f'tcp://127.0.0.1:{port}', keys


def test_connect_uses_tls_with_the_variables_of_docker(tls_engine, fake):
    host, keys = tls_engine
    environ = {'DOCKER_HOST': host, 'DOCKER_TLS_VERIFY': '1', 'DOCKER_CERT_PATH': str(keys)}
    identity = fake.add(_inspected('a'))
    with engine.connect(environ) as local:
        assert local.find(identity).id == identity


def test_connect_uses_tls_with_a_context(tls_engine, fake, tmp_path):
    host, keys = tls_engine
    files = {part: keys / f'{part}.pem' for part in ('ca', 'cert', 'key')}
    environ = _context(tmp_path / 'config', 'secure', host, **files)
    identity = fake.add(_inspected('a'))
    with engine.connect({**environ, 'DOCKER_CONTEXT': 'secure'}) as local:
        assert local.find(identity).id == identity


def test_connect_does_not_trust_a_certificate_of_another_authority(tls_engine, tmp_path):
    host, keys = tls_engine
    (tmp_path / 'other').mkdir()
    shutil.copy(certificates.Authority(tmp_path / 'other').certificate, keys / 'ca.pem')
    environ = {'DOCKER_HOST': host, 'DOCKER_TLS_VERIFY': '1', 'DOCKER_CERT_PATH': str(keys)}
    with pytest.raises(_errors.EngineError, match='certificate verify failed'):
        engine.connect(environ)


def test_connect_names_tls_files_that_do_not_exist(tmp_path):
    environ = {'DOCKER_HOST': 'tcp://127.0.0.1:1', 'DOCKER_TLS_VERIFY': '1'}
    with pytest.raises(_errors.EngineError, match='DOCKER_CERT_PATH'):
        engine.connect({**environ, 'DOCKER_CERT_PATH': str(tmp_path)})


def test_connect_says_that_an_engine_does_not_run(tmp_path):
    with pytest.raises(_errors.EngineError) as raised:
        engine.connect({'DOCKER_HOST': f'unix://{tmp_path}/docker.sock'})
    assert f'unix://{tmp_path}/docker.sock' in str(raised.value)
    assert 'is not running' in str(raised.value)


def test_connect_takes_a_socket_without_listener_for_an_engine_that_does_not_run(tmp_path):
    with socket.socket(socket.AF_UNIX) as unused:
        unused.bind(str(tmp_path / 'sock'))
    with pytest.raises(_errors.EngineError, match='is not running'):
        engine.connect({'DOCKER_HOST': f'unix://{tmp_path}/sock'})


def test_connect_takes_a_port_without_listener_for_an_engine_that_does_not_run():
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(_errors.EngineError, match='is not running.*DOCKER_HOST'):
        engine.connect({'DOCKER_HOST': f'tcp://127.0.0.1:{port}'})


def test_connect_hints_at_podmans_socket(tmp_path, monkeypatch):
    (tmp_path / 'podman').mkdir()
    (tmp_path / 'podman/podman.sock').touch()
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path))
    with pytest.raises(_errors.EngineError, match=f'unix://{tmp_path}/podman/podman.sock'):
        engine.connect({'DOCKER_HOST': 'unix:///nowhere/docker.sock'})


def test_connect_says_what_to_do_if_the_user_may_not_use_the_engine(fake):
    if os.getuid():
        pytest.skip('only root can become somebody else')
    path = pathlib.Path(fake.host.removeprefix('unix://'))
    path.chmod(0o600)
    path.parent.chmod(0o755)
    program = (
        'import os, sys; from charm_image import _errors; '
        'from charm_image._oci import engine; import docker, requests; '
        'os.setgid(65534); os.setuid(65534)\n'
        f'try: engine.connect({{"DOCKER_HOST": {fake.host!r}}})\n'
        'except _errors.EngineError as error: print(error)'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert 'group `docker`' in done.stdout, done.stderr


def test_connect_refuses_what_is_not_an_engine():
    with (
        loopback.serving(lambda exchange: exchange.reply(404)) as url,
        pytest.raises(_errors.EngineError, match='no engine responds'),
    ):
        engine.connect({'DOCKER_HOST': url.replace('http', 'tcp')})


def _ssh(directory, script):
    """Put a program named ssh into `directory`, which runs what it is told to, here."""
    program = directory / 'ssh'
    program.write_text(f'#!/bin/sh\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_connect_reaches_an_engine_through_ssh(dockerd, tmp_path, monkeypatch):
    require('docker')
    _ssh(
        tmp_path,
        f'echo "$@" >>{tmp_path}/told\nwhile [ "$1" != -- ]; do shift; done; shift 2\n'
        f'DOCKER_HOST={dockerd.host} exec "$@"',
    )
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    identity = dockerd.client.images.load(layouts.docker_20(layouts.Image((SMALL,))))[0].id
    with engine.connect({'DOCKER_HOST': 'ssh://me@builder:2222'}) as local:
        found = local.find(identity)
        files = {m.name.split('/')[-1]: m.content.read(m.size) for m in found.files()}
    assert files['layer.tar'] == SMALL
    told = (tmp_path / 'told').read_text().splitlines()
    assert set(told) == {
        '-T -o ConnectTimeout=30 -l me -p 2222 -- builder docker system dial-stdio'
    }


def test_connect_names_an_engine_that_ssh_cannot_reach(tmp_path, monkeypatch):
    _ssh(tmp_path, 'exit 255')
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    with pytest.raises(_errors.EngineError, match='no engine responds at ssh://builder.*`ssh`'):
        engine.connect({'DOCKER_HOST': 'ssh://builder'})


def test_connect_says_that_ssh_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(_errors.EngineError, match='ssh'):
        engine.connect({'DOCKER_HOST': 'ssh://builder'})


# Which image


def test_find_takes_a_long_and_a_short_id(each_engine):
    running = each_engine
    image = layouts.Image((SMALL, layouts.tar([('by', b'id')])))
    identity = running.client.images.load(layouts.docker_20(image))[0].id
    assert running.kind.containerd or identity == image.id
    with engine.connect({'DOCKER_HOST': running.host}) as local:
        for digest in (identity, identity[7:], identity[7:19], identity[7:40]):
            found = local.find(digest)
            assert (found.id, found.diff_ids) == (identity, tuple(image.diff_ids))
            assert (found.platform, architectures.of(found)) == (('linux', 'amd64'), ('amd64',))


def test_find_takes_a_digest_in_a_registry(each_engine, open_registry, repository):
    running = each_engine
    image = layouts.Image((SMALL, layouts.tar([('by', b'digest')])))
    identity = running.client.images.load(layouts.docker_20(image))[0].id
    there = f'{open_registry.host}/{repository}'
    running.client.images.get(identity).tag(there, 'v1')
    running.client.images.push(there, 'v1')
    if running.kind.program == 'podman':  # which knows such digests only of what it pulled
        running.client.images.remove(identity, force=True)
        running.client.images.pull(there, 'v1')
    digest = running.client.images.get(identity).attrs['RepoDigests'][-1].partition('@')[2]
    assert (digest == identity) == running.kind.containerd
    with engine.connect({'DOCKER_HOST': running.host}) as local:
        for given in (digest, digest[7:19]):
            found = local.find(given)
            assert (found.id, digest in found.repo_digests) == (identity, True)


def test_find_does_not_find_a_digest_that_the_engine_lacks(local):
    for digest in (f'sha256:{"a" * 64}', 'a' * 12):
        with pytest.raises(_errors.ImageNotFoundError, match='no image .*docker images'):
            local.find(digest)


def test_find_lists_the_images_that_a_short_digest_fits(fake, local):
    one = fake.add(_inspected('abcdefabcdef1', RepoTags=['first:1']))
    two = fake.add(_inspected('abcdefabcdef2'))
    with pytest.raises(_errors.AmbiguousImageError) as raised:
        local.find('abcdefabcdef')
    assert set(raised.value.candidates) == {one, two}
    assert f'{one} (first:1)' in str(raised.value)
    assert two in str(raised.value)
    assert local.find('abcdefabcdef2').id == two


def test_find_takes_an_id_and_a_registrys_digest_with_the_same_beginning_for_ambiguous(
    fake, local
):
    one = fake.add(_inspected('abcdefabcdef1'))
    digest = 'sha256:' + 'abcdefabcdef2'.ljust(64, '0')
    two = fake.add(_inspected('1', RepoDigests=[f'name@{digest}']))
    with pytest.raises(_errors.AmbiguousImageError) as raised:
        local.find('abcdefabcdef')
    assert set(raised.value.candidates) == {one, two}


def test_find_takes_one_image_that_several_registries_have(fake, local):
    digest = 'sha256:' + 'abcdefabcdef2'.ljust(64, '0')
    names = [f'{name}@{digest}' for name in ('here/a', 'there/b')]
    identity = fake.add(_inspected('abcdefabcdef2', RepoDigests=names))
    assert local.find('abcdefabcdef').id == identity


def test_find_takes_two_images_with_one_digest_in_registries_for_ambiguous(fake, local):
    digest = 'sha256:' + 'd' * 64
    for digits in '12':
        fake.add(_inspected(digits, RepoDigests=[f'name@{digest}']))
    with pytest.raises(_errors.AmbiguousImageError):
        local.find(digest)


def test_find_does_not_take_an_image_that_is_named_like_a_digest(fake, local):
    fake.images['sha256:' + 'a' * 64] = (_inspected('b'), b'', None)
    with pytest.raises(_errors.ImageNotFoundError):
        local.find('sha256:' + 'a' * 64)


@pytest.mark.parametrize(
    'digest',
    ['', 'abc', 'A' * 12, 'name:tag', 'sha256:abcdefabcde', 'sha512:' + 'a' * 64, 'g' * 12],
)
def test_find_refuses_what_is_not_a_digest(digest, local):
    with pytest.raises(ValueError, match='not a valid digest'):
        local.find(digest)


def test_find_says_why_an_engine_failed(fake, local):
    fake.status = 500
    with pytest.raises(_errors.EngineError, match='no space left on device'):
        local.find('a' * 12)


@pytest.mark.parametrize(
    ('go', 'charmhub'),
    [
        ('amd64', 'amd64'),
        ('arm64', 'arm64'),
        ('arm', 'armhf'),
        ('ppc64le', 'ppc64el'),
        ('s390x', 's390x'),
        ('riscv64', 'riscv64'),
        ('386', 'i386'),
    ],
)
def test_architectures_of_an_image_have_charmhubs_names(go, charmhub, fake, local):
    identity = fake.add(_inspected('a', Architecture=go))
    assert architectures.of(local.find(identity)) == (charmhub,)


@pytest.mark.parametrize(
    ('host', 'advice'),
    [
        ('/var/run/docker.sock', 'use unix:///var/run/docker.sock'),
        ('unix:/run/docker.sock', 'use unix:///run/docker.sock'),
        ('~/docker.sock', f'use unix://{pathlib.Path.home()}/docker.sock'),
        ('npipe:////./pipe/docker_engine', 'on this machine, use unix:///PATH'),
        ('fd://x', 'unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST'),
        ('localhost:123456', 'unix:///PATH, tcp://'),
        ('localhost:65536', 'a port is at most 65535'),
        ('http:/x', 'unix:///PATH, tcp://'),
        ('\x1b]0;x\x07:1', r"'\x1b]0;x\x07:1' is not the address of an engine"),
    ],
)
@pytest.mark.parametrize('how', ['variable', 'name', 'context'])
def test_connect_says_what_to_write_for_an_address_without_scheme(host, advice, how, tmp_path):
    if how == 'variable':
        environ = {'DOCKER_HOST': host}
    elif how == 'name':
        environ = engine.environment(host, {'DOCKER_HOST': 'unix:///unused'})
    else:
        environ = {'DOCKER_CONFIG': str(tmp_path), 'DOCKER_CONTEXT': 'mine'}
        key = hashlib.sha256(b'mine').hexdigest()
        meta = tmp_path / 'contexts/meta' / key / 'meta.json'
        meta.parent.mkdir(parents=True)
        meta.write_text(json.dumps({'Endpoints': {'docker': {'Host': host}}}))
    with pytest.raises(_errors.EngineError, match='is not the address of an engine') as raised:
        engine.connect(environ)
    assert advice in str(raised.value)


@pytest.mark.parametrize('address', ['127.0.0.1:{}', 'tcp://127.0.0.1:{}', 'tcp://127.0.0.1:{}/'])
def test_connect_takes_a_host_for_one_of_tcp_as_docker_does(address):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(_errors.EngineError, match=f' at tcp://127.0.0.1:{port} .*not running'):
        engine.connect({'DOCKER_HOST': address.format(port)})


@pytest.mark.parametrize(
    ('address', 'host'),
    [
        (':2375', 'tcp://localhost:2375'),
        ('build-host', 'tcp://build-host:2375'),
        ('[::1]:99', 'tcp://[::1]:99'),
        ('unix://', 'unix:///var/run/docker.sock'),
        ('ssh://me@host:22/run/docker.sock', 'ssh://me@host:22/run/docker.sock'),
    ],
)
def test_an_address_of_an_engine_has_a_scheme_and_a_port(address, host):
    assert engine_address.parse(address) == host
    assert engine_address.parse('build-host', tls=True) == 'tcp://build-host:2376'
