"""The real hookenv.resource_get, with a tool on PATH that may do anything."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
from charmhelpers.core import hookenv

from image_resource import resource_get
from support.simulated import AVAILABLE, FAILED, IMAGE, WAITING

RESOURCE_GET = hookenv.resource_get
RETRIED = ' (will be retried in the next hook)'


class Tool:
    """A resource-get on PATH."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def write(self, script):
        path = self.folder / 'resource-get'
        path.write_text('#!/bin/sh\n' + script)
        path.chmod(0o755)


@pytest.fixture
def tool(unit, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', f'{tmp_path}/bin:/usr/bin:/bin')
    monkeypatch.setattr(hookenv, 'resource_get', RESOURCE_GET)
    return Tool(tmp_path / 'bin')


def reason(unit):
    """Run a hook in which resource-get fails; return why, as the operator reads it."""
    unit.hook('install')
    assert unit.flags() == WAITING
    status, message = unit.statuses[-1]
    assert status == 'waiting'
    assert message.startswith('my-image: ')
    assert message.endswith(RETRIED)
    return message[len('my-image: ') : -len(RETRIED)]


def test_its_file_is_read(unit, tool, tmp_path):
    (tmp_path / 'file').write_bytes(IMAGE)
    tool.write(f'test "$1" = my-image && printf %s {tmp_path}/file')
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize(
    'stderr',
    [
        'while getting resource from charmhub: resource "my-image" not found',
        'while getting resource from the charm store: resource "my-image" not found',
        'HTTP request failed: Get https://10.0.0.1/x: resource#my-charm/my-image not found',
        'resource "my-image" not found',
    ],
)
def test_an_image_that_juju_does_not_have_is_attached_or_still_being_stored(unit, tool, stderr):
    tool.write(f"echo 'ERROR could not download resource: {stderr}' >&2; exit 1")
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.statuses[-1] == (
        'blocked',
        'my-image: no image is attached (juju attach-resource my-charm my-image=IMAGE; if you'
        ' already have, wait: Juju is still storing it)',
    )


def test_its_reason_reaches_the_status_and_the_log_as_far_as_it_is_known(unit, tool):
    tool.write(
        "echo noise >&2; printf 'ERROR could not download resource: failed  after\\033[1m "
        "retrying: https://user:s3@cr3t@10.0.0.1: connection refused\\n\\n' >&2; exit 1"
    )
    assert reason(unit) == 'resource-get returned no file: connection refused'
    assert 'connection refused' in ''.join(unit.logged)
    assert '10.0.0.1' not in ''.join(unit.logged)


@pytest.mark.parametrize(
    'script',
    [
        'exit 0',
        'exit 1',
        'kill -9 $$',
        "printf '\\377oops\\n' >&2; exit 1",
        'head -c 5000000 /dev/zero | tr "\\0" x >&2; exit 1',
        "printf 'Get https://10.0.0.1/x?sig=s3cr3t' >&2; exit 1",
    ],
)
def test_a_reason_that_is_not_known_is_not_told(unit, tool, script):
    tool.write(script)
    assert reason(unit) == 'resource-get returned no file'


def test_an_absent_tool_cannot_be_run(unit, tool):
    assert 'resource-get cannot be run' in reason(unit)


def test_what_is_no_text_is_unexpected(unit, tool):
    tool.write("printf '\\377'")
    assert 'printed unexpected output' in reason(unit)


@pytest.mark.parametrize('stream', [1, 2])
def test_a_tool_that_prints_without_end_is_stopped(unit, tool, stream):
    tool.write(f'exec yes >&{stream}')
    assert 'printed unexpected output' in reason(unit)
    assert not left_behind(tool)


ENDLESS = {
    'hangs': 'exec sleep 60',
    'waits for a child': 'sleep 60 & echo $! >>children; wait',
    'leaves a child with the pipe': 'sleep 60 & echo $! >>children; exit 0',
    'closes the pipe': 'exec >&- 2>&-; exec sleep 60',
    'ignores what ends others': 'trap "" TERM INT HUP ALRM; while true; do sleep 1; done',
    'prints for ever': 'while true; do echo x; sleep 0.01; done',
}


@pytest.mark.parametrize('script', ENDLESS.values(), ids=ENDLESS)
def test_a_tool_that_does_not_end_is_given_up(unit, tool, tmp_path, monkeypatch, script):
    assert unit.handlers._RESOURCE_GET_SECONDS == 30
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.3)
    monkeypatch.setattr(resource_get, '_GRACE_SECONDS', 30)  # what is killed ends late under load
    monkeypatch.chdir(tmp_path)
    tool.write(script)
    try:
        assert reason(unit) == 'resource-get did not respond within 0.3 s'
        with pytest.raises(ChildProcessError):  # it is reaped, too
            os.waitpid(-1, os.WNOHANG)
        children = (tmp_path / 'children').exists() and (tmp_path / 'children').read_text()
        # Only the child itself was ended: what it started is not known, or may be another's.
        assert not children or children.split() == left_behind(tool)
    finally:
        for process in left_behind(tool):
            os.kill(int(process), signal.SIGKILL)


def test_a_limit_that_passes_while_the_tool_starts_ends_it_too(unit, tool, monkeypatch):
    class Slow(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            time.sleep(0.5)

    monkeypatch.setattr(subprocess, 'Popen', Slow)
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.2)
    monkeypatch.setattr(resource_get, '_GRACE_SECONDS', 30)
    tool.write('exec sleep 60')
    assert reason(unit) == 'resource-get did not respond within 0.2 s'
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not left_behind(tool)


def left_behind(tool):
    """Return the processes, zombies aside, that have the tool's folder on their PATH."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            environment = (path / 'environ').read_bytes()
            state = (path / 'stat').read_text().rpartition(')')[2].split()[0]
            if bytes(tool.folder) in environment and state != 'Z':
                found.append(path.name)
    return found


def test_other_threads_keep_their_processes_and_what_these_say(unit, tool, monkeypatch, capfd):
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.5)
    tool.write('echo taken >&2; exec sleep 60')
    processes = []

    def work():
        os.write(2, b'written by a thread\n')
        script = 'echo said by its process >&2; exec sleep 60'
        processes.append(subprocess.Popen(['sh', '-c', script], env={'PATH': '/usr/bin:/bin'}))

    thread = threading.Timer(0.2, work)
    thread.start()
    try:
        assert 'did not respond' in reason(unit)
        thread.join()
        end = time.monotonic() + 20
        said = ''
        while 'process' not in said and time.monotonic() < end:
            said += capfd.readouterr().err
            time.sleep(0.01)
        assert said.splitlines() == ['written by a thread', 'said by its process']
        assert processes[0].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def alarms():
    """A list of the alarms that the charm's own handler got."""
    alarms = []
    before = signal.signal(signal.SIGALRM, lambda *_: alarms.append(time.monotonic()))
    yield alarms
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize('script', ['exit 1', 'exec sleep 60'])
def test_the_alarm_of_a_charm_is_as_before(unit, tool, monkeypatch, alarms, script):
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.3)
    tool.write(script)
    handler = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 100, 7)
    reason(unit)
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert alarms == []
    assert 50 < left < 100
    assert interval == 7


def test_no_timer_is_left_where_there_was_none(unit, tool):
    tool.write('exit 1')
    handler = signal.getsignal(signal.SIGALRM)
    reason(unit)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == handler


def test_an_alarm_that_was_due_meanwhile_comes_right_after(unit, tool, monkeypatch, alarms):
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.5)
    tool.write('exec sleep 60')
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    assert 'did not respond' in reason(unit)
    assert len(alarms) == 1


def test_code_that_handles_whatever_is_raised_is_given_up_as_well(unit, monkeypatch):
    monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 0.3)

    def stubborn(name):
        with contextlib.suppress(BaseException):
            time.sleep(60)
        time.sleep(60)

    monkeypatch.setattr(hookenv, 'resource_get', stubborn)
    assert 'did not respond' in reason(unit)


def test_outside_of_the_main_thread_there_is_no_limit(tool, tmp_path):
    (tmp_path / 'file').write_bytes(IMAGE)
    tool.write(f'sleep 0.3; printf %s {tmp_path}/file')
    paths = []
    thread = threading.Thread(target=lambda: paths.append(resource_get.path_of('my-image', 0.1)))
    thread.start()
    thread.join()
    assert paths == [f'{tmp_path}/file']


def test_hookenv_is_never_changed(unit, monkeypatch):
    seen = []

    def mocked(name):
        seen.append((hookenv.subprocess, hookenv.subprocess.check_output))
        return False

    monkeypatch.setattr(hookenv, 'resource_get', mocked)
    popen = subprocess.Popen
    unit.hook('install')
    assert seen == [(subprocess, subprocess.check_output)]
    assert subprocess.Popen is popen


def test_what_mocks_raise_on_purpose_to_end_a_hook_ends_it(unit, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(hookenv, 'resource_get', interrupted)
    with pytest.raises(KeyboardInterrupt):
        unit.hook('install')
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
