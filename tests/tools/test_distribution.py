"""The distribution of the tools is complete, and can be installed from its own source."""

import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

import building
from services import isolation

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """The sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp('distribution')
    building.check_out(folder / 'clone')
    # Without isolation, the build needs no network.
    command = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', folder / 'dist']
    subprocess.run([*command, folder / 'clone' / 'tools'], check=True, capture_output=True)
    (sdist,) = (folder / 'dist').glob('*.tar.gz')
    (wheel,) = (folder / 'dist').glob('*.whl')
    return sdist, wheel


def _packaged():
    """Return the files of all packages, those behind the link to the layer's, too."""
    source = ROOT / 'tools' / 'src'
    packages = ('charm_image', 'charm_unit', 'container_image')
    return {
        str(path.relative_to(source))
        for package in packages
        for path in (source / package).rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }


def test_the_wheel_has_every_file_of_the_packages(distributions):
    _, wheel = distributions
    names = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    assert 'container_image/registry.py' in names
    assert names == _packaged()


def test_the_sdist_has_files_where_the_checkout_has_links(distributions):
    sdist, _ = distributions
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition('/')[2] for member in members if member.isfile()}
    assert {f'src/{name}' for name in _packaged()} | {'LICENSE', 'README.md'} <= names
    assert [member.name for member in members if member.issym() or member.islnk()] == []


def test_an_index_would_take_it_and_render_its_description(distributions):
    check = [sys.executable, '-m', 'twine', 'check', '--strict', *distributions]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count('PASSED') == 2


def test_what_is_installed_from_the_sdist_starts(distributions, tmp_path):
    sdist, _ = distributions
    home = tmp_path / 'environment'
    subprocess.run([sys.executable, '-m', 'venv', home], check=True)
    pip = [*isolation.on_the_machines_network(), home / 'bin' / 'pip', 'install', '--quiet']
    subprocess.run([*pip, sdist], check=True)
    for program in ('charm-upload-resource', 'charm-upload-resources', 'charm-unit'):
        done = subprocess.run([home / 'bin' / program, '--help'], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert program in done.stdout
    code = (
        'import charm_image.resources, container_image.registry; print(container_image.__file__)'
    )
    where = subprocess.check_output([home / 'bin' / 'python', '-I', '-c', code], text=True)
    assert where.startswith(str(home))
