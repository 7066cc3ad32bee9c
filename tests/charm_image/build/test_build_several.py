"""One image for several platforms, each built where it is at home."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import time
from concurrent import futures

import docker
import pytest

import charm_image
from charm_image import _concurrently, resources
from charm_image._oci import archives
from support import certificates, emulation, require, ssh

pytestmark = pytest.mark.slow

ARM = 'linux/arm64'
AMD = 'linux/amd64'


@pytest.fixture(scope='module')
def arm64():
    with emulation.arm64():
        yield


@pytest.fixture(scope='module')
def base(open_registry):
    """The name of a base for amd64, arm64 and s390x, in a registry."""
    return open_registry.store(emulation.base(), 'base/busybox', '1') + ':1'


@pytest.fixture
def build(base, dockerd, monkeypatch, tmp_path):
    """Build for several platforms; give the archive, the builder and the progress."""
    monkeypatch.setenv('DOCKER_HOST', dockerd.host)
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path / 'config'))

    def build(contents, platform=(AMD, ARM), output='image.tar', **options):
        if isinstance(contents, list):
            contents = charm_image.ResourceBundle.from_iterator(contents)
        options = {'from_image': base, 'network': 'host', **options}
        builder = charm_image.DockerBuilder(
            contents, platform=platform, output=tmp_path / output, **options
        )
        progress = list(builder.build())
        return archives.open(tmp_path / output), builder, progress

    return build


MACHINE = [
    resources.Execute(name='machine', command='sh -c "uname -m >/machine; echo told"'),
    resources.File(name='/a', contents='x'),
]


def machines(archive):
    """What /machine has in each image of an archive."""
    found = {}
    with tarfile.open(archive.path) as tar:
        for config in archive.contents().configs:
            for diff_id in config.diff_ids:
                layer = tar.extractfile(f'blobs/sha256/{diff_id.partition(":")[2]}')
                with tarfile.open(fileobj=io.BytesIO(layer.read())) as files:
                    if 'machine' in files.getnames():
                        told = files.extractfile('machine').read().decode().strip()
                        found[config.platform['architecture']] = told
    return found


def index_of(archive):
    with tarfile.open(archive.path) as tar:
        [entry] = json.load(tar.extractfile('index.json'))['manifests']
        index = tar.extractfile(f'blobs/{entry["digest"].replace(":", "/")}').read()
    assert f'sha256:{hashlib.sha256(index).hexdigest()}' == entry['digest']
    return entry['digest'], json.loads(index)


def test_the_archive_has_an_index_of_all_platforms_whose_digest_is_the_images_id(build, arm64):
    archive, builder, progress = build(MACHINE)
    digest, index = index_of(archive)
    assert builder.image_id == digest
    assert [each['platform'] for each in index['manifests']] == [
        {'os': 'linux', 'architecture': 'amd64'},
        {'os': 'linux', 'architecture': 'arm64'},
    ]
    assert machines(archive) == {'amd64': 'x86_64', 'arm64': 'aarch64'}
    assert progress[-1].text == builder.image_id
    for platform in (AMD, ARM):
        told = [str(each) for each in progress if each.platform == platform]
        assert f'{platform}: [1/2] Execute[machine]: started' in told
        assert f'{platform}:     told' in told


def test_the_archive_of_the_same_input_has_the_same_digest_in_any_order(build, arm64):
    first, builder, _ = build(MACHINE)
    second, again, progress = build(MACHINE, platform=[ARM, AMD], output='second.tar')
    assert builder.image_id == again.image_id
    assert first.path.read_bytes() == second.path.read_bytes()
    assert 'started' not in {each.state for each in progress}


def test_each_platform_is_built_by_its_own_engine_and_tagged_there(build, dockerd, podman, arm64):
    archive, _, _ = build(MACHINE, engines={ARM: podman.host}, tag='tests/two:1')
    assert machines(archive) == {'amd64': 'x86_64', 'arm64': 'aarch64'}
    amd = dockerd.client.images.get('tests/two:1-linux-amd64')
    arm = podman.client.images.get('tests/two:1-linux-arm64')
    assert (amd.attrs['Architecture'], arm.attrs['Architecture']) == ('amd64', 'arm64')
    with pytest.raises(docker.errors.ImageNotFound):
        dockerd.client.images.get('tests/two:1-linux-arm64')


def test_a_context_of_dockers_names_an_engine(build, podman, tmp_path, arm64):
    name = 'my-arm-context'
    meta = tmp_path / 'config/contexts/meta' / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoint = {'Name': name, 'Endpoints': {'docker': {'Host': podman.host}}}
    (meta / 'meta.json').write_text(json.dumps(endpoint))
    archive, _, _ = build(MACHINE, engines={ARM: name}, tag='tests/context')
    assert machines(archive) == {'amd64': 'x86_64', 'arm64': 'aarch64'}
    assert podman.client.images.get('tests/context:latest-linux-arm64')


@pytest.fixture
def behind_tls(dockerd, tmp_path, monkeypatch):
    """The settings of an author whose engine is behind TLS: by variables, and the context far."""
    require('docker')
    config = {'DOCKER_CONFIG': str(tmp_path / 'config'), 'HOME': str(tmp_path)}
    files = {part: dockerd.keys / f'{part}.pem' for part in ('ca', 'cert', 'key')}
    settings = ','.join(f'{name}={value}' for name, value in files.items())
    command = ['docker', 'context', 'create', 'far']
    command += ['--docker', f'host={dockerd.tls_host},{settings}']
    environ = {'PATH': os.environ['PATH'], **config}
    subprocess.run(command, env=environ, check=True, capture_output=True)
    monkeypatch.setenv('DOCKER_HOST', 'unix:///nowhere')
    monkeypatch.setenv('DOCKER_TLS_VERIFY', '1')
    monkeypatch.setenv('DOCKER_CERT_PATH', str(dockerd.keys))
    return dockerd


def test_an_engine_behind_tls_is_reached_by_its_address_and_by_a_context(build, behind_tls, arm64):
    engines = {ARM: behind_tls.tls_host, AMD: 'far'}
    archive, _, _ = build(MACHINE, engines=engines, tag='tests/tls:1')
    assert machines(archive) == {'amd64': 'x86_64', 'arm64': 'aarch64'}
    for platform in ('amd64', 'arm64'):
        assert behind_tls.client.images.get(f'tests/tls:1-linux-{platform}')


def test_an_engine_that_another_authority_has_certified_is_refused_in_one_line(
    build, behind_tls, tmp_path, monkeypatch
):
    (tmp_path / 'other').mkdir()
    other = certificates.Authority(tmp_path / 'other')
    [ca] = (tmp_path / 'config/contexts/tls').rglob('ca.pem')
    shutil.copy(other.certificate, ca)
    keys = tmp_path / 'keys'
    shutil.copytree(behind_tls.keys, keys)
    shutil.copy(other.certificate, keys / 'ca.pem')
    monkeypatch.setenv('DOCKER_CERT_PATH', str(keys))
    for engine in (behind_tls.tls_host, 'far'):
        with pytest.raises(charm_image.BuildError) as caught:
            build(MACHINE, platform=AMD, engines={AMD: engine})
        said = str(caught.value)
        assert said.startswith(f'no engine responds at {behind_tls.tls_host} (')
        assert 'certificate verify failed' in said
        assert 'check that ca.pem in DOCKER_CERT_PATH, or in the docker context, has' in said
        assert '\n' not in said


def test_an_engine_behind_tls_requires_tls_and_the_clients_certificate(
    build, behind_tls, tmp_path, monkeypatch
):
    def refusal():
        with pytest.raises(charm_image.BuildError) as caught:
            build(MACHINE, platform=AMD, engines={AMD: behind_tls.tls_host})
        said = str(caught.value)
        assert said.startswith(f'no engine responds at {behind_tls.tls_host} (')
        assert '\n' not in said
        return said

    other = certificates.Authority(tmp_path).issue('client')
    keys = tmp_path / 'keys'
    shutil.copytree(behind_tls.keys, keys)
    shutil.copy(other.certificate, keys / 'cert.pem')
    shutil.copy(other.key, keys / 'key.pem')
    monkeypatch.setenv('DOCKER_CERT_PATH', str(keys))
    # with TLS 1.3 the connection may be cut before the engine's reason is read
    refusal()
    monkeypatch.delenv('DOCKER_TLS_VERIFY')
    monkeypatch.delenv('DOCKER_CERT_PATH')
    assert 'the engine requires TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH' in refusal()


def test_an_engine_may_be_reached_by_ssh(build, dockerd, tmp_path, monkeypatch, arm64):
    (tmp_path / 'ssh').mkdir()
    with ssh.running(tmp_path / 'ssh') as port:
        monkeypatch.setenv('PATH', f'{tmp_path}/ssh:{os.environ["PATH"]}')
        address = f'ssh://root@127.0.0.1:{port}{dockerd.host.removeprefix("unix://")}'
        archive, _, _ = build(MACHINE, engines={ARM: address})
    assert machines(archive) == {'amd64': 'x86_64', 'arm64': 'aarch64'}


def test_a_base_keeps_its_name_for_the_platform_that_it_was(build, base, dockerd, arm64):
    dockerd.client.images.pull(base, platform=AMD)
    before = dockerd.client.images.get(base)
    build([resources.File(name='/b', contents='y')])
    assert dockerd.client.images.get(base).id == before.id
    tags = [tag for image in dockerd.client.images.list() for tag in image.tags]
    assert not [tag for tag in tags if 'charm-image' in tag]


def test_a_function_is_called_for_each_platform(build, arm64):
    asked = []

    def contents(platform):
        asked.append(platform)
        made = resources.File(name='/machine', contents=f'for {platform}')
        return charm_image.ResourceBundle.from_iterator([made])

    archive, _, _ = build(contents)
    assert asked == [AMD, ARM]
    assert machines(archive) == {'amd64': f'for {AMD}', 'arm64': f'for {ARM}'}


def test_a_build_that_fails_ends_the_others_and_writes_nothing(build, dockerd, podman, arm64):
    def contents(platform):
        command = 'exit 7' if platform == ARM else 'sleep 4322'
        made = resources.Execute(
            name='slow', command=['sh', '-c', f'echo {os.urandom(4)}; {command}']
        )
        return charm_image.ResourceBundle.from_iterator([made])

    with pytest.raises(charm_image.StepError) as caught:
        build(contents, engines={ARM: podman.host}, tag='tests/never')
    assert str(caught.value).startswith(f'{ARM}: Execute[slow] (')
    assert caught.value.status == 7
    for engine in (dockerd, podman):
        assert not [
            tag for image in engine.client.images.list() for tag in image.tags if 'never' in tag
        ]
    deadline = time.monotonic() + 20
    while dockerd.client.api.containers():  # the engine ends it by itself, in a moment
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_failure_leaves_no_file(build, tmp_path, arm64):
    with pytest.raises(charm_image.StepError):
        build([resources.Execute(command='false')])
    assert [path for path in tmp_path.iterdir() if path.name != 'config'] == []


def test_a_platform_that_the_engine_cannot_run_is_reported_before_anything_is_built(build):
    with pytest.raises(charm_image.BuildError) as caught:
        build(MACHINE, platform=[AMD, 'linux/s390x'])
    assert str(caught.value) == (
        'linux/s390x: building for linux/s390x needs qemu-user-static (apt install qemu-user-'
        'static), or a different engine: --engine linux/s390x=CONTEXT_OR_URL'
    )


def test_an_engine_of_its_own_that_cannot_run_it_is_named(build, podman):
    with pytest.raises(charm_image.BuildError, match='there') as caught:
        build(MACHINE, platform=[AMD, 'linux/s390x'], engines={'linux/s390x': podman.host})
    assert podman.host in str(caught.value)
    assert 'is for linux/amd64' in str(caught.value)


def test_an_image_of_files_alone_needs_no_engine_that_could_run_its_platform(build):
    archive, _, _ = build([resources.File(name='/a', contents='x')], platform=[AMD, 'linux/s390x'])
    configs = archive.contents().configs
    assert [config.platform['architecture'] for config in configs] == ['amd64', 's390x']


def test_a_single_platform_may_have_an_engine_of_its_own_too(build, podman, arm64):
    archive, builder, _ = build(MACHINE, platform=ARM, engines={ARM: podman.host})
    assert machines(archive) == {'arm64': 'aarch64'}
    assert podman.client.images.get(builder.image_id).attrs['Architecture'] == 'arm64'


# without an engine


def test_tasks_go_on_at_the_same_time_and_the_first_failure_ends_the_others():
    together = threading.Barrier(2)
    ended = threading.Event()

    def waiting():
        together.wait(10)
        yield 'begun'
        assert ended.wait(10)
        yield 'too late'
        raise AssertionError('not reached')

    def failing():
        together.wait(10)
        yield 'about to fail'
        raise ValueError('first')

    tasks = [_concurrently.Task(waiting, ended.set), _concurrently.Task(failing, lambda: None)]
    with pytest.raises(ValueError, match='first'):
        list(_concurrently.run(tasks))
    assert ended.is_set()


def test_tasks_that_come_to_their_end_are_not_stopped(monkeypatch):
    stopped = []
    # as if no thread ended at once
    monkeypatch.setattr(futures.Future, 'done', lambda future: False)
    task = _concurrently.Task(lambda: (each for each in 'ab'), lambda: stopped.append(1))
    assert list(_concurrently.run([task])) == ['a', 'b']
    assert not stopped


def test_tasks_that_nobody_wants_any_more_are_ended():
    ended = threading.Event()

    def steps():
        yield 'begun'
        assert ended.wait(10)

    running = _concurrently.run([_concurrently.Task(steps, ended.set)])
    assert next(running) == 'begun'
    running.close()
    assert ended.is_set()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'platform': [AMD, ARM]}, 'must be written to a file: set output=PATH'),
        ({'platform': [AMD, 'linux/x86_64'], 'output': 'a'}, 'linux/amd64 is given twice'),
        ({'platform': ['arm64'], 'output': 'a'}, 'use a form such as linux/arm64'),
        ({'platform': 5}, 'platform must be a list'),
        ({'engines': {ARM: 'x'}}, 'linux/arm64 is not a platform to build for (none)'),
        ({'engines': {ARM: 'x'}, 'platform': AMD}, 'not a platform to build for (linux/amd64)'),
        ({'engines': {ARM: ''}, 'platform': ARM}, 'needs a docker context, a buildx builder'),
        ({'engines': [ARM], 'platform': ARM}, 'engines must be a dict'),
    ],
)
def test_platforms_and_engines_that_are_wrong_are_refused(options, said):
    with pytest.raises(charm_image.ResourceError) as caught:
        charm_image.DockerBuilder(charm_image.ResourceBundle(), **options)
    assert said in str(caught.value)


def dry_run(contents):
    builder = charm_image.DockerBuilder(contents, 'scratch', platform=[AMD, ARM], dry_run=True)
    return builder, [each for each in builder.build() if each.state == 'plan']


def test_a_dry_run_shows_one_dockerfile_if_they_are_equal_and_each_if_not():
    same = charm_image.ResourceBundle.from_iterator([resources.File(name='/a', contents='x')])
    builder, plans = dry_run(same)
    assert [plan.text for plan in plans] == [builder.dockerfile]

    def contents(platform):
        made = resources.File(name='/a', contents=platform)
        return charm_image.ResourceBundle.from_iterator([made])

    builder, plans = dry_run(contents)
    assert [plan.text.splitlines()[0] for plan in plans] == [f'# {AMD}', f'# {ARM}']
    with pytest.raises(charm_image.BuildError, match='differs by platform'):
        assert builder.dockerfile
