"""The READMEs show all pictures, and no others."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DRAWN = {path.relative_to(ROOT) for path in (ROOT / 'docs').rglob('*.svg')}


def _shown(readme):
    """Return alt text by path of each picture in a README."""
    found = re.findall(r'!\[([^]]*)\]\((\S+)\)', (ROOT / readme).read_text())
    folder = (ROOT / readme).parent
    return {(folder / path).resolve().relative_to(ROOT): text for text, path in found}


def test_every_picture_is_shown():
    assert {*_shown('README.md'), *_shown('tools/charm-image/README.md')} == DRAWN


@pytest.mark.parametrize('readme', ['README.md', 'tools/charm-image/README.md'])
def test_every_picture_is_described(readme):
    assert all(len(text) > 40 for text in _shown(readme).values())


@pytest.mark.parametrize('path', sorted(DRAWN), ids=str)
def test_a_picture_refers_to_nothing_elsewhere(path):
    drawn = (ROOT / path).read_text()
    assert drawn.rstrip().endswith('</svg>')
    assert not re.search(r'url\((?!#)|href="(?!#)|@import|@font-face|<script', drawn)
