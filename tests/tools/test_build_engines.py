"""Images that real engines build: Docker's, by both of its builders, and podman's."""

import json
import os
import tarfile

import pytest

import charm_image
from charm_image import resources


def test_the_documents_bundle_is_built_and_says_what_it_was_told(build):
    built = build(
        resources.File(name='/index.html', contents='HELLO WORLD!'),
        cmd=['httpd', '-f', '-p', '8000'],
        ports=[8000, '53/udp'],
        env={'GREETING': 'hello'},
        volumes=['/data'],
        maintainer='Ada <ada@example.com>',
        labels={'a': 'b'},
    )
    assert built.contents['/index.html'] == b'HELLO WORLD!'
    assert built.stat('/index.html') == '0644 0:0'
    assert built.config['Cmd'] == ['httpd', '-f', '-p', '8000']
    assert set(built.config['ExposedPorts']) == {'8000/tcp', '53/udp'}
    assert 'GREETING=hello' in built.config['Env']
    assert set(built.config['Volumes']) == {'/data'}
    labels = built.config['Labels']
    assert labels['org.opencontainers.image.authors'] == 'Ada <ada@example.com>'
    assert labels['a'] == 'b'


def test_files_alone_need_nothing_in_the_image(build):
    built = build(
        resources.File(name='/srv/data/index.html', contents='HELLO'),
        resources.File(name='/srv/data/own', contents='', owner=5, group=6, mode=0o600),
        from_image='scratch',
    )
    assert built.contents['/srv/data/index.html'] == b'HELLO'
    assert built.stat('/srv/data/own') == '0600 5:6'
    assert built.stat('/srv/data') == '0755 0:0'


def everything():
    return [
        resources.Group(name='staff', gid=50),
        resources.User(name='app', home='/srv/app', groups=['staff'], password='$6$hash'),
        resources.File(name='/etc/app.conf', contents='a\n#port 1\nb'),
        resources.File(name='/srv/app/own', contents='x', owner='app', mode='4750'),
        resources.File(name='/srv/new/dir/own', contents='x', owner='app'),
        resources.Directory(name='/var/lib/app/data', owner='app', mode=0o2750, parents=True),
        resources.Line(name='/etc/app.conf', match='^#?port', line='port 2'),
        resources.Link(name='/srv/link', to='/srv/app'),
        resources.Execute(
            command='sh -c "id -un >/tmp/who; echo $HOME >>/tmp/who; umask >>/tmp/who"',
            user='app',
            umask=0o077,
        ),
        resources.Execute(command='sh -c "echo $A >/a"', env={'A': 'own'}),
    ]


def test_every_kind_of_resource_arrives_with_its_metadata(build):
    built = build(*everything())
    assert built.contents['/etc/app.conf'] == b'a\nport 2\nb'
    assert built.stat('/srv/app/own') == '4750 999:999'
    assert built.stat('/srv/new/dir/own') == '0644 999:999'
    assert built.stat('/srv/new/dir') == built.stat('/srv/new') == '0755 0:0'
    assert built.stat('/srv/app') == '0755 999:999'
    assert built.stat('/var/lib/app/data') == built.stat('/var/lib/app') == '2750 999:999'
    assert built.stat('/var') == '0755 0:0'
    assert built.files['/srv/link'].linkname == '/srv/app'
    assert b'app:x:999:999::/srv/app:/bin/sh\n' in built.contents['/etc/passwd']
    assert b'staff:x:50:app\n' in built.contents['/etc/group']
    assert b'app:$6$hash:' in built.contents['/etc/shadow']
    assert built.contents['/tmp/who'] == b'app\n/srv/app\n0077\n'
    assert built.stat('/tmp/who') == '0600 999:999'
    assert built.contents['/a'] == b'own\n'


def test_nothing_else_is_in_the_image(build):
    bare = build(labels={'nothing': 'else'})
    built = build(*everything())
    new = {
        name
        for name in set(built.files) - set(bare.files)
        # what engines put into containers
        if not name.startswith(('/dev', '/proc', '/sys', '/run'))
    }
    assert new - {'/etc/hosts', '/etc/hostname', '/etc/resolv.conf'} == {
        '/a',
        '/etc/app.conf',
        '/srv',
        '/srv/app',
        '/srv/app/own',
        '/srv/link',
        '/srv/new',
        '/srv/new/dir',
        '/srv/new/dir/own',
        '/tmp/who',
        '/var/lib',
        '/var/lib/app',
        '/var/lib/app/data',
    }


def test_an_unchanged_build_does_nothing_and_says_so(build):
    first = build(*everything(), labels={'x': 'y'})
    again = build(*everything(), labels={'x': 'y'})
    assert again.id == first.id
    states = {progress.state for progress in again.progress}
    assert states == {'cached', 'built'}
    assert 'cached' in str(again.progress[0])


def left(engine):
    images = {image['Id'] for image in engine.client.api.images(all=True)}
    containers = {each['Id'] for each in engine.client.api.containers(all=True)}
    return images, containers


def test_a_failure_names_the_resource_its_command_and_its_status_and_leaves_nothing(
    build, build_engine
):
    build(labels={'warm': 'up'})
    before = left(build_engine)
    with pytest.raises(charm_image.StepError) as caught:
        build(
            resources.File(name='/made', contents='before the failure'),
            resources.Execute(name='break', command='sh -c "echo last words; exit 7"'),
        )
    error = caught.value
    assert error.resource == 'Execute[break]'
    assert error.status == 7
    assert error.command == "sh -c 'echo last words; exit 7'"
    assert error.output == ('last words',)
    for said in ('Execute[break]', os.path.basename(__file__), 'exit status 7', 'last words'):
        assert said in str(error)
    assert left(build_engine) == before


def test_an_archive_holds_the_image(build, tmp_path):
    first, second = tmp_path / 'first.tar', tmp_path / 'second.tar'
    made = [resources.File(name='/index.html', contents='HELLO')]
    built = build(*made, output=first, tag='archived:1.0')
    build(*made, output=second, tag='archived:1.0')
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        index = json.load(tar.extractfile('index.json'))
        digest = index['manifests'][0]['digest'].replace(':', '/')
        manifest = json.load(tar.extractfile(f'blobs/{digest}'))
    assert manifest['config']['digest'] == built.id
