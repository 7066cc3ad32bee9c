"""charm-upload-resources: all resources of a charm, against a stand-in for Charmhub."""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from charm_image import _progress
from charm_image._commands import terminal
from support import remote_images
from support.charm_cases import ARM64, LOCAL, rows, sent, write


def test_the_command_uploads_all_that_a_charm_declares(hub, upload_all, charm, tagged):
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


def test_a_tag_is_reported_with_the_digest_that_it_was_resolved_to(upload_all, charm, tagged):
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


def test_a_resource_that_is_not_given_is_named_as_left_out(hub, upload_all, charm):
    done = upload_all('charm')
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['local'] == ['-', '-', 'left out']
    assert rows(done.stdout)['data'] == ['-', '-', 'left out']
    assert 'local: left out: to upload it, use --image local=…' in done.stderr
    assert 'data: left out: to upload it, use --filepath data=…' in done.stderr
    assert '--resource=local' not in done.stdout
    assert hub.revisions('my-app', 'local') == []


def test_a_resource_that_fails_does_not_stop_the_others_and_the_status_says_so(
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
    assert 'Not in the release command, because the upload failed: app\n' in done.stderr


@pytest.mark.parametrize('source', ['https://hub.example/app', 'gcr.io/Foo/Bar:1', 'A B'])
def test_an_upstream_source_that_is_not_a_reference_fails_alone_and_only_if_it_is_used(
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
    assert 'use --image or --from app=…' in done.stderr
    assert [rows(done.stdout)[name][2] for name in ('app', 'side')] == ['failed', '1']
    done = upload_all('charm', '--only', 'app', '--image', 'app=local.tar')
    assert (done.returncode, rows(done.stdout)['app'][2]) == (0, '1'), done.stderr


def test_a_resource_that_failed_is_not_reported_as_going_on(capsys):
    shown = terminal.Terminal('program', interval=0.1)
    report = _progress.Reporter(shown.show)
    part = report.for_resource('app')
    with shown, report.steps() as progress:
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
    assert 'a different artifact' in done.stderr


def test_only_uploads_the_resources_that_it_names(hub, upload_all, charm):
    done = upload_all('charm', '--only', 'side')
    assert done.returncode == 0, done.stderr
    assert list(rows(done.stdout)) == ['side']
    assert hub.revisions('my-app', 'app') == []


def test_options_go_before_the_upstream_source(hub, upload_all, charm, there, repository):
    other = remote_images.image(ARM64)
    name = other.push(there.host, repository)
    done = upload_all(
        'charm', '--only', 'app', '--only', 'side', '--from', f'app={name}',
        '--image', 'side=local.tar',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['app'] == [other.digest, 'arm64', '1']
    assert rows(done.stdout)['side'][1] == 'amd64'


def test_json_is_alone_on_stdout(upload_all, charm, tagged, there):
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
        'existed': False,
        'reference': f'{repository}@{digest}',
        'platforms': [],
        'signatures': [],
        'signatures-left': [],
        'image-digest': digest,
        'architectures': ['amd64', 'arm64'],
    }
    assert by_name['side']['status'] == 'failed'
    assert by_name['side']['errors'][0]['code'] == 'not-found'
    assert by_name['local']['status'] == 'left-out'
    assert content['release'].endswith('--resource=app:1')
