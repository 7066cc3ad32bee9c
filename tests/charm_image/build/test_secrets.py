"""Secrets of a build: one command has them, and nothing keeps them."""

import io
import tarfile

import pytest

import charm_image
from charm_image import resources
from support import debian, require
from support.bundles import bundle_of, dockerfile_of

SECRET = 's3cret-value'


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / 'pip.conf'
    path.write_text(SECRET)
    return path


def reads(secret, **options):
    return resources.Execute(
        command=['sh', '-c', 'wc -c </run/secrets/pip.conf >/size'],
        secrets={'pip.conf': secret},
        **options,
    )


def test_a_secret_is_mounted_for_its_command_only(secret):
    written = dockerfile_of(
        reads(secret), resources.Execute(command=['sh', '-c', 'echo later >/later'])
    )
    mounting = [line for line in written.splitlines() if line.startswith('RUN --mount')]
    assert mounting == [
        'RUN --mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf,mode=0444,required=true'
        ' ["/bin/sh", "-euc", "\\'
    ]
    assert str(secret) not in written
    assert '--secret id=pip.conf,src=FILE' in written


def test_a_context_has_no_secret(secret, tmp_path):
    builder = charm_image.DockerBuilder(bundle_of(reads(secret)))
    assert SECRET.encode() not in builder.context()
    builder.write_context(tmp_path / 'kept')
    for path in (tmp_path / 'kept').rglob('*'):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ('secrets', 'said'),
    [
        (['pip.conf'], 'secrets must be a dict'),
        ({'a b': '/etc/passwd'}, 'is not a valid name'),
        ({'../a': '/etc/passwd'}, 'is not a valid name'),
        ({'a': 5}, 'must be the path of a file'),
        ({'a': '/nowhere'}, 'must be a file that can be read'),
    ],
)
def test_secrets_that_are_not_files_by_name_are_refused(secrets, said):
    with pytest.raises(charm_image.ResourceError, match=said):
        resources.Execute(command='true', secrets=secrets)


def test_secrets_of_one_name_and_two_files_are_refused(secret):
    with pytest.raises(charm_image.ResourceError, match='pip.conf is also a different file'):
        dockerfile_of(
            reads(secret),
            resources.Execute(command='true', secrets={'pip.conf': '/etc/passwd'}),
        )


def test_a_secret_without_buildx_is_refused(build_engine, secret, monkeypatch, tmp_path):
    builder = charm_image.DockerBuilder(bundle_of(reads(secret)), build_engine.busybox)
    monkeypatch.setenv('DOCKER_HOST', build_engine.host)
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(charm_image.BuildError) as caught:
        list(builder.build())
    podman = build_engine.builder == 'podman'
    expected = 'podman cannot mount secrets (pip.conf)' if podman else 'only buildx can mount'
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.slow
def test_a_secret_with_buildx_is_read_by_one_command_and_kept_by_nothing(
    dockerd, secret, monkeypatch, tmp_path
):
    require('docker')
    plugins = tmp_path / 'config/cli-plugins'
    plugins.mkdir(parents=True)
    (plugins / 'docker-buildx').symlink_to(debian.buildx())
    monkeypatch.setenv('DOCKER_HOST', dockerd.host)
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path / 'config'))
    output = tmp_path / 'image.tar'
    builder = charm_image.DockerBuilder(
        bundle_of(reads(secret), resources.Execute(command=['sh', '-c', 'ls /run/secrets || :'])),
        dockerd.busybox,
        network='host',
        output=output,
        tag='tests:secret',
    )
    progress = [str(each) for each in builder.build()]
    assert SECRET not in '\n'.join(progress)
    image = dockerd.client.images.get('tests:secret')
    assert image.id == builder.image_id
    assert SECRET not in str(image.history()) + str(image.attrs)
    content = output.read_bytes()
    assert SECRET.encode() not in content
    sizes = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if member.size > 1024 and member.name.startswith('blobs/'):
                with tarfile.open(fileobj=archive.extractfile(member)) as layer:
                    sizes += [
                        layer.extractfile(each).read() for each in layer if each.name == 'size'
                    ]
    assert sizes == [b'%d\n' % len(SECRET)]
