"""Which Pythons run the unit tests, and with what."""

import sys

import pytest

import each_python


@pytest.fixture
def told(monkeypatch, capsys):
    """Run them without Pythons; return what pytest would be told, by Python and libraries."""
    told = {}

    def run(_python, minor, combination, arguments):
        told[minor, combination] = arguments
        return 0, '1 passed', 0

    monkeypatch.setattr(each_python, 'find', lambda minor: f'python3.{minor}')
    monkeypatch.setattr(each_python, '_run', run)
    monkeypatch.delenv('TESTS', raising=False)
    assert each_python.main(['-k', 'x']) == 0
    return told


def test_random_inputs_are_on_the_oldest_of_all_and_on_tox_s_own(told):
    with_random = {run for run, words in told.items() if 'not hypothesis' not in words}
    assert with_random == {(6, 'floor'), (sys.version_info.minor, 'current')}


def test_each_python_has_current_libraries_and_those_of_units_old_ones(told):
    assert {minor for minor, libraries in told if libraries == 'current'} == {*range(6, 14)}
    assert {minor for minor, libraries in told if libraries == 'floor'} == {6, 8, 10}


def test_arguments_reach_each_run(told):
    assert all(words[-2:] == ('-k', 'x') for words in told.values())
