"""The roots and bases that the tests make of Debian."""

import pytest

from support import debian


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, 'CACHE', tmp_path)
    return tmp_path


def test_a_root_that_is_complete_is_made_once():
    made = []

    def make(path):
        made.append(path)
        path.write_text('complete')

    assert debian.once('engines/root', make) == debian.once('engines/root', make)
    assert debian.once('engines/root', make).read_text() == 'complete'
    assert len(made) == 1


def test_a_root_that_a_killed_maker_left_is_made_again_from_nothing():
    def be_killed(path):
        (path / 'etc').mkdir(parents=True)
        path.rename(path.with_name('kept'))  # nobody removes it
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        debian.once('engines/root', be_killed)
    left = debian.CACHE / 'engines/kept'
    left.rename(debian.CACHE / 'engines/root.unfinished')
    root = debian.once('engines/root', lambda path: path.mkdir())
    assert list(root.iterdir()) == []
    assert not (debian.CACHE / 'engines/root.unfinished').exists()


def test_a_root_that_cannot_be_made_leaves_nothing_that_looks_complete():
    def fail(path):
        path.mkdir()
        raise AssertionError('no mirror')

    with pytest.raises(AssertionError, match='no mirror'):
        debian.once('engines/root', fail)
    assert [path.name for path in debian.CACHE.glob('engines/*')] == ['root.lock']
