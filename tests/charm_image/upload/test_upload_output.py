"""charm-upload-resource: what it shows, and how it ends."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from support.uploads import PROGRAM, in_terminal, make_archive, read, wait_for

pytestmark = pytest.mark.holds('uploads')


def test_json_is_alone_on_stdout(hub, upload, archive):
    done = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    content = json.loads(done.stdout)
    (revision,) = hub.revisions('my-charm', 'my-image')
    digest = json.loads(revision.content)['ImageName'].partition('@')[2]
    assert content == {
        'charm': 'my-charm',
        'resource': 'my-image',
        'revision': 1,
        'existed': False,
        'image-digest': digest,
        'architectures': ['amd64'],
        'missing-architectures': [],
        'upload-id': revision.id,
    }
    assert f'Image uploaded, new remote digest: {digest}\n' in done.stderr


def test_errors_can_be_json_too(upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    done = upload('another', 'my-file', '--filepath=file', '--format=json')
    assert done.returncode == 1
    (error,) = json.loads(done.stdout)['errors']
    assert error['code'] == 'resource-not-found'
    assert error['message'] in done.stderr


def test_a_rejection_gives_its_reasons(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.review_errors.append({'code': 'too-odd', 'message': 'It is too odd.'})
    done = upload('my-charm', 'my-file', '--filepath=file', '--format=json')
    assert done.returncode == 1
    assert json.loads(done.stdout) == {'errors': [{'code': 'too-odd', 'message': 'It is too odd'}]}
    assert 'Charmhub rejected the upload: too-odd: It is too odd.' in done.stderr


@pytest.mark.parametrize('option', ['-q', '--quiet'])
def test_quiet_leaves_the_revision(upload, archive, option):
    done = upload('my-charm', 'my-image', f'--image={archive}', option)
    assert done.stdout == "Revision 1 created of resource 'my-image' for charm 'my-charm'\n"
    assert done.stderr == ''


def test_a_reader_who_leaves_early_does_not_make_it_fail(environment, tmp_path, hub):
    (tmp_path / 'file').write_text('content')
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [PROGRAM, 'my-charm', 'my-file', '--filepath=file'],
        env=environment,
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert 'BrokenPipe' not in done.stderr


def test_quiet_leaves_errors(upload):
    done = upload('my-charm', 'my-file', '--filepath=file', '--quiet')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('charm-upload-resource: ')


@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_a_terminal_shows_bars_and_keeps_what_matters(
    environment, archive, tmp_path, resource, option
):
    make_archive(tmp_path / 'my.rock', layer=os.urandom(20 << 20))
    status, shown = in_terminal(
        [PROGRAM, 'my-charm', resource, option], {**environment, 'TERM': 'xterm'}, tmp_path
    )
    assert status == 0, shown
    assert '━' in shown
    assert 'MB' in shown
    assert f"Revision 1 created of resource '{resource}' for charm 'my-charm'\r\n" in shown


def test_a_dumb_terminal_gets_lines(environment, archive, tmp_path):
    status, shown = in_terminal(
        [PROGRAM, 'my-charm', 'my-file', '--filepath=my.rock'],
        {**environment, 'TERM': 'dumb'},
        tmp_path,
    )
    assert status == 0
    assert '\x1b' not in shown
    assert 'Waiting for the review\r\n' in shown


@pytest.mark.parametrize(
    ('number', 'status', 'word'),
    [(signal.SIGINT, 130, 'Interrupted.'), (signal.SIGTERM, 143, 'Terminated.')],
)
@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_a_signal_leaves_nothing_behind(
    hub, interrupted, tmp_path, number, status, word, resource, option
):
    make_archive(tmp_path / 'my.rock', layer=os.urandom(3 << 20))
    hold = threading.Event()
    fault = hub.fail('POST', '/unscanned-upload/', status=503, hold=hold)
    hangs = hub.registry_proxy.hold('PATCH', '')
    with interrupted('my-charm', resource, option) as process:
        wait_for(lambda: hangs.is_set() or not fault.times)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    hold.set()
    assert process.returncode == status
    assert stderr.endswith(f'charm-upload-resource: {word}\n'), stderr
    assert 'Traceback' not in stderr
    assert list((tmp_path / 'tmp').iterdir()) == []
    assert hub.asked('POST', '/revisions$') == []


def test_an_interrupted_review_can_be_waited_for_again(hub, interrupted, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.looks_until_reviewed = 10**9
    with interrupted('my-charm', 'my-file', '--filepath=file') as process:
        wait_for(lambda: hub.asked('GET', '/review'))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f'--resume={next(iter(hub.uploads))}' in stderr


@pytest.fixture
def secrets(hub):
    """All that nobody may see: give the function that finds one in some text."""

    def found_in(text):
        known = [hub.token, *filter(None, hub.registry_tokens.accounts.values())]
        known += [base64.b64encode(secret.encode()).decode().rstrip('=') for secret in known]
        assert len(known) >= 4
        return [secret for secret in known if secret in text]

    return found_in


def test_secrets_are_in_no_output_argument_or_file(hub, interrupted, archive, tmp_path, secrets):
    hangs = hub.registry_proxy.hold('PATCH', '')
    with interrupted('my-charm', 'my-image', '--image=my.rock') as process:
        assert hangs.wait(60)
        arguments = b''.join(read(path) for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'))
        opened = [
            path
            for path in pathlib.Path(f'/proc/{process.pid}/fd').iterdir()
            if os.readlink(path).startswith(f'{tmp_path}/tmp/')
        ]
        assert opened, 'the layer on its way'
        assert [oct(path.stat().st_mode & 0o077) for path in opened] == ['0o0'] * len(opened)
        files = b''.join(map(read, [*opened, *filter(pathlib.Path.is_file, tmp_path.rglob('*'))]))
        process.terminate()
        stdout, stderr = process.communicate(timeout=60)
    assert secrets(stdout + stderr) == []
    assert secrets((arguments + files).decode(errors='replace')) == []


def test_secrets_that_a_server_repeats_are_not_shown(hub, environment, upload, archive, secrets):
    echo = [{'code': 'odd', 'message': f'{hub.token} {environment["CHARMCRAFT_AUTH"]}'}]
    hub.fail('POST', '/blob$', status=400, body=json.dumps({'error-list': echo}).encode())
    done = upload('my-charm', 'my-image', f'--image={archive}', '--format=json')
    assert done.returncode == 1
    assert 'Charmhub rejected the request: *** ***' in done.stderr
    assert secrets(done.stdout + done.stderr) == []
