"""charm-upload-resource: files, and the review of what was sent."""

import json
import os
import re
import threading

import pytest

from support.uploads import sent, wait_for

pytestmark = pytest.mark.holds('uploads')


def test_a_file_becomes_a_revision(hub, upload, tmp_path):
    (tmp_path / 'data.bin').write_bytes(b'\0\xff\r\n' * 1000)
    done = upload('my-charm', 'my-file', '--filepath=data.bin')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Revision 1 created of resource 'my-file' for charm 'my-charm'\n"
    (revision,) = hub.revisions('my-charm', 'my-file')
    assert (revision.content, revision.filename) == (b'\0\xff\r\n' * 1000, 'data.bin')
    assert (revision.type, revision.bases[0]['architectures']) == ('file', ['all'])


def test_each_step_has_one_line_on_stderr_without_a_terminal(upload, tmp_path):
    (tmp_path / 'data.bin').write_bytes(bytes(5 << 20))
    done = upload('my-charm', 'my-file', '--filepath=data.bin')
    assert done.stderr.splitlines() == [
        "Checking resource 'my-file' of charm 'my-charm'",
        'Sending data.bin (5.24 MB)',
        'Waiting for the review',
    ]


def test_an_empty_file_is_sent_with_a_word(hub, upload, tmp_path):
    (tmp_path / 'empty').touch()
    done = upload('my-charm', 'my-file', '--filepath=empty')
    assert done.returncode == 0, done.stderr
    assert 'empty is empty: the resource will be empty too.' in done.stderr
    assert hub.revisions('my-charm', 'my-file')[0].size == 0


@pytest.mark.parametrize(
    ('make', 'reason'),
    [
        (lambda path: None, 'No such file or directory'),
        (lambda path: path.mkdir(), 'is a directory: give a file'),
        (os.mkfifo, 'is not a regular file'),
        (lambda path: path.symlink_to('/dev/zero'), 'is not a regular file'),
        (lambda path: path.symlink_to(path.name), 'symbolic links'),
    ],
)
def test_a_path_that_is_not_a_readable_file_is_reported_immediately(
    hub, upload, tmp_path, make, reason
):
    make(tmp_path / 'odd')
    done = upload('my-charm', 'my-file', '--filepath=odd')
    assert (done.returncode, done.stdout) == (1, '')
    assert "'odd'" in done.stderr
    assert reason in done.stderr
    assert hub.requests == []


def test_a_file_that_changes_while_it_is_sent_becomes_no_revision(
    hub, environment, tmp_path, interrupted
):
    path = tmp_path / 'data.bin'
    path.write_bytes(bytes(1000))
    fault = hub.fail('POST', '/unscanned-upload/', after=True, status=503, hold=threading.Event())
    with interrupted('my-charm', 'my-file', '--filepath=data.bin') as process:
        wait_for(lambda: not fault.times)
        path.write_bytes(b'x' * 1000)
        os.utime(path, (0, 0))
        fault.hold.set()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'The file changed during the upload. No revision was created: try again.' in stderr
    assert hub.asked('POST', '/revisions$') == []


def test_a_slow_review_ends_with_the_way_to_wait_on(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.looks_until_reviewed = 3
    done = upload('my-charm', 'my-file', '--filepath=file', '--review-timeout=0')
    assert (done.returncode, done.stdout) == (1, '')
    (upload_id,) = hub.uploads
    resumption = f'charm-upload-resource my-charm my-file --resume={upload_id}'
    assert done.stderr.rstrip().endswith(
        f'Nothing needs to be sent again. To resume waiting: {resumption}'
    )
    hub.requests.clear()
    done = upload(*resumption.split()[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Revision 1 created of resource 'my-file' for charm 'my-charm'\n"
    assert sent(hub) == []


@pytest.mark.parametrize('way', ['the same content', 'a review that ended long ago'])
def test_a_revision_that_was_not_created_now_is_said_to_exist(way, hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    assert ' created ' in upload('my-charm', 'my-file', '--filepath=file').stdout
    (upload_id,) = hub.uploads
    option = '--filepath=file' if way == 'the same content' else f'--resume={upload_id}'
    done = upload('my-charm', 'my-file', option)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Revision 1 of resource 'my-file' for charm 'my-charm' already exists\n"
    content = json.loads(upload('my-charm', 'my-file', option, '--format=json').stdout)
    assert (content['revision'], content['existed']) == (1, True)
    # a script finds the number where charmcraft writes it
    assert re.match(r'Revision (\d+) ', done.stdout)[1] == '1'


def test_an_upload_that_nobody_knows_cannot_be_waited_for(upload):
    done = upload('my-charm', 'my-file', '--resume=no-such-upload')
    assert done.returncode == 1
    assert 'no-such-upload' in done.stderr
