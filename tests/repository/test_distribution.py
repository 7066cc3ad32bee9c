"""The distribution of the tools is complete, and can be installed from its own source."""

import configparser
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

from support import building, isolation

pytestmark = [pytest.mark.documents, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]


PACKAGES = {'charm-image': ('charm_image', 'container_image'), 'charm-unit': ('charm_unit',)}


@pytest.fixture(scope='module', params=PACKAGES)
def name(request):
    """The name of a distribution."""
    return request.param


@pytest.fixture(scope='module')
def distributions(name, tmp_path_factory):
    """The sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp('distribution')
    building.check_out(folder / 'clone')
    # Without isolation, the build needs no network.
    command = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', folder / 'dist']
    subprocess.run([*command, folder / 'clone' / 'tools' / name], check=True, capture_output=True)
    (sdist,) = (folder / 'dist').glob('*.tar.gz')
    (wheel,) = (folder / 'dist').glob('*.whl')
    return sdist, wheel


def _packaged(name):
    """Return the files of all packages, those behind the link to the layer's, too."""
    source = ROOT / 'tools' / name / 'src'
    return {
        str(path.relative_to(source))
        for package in PACKAGES[name]
        for path in (source / package).rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }


def _commands(wheel):
    """Return the names of the commands that a wheel installs."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith('/entry_points.txt'))
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(path).decode())
    return list(scripts['console_scripts'])


def test_the_wheel_has_every_file_of_the_packages(distributions, name):
    _, wheel = distributions
    files = {file for file in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in file}
    assert f'{PACKAGES[name][-1]}/__init__.py' in files
    assert {file for file in files if '.data/' not in file} == _packaged(name)


def test_the_wheel_has_a_manual_page_and_completions_for_each_command(distributions, name):
    _, wheel = distributions
    shared = {file.partition('.data/data/')[2] for file in zipfile.ZipFile(wheel).namelist()}
    assert shared - {''} == {
        path
        for command in _commands(wheel)
        for path in (
            f'share/man/man1/{command}.1',
            f'share/bash-completion/completions/{command}',
            f'share/zsh/site-functions/_{command}',
        )
    }


def test_the_sdist_has_files_where_the_checkout_has_links(distributions, name):
    sdist, _ = distributions
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition('/')[2] for member in members if member.isfile()}
    assert {f'src/{file}' for file in _packaged(name)} | {'LICENSE', 'README.md'} <= names
    assert [member.name for member in members if member.issym() or member.islnk()] == []


def test_the_distributions_are_what_an_index_takes_and_renders(distributions):
    check = [sys.executable, '-m', 'twine', 'check', '--strict', *distributions]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count('PASSED') == 2


def test_the_sdist_installs_programs_that_start(distributions, name, tmp_path):
    sdist, wheel = distributions
    home = tmp_path / 'environment'
    subprocess.run([sys.executable, '-m', 'venv', home], check=True)
    pip = [*isolation.on_the_machines_network(), home / 'bin' / 'pip', 'install', '--quiet']
    subprocess.run([*pip, sdist], check=True)
    for program in _commands(wheel):
        done = subprocess.run([home / 'bin' / program, '--help'], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert program in done.stdout
    package = PACKAGES[name][-1]
    code = f'import {package}; print({package}.__file__)'
    where = subprocess.check_output([home / 'bin' / 'python', '-I', '-c', code], text=True)
    assert where.startswith(str(home))
