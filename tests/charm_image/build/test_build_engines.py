"""Images that real engines build: Docker's, by both of its builders, and podman's."""

import contextlib
import io
import json
import os
import pathlib
import tarfile
import time

import pytest

import charm_image
from charm_image import resources
from support import built

pytestmark = pytest.mark.holds('builds')


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


def test_image_of_files_alone_needs_nothing_in_its_base(build):
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


def test_image_has_every_kind_of_resource_with_its_metadata(build):
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


def test_image_has_nothing_but_its_resources(build):
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
    # BuildKit over containerd's store starts the last step before it finds it in its cache
    told = [each for each in again.progress if each.state not in ('note', 'started')]
    assert {progress.state for progress in told} == {'cached', 'built'}
    assert 'cached' in str(told[0])


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


def test_an_archive_holds_the_image(build, build_engine, tmp_path):
    first, second = tmp_path / 'first.tar', tmp_path / 'second.tar'
    made = [resources.File(name='/index.html', contents='HELLO')]
    built = build(*made, output=first, tag='archived:1.0')
    build(*made, output=second, tag='archived:1.0')
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        index = json.load(tar.extractfile('index.json'))
        digest = index['manifests'][0]['digest'].replace(':', '/')
        manifest = json.load(tar.extractfile(f'blobs/{digest}'))
        digest = manifest['config']['digest']
        config = json.load(tar.extractfile(f'blobs/{digest.replace(":", "/")}'))
    assert build_engine.kind.containerd or digest == built.id
    inspected = build_engine.client.api.inspect_image(built.id)
    assert config['rootfs']['diff_ids'] == inspected['RootFS']['Layers']


def test_a_failure_of_the_engine_itself_has_its_reason_and_not_the_script(dockerd, monkeypatch):
    monkeypatch.setenv('DOCKER_BUILDKIT', '1')
    bundle = charm_image.ResourceBundle()
    bundle.add(resources.Execute(name='a', command=['sh', '-c', 'echo one; echo two']))
    # without a network that is named, BuildKit wants a bridge, which this engine has not
    builder = charm_image.DockerBuilder(bundle, dockerd.busybox, client=dockerd.client.api)
    with pytest.raises(charm_image.StepError) as caught:
        list(builder.build())
    [line] = str(caught.value).splitlines()
    assert 'bridge' in line
    assert 'umask' not in line


@pytest.mark.parametrize('build_engine', ['BuildKit'], indirect=True)
def test_steps_are_merged_if_they_are_more_than_an_image_may_have_layers(build):
    built = build(
        *(
            each
            for number in range(60)
            for each in (
                resources.File(name=f'/{number}/file', contents=str(number)),
                resources.Execute(command=f'sh -c "echo {number} >>/log"'),
            )
        )
    )
    assert built.contents['/log'].decode().split() == [str(number) for number in range(60)]
    assert all(built.contents[f'/{number}/file'] == f'{number}'.encode() for number in range(60))
    assert '/.charm-image' not in built.files


def test_watches_apply_a_resource_if_something_changed_and_only_then(build):
    built = build(
        resources.File(name='/conf', contents='port 1\n'),
        resources.Line(id='same', name='/conf', match='^port', line='port 1'),
        resources.Line(id='other', name='/conf', match='^host', line='host a'),
        resources.Directory(name='/tmp', mode='1777'),
        resources.Directory(name='/new'),
        resources.File(name='/between', contents='x'),
        *(
            resources.Execute(command=f'touch /{number}', watches=[watched])
            for number, watched in enumerate(
                ['/conf', 'same', 'other', 'Directory[/tmp]', '/new', '/between']
            )
        ),
        resources.File(name='/unchanged', contents='', watches=['same']),
        resources.File(name='/changed', contents='new', mode='600', watches=['same', 'other']),
    )
    there = {name for name in built.files if name[1:].isdigit()}
    assert there == {'/0', '/2', '/4', '/5'}
    assert '/unchanged' not in built.files
    assert built.contents['/changed'] == b'new'
    assert built.stat('/changed') == '0600 0:0'
    assert built.contents['/conf'] == b'port 1\nhost a\n'


def test_conditions_decide_whether_a_command_is_run(build):
    built = build(
        resources.Execute(id='a', command='touch /a', creates='/bin'),
        resources.Execute(id='b', command='touch /b', creates='/none'),
        resources.Execute(id='c', command='touch /c', unless='test -d /bin && true'),
        resources.Execute(id='d', command='touch /d', unless=['test', '-d', '/none']),
        resources.Execute(id='e', command='touch /e', touch='/etc/once'),
        resources.Execute(id='f', command='touch /f', touch='/etc/once'),
        resources.Execute(id='g', commands=[['sh', '-c', '>/g; exit 3']], returncode=3),
    )
    assert {name for name in built.files if len(name) == 2} == {'/b', '/d', '/e', '/g'}
    assert built.contents['/etc/once'] == b''


def test_an_exit_status_that_is_not_the_expected_one_is_reported(build):
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.Execute(commands=['sh -c "exit 3"', 'true'], returncode=3))
    assert caught.value.status == 0
    assert caught.value.command == 'true'
    assert caught.value.output[-1] == 'exit status 0, expected 3'
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.Execute(commands=['true', ['sh', '-c', 'true; exit 4']]))
    assert caught.value.status == 4
    assert caught.value.command == "sh -c 'true; exit 4'"
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.Execute(command='no-such-program'))
    assert caught.value.status == 127


def test_a_shells_builtins_are_not_what_commands_mean(build):
    with pytest.raises(charm_image.StepError, match='exit status 127'):
        build(resources.Execute(command='exit 0'))
    built = build(resources.Execute(command="sh -c 'printf %s \"$0\" >/said' 'a\\tb'"))
    assert built.contents['/said'] == b'a\\tb'


def test_a_build_that_is_given_up_neither_goes_on_nor_leaves_anything(build_engine):
    assert build_engine.busybox
    before = left(build_engine)
    podman = build_engine.builder == 'podman'  # which ends the command that it is at
    bundle = charm_image.ResourceBundle()
    bundle.add(resources.File(name='/given-up', contents=os.urandom(8)))
    # what another worker's engine has sleeping is none of ours
    seconds = f'{3 if podman else 4321}.0{os.getpid()}'
    bundle.add(resources.Execute(command=f'sh -c "echo here; sleep {seconds}"'))
    building = charm_image.DockerBuilder(
        bundle, build_engine.busybox, network='host', client=build_engine.client.api
    ).build()
    for progress in building:
        if progress.text == 'here':
            break
    building.close()
    deadline = time.monotonic() + 30
    while (left(build_engine) != before or sleeping(seconds)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(build_engine) == before
    assert not sleeping(seconds)


def sleeping(seconds):
    found = []
    for directory in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            if (directory / 'cmdline').read_bytes() == f'sleep\0{seconds}\0'.encode():
                found.append(directory.name)
    return found


def test_write_context_writes_what_docker_build_makes_the_same_image_of(
    build, build_engine, tmp_path
):
    bundle = charm_image.ResourceBundle.from_iterator(everything())
    options = {'env': {'A': 'two\nlines "$HOME"'}, 'cmd': ['a', '$b'], 'network': 'host'}
    builder = charm_image.DockerBuilder(
        bundle, build_engine.busybox, client=build_engine.client.api, **options
    )
    ours = built.Built(build_engine, (list(builder.build()), builder.image_id)[1])
    builder.write_context(tmp_path / 'kept')
    with tarfile.open(fileobj=io.BytesIO(builder.context())) as tar:
        assert sorted(tar.getnames()) == sorted(
            str(path.relative_to(tmp_path / 'kept')) for path in (tmp_path / 'kept').rglob('*')
        )
    kept = build_engine.docker(
        *('build', '--quiet', '--network=host', '--build-arg=CHARM_IMAGE_NEWLINE=\n'),
        str(tmp_path / 'kept'),
    )
    theirs = built.Built(build_engine, kept)
    assert theirs.config['Env'] == ours.config['Env']
    assert theirs.config['Cmd'] == ours.config['Cmd']
    assert {name: theirs.stat(name) for name in theirs.files} == {
        name: ours.stat(name) for name in ours.files
    }


def test_a_tree_arrives_with_its_links_owners_and_modes(build, tmp_path):
    app = tmp_path / 'app'
    (app / 'sub/empty').mkdir(parents=True)
    (app / 'main.py').write_text('main')
    (app / 'sub/run').write_text('run')
    (app / 'sub/run').chmod(0o4750)
    (app / 'sub').chmod(0o2750)
    (app / 'left out.pyc').write_text('')
    (app / 'link').symlink_to('sub/run')
    app.chmod(0o711)
    made = [
        resources.User(name='app', uid=700),
        resources.Directory(name='/srv/app', source=app, exclude=['*.pyc']),
        resources.Directory(name='/opt/new/app', source=app, owner='app', exclude=['*.pyc']),
        resources.Directory(name='/bin/sub', source=app, owner='bin', mode='640'),
        resources.Directory(name='/watched', source=app, owner='app', watches=['User[app]']),
        resources.Execute(command='touch /changed', watches=['/watched']),
    ]
    passwd = resources.User(id='existing', name='bin', uid=2, group='root')
    base = build(passwd)
    built = build(*made, from_image=base.id)
    for top, owner in (('/srv/app', '0:0'), ('/opt/new/app', '700:700'), ('/watched', '700:700')):
        assert built.contents[f'{top}/main.py'] == b'main'
        assert built.stat(top) == f'0711 {owner}'
        assert built.stat(f'{top}/sub') == f'2750 {owner}'
        assert built.stat(f'{top}/sub/empty') == f'0755 {owner}'
        assert built.stat(f'{top}/sub/run') == f'4750 {owner}'
        assert built.files[f'{top}/link'].linkname == 'sub/run'
        assert (f'{top}/left out.pyc' in built.files) == (top == '/watched')
    assert built.stat('/opt/new') == '0755 0:0'
    assert built.stat('/bin/sub/main.py') == '0640 2:0'
    assert built.stat('/bin/sub/sub/run') == '0640 2:0'
    assert '/changed' in built.files
    again = build(*made, from_image=base.id)
    assert again.id == built.id


def test_files_and_trees_come_from_another_image(build, build_engine):
    tool = build(
        resources.File(name='/tool/run', contents='run', mode='755'),
        resources.File(name='/tool/more/data', contents='data', mode='600'),
        from_image='scratch',
        tag='tests/tool:1.2',
    )
    assert tool.id
    built = build(
        resources.File(name='/usr/bin/run', source='/tool/run', from_image='tests/tool:1.2'),
        resources.File(
            name='/own',
            source='/tool/run',
            from_image='tests/tool:1.2',
            owner=5,
            group=6,
            mode='711',
        ),
        resources.Directory(name='/opt/tool', source='/tool', from_image='tests/tool:1.2'),
        resources.Directory(name='/o', source='/tool', from_image='tests/tool:1.2', owner=7),
        resources.File(
            name='/w', source='/tool/run', from_image='tests/tool:1.2', watches=['/own']
        ),
    )
    assert built.contents['/usr/bin/run'] == b'run'
    assert built.stat('/usr/bin/run') == '0755 0:0'
    assert built.stat('/own') == '0711 5:6'
    assert built.contents['/opt/tool/more/data'] == b'data'
    assert built.stat('/opt/tool/more/data') == '0600 0:0'
    assert built.stat('/o/more/data') == '0600 7:0'
    assert built.contents['/w'] == b'run'
    assert '/.charm-image' not in built.files


def test_an_image_starts_as_it_was_told(build, build_engine):
    built = build(
        resources.Execute(command=['sh', '-c', 'id -u >/who; pwd >/where']),
        entrypoint=['sh', '-c', 'exit 0'],
        cmd=['a', '$b'],
        workdir="/srv/it's $HOME",
        user='7:8',
        stop_signal='SIGUSR1',
    )
    assert built.config['Entrypoint'] == ['sh', '-c', 'exit 0']
    assert built.config['Cmd'] == ['a', '$b']
    assert built.config['WorkingDir'] == "/srv/it's $HOME"
    assert built.config['User'] == '7:8'
    assert built.config['StopSignal'] == 'SIGUSR1'
    if build_engine.builder != 'podman':  # which creates it when a container starts
        assert built.stat("/srv/it's $HOME") == '0755 0:0'
    assert (built.contents['/who'], built.contents['/where']) == (b'0\n', b'/\n')
    kept = build(resources.Execute(command=['sh', '-c', 'id -u >/who']), from_image=built.id)
    for name in ('Entrypoint', 'Cmd', 'WorkingDir', 'User', 'StopSignal'):
        assert kept.config[name] == built.config[name]
    assert kept.contents['/who'] == b'0\n'


def test_no_cache_does_all_steps_again(build, build_engine):
    made = [resources.Execute(command=['sh', '-c', 'date >/now'])]
    build(*made)
    assert 'cached' in {each.state for each in build(*made).progress}
    again = build(*made, no_cache=True)
    assert 'cached' not in {each.state for each in again.progress}
    notes = [each.text for each in again.progress if each.state == 'note']
    assert notes[0].startswith(f'{build_engine.busybox} is ')
