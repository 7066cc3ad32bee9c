"""Images of real engines, pushed to a real registry, pulled back and run."""

import io
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from charm_image import _concurrently, _errors
from charm_image._oci import archives, engine, layers, local_image
from charm_image._upload import push, pushed
from support import layouts, require
from support.uploads import reporter

SECOND = layouts.tar([('second', b'second' * 1000)])


@pytest.fixture(scope='module')
def busybox():
    require('busybox')
    program = pathlib.Path(shutil.which('busybox')).read_bytes()
    return layouts.tar([('bin/busybox', program), ('bin/sh', 'busybox'), ('bin/cat', 'busybox')])


@pytest.fixture(scope='module')
def image(busybox):
    """An image with equal layers, an empty one, and one of some MB."""
    hello = layouts.tar([('hello', b'Hello from the layers!\n')])
    large = layouts.tar([('large', bytes(range(256)) * 20_000)])
    return layouts.Image(
        (busybox, hello, large, layouts.tar(), hello), command=('/bin/cat', '/hello')
    )


pytestmark = pytest.mark.holds('pushes')


@pytest.fixture
def running(each_engine):
    return each_engine


def _load(running, archive):
    return running.client.images.load(archive)[0].id


def _find(running, digest):
    with engine.connect({'DOCKER_HOST': running.host}) as local:
        return local.find(digest)


def _push_file(path, client, repository):
    return push.push(archives.open(path), client, repository).digest


def _push(running, digest, client, repository):
    with engine.connect({'DOCKER_HOST': running.host}) as local:
        return push.push(local.find(digest), client, repository).digest


def _pull_and_run(running, client, host, repository, digest):
    """Pull an image as a unit would, and run it; give its ID and what it prints."""
    pulled = running.client.images.pull(f'{host}/{repository}@{digest}')
    try:
        return pulled.id, running.run(pulled.id)
    finally:
        running.client.images.remove(pulled.id, force=True)


def test_push_stores_what_is_pulled_back_and_runs(
    running, image, client, open_registry, repository
):
    identity = _load(running, layouts.docker_20(image))
    digest = _push(running, identity, client, repository)
    running.client.images.remove(identity, force=True)
    assert _pull_and_run(running, client, open_registry.host, repository, digest) == (
        running.id_of(image.id, digest),
        b'Hello from the layers!\n',
    )


def test_push_gives_the_digest_of_a_file_with_every_engine(
    running, image, client, repository, tmp_path
):
    (tmp_path / 'image.tar').write_bytes(layouts.docker_20(image))
    identity = _load(running, layouts.docker_20(image))
    digest = _push(running, identity, client, repository)
    file = archives.open(tmp_path / 'image.tar')
    assert digest == push.push(file, client, f'{repository}/file').digest


def test_push_gives_the_same_manifest_with_docker_and_podman_and_a_file(
    dockerd, podman, image, client, repository, tmp_path
):
    dockers = _load(dockerd, layouts.docker_20(image))
    saved = b''.join(dockerd.client.images.get(dockers).save())
    podmans = _load(podman, saved)
    (tmp_path / 'saved.tar').write_bytes(saved)
    (tmp_path / 'podman.tar').write_bytes(b''.join(podman.client.images.get(podmans).save()))
    assert (
        _push(dockerd, dockers, client, f'{repository}/docker')
        == _push(podman, podmans, client, f'{repository}/podman')
        == _push_file(tmp_path / 'saved.tar', client, f'{repository}/saved')
        == _push_file(tmp_path / 'podman.tar', client, f'{repository}/resaved')
    )


def test_push_takes_an_imported_file_system(running, busybox, client, open_registry, repository):
    api = running.client.api
    reply = api.post(
        f'{api.base_url}/v{api.api_version}/images/create',
        params={'fromSrc': '-', 'repo': 'imported', 'changes': 'CMD ["/bin/sh", "-c", "echo in"]'},
        data=io.BytesIO(busybox),
    )
    assert reply.ok
    digest = _push(running, running.client.images.get('imported').id, client, repository)
    identity, output = _pull_and_run(running, client, open_registry.host, repository, digest)
    assert output == b'in\n'


def test_push_takes_an_image_that_the_engine_built_from_scratch(
    running, busybox, client, open_registry, repository
):
    dockerfile = b'FROM scratch\nADD root.tar /\nCOPY said /\nCMD ["/bin/cat", "/said"]\n'
    context = layouts.tar(
        [('Dockerfile', dockerfile), ('root.tar', busybox), ('said', b'built\n')]
    )
    built, _ = running.client.images.build(
        fileobj=io.BytesIO(context), custom_context=True, tag='built', rm=True
    )
    digest = _push(running, built.id, client, repository)
    identity, output = _pull_and_run(running, client, open_registry.host, repository, digest)
    assert (identity, output) == (running.id_of(built.id, digest), b'built\n')


def test_push_says_why_an_engine_cannot_export_an_image(dockerd, client, repository):
    built, _ = dockerd.client.images.build(
        fileobj=io.BytesIO(b'FROM scratch\nENV A=1\nLABEL b=2\n'), rm=True
    )
    with pytest.raises(_errors.EngineError, match='empty export'):
        _push(dockerd, built.id, client, repository)


def test_find_asks_the_registry_and_not_the_engine(
    running, image, client, repository, monkeypatch
):
    identity = _load(running, layouts.docker_20(image))
    found = _find(running, identity)
    assert pushed.find(client, repository, found) is None
    digest = _push(running, identity, client, repository)
    if found.variants or not running.kind.containerd:  # else only an export tells what is there
        monkeypatch.setattr(local_image, 'export', None)
    assert pushed.find(client, repository, found).digest == digest
    assert pushed.architectures(client, repository, digest) == ('amd64',)


@pytest.mark.holds('edits quickly')
@pytest.mark.parametrize('builds', [True, False], ids=['built', 'loaded'])
def test_push_does_not_compress_again_what_an_edit_left_as_it_was(
    builds, running, busybox, client, repository, monkeypatch
):
    def image(said):
        if not builds:
            edited = layouts.Image((busybox, SECOND, layouts.tar([('said', said)])))
            return _load(running, layouts.docker_20(edited))
        dockerfile = b'FROM scratch\nADD root.tar /\nCOPY second /\nCOPY said /\n'
        files = [('Dockerfile', dockerfile), ('root.tar', busybox), ('said', said)]
        context = layouts.tar([*files, ('second', b'second' * 1000)])
        monkeypatch.setenv('DOCKER_BUILDKIT', '0')
        built, _ = running.client.images.build(
            fileobj=io.BytesIO(context), custom_context=True, rm=True
        )
        return built.id

    _push(running, image(b'one'), client, repository)
    packed = []
    pack = layers.pack
    monkeypatch.setattr(layers, 'pack', lambda *args: packed.append(pack(*args)) or packed[-1])
    digest = _push(running, image(b'two'), client, repository)
    manifest = json.loads(client.get_manifest(repository, digest).content)
    config = json.loads(client.get_blob(repository, manifest['config']['digest']))
    *left, edited = config['rootfs']['diff_ids']
    assert len(left) == 2
    assert {layer.diff_id for layer in packed} & set(left) == set()
    assert edited in {layer.diff_id for layer in packed}


def test_push_reports_how_far_each_step_is(dockerd, image, client, repository):
    identity = _load(dockerd, layouts.docker_20(image))
    told = {}

    def progress(step, done, total):
        told.setdefault(step, []).append((done, total))

    with engine.connect({'DOCKER_HOST': dockerd.host}) as local:
        digest = push.push(local.find(identity), client, repository, reporter(progress)).digest
    manifest = json.loads(client.get_manifest(repository, digest).content)
    assert {step for step in told if step.startswith('Uploading')} == {
        f'Uploading layer {one["digest"][7:19]}' for one in manifest['layers']
    }
    for step, steps in told.items():
        assert steps[-1][0] == steps[-1][1], step
        assert [done for done, _ in steps] == sorted(done for done, _ in steps), step
        assert all(total is None or done <= total for done, total in steps), step


def test_push_stores_fewer_bytes_than_skopeo(dockerd, busybox, client, open_registry, repository):
    require('skopeo')
    image = layouts.Image((busybox, _sources()))
    identity = _load(dockerd, layouts.docker_20(image))
    dockerd.client.images.get(identity).tag('compared', 'latest')
    subprocess.run(
        ['skopeo', 'copy', f'--src-daemon-host={dockerd.host}', '--dest-tls-verify=false']
        + ['docker-daemon:compared:latest', f'docker://{open_registry.host}/{repository}:skopeo'],
        check=True,
        capture_output=True,
    )
    digest = _push(dockerd, identity, client, repository)
    assert _stored(client, repository, digest) < _stored(client, repository, 'skopeo')


def _sources():
    library = pathlib.Path(json.__file__).parents[1]
    files = sorted(library.glob('*.py')) + sorted(library.glob('*/*.py'))
    return layouts.tar([(str(file.relative_to(library)), file.read_bytes()) for file in files])


def _stored(client, repository, name):
    manifest = json.loads(client.get_manifest(repository, name).content)
    return sum(layer['size'] for layer in manifest['layers'])


PUSH = r"""
import pathlib, re, sys
from charm_image._oci import engine
from charm_image._upload import push, pushed
from container_image import registry
host, to, repository, digest = sys.argv[1:]
with engine.connect({'DOCKER_HOST': host}) as local, registry.Client(to) as client:
    print(push.push(local.find(digest), client, repository).digest)
print(re.search(r'VmHWM:\s*(\d+)', pathlib.Path('/proc/self/status').read_text())[1])
"""


def test_push_needs_no_more_memory_for_a_larger_image(dockerd, open_registry, repository):
    image = layouts.Image((layouts.tar([('zeros', bytes(150 << 20))]),))
    identity = _load(dockerd, layouts.docker_20(image))
    done = subprocess.run(
        [sys.executable, '-c', PUSH, dockerd.host, open_registry.host, repository, identity],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout.split()[1]) < 100_000  # kB


def test_pack_writes_to_a_file_that_nobody_else_can_open(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    with _concurrently.Workers(1, name='compress') as workers:
        layer = layers.pack(io.BytesIO(b'secret' * 1000), workers)
    status = pathlib.Path(f'/proc/self/fd/{layer.spool.fileno()}').stat()
    assert list(tmp_path.iterdir()) == []
    assert status.st_mode & 0o077 == 0
    assert status.st_nlink == 0
    assert status.st_dev == tmp_path.stat().st_dev


def test_pack_names_a_disk_without_room(monkeypatch):
    monkeypatch.setenv('TMPDIR', '/dev/null/nowhere')
    monkeypatch.setattr('tempfile.tempdir', '/dev/null/nowhere')
    workers = _concurrently.Workers(1, name='compress')
    with workers, pytest.raises(_errors.ImageError, match='/dev/null/nowhere'):
        layers.pack(io.BytesIO(b'x'), workers)
