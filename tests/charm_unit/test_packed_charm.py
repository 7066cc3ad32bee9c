"""A packed `.charm` is taken as the folder is that was packed."""

import stat
import zipfile

import pytest

import charm_unit
from support import small_charms


def _link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_a_packed_charm_runs_as_its_folder(charm, tmp_path):
    folder = charm({'start': 'actions/backup'}, actions={'backup': {}})
    (folder / 'actions' / 'backup').write_text('#!/bin/sh\necho backed up\n')
    (folder / 'actions' / 'backup').chmod(0o755)
    (folder / 'hooks' / 'update-status').unlink()
    (folder / 'hooks' / 'update-status').symlink_to('start')
    file = small_charms.pack(folder, tmp_path / 'tested.charm')
    with charm_unit.Unit(file) as unit:
        assert unit.runs[-1].output == 'backed up\n'
        assert unit.idle()[0].output == 'backed up\n'
        assert (unit.charm / 'hooks' / 'update-status').is_symlink()
        assert unit.upgrade(file)[0].hook == 'upgrade-charm'


@pytest.mark.parametrize(
    'more',
    [
        (zipfile.ZipInfo('../outside'), 'x'),
        (zipfile.ZipInfo('/tmp/outside'), 'x'),
        (_link('away'), '/etc/passwd'),
        (_link('away'), '../../../etc/passwd'),
    ],
)
def test_what_leads_out_of_it_is_refused(charm, tmp_path, more):
    file = small_charms.pack(charm(), tmp_path / 'tested.charm', [more])
    with pytest.raises(charm_unit.NotABuiltCharmError, match='leads out of it'):
        charm_unit.BuiltCharm(file)
    assert not (tmp_path / 'outside').exists()


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_one_is_refused(tmp_path, method):
    file = tmp_path / 'tested.charm'
    with zipfile.ZipFile(file, 'w', method) as archive:
        archive.writestr('metadata.yaml', 'name: a\n' * 1000)
    content = file.read_bytes()
    file.write_bytes(content[:50] + bytes(10) + content[60:])
    with pytest.raises(charm_unit.NotABuiltCharmError, match=r'is not a packed charm'):
        charm_unit.BuiltCharm(file)


def test_a_file_that_is_no_charm_is_named(tmp_path):
    file = tmp_path / 'tested.charm'
    file.write_bytes(b'PK no')
    with pytest.raises(
        charm_unit.NotABuiltCharmError, match=r'tested\.charm is not a packed charm'
    ):
        charm_unit.BuiltCharm(file)
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('src/charm.py', '')
    with pytest.raises(
        charm_unit.NotABuiltCharmError, match=r'tested\.charm holds a charm of the ops'
    ):
        charm_unit.BuiltCharm(file)
