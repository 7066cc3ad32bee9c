"""`./dev release` changes a version everywhere or nowhere, and publishes nothing."""

import datetime
import os
import pathlib
import subprocess
import sys

import pytest

from support import building, isolation

sys.path.insert(0, str(building.ROOT / 'tools'))
import release

pytestmark = pytest.mark.documents

TODAY = datetime.date(2027, 1, 31)
LOG = pathlib.Path('CHANGELOG.md')
VERSION = pathlib.Path('_version.py')
CHANGES = (
    '# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-11-21\n\n- All.\n'
)


def _edit(version='0.2.0', log=CHANGES):
    files = {LOG: log, VERSION: "VERSION = '0.1.0'\n"}
    return release.edit(files, version, TODAY)


def test_edit_dates_what_is_unreleased_and_leaves_an_empty_section():
    text = _edit()[LOG]
    assert '## Unreleased\n\n## 0.2.0 - 2027-01-31\n\n### Added\n\n- A thing.\n' in text
    assert text.endswith('## 0.1.0 - 2026-11-21\n\n- All.\n')


def test_edit_sets_the_version_of_a_distribution():
    assert _edit()[VERSION] == "VERSION = '0.2.0'\n"


@pytest.mark.parametrize('version', ['0.2', 'v0.2.0', '0.2.0rc1', ''])
def test_edit_refuses_what_is_not_a_version(version):
    with pytest.raises(release.ReleaseError, match='use a form such as 0.2.0'):
        _edit(version)


def test_edit_refuses_an_older_version():
    with pytest.raises(release.ReleaseError, match=r'0\.0\.9 is older than 0\.1\.0'):
        _edit('0.0.9')


def test_edit_refuses_a_release_without_changes():
    with pytest.raises(release.ReleaseError, match='nothing below Unreleased'):
        _edit(log=CHANGES.replace('### Added\n\n- A thing.\n', ''))


@pytest.fixture
def clone(tmp_path):
    """A clone of this checkout, on main."""
    return building.clone(tmp_path / 'clone')


def test_release_from_a_clone_with_changes_is_refused(clone):
    (clone / 'README.md').write_text('')
    with pytest.raises(release.ReleaseError, match=r'commit them first:\n *M README.md'):
        release.release('9.0.0', root=clone)


def test_release_from_another_branch_is_refused(clone):
    building.git(clone, 'switch', '--quiet', '--create', 'aside')
    with pytest.raises(release.ReleaseError, match="branch 'aside': release from main"):
        release.release('9.0.0', root=clone)


def test_release_that_fails_leaves_the_files_as_they_were(clone):
    (clone / 'tools' / 'charm-unit' / 'pyproject.toml').write_text('[')
    building.commit(clone, 'Broken')
    with pytest.raises(release.ReleaseError, match='-m build'):
        release.release('9.0.0', root=clone)
    assert building.git(clone, 'status', '--porcelain') == ''
    assert building.git(clone, 'tag') == ''


@pytest.mark.slow
def test_release_builds_tries_commits_and_tags(clone):
    done = subprocess.run(
        [*isolation.on_the_machines_network(), sys.executable, 'tools/release.py', '9.0.0'],
        cwd=clone,
        env={
            **os.environ,
            **{f'GIT_{role}_NAME': 'A' for role in ('AUTHOR', 'COMMITTER')},
            **{f'GIT_{role}_EMAIL': 'a@example.com' for role in ('AUTHOR', 'COMMITTER')},
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (clone / 'dist').iterdir()) == [
        'charm_image-9.0.0-py3-none-any.whl',
        'charm_image-9.0.0.tar.gz',
        'charm_unit-9.0.0-py3-none-any.whl',
        'charm_unit-9.0.0.tar.gz',
    ]
    assert building.git(clone, 'tag') == 'v9.0.0'
    assert building.git(clone, 'log', '-1', '--format=%s') == 'Release 9.0.0'
    assert building.git(clone, 'status', '--porcelain') == ''
    assert 'git push origin main v9.0.0' in done.stdout
