"""The pytest plugin, in a pytest of its own."""

import os
import pathlib
import re
import subprocess
import sys

_SOURCES = pathlib.Path(__file__).parents[2] / 'tools' / 'charm-unit' / 'src'
_TESTS = """
def test_it(make_unit):
    unit = make_unit(resources={'web': 'a/b:1'}, juju='3.6.0')
    assert [run.hook for run in unit.runs] == ['install', 'config-changed']
    assert unit.run('update-status')[-1].output == '3.6.0'
    assert make_unit(deploy=False, leader=False).runs == []
"""


def _pytest(folder, *arguments):
    (folder / 'test_it.py').write_text(_TESTS)
    (folder / 'pytest.ini').write_text('[pytest]\n')
    return subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'charm_unit.plugin', *arguments],
        cwd=folder,
        env={
            **os.environ,
            'PYTHONPATH': f'{_SOURCES}{os.pathsep}{folder / "installed"}',
        },
        capture_output=True,
        text=True,
    )


def test_the_fixture_gives_units_of_the_charm_that_is_named(charm, tmp_path):
    built = charm({'update-status': 'printf $JUJU_VERSION'})
    done = _pytest(tmp_path, '--charm', built)
    assert done.returncode == 0, done.stdout


def test_a_plugin_that_is_installed_too_is_registered_once(charm, tmp_path):
    pyproject = (_SOURCES.parent / 'pyproject.toml').read_text()
    entries = re.search(r'(?m)^\[project\.entry-points\.pytest11\]\n((?:.+\n)+)', pyproject)[1]
    entries = re.sub(r'(?m)^#.*\n|"', '', entries)
    distribution = tmp_path / 'installed' / 'charm_image-0.dist-info'
    distribution.mkdir(parents=True)
    (distribution / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: charm-image\nVersion: 0\n'
    )
    (distribution / 'entry_points.txt').write_text(f'[pytest11]\n{entries}')
    done = _pytest(tmp_path, '--charm', charm({'update-status': 'printf $JUJU_VERSION'}))
    assert 'charm-image-0' in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_no_charm_is_told_once_and_how_to_name_one(tmp_path):
    done = _pytest(tmp_path, '-p', 'no:cacheprovider')
    assert done.stdout.count('does not hold a built charm') <= 2  # in the error and the summary
    assert 'During handling' not in done.stdout
    assert '--charm' in done.stdout
    assert 'Traceback' not in done.stdout


def test_the_older_name_of_the_fixture_still_works(charm, tmp_path):
    (tmp_path / 'test_older.py').write_text(
        'def test_it(charm_unit, make_unit):\n    assert charm_unit is make_unit\n'
    )
    done = _pytest(tmp_path, '--charm', charm(), 'test_older.py')
    assert '1 passed' in done.stdout


def test_pytest_shows_that_it_builds_a_charm(tmp_path):
    (tmp_path / 'layer.yaml').write_text('includes: [layer:nowhere]\n')
    done = _pytest(tmp_path, '--charm', tmp_path)
    assert f'charm-unit: building {tmp_path} with charm-build' in done.stdout


def test_no_preload_is_an_option_of_pytest(charm, tmp_path):
    (tmp_path / 'test_it.py').write_text('')
    (tmp_path / 'test_preload.py').write_text(
        'def test_it(make_unit):\n    assert not make_unit()._agent.preload\n'
    )
    done = _pytest(tmp_path, '--charm', charm(), '--charm-no-preload', 'test_preload.py')
    assert '1 passed' in done.stdout
