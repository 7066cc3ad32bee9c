"""A unit continues from a snapshot as it was, whatever has happened in its folder."""

import shutil

import pytest

import charm_unit
from charm_unit._unit import snapshot

_BODY = """
with open('runs', 'a') as runs:
    runs.write(hook + '\\n')
live(['web'])
"""


@pytest.fixture
def unit(explore, tmp_path):
    built = explore.charm(_BODY)
    return charm_unit.Unit(built, tmp_path / 'unit', peers=1, resources={'web': 'a/b:1'})


def test_what_hooks_did_since_is_undone(unit):
    before = (unit.charm / 'runs').read_text()
    kept = snapshot.Snapshot(unit)
    unit.attach('web', 'a/b:2')
    (unit.charm / 'more').mkdir()
    (unit.charm / 'metadata.yaml').unlink()
    restored = kept.restore()
    assert (unit.charm / 'runs').read_text() == before
    assert not (unit.charm / 'more').exists()
    assert (restored.image(), len(restored.runs)) == ('a/b:1', len(unit.runs) - 2)
    assert [run.exit_code for run in restored.idle()] == [0, 0]


def test_it_is_independent_of_a_unit_that_was_in_the_folder_since(unit, explore, tmp_path):
    first = snapshot.Snapshot(unit)
    unit.attach('web', 'a/b:2')
    second = snapshot.Snapshot(unit, first)
    shutil.rmtree(unit.folder)
    charm_unit.Unit(unit.built.folder, tmp_path / 'unit')
    for kept, image in ((second, 'a/b:2'), (first, 'a/b:1'), (second, 'a/b:2')):
        restored = kept.restore()
        assert restored.image() == image
        assert [(run.unit, run.exit_code) for run in restored.idle()] == [
            ('small/0', 0),
            ('small/1', 0),
        ]
        assert (restored.charm / 'runs').read_text().endswith('update-status\n')
