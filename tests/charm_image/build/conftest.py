"""What the tests of builds share."""

import os
import pathlib
import subprocess
import sys

import pytest

from support.fabfile_cases import FABFILE


@pytest.fixture
def fab(tmp_path):
    """Run fab; by default where no engine is, as a dry run needs none; `status` None is any."""
    (tmp_path / 'fabfile.py').write_text(FABFILE)

    def run(*arguments, engine=None, status=0):
        environ = engine.environ if engine else {**os.environ, 'DOCKER_HOST': 'unix:///nowhere'}
        program = pathlib.Path(sys.executable).with_name('fab')
        done = subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert status in (None, done.returncode), done.stdout + done.stderr
        return done

    return run


@pytest.fixture(autouse=True)
def cache_home(tmp_path, monkeypatch):
    """The directory in which programs remember what they made; a new one for each test."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'
