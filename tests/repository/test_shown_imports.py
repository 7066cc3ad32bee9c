"""What the documents import from this project is there to be imported."""

import importlib
import re

import pytest

from support import building

ROOT = building.ROOT
PAGES = [ROOT / 'README.md', *ROOT.glob('tools/*/README.md'), *(ROOT / 'docs').rglob('*.md')]
_IMPORT = r'(?m)^ *from ((?:charm_image|charm_unit|container_image)[\w.]*) import ([\w, *]+)$'
SHOWN = sorted({found for page in PAGES for found in re.findall(_IMPORT, page.read_text())})


@pytest.mark.parametrize(('module', 'names'), SHOWN, ids=' '.join)
def test_names_that_are_shown_can_be_imported(monkeypatch, module, names):
    monkeypatch.syspath_prepend(ROOT / 'tools' / 'charm-unit' / 'src')
    imported = importlib.import_module(module)
    for name in names.split(', '):
        if name != '*' and not hasattr(imported, name):
            importlib.import_module(f'{module}.{name}')


def test_imports_are_found():
    assert len(SHOWN) > 8


_NEW = {'_fifo.py', 'reboot.py'}  # what the recipes add


def test_files_and_tests_that_contributors_are_told_of_exist():
    text = ''.join(
        (ROOT / page).read_text()
        for page in (
            'CONTRIBUTING.md',
            'docs/how-to/extend.md',
            'docs/explanation/architecture.md',
        )
    )
    paths = re.findall(r'`([\w.-]+(?:/[\w.-]+)+)`', text)
    assert len(paths) > 8
    gone = [path for path in paths if not (ROOT / path).exists()]
    assert {path.rpartition('/')[2] for path in gone} == _NEW
    sources = ''.join(path.read_text() for path in (ROOT / 'tests').rglob('test_*.py'))
    tests = re.findall(r'`(test_\w+)`', text)
    assert tests
    assert [name for name in tests if f'def {name}(' not in sources] == []
