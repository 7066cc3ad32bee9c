"""Where CI is set, no test is skipped unnoticed."""

import os
import re
import subprocess
import sys

import pytest

from support import building, no_skips

SKIPPING = """
import pytest

def test_a():
    pytest.skip('this machine lacks it')

@pytest.mark.skipif(True, reason='it is Saturday')
def test_b():
    pass
"""


@pytest.mark.parametrize(
    ('ci', 'status', 'said'), [('', 0, '2 skipped'), ('1', 1, '1 failed, 1 error')]
)
def test_a_skip_is_a_failure_in_ci(tmp_path, ci, status, said):
    (tmp_path / 'test_skipping.py').write_text(SKIPPING)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'support.no_skips', tmp_path],
        cwd=tmp_path,
        env={**os.environ, 'CI': ci, 'PYTHONPATH': str(building.ROOT / 'tests')},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout
    assert said in done.stdout
    if ci:
        assert 'CI allows no skip: Skipped: this machine lacks it' in done.stdout
        assert 'it is Saturday' in done.stdout


def test_a_module_that_skips_itself_is_a_failure_in_ci(tmp_path):
    (tmp_path / 'test_module.py').write_text('import pytest\npytest.importorskip("absent")\n')
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'support.no_skips', tmp_path],
        cwd=tmp_path,
        env={**os.environ, 'CI': '1', 'PYTHONPATH': str(building.ROOT / 'tests')},
        capture_output=True,
        text=True,
    )
    assert done.returncode not in (0, 5), done.stdout
    assert "CI allows no skip: Skipped: could not import 'absent'" in done.stdout


def test_the_plugin_is_in_all_runs(request):
    assert request.config.pluginmanager.is_registered(no_skips)
    # the same conftest.py is that of all folders of tests
    assert all(not path.is_file() for path in (building.ROOT / 'tests').glob('*/pytest.ini'))
    assert 'support.no_skips' in (building.ROOT / 'tests/each_example.py').read_text()


ALONG = {'bash', 'dpkg-deb', 'ssh-keygen'}
"""Programs that Debian always has, or that come with the package of another."""


def test_ci_installs_every_program_that_a_test_requires():
    run = (building.ROOT / '.ci/run').read_text()
    installed = set(re.findall(r'^    \[(\S+)\]=', run, re.MULTILINE)) | ALONG
    required = {
        program
        for path in (building.ROOT / 'tests').rglob('*.py')
        for words in re.findall(r'\brequire\(([^)]*)\)', path.read_text())
        for program in re.findall(r"'([^']+)'", words)
    }
    assert {'git', 'skopeo', 'sshd'} <= required
    assert required <= installed
