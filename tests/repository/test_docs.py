"""The reference in docs/ is written from the code, and has all that others may use."""

import argparse
import importlib
import json
import pathlib
import re
import statistics
import sys

import pytest

from charm_image._commands import arguments, charm_arguments

ROOT = pathlib.Path(__file__).parents[2]
REFERENCE = ROOT / 'docs' / 'reference'


@pytest.fixture(scope='module')
def program():
    """The program that writes the reference, as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'docs')
        return importlib.import_module('reference')


@pytest.mark.parametrize(
    'page', ['charm-image-api', 'functions', 'resources', 'upload-commands'], ids=str
)
def test_the_reference_is_what_dev_docs_writes_today(program, page):
    text = (REFERENCE / f'{page}.md').read_text()
    assert program.updated(text) == text, 'it is out of date: run `./dev docs`'


def test_the_reference_has_all_that_charms_call():
    text = (REFERENCE / 'functions.md').read_text()
    for name in ('fetch', 'get_info', 'DockerImageInfo', 'verify-image'):
        assert re.search(rf'(?m)^#+ {name}$', text)
    assert '`image_details`' in text


def test_a_part_that_is_out_of_date_is_written_again_and_the_rest_stays(program):
    part = '<!-- ./dev docs writes options -->\nold\n<!-- end -->\n'
    text = f'# A\n\nBefore.\n\n{part}\nAfter `verify`.\n'
    updated = program.updated(text)
    assert 'old' not in updated
    assert '## verify-image' in updated
    assert updated.startswith('# A\n\nBefore.\n')
    assert updated.endswith('\n<!-- end -->\n\nAfter `verify`.\n')
    assert program.updated(updated) == updated


def test_check_names_the_page_that_is_out_of_date_and_writes_nothing(
    program, tmp_path, monkeypatch, capsys
):
    (tmp_path / 'docs').mkdir()
    page = tmp_path / 'docs' / 'page.md'
    page.write_text('# A\n\n<!-- ./dev docs writes options -->\n<!-- end -->\n')
    before = page.read_text()
    monkeypatch.setattr(program, 'pages', lambda: iter([page]))
    monkeypatch.setattr(program, 'ROOT', tmp_path)
    monkeypatch.setattr(program, 'updated', lambda text: text + 'more')
    monkeypatch.setattr(sys, 'argv', ['reference.py', '--check'])
    assert program.main() == 1
    assert 'docs/page.md is out of date' in capsys.readouterr().err
    assert page.read_text() == before
    monkeypatch.setattr(sys, 'argv', ['reference.py', '--write'])
    assert program.main() == 0
    assert page.read_text() == before + 'more'


@pytest.mark.parametrize('parser', [arguments.parser(), charm_arguments.parser()])
def test_the_reference_has_every_variable_and_exit_status_of_the_help(parser):
    text = (REFERENCE / 'upload-commands.md').read_text()
    variables = re.findall(r'\b[A-Z]+(?:_[A-Z]+)+\b', parser.epilog)
    statuses = re.findall(r'(\d+) [a-z]', parser.epilog.partition('exit status:')[2])
    assert [each for each in variables if f'`{each}`' not in text] == []
    assert statuses[:2] == ['0', '1']
    rows = re.findall(r'(?m)^\| ([\d, ]+) \|', text)
    assert {*statuses} <= {status for row in rows for status in row.split(', ')}


@pytest.mark.parametrize('parser', [arguments.parser(), charm_arguments.parser()])
def test_options_are_all_explained(parser):
    shown = [each for each in parser._actions if each.help != argparse.SUPPRESS]
    assert len(shown) > 8
    assert [each.dest for each in shown if not each.help] == []


def test_the_durations_in_the_documents_are_those_that_were_measured():
    costs = json.loads((ROOT / 'docs' / 'bench' / 'upload.json').read_text())['costs']
    ours = {
        (row['case'].partition(', 500 MB in 5 layers')[0], row['stage']): row
        for row in costs
        if row['way'] == 'ours'
    }
    seconds = {key: statistics.median(row['seconds']) for key, row in ours.items()}
    megabytes = statistics.median(ours['docker', 'first']['network']) / 1e6
    text = ' '.join((ROOT / 'docs' / 'how-to' / 'upload-an-image.md').read_text().split())
    first, size, edit = map(
        int,
        re.search(
            r'500 MB takes (\d+) seconds plus the time of your network for (\d+) MB; '
            r'after an edit of 1 MB, (\d+) seconds from Docker with a graph driver, and less than '
            r"one from podman and from Docker with containerd's store; unchanged, less than one",
            text,
        ).groups(),
    )
    assert first == round(seconds['docker', 'first'])
    assert edit == round(seconds['docker', 'edit'])
    assert size == pytest.approx(megabytes, abs=5)
    assert seconds['podman', 'edit'] < 1
    assert seconds['trixie-docker-containerd', 'edit'] < 1
    assert seconds['docker', 'again'] < 1
