"""Where a unit has its files if nobody says: `_unit/files.py`."""

import os
import pathlib
import types

import pytest

from charm_unit._unit import files

ROOMY = types.SimpleNamespace(f_flag=0, f_bavail=1 << 20, f_frsize=4096)


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """The folder in memory that every machine of these tests has."""
    folder = tmp_path / 'shm'
    folder.mkdir()
    monkeypatch.setattr(files, '_IN_MEMORY', str(folder))
    monkeypatch.setattr(os, 'statvfs', lambda _: ROOMY)
    for name in ('TMPDIR', 'TEMP', 'TMP'):
        monkeypatch.delenv(name, raising=False)
    return folder


def made():
    """Make a temporary folder; return its parent."""
    folder = pathlib.Path(files.temporary_folder())
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    return folder.parent


def test_a_temporary_folder_is_in_memory_where_that_is_roomy(memory):
    assert made() == memory


@pytest.mark.parametrize(
    'known',
    [
        types.SimpleNamespace(f_flag=os.ST_NOEXEC, f_bavail=1 << 20, f_frsize=4096),
        types.SimpleNamespace(f_flag=0, f_bavail=16384, f_frsize=4096),
    ],
    ids=['no program may run there', '64 MB are free, as in a container'],
)
def test_a_temporary_folder_is_elsewhere_if_hooks_could_not_be_in_memory(
    memory, monkeypatch, known
):
    monkeypatch.setattr(os, 'statvfs', lambda _: known)
    assert made() != memory


def test_a_temporary_folder_is_elsewhere_on_a_system_without_one_in_memory(memory, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(files, '_IN_MEMORY', str(memory / 'missing'))
    assert made().is_dir()


def test_a_temporary_folder_is_where_TMPDIR_says(memory, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    assert made() == tmp_path
