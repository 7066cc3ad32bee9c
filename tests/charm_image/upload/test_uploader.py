"""charm_image.upload: uploads from Python."""

import dataclasses
import json
import subprocess

import pytest

import charm_image
from charm_image import upload
from support import uploads
from support.charm_cases import LOCAL


@pytest.fixture
def uploader(environment, hub, tmp_path, monkeypatch):
    """An uploader with what the environment has, in a directory of its own."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with upload.Uploader() as made:
        yield made


def test_upload_file_returns_its_revision(hub, uploader, tmp_path):
    (tmp_path / 'data').write_text('content')
    result = uploader.upload_file('my-charm', 'my-file', 'data')
    (revision,) = hub.revisions('my-charm', 'my-file')
    assert result == upload.Result(
        charm='my-charm', resource='my-file', type='file', revision=1, upload_id=revision.id
    )
    assert revision.content == b'content'
    assert uploader.upload_file('my-charm', 'my-file', tmp_path / 'data').revision == 1


def test_upload_image_returns_what_the_revision_has(hub, uploader, archive):
    result = uploader.upload_image('my-charm', 'my-image', str(archive))
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert result.digest == json.loads(revision.content)['ImageName'].partition('@')[2]
    assert (result.revision, result.architectures, result.type) == (1, ('amd64',), 'oci-image')
    assert result.missing_architectures == ()
    assert result.upload_id == revision.id
    again = uploader.upload_image('my-charm', 'my-image', result.digest)
    assert (again.digest, again.revision) == (result.digest, 1)


def test_copy_image_keeps_the_digest(uploader, tagged):
    reference, digest = tagged['app']
    name = reference.rpartition(':')[0]
    result = uploader.copy_image('my-charm', 'my-image', f'{name}@{digest}')
    assert (result.digest, result.reference) == (digest, f'{name}@{digest}')
    assert result.architectures == ('amd64', 'arm64')


def test_upload_charm_returns_a_result_for_each_resource(uploader, charm):
    options = dict(zip(LOCAL[::2], (value.partition('=') for value in LOCAL[1::2]), strict=True))
    results = uploader.upload_charm(
        'charm',
        images={options['--image'][0]: options['--image'][2]},
        files={options['--filepath'][0]: options['--filepath'][2]},
    )
    assert [result.resource for result in results] == ['app', 'side', 'local', 'data']
    assert {result.status for result in results} == {'uploaded'}
    assert [result.revision for result in results] == [1, 1, 1, 1]


def test_upload_charm_goes_on_after_one_that_fails_and_leaves_out_what_is_not_given(
    hub, uploader, charm
):
    hub.fail('POST', '/resources/side/oci-image/blob$', status=403)
    app, side, local, data = uploader.upload_charm('charm')
    assert (app.status, local.status, data.status) == ('uploaded', 'left-out', 'left-out')
    assert side.status == 'failed'
    assert isinstance(side.error, charm_image.NotAllowedError)
    assert side.error.status == 403


def test_upload_charm_rejects_what_does_not_fit_the_charm_before_it_asks_charmhub(
    hub, uploader, charm
):
    hub.requests.clear()
    for arguments, message in (
        ({'images': {'nobody': 'x'}}, "images: the charm declares no resource 'nobody'"),
        ({'files': {'app': 'x'}}, "files: 'app' is of type 'oci-image'"),
        ({'images': {'app': 'x'}, 'sources': {'app': 'x'}}, "sources: 'app' is given twice"),
        ({'only': ['nobody']}, "only: the charm declares no resource 'nobody'"),
    ):
        with pytest.raises(charm_image.ArgumentError) as caught:
            uploader.upload_charm('charm', **arguments)
        assert str(caught.value).startswith(message)
        assert isinstance(caught.value, ValueError)
    assert hub.requests == []


def test_resume_waits_for_what_was_sent(hub, uploader, tmp_path):
    (tmp_path / 'data').write_text('content')
    hub.looks_until_reviewed = 10**9
    with pytest.raises(charm_image.ReviewPendingError) as caught:
        uploader.upload_file('my-charm', 'my-file', 'data', review_timeout=0)
    assert caught.value.resource == 'my-file'
    hub.looks_until_reviewed = 0
    result = uploader.resume('my-charm', 'my-file', caught.value.upload_id)
    assert (result.revision, result.upload_id) == (1, caught.value.upload_id)


def test_progress_is_called_with_each_step_from_its_start_to_its_end(uploader, archive):
    events = []
    uploader.upload_image('my-charm', 'my-image', str(archive), progress=events.append)
    for name in {event.text for event in events if event.state == 'started'}:
        states = [event.state for event in events if event.text == name]
        assert (states[0], states[-1]) == ('started', 'done')
    (sent,) = (event for event in events if event.state == 'sent')
    assert sent.upload_id
    lines = [str(event) for event in events]
    assert 'Waiting for the review' in lines
    assert "Checking resource 'my-image' of charm 'my-charm'" in lines


def test_progress_that_raises_an_error_ends_the_upload(hub, uploader, archive):
    def progress(event):
        raise KeyError('mine')

    with pytest.raises(KeyError, match='mine'):
        uploader.upload_image('my-charm', 'my-image', str(archive), progress=progress)
    assert hub.revisions('my-charm', 'my-image') == []


def test_progress_says_that_the_next_upload_will_take_as_long(hub, uploader, archive):
    hub.registry_proxy.answer('PUT', '/manifests/image-', 403)
    notes = []
    uploader.upload_image(
        'my-charm',
        'my-image',
        str(archive),
        progress=lambda event: event.state == 'note' and notes.append(event.text),
    )
    assert any('will compress it again' in note for note in notes)


def test_arguments_go_before_the_environment(hub, environment, monkeypatch, archive, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('CHARMCRAFT_AUTH', 'wrong')
    monkeypatch.setenv('CHARMCRAFT_STORE_API_URL', 'http://127.0.0.1:9')
    monkeypatch.setenv('CHARMCRAFT_UPLOAD_URL', 'http://127.0.0.1:9')
    monkeypatch.setenv('CHARMCRAFT_REGISTRY_URL', 'http://127.0.0.1:9')
    given = upload.Uploader(
        credentials=environment['CHARMCRAFT_AUTH'],
        api_url=environment['CHARMCRAFT_STORE_API_URL'],
        storage_url=environment['CHARMCRAFT_UPLOAD_URL'],
        registry_url=environment.get('CHARMCRAFT_REGISTRY_URL')
        or f'http://{hub.registry_proxy.host}',
    )
    assert given.upload_image('my-charm', 'my-image', str(archive)).revision == 1
    wrong = upload.Uploader(
        credentials='wrong',
        api_url=environment['CHARMCRAFT_STORE_API_URL'],
        storage_url=environment['CHARMCRAFT_UPLOAD_URL'],
    )
    with pytest.raises(charm_image.NotLoggedInError, match='from the argument') as caught:
        wrong.upload_image('my-charm', 'my-image', str(archive))
    assert 'wrong' not in str(caught.value)


def test_an_engine_is_named_by_its_url(uploader):
    elsewhere = upload.Uploader(engine='unix:///nowhere.sock')
    with pytest.raises(charm_image.UploadError, match='no engine responds at .*/nowhere.sock'):
        elsewhere.upload_image('my-charm', 'my-image', 'aaaaaaaaaaaa')


@pytest.mark.parametrize(
    ('method', 'value', 'message'),
    [
        ('upload_image', 'nginx://x', r"use copy_image\(…, 'REGISTRY/NAME@sha256:…'\)"),
        ('upload_image', 'oci:image', "'image' does not exist"),
        ('copy_image', 'docker://a/b', r"leave out 'docker://': copy_image\(…, 'a/b'\)"),
        ('copy_image', 'u:pass@a/b', 'leave out the credentials'),
        ('resume', '../x', 'is not a valid name'),
    ],
)
def test_a_wrong_argument_is_reported_with_the_method_to_use(
    hub, uploader, method, value, message
):
    hub.requests.clear()
    with pytest.raises(charm_image.ArgumentError, match=message) as caught:
        getattr(uploader, method)('my-charm', 'my-image', value)
    assert 'pass' not in str(caught.value)
    assert hub.requests == []


def test_a_resource_of_the_other_type_is_reported_with_the_method_for_it(uploader, tmp_path):
    (tmp_path / 'data').write_text('content')
    with pytest.raises(charm_image.WrongTypeError, match='Use upload_image') as caught:
        uploader.upload_file('my-charm', 'my-image', 'data')
    assert caught.value.resource == 'my-image'


def test_an_error_of_a_registry_is_one_of_charm_image(uploader, proxy):
    digest = uploads.ABSENT
    with pytest.raises(charm_image.RegistryError, match='is not in the registry') as caught:
        uploader.copy_image('my-charm', 'my-image', f'{proxy.host}/absent@{digest}')
    error = caught.value
    assert (error.code, error.status, error.registry) == ('not-found', 404, proxy.host)
    assert error.reference == f'{proxy.host}/absent@{digest}'
    assert error.codes == ('MANIFEST_UNKNOWN',)


def test_an_uploader_keeps_its_connections_until_it_is_closed(uploader, tmp_path, monkeypatch):
    found = []
    find = upload.credentials.find
    monkeypatch.setattr(upload.credentials, 'find', lambda host: found.append(host) or find(host))
    for content in ('one', 'two'):
        (tmp_path / 'data').write_text(content)
        uploader.upload_file('my-charm', 'my-file', 'data')
    assert len(found) == 1
    uploader.close()
    assert uploader.upload_file('my-charm', 'my-file', 'data').revision == 2
    assert len(found) == 2


def test_progress_is_of_its_own_upload(hub, uploader, tmp_path, monkeypatch):
    monkeypatch.setattr(upload.store.time, 'sleep', lambda seconds: None)
    (tmp_path / 'data').write_text('content')
    first, second = [], []
    uploader.upload_file('my-charm', 'my-file', 'data', progress=first.append)
    count = len(first)
    hub.fail('GET', '/whoami', status=503)
    uploader.upload_file('my-charm', 'my-file', 'data', progress=second.append)
    assert len(first) == count
    assert any('Retrying in' in event.text for event in second)


FABFILE = """
from charm_image import upload
from fabric import task


@task
def release(context):
    with upload.Uploader() as uploader:
        result = uploader.upload_image('my-charm', 'my-image', 'my.rock', progress=print)
    print(f'revision {result.revision}')
"""


def test_a_task_of_fabric_uploads_without_starting_a_program(hub, environment, archive, tmp_path):
    (tmp_path / 'fabfile.py').write_text(FABFILE)
    done = subprocess.run(
        [uploads.PROGRAM.with_name('fab'), 'release'],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert "Remote image not found, uploading from 'my.rock'" in lines
    assert lines[-1] == 'revision 1'


def test_a_result_is_frozen():
    result = upload.Result(charm='a', resource='b', type='file')
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.revision = 2


def test_arguments_but_the_first_ones_are_by_name():
    with pytest.raises(TypeError):
        upload.Uploader('credentials')
