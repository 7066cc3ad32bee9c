"""The real hookenv.resource_get, with a tool on PATH that may do anything."""

import contextlib
import os
import pathlib
import subprocess
import time

import pytest
from charmhelpers.core import hookenv

from image_resource import tool
from support.simulated import AVAILABLE, FAILED, IMAGE


class TestResourceGet:
    """The real hookenv.resource_get, with a tool on PATH."""

    @pytest.fixture(autouse=True)
    def tool(self, unit, tmp_path, monkeypatch):
        monkeypatch.setenv('PATH', f'{tmp_path}/bin:/usr/bin:/bin')
        monkeypatch.setattr(hookenv, 'resource_get', self.RESOURCE_GET)
        (tmp_path / 'bin').mkdir()
        self.path = tmp_path / 'bin' / 'resource-get'

    RESOURCE_GET = staticmethod(hookenv.resource_get)

    def write(self, script):
        self.path.write_text('#!/bin/sh\n' + script)
        self.path.chmod(0o755)

    def message(self, unit):
        unit.hook('install')
        assert unit.flags() == FAILED
        assert unit.statuses[-1][0] == 'blocked'
        return unit.statuses[-1][1]

    def test_its_file_is_read(self, unit, tmp_path):
        (tmp_path / 'file').write_bytes(IMAGE)
        self.write(f'test "$1" = my-image && printf %s {tmp_path}/file')
        unit.hook('install')
        assert unit.flags() == AVAILABLE

    @pytest.mark.parametrize(
        'stderr',
        [
            'while getting resource from charmhub: resource "my-image" not found',
            'HTTP request failed: Get https://10.0.0.1/x: resource#my-charm/my-image not found',
        ],
    )
    def test_nothing_attached_is_named_as_such(self, unit, stderr):
        self.write(f"echo 'ERROR could not download resource: {stderr}' >&2; exit 1")
        assert self.message(unit) == (
            'my-image: no image is attached (juju attach-resource my-charm my-image=IMAGE)'
        )

    def test_its_reason_reaches_the_status_and_the_log(self, unit):
        self.write(
            "echo noise >&2; printf 'ERROR could not download resource: failed  after\\033[1m "
            "retrying: https://user:s3@cr3t@10.0.0.1 is down\\n\\n' >&2; exit 1"
        )
        reason = 'failed after[1m retrying: https://10.0.0.1 is down'
        assert self.message(unit) == (
            f'my-image: resource-get returned no file: {reason} (will be retried in the next hook)'
        )
        assert reason in ''.join(unit.logged)

    def test_its_reason_is_cut_to_what_a_status_can_hold(self, unit):
        self.write('head -c 5000 /dev/zero | tr "\\0" x >&2; exit 1')
        assert len(self.message(unit)) < 300

    def test_a_reason_that_is_not_utf_8_is_no_matter(self, unit):
        self.write("printf '\\377oops\\n' >&2; exit 1")
        assert 'oops' in self.message(unit)

    def test_an_absent_tool_fails(self, unit):
        assert 'cannot be run' in self.message(unit)

    def test_a_tool_that_prints_nothing_fails(self, unit):
        self.write('exit 0')
        assert 'returned no file' in self.message(unit)

    def test_a_tool_that_prints_no_text_fails(self, unit):
        self.write("printf '\\377'")
        assert 'printed unexpected output' in self.message(unit)

    @pytest.mark.parametrize('stream', [1, 2])
    def test_a_tool_that_prints_without_end_is_stopped(self, unit, stream):
        self.write(f'exec yes >&{stream}')
        assert 'printed unexpected output' in self.message(unit)

    @pytest.mark.parametrize(
        'script',
        [
            'exec sleep 600',
            'sleep 600 & wait',
            'sleep 600',
            'exec >&- 2>&-; sleep 600',
            'trap "" TERM; sleep 600',
            'while true; do echo x; sleep 0.01; done',
        ],
    )
    def test_a_tool_that_never_ends_is_given_up_and_ended(self, unit, monkeypatch, script):
        assert unit.library._RESOURCE_GET_SECONDS == 30
        monkeypatch.setattr(unit.library, '_RESOURCE_GET_SECONDS', 0.3)
        self.write(f'echo $$ >>{self.path.parent}/started; {script}')
        assert 'resource-get did not respond within 0.3 s' in self.message(unit)
        end = time.monotonic() + 20
        while self.left() and time.monotonic() < end:
            time.sleep(0.01)  # they were killed, and take their time
        assert not self.left()

    def left(self):
        """Return the processes, zombies aside, that have the tool's folder on their PATH."""
        found = []
        for path in pathlib.Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                environment = (path / 'environ').read_bytes()
                state = (path / 'stat').read_text().rpartition(')')[2].split()[0]
                if bytes(self.path.parent) in environment and state != 'Z':
                    found.append(path.name)
        return found

    def test_hookenv_is_never_changed(self, unit, monkeypatch):
        seen = []

        def mocked(name):
            seen.append((hookenv.subprocess, hookenv.subprocess.check_output))
            return False

        monkeypatch.setattr(hookenv, 'resource_get', mocked)
        unit.hook('install')
        assert seen == [(subprocess, subprocess.check_output)]

    def test_stderr_is_given_back(self, unit, capfd):
        self.write('echo taken >&2; exit 1')
        self.message(unit)
        os.write(2, b'mine')
        assert capfd.readouterr().err == 'mine'

    def test_a_long_reason_is_not_shown_from_its_middle_on(self, unit):
        self.write(
            "printf 'Get https://10.0.0.1/x?sig=' >&2; yes s3cr3t | head -c 99999 | tr -d '\\n'"
            ' >&2; exit 1'
        )
        assert 's3cr3t' not in self.message(unit)

    def test_what_was_started_before_lives_on(self, unit, monkeypatch):
        monkeypatch.setattr(unit.library, '_RESOURCE_GET_SECONDS', 0.3)
        self.write('sleep 600 & exit 0')  # its parent is gone, and it has the pipe
        enter = tool._Watch.__enter__
        earlier = []

        def enter_in_the_same_tick(watch):
            earlier.extend(subprocess.Popen(['sleep', '600']) for _ in range(5))
            enter(watch)

        monkeypatch.setattr(tool._Watch, '__enter__', enter_in_the_same_tick)
        try:
            assert 'did not respond' in self.message(unit)
            assert [process.poll() for process in earlier] == [None] * 5
        finally:
            for process in earlier:
                process.kill()
                process.wait()

    def test_it_is_asked_without_proc_too(self, unit, tmp_path, monkeypatch):
        (tmp_path / 'file').write_bytes(IMAGE)
        self.write(f'printf %s {tmp_path}/file')
        found = os.listdir

        def listdir(path='.'):
            if str(path).startswith('/proc'):
                raise FileNotFoundError(path)
            return found(path)

        monkeypatch.setattr(os, 'listdir', listdir)
        monkeypatch.setattr(tool, 'open', self.no_file, raising=False)
        unit.hook('install')
        assert unit.flags() == AVAILABLE

    @staticmethod
    def no_file(path):
        raise FileNotFoundError(path)
