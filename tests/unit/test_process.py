"""What the tests of the layer need, and leave as it is."""

import builtins
import collections
import io
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_process_of_the_tests_is_as_python_made_it():
    assert builtins.open is io.open
    assert hasattr(collections, 'Mapping') is (sys.version_info < (3, 10))


@pytest.mark.parametrize(('ci', 'fails'), [('', False), ('1', True)])
def test_a_module_that_needs_more_is_skipped_and_says_what_to_install_but_fails_in_ci(
    ci, fails, tmp_path
):
    for name in ('cryptography', 'hypothesis'):
        (tmp_path / f'{name}.py').write_text(
            f'raise ModuleNotFoundError("No module named {name!r}")\n'
        )
    tests = ('test_any_input.py', 'test_reference.py', 'registry/test_registry_connections.py')
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-k', 'any or trusted'),
            '--continue-on-collection-errors',
            *(str(ROOT / 'tests' / 'unit' / name) for name in tests),
        ],
        cwd=str(ROOT),
        env=dict(
            os.environ,
            CI=ci,
            PYTHONPATH=str(tmp_path),
            PYTHONDONTWRITEBYTECODE='1',
            PYTEST_DISABLE_PLUGIN_AUTOLOAD='1',  # that of hypothesis imports it
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert bool(done.returncode) is fails, done.stdout
    assert ('needs hypothesis: pip install -r tests/requirements.txt' in done.stdout) is not fails
    assert 'needs cryptography: pip install -r tests/requirements.txt' in done.stdout
