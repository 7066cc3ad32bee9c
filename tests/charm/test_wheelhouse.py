"""A unit installs what wheelhouse.txt names: from source, offline, with its base layer's tools."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import pytest

import each_python

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What layer:basic installs with, by the Python of the unit. 3.12 has nothing but its own pip.
OLD = ('pip==18.1', 'setuptools==41.6.0', 'wheel==0.33.6')
NEW = ('pip==22.0.4', 'setuptools<82', 'wheel==0.45.1')
BASE = {
    6: OLD,
    7: OLD,
    8: ('pip==22.0.4', 'setuptools==45.3.0', 'wheel==0.45.1'),
    9: NEW,
    10: NEW,
    11: NEW,
    12: (),
}
# Those that are found here. Without a Python, there is no test of it.
PYTHONS = {minor: each_python.find(minor) for minor in BASE}
PYTHONS = {minor: python for minor, python in PYTHONS.items() if python}
# Where pip isolates a build, even the tools for it have to be in the wheelhouse.
TOOLS = ('setuptools<82', 'wheel==0.45.1', 'flit_core<4')


def run(*command, **kwargs):
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def download(directory, *requirements):
    """Download sources, as `charm build` does."""
    pip = (sys.executable, '-m', 'pip', 'download', '--no-binary', ':all:')
    run(*pip, '-d', directory, *requirements)
    return sorted(directory.iterdir())


def install(python, base, sources, tools, directory):
    """Make a unit's environment in `directory`; return what is wrong with it, and its files."""
    each_python.make_environment(python, directory)
    interpreter = directory / 'bin' / 'python'
    if base:
        run(interpreter, '-m', 'pip', 'install', *base)
    offline = {
        'HOME': str(directory),
        'PATH': os.environ['PATH'],
        'PIP_CONFIG_FILE': os.devnull,
        'https_proxy': 'http://127.0.0.1:9',
    }
    links = [part for source in (*sources, *tools) for part in ('-f', source)]
    pip = (interpreter, '-m', 'pip')
    run(*pip, 'install', '-U', '--no-index', '--no-cache-dir', *links, *sources, env=offline)
    run(*pip, 'check', env=offline)
    code = 'from container_image import registry; print(registry.look_up({}))'
    said = run(interpreter, '-c', code, env={'PYTHONPATH': str(ROOT / 'lib')})
    return said, [path.name for path in directory.rglob('*')]


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    # Unlike `charm build`, which makes an environment with setuptools for each anew.
    requirements = ('--no-build-isolation', '-r', ROOT / 'wheelhouse.txt')
    return download(tmp_path_factory.mktemp('wheelhouse'), *requirements)


@pytest.fixture(scope='module')
def units(sources, tmp_path_factory):
    """What comes of an installation, by the minor version of the Python that did it."""
    home = tmp_path_factory.mktemp('units')
    tools = download(tmp_path_factory.mktemp('tools'), *TOOLS)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return {
            minor: pool.submit(install, python, BASE[minor], sources, tools, home / str(minor))
            for minor, python in PYTHONS.items()
        }


def test_all_that_is_needed_is_named_and_comes_as_source(sources):
    named = {line.partition('==')[0] for line in each_python.WHEELHOUSE}
    assert {source.name.rpartition('-')[0] for source in sources} == named
    assert all(source.name.endswith('.tar.gz') for source in sources)


def test_in_ci_every_python_that_units_run_is_found():
    if os.environ.get('CI') and each_python.pyenv_versions().is_dir():
        assert set(each_python.WANTED_IN_CI) <= set(PYTHONS)


@pytest.mark.parametrize('minor', PYTHONS)
def test_a_unit_installs_it_from_source_without_network(minor, units):
    said, files = units[minor].result()
    assert said == '{}\n'
    # A compiled part would bind the charm to the machine that built it.
    assert not [name for name in files if name.endswith('.so')]
    assert {'certifi', 'urllib3'} <= set(files)
