"""charm-upload-resources: all resources of a charm, against a stand-in for Charmhub."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest
import yaml

from charm_image import terminal
from charm_image import upload_all as upload_all_module
from services import faulty_proxy, layouts, remote_images
from services import registry as registries

AMD64 = remote_images.platform('amd64', layers=[b'one', b'two'])
ARM64 = remote_images.platform('arm64', layers=[b'one', b'three'])


@pytest.fixture(scope='module')
def there(tmp_path_factory):
    with registries.running(tmp_path_factory.mktemp('there')) as running:
        yield running


@pytest.fixture
def proxy(there):
    with faulty_proxy.running(there.host) as proxy:
        yield proxy


@pytest.fixture
def tagged(there, repository):
    """Two images of another registry, by their tags: of two platforms, and of one."""
    first = remote_images.image(AMD64, ARM64, attested=True)
    first.push(there.host, repository, '1.2')
    second = remote_images.image(AMD64)
    second.push(there.host, f'{repository}-more', 'latest')
    return {
        'app': (f'{there.host}/{repository}:1.2', first.digest),
        'side': (f'{there.host}/{repository}-more', second.digest),
    }


@pytest.fixture
def charm(hub, tagged, tmp_path):
    """A charm's folder: two images from elsewhere, one from here, and a file."""
    resources = {
        name: {'type': 'oci-image', 'upstream-source': reference}
        for name, (reference, _) in tagged.items()
    }
    resources['local'] = {'type': 'oci-image', 'description': 'ours'}
    resources['data'] = {'type': 'file', 'filename': 'data.txt'}
    hub.add('my-app', {name: entry['type'] for name, entry in resources.items()})
    folder = tmp_path / 'charm'
    folder.mkdir()
    write(folder / 'metadata.yaml', {'name': 'my-app', 'resources': resources})
    (tmp_path / 'data.txt').write_text('some data')
    (tmp_path / 'local.tar').write_bytes(
        layouts.docker_25(layouts.Image((layouts.tar([('x', b'y')]),)))
    )
    return folder


LOCAL = ('--image', 'local=local.tar', '--filepath', 'data=data.txt')


def write(path, content):
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def rows(output):
    """The table, as a list of its columns for each name."""
    lines = output.split('\n\n')[0].splitlines()
    assert lines[0].split() == ['Resource', 'Digest', 'Architectures', 'Revision']
    return {line.split()[0]: re.split(r'  +', line)[1:] for line in lines[1:]}


def sent(hub):
    """What left this machine: everything but questions."""
    return [path for method, path, _ in hub.requests if method not in ('GET', 'HEAD')] + [
        path for method, path in hub.registry_proxy.requests if method in ('POST', 'PATCH', 'PUT')
    ]


def test_one_command_uploads_all_that_a_charm_declares(hub, upload_all, charm, tagged):
    done = upload_all('charm', *LOCAL)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert list(found) == ['app', 'side', 'local', 'data']
    assert found['app'] == [tagged['app'][1], 'amd64 arm64', '1']
    assert found['side'] == [tagged['side'][1], 'amd64', '1']
    assert re.fullmatch('sha256:[0-9a-f]{64}', found['local'][0])
    assert found['local'][1:] == ['amd64', '1']
    assert found['data'] == ['-', '-', '1']
    assert done.stdout.splitlines()[-1] == (
        'charmcraft release my-app --revision=… --channel=… --resource=app:1 '
        '--resource=side:1 --resource=local:1 --resource=data:1'
    )
    assert hub.revisions('my-app', 'app')[0].bases[0]['architectures'] == ['amd64', 'arm64']
    assert hub.revisions('my-app', 'data')[0].content == b'some data'


def test_a_tag_is_told_with_the_digest_that_it_was_resolved_to(upload_all, charm, tagged):
    done = upload_all('charm')
    for name, (reference, digest) in tagged.items():
        tag = reference if reference.count(':') > 1 else f'{reference}'
        repository = tag.rpartition(':')[0] if tag.endswith(':1.2') else tag
        assert f'{name}: {tag} is {repository}@{digest}' in done.stderr


def test_a_second_run_sends_nothing_and_gives_the_same_revisions(hub, upload_all, charm):
    first = upload_all('charm', *LOCAL)
    assert first.returncode == 0, first.stderr
    hub.requests.clear()
    hub.registry_proxy.forget()
    second = upload_all('charm', *LOCAL)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    # it asks what Charmhub's record of each image would hold, which makes nothing
    assert [path for path in sent(hub) if not path.endswith('/oci-image/blob')] == []


def test_what_is_not_given_is_named_as_left_out(hub, upload_all, charm):
    done = upload_all('charm')
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['local'] == ['-', '-', 'left out']
    assert rows(done.stdout)['data'] == ['-', '-', 'left out']
    assert 'local: left out: give --image local=…' in done.stderr
    assert 'data: left out: give --filepath data=…' in done.stderr
    assert '--resource=local' not in done.stdout
    assert hub.revisions('my-app', 'local') == []


def test_one_that_fails_does_not_stop_the_others_and_the_status_says_so(
    hub, upload_all, charm, there
):
    content = yaml.safe_load((charm / 'metadata.yaml').read_text())
    content['resources']['app']['upstream-source'] = f'{there.host}/absent:7'
    write(charm / 'metadata.yaml', content)
    done = upload_all('charm', *LOCAL)
    assert done.returncode == 1
    found = rows(done.stdout)
    assert found['app'] == ['-', '-', 'failed']
    assert [found[name][2] for name in ('side', 'local', 'data')] == ['1', '1', '1']
    assert re.search('app: failed: .*absent:7 is not in the registry', done.stderr)
    assert '--resource=side:1 --resource=local:1' in done.stdout
    assert '--resource=app' not in done.stdout
    assert 'Not in the release command, because it failed: app\n' in done.stderr


@pytest.mark.parametrize('source', ['https://hub.example/app', 'gcr.io/Foo/Bar:1', 'A B'])
def test_an_upstream_source_that_is_no_reference_fails_alone_and_only_if_it_is_used(
    source, hub, upload_all, charm
):
    content = yaml.safe_load((charm / 'metadata.yaml').read_text())
    content['resources']['app']['upstream-source'] = source
    write(charm / 'metadata.yaml', content)
    done = upload_all('charm', '--only', 'side')
    assert (done.returncode, rows(done.stdout)['side'][2]) == (0, '1'), done.stderr
    done = upload_all('charm', '--only', 'app', '--only', 'side')
    assert done.returncode == 1
    assert "app: failed: the upstream-source of 'app' is not a valid image ref" in done.stderr
    assert 'give --image or --from app=…' in done.stderr
    assert [rows(done.stdout)[name][2] for name in ('app', 'side')] == ['failed', '1']
    done = upload_all('charm', '--only', 'app', '--image', 'app=local.tar')
    assert (done.returncode, rows(done.stdout)['app'][2]) == (0, '1'), done.stderr


def test_what_failed_is_not_reported_as_going_on(capsys):
    shown = terminal.Terminal('program', interval=0.1)
    with shown.steps() as progress:
        part = upload_all_module._Part('app', shown, progress, threading.Lock())
        with contextlib.suppress(KeyError), part.step('Waiting'):
            raise KeyError
        with contextlib.suppress(KeyError), part.steps() as each:
            each('Sending', 3, 7)
            raise KeyError
        capsys.readouterr()
        progress('other', 3, 7)
        told, deadline = '', time.monotonic() + 20
        while told.count('other: ') < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            told += capsys.readouterr().err
    assert 'app: ' not in told


def test_resources_are_uploaded_at_the_same_time(hub, environment, charm, proxy, tmp_path):
    """The first one hangs until all others are done."""
    content = yaml.safe_load((charm / 'metadata.yaml').read_text())
    for entry in content['resources'].values():
        if 'upstream-source' in entry:
            host, slash, rest = entry['upstream-source'].partition('/')
            entry['upstream-source'] = proxy.host + slash + rest
    write(charm / 'metadata.yaml', content)
    first = content['resources']['app']['upstream-source'].partition('/')[2].partition(':')[0]
    hangs = proxy.hold('GET', f'/v2/{first}/manifests/')
    process = subprocess.Popen(
        [
            pathlib.Path(sys.executable).with_name('charm-upload-resources'),
            'charm',
            *LOCAL,
        ],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while not hangs.wait(1):
            assert process.poll() is None
        deadline = time.monotonic() + 120
        while not all(hub.revisions('my-app', name) for name in ('side', 'local', 'data')):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert hub.revisions('my-app', 'app') == []
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b'Interrupted.' in stderr
    assert b'Traceback' not in stderr


def test_a_dry_run_resolves_and_checks_and_sends_nothing(
    hub, upload_all, charm, tagged, there, repository
):
    done = upload_all('charm', *LOCAL, '--dry-run')
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found['app'] == [tagged['app'][1], 'amd64 arm64', 'checked']
    assert found['local'] == ['-', 'amd64', 'checked']
    assert found['data'] == ['-', '-', 'checked']
    assert 'charmcraft release' not in done.stdout
    assert sent(hub) == []
    name = remote_images.artifact().push(there.host, repository)
    done = upload_all('charm', '--dry-run', '--from', f'app={name}')
    assert done.returncode == 1
    assert rows(done.stdout)['app'] == ['-', '-', 'failed']
    assert 'another artifact' in done.stderr


def test_only_one_of_them_if_one_likes(hub, upload_all, charm):
    done = upload_all('charm', '--only', 'side')
    assert done.returncode == 0, done.stderr
    assert list(rows(done.stdout)) == ['side']
    assert hub.revisions('my-app', 'app') == []


def test_what_is_given_goes_before_the_upstream_source(hub, upload_all, charm, there, repository):
    other = remote_images.image(ARM64)
    name = other.push(there.host, repository)
    done = upload_all(
        'charm', '--only', 'app', '--only', 'side', '--from', f'app={name}',
        '--image', 'side=local.tar',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['app'] == [other.digest, 'arm64', '1']
    assert rows(done.stdout)['side'][1] == 'amd64'


def test_a_script_gets_json_alone_on_stdout(upload_all, charm, tagged, there):
    content = yaml.safe_load((charm / 'metadata.yaml').read_text())
    content['resources']['side']['upstream-source'] = f'{there.host}/absent:7'
    write(charm / 'metadata.yaml', content)
    done = upload_all('charm', '--format=json')
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert content['charm'] == 'my-app'
    by_name = {each['name']: each for each in content['resources']}
    repository, digest = tagged['app'][0].rpartition(':')[0], tagged['app'][1]
    assert by_name['app'] == {
        'name': 'app',
        'type': 'oci-image',
        'status': 'uploaded',
        'revision': 1,
        'reference': f'{repository}@{digest}',
        'image-digest': digest,
        'architectures': ['amd64', 'arm64'],
    }
    assert by_name['side']['status'] == 'failed'
    assert by_name['side']['errors'][0]['code'] == 'not-found'
    assert by_name['local']['status'] == 'left-out'
    assert content['release'].endswith('--resource=app:1')


# The charm


def built(folder, path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(folder / 'metadata.yaml', 'metadata.yaml')
        archive.writestr('hooks/install', '#!/bin/sh\n')
    return path.name


def moved(folder, path):
    os.rename(folder / 'metadata.yaml', folder / 'charmcraft.yaml')
    return folder.name


def parted(folder, path):
    content = yaml.safe_load((folder / 'metadata.yaml').read_text())
    write(folder / 'charmcraft.yaml', {'type': 'charm', 'resources': content.pop('resources')})
    write(folder / 'metadata.yaml', content)
    return folder.name


@pytest.mark.parametrize(
    'make',
    [
        lambda folder, path: str(folder),
        lambda folder, path: f'{folder.name}/metadata.yaml',
        built,
        moved,
        parted,
    ],
    ids=['a folder', 'its metadata.yaml', 'a built charm', 'a charmcraft.yaml', 'both'],
)
def test_a_charm_is_read_as_a_folder_as_its_metadata_or_built(make, upload_all, charm, tmp_path):
    path = make(charm, tmp_path / 'my.charm')
    done = upload_all(path, '--only', 'side', '--dry-run')
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['side'][2] == 'checked'


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda path: None, 'neither a file nor a directory'),
        (lambda path: path.mkdir(), 'has no metadata.yaml'),
        (lambda path: path.write_text('a: [b'), r'is not valid YAML \(line 1\)'),
        (lambda path: path.write_text('- a'), 'is not a mapping'),
        (lambda path: path.write_text('resources: {}'), 'does not give the name'),
        (lambda path: path.write_text('name: a\nresources: [b]'), 'are not a mapping'),
        (lambda path: path.write_text('name: a\nresources: {b: c}'), "'b' is not a mapping"),
        (
            lambda path: path.write_text('name: a\nresources: {b: {type: x}}'),
            "'b' has the type 'x'",
        ),
        (lambda path: path.write_bytes(bytes(2 << 20)), 'larger than 1 MiB'),
        (lambda path: os.mkfifo(path), 'neither a file nor a directory'),
    ],
)
def test_what_is_no_charm_is_told(make, said, hub, upload_all, tmp_path):
    make(tmp_path / 'odd')
    done = upload_all('odd')
    assert (done.returncode, done.stdout) == (1, '')
    assert re.search(said, done.stderr)
    assert 'Traceback' not in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['--image', 'absent=local.tar'], "declares no resource 'absent'"),
        (['--filepath', 'app=data.txt'], "'app' is of type 'oci-image'"),
        (['--image', 'data=local.tar'], "'data' is of type 'file'"),
        (['--only', 'absent'], "declares no resource 'absent'"),
        (['--only', 'app', *LOCAL], "--only leaves out 'data'"),
        (['--image', 'local=local.tar', '--image', 'local=local.tar'], 'given twice'),
        (['--image', 'local.tar'], 'not of the form NAME=VALUE'),
        (['--filepath', 'data=absent'], "no file 'absent'"),
        (['--image', 'local=127.0.0.1:1/x:1'], 'can move to a different image'),
        (['--unknown'], 'unrecognized'),
    ],
)
def test_wrong_options_are_told_before_anything_is_asked(options, said, hub, upload_all, charm):
    done = upload_all('charm', *options)
    assert (done.returncode, done.stdout) == (2, '')
    assert said in done.stderr
    assert hub.requests == []


def test_a_tag_is_refused_with_what_to_type_for_this_resource(upload_all, charm, tagged):
    reference, digest = tagged['app']
    done = upload_all('charm', '--image', f'local={reference}')
    repository = reference.rpartition(':')[0]
    assert f'--from local={repository}@{digest}' in done.stderr


def test_a_charm_that_charmhub_does_not_know_is_told_once(hub, upload_all, charm):
    del hub.charms['my-app']
    done = upload_all('charm', *LOCAL)
    assert done.returncode == 1
    assert done.stderr.count("has no charm 'my-app'") == 1
    assert sent(hub) == []


def test_a_resource_that_charmhub_does_not_know_yet_fails_alone(hub, upload_all, charm):
    del hub.charms['my-app'].resources['app']
    done = upload_all('charm', '--only', 'app', '--only', 'side')
    assert done.returncode == 1
    assert "has no resource 'app'" in done.stderr
    assert rows(done.stdout)['side'][2] == '1'


def test_help_tells_of_every_option(upload_all):
    done = upload_all('--help')
    assert done.returncode == 0
    for option in ('--image', '--from', '--filepath', '--only', '--dry-run', '--format'):
        assert option in done.stdout
    assert 'exit status:' in done.stdout
