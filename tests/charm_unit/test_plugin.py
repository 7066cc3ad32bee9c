"""The pytest plugin, in a pytest of its own."""

import os
import pathlib
import subprocess
import sys

_SOURCES = pathlib.Path(__file__).parents[2] / 'tools' / 'src'
_TESTS = """
def test_it(charm_unit):
    unit = charm_unit(resources={'web': 'a/b:1'}, juju='3.6.0')
    assert [run.hook for run in unit.runs] == ['install', 'config-changed']
    assert unit.run('update-status').output == '3.6.0'
    assert charm_unit(deploy=False, leader=False).runs == []
"""


def _pytest(folder, *arguments):
    (folder / 'test_it.py').write_text(_TESTS)
    (folder / 'pytest.ini').write_text('[pytest]\n')
    return subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'charm_unit.plugin', *arguments],
        cwd=folder,
        env={
            **os.environ,
            'PYTHONPATH': str(_SOURCES),
            # An installed distribution's entry point would name the plugin a second time.
            'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1',
        },
        capture_output=True,
        text=True,
    )


def test_the_fixture_gives_units_of_the_charm_that_is_named(charm, tmp_path):
    built = charm({'update-status': 'printf $JUJU_VERSION'})
    done = _pytest(tmp_path, '--charm', built)
    assert done.returncode == 0, done.stdout


def test_what_is_no_charm_is_told(tmp_path):
    done = _pytest(tmp_path)
    assert 'does not hold a built charm' in done.stdout
    assert 'Traceback' not in done.stdout
