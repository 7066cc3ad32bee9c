"""The short run leaves out slow tests and most cases of others, and says which."""

import os
import subprocess
import sys

import pytest

from support import building

TESTS = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize('number', range(3))
def test_slow(number):
    pass

def test_quick():
    pass

@pytest.mark.parametrize('each_engine', ['docker', 'podman'])
@pytest.mark.parametrize('number', range(4))
def test_with_each(number, each_engine):
    pass

@pytest.mark.parametrize('number', range(40))
def test_skipped(number):
    pytest.skip('not installed: dockerd')
"""
CONFTEST = """
from support import short_run

def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: as in tests/conftest.py')
    config.pluginmanager.register(short_run.ShortRun(), 'short_run')
"""


@pytest.fixture
def run(tmp_path):
    """Run the tests above with the variable TESTS; return what pytest prints."""
    (tmp_path / 'test_some.py').write_text(TESTS)
    (tmp_path / 'conftest.py').write_text(CONFTEST)

    def run(tests):
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-rfExX', tmp_path],
            cwd=tmp_path,
            env={
                **os.environ,
                'CI': '',
                'TESTS': tests,
                'PYTHONPATH': str(building.ROOT / 'tests'),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_short_run_leaves_out_slow_tests_and_all_cases_but_two_and_names_their_modules(
    run,
):
    said = run('short')
    assert '5 passed, 2 skipped, 45 deselected' in said
    assert (
        'left out: 45 slow tests, and cases of others, which `./dev tests all` has: '
        'test_some.py (45)'
    ) in said


def test_full_run_has_slow_tests(run):
    said = run('')
    assert '12 passed, 40 skipped' in said
    assert 'left out' not in said


def test_skips_of_one_reason_are_one_line(run):
    assert run('').count('not installed: dockerd') == 1
    assert 'skipped: 40 × not installed: dockerd' in run('')


def test_the_plugin_is_in_all_runs(request):
    assert request.config.pluginmanager.has_plugin('short_run')
