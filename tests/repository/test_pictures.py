"""The documents show all pictures, and no others."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DRAWN = {path.relative_to(ROOT) for path in (ROOT / 'docs').rglob('*.svg')}
PAGES = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]


def _shown():
    """Yield path and alternative text of each picture in a document; '' for a narrow one."""
    for page in PAGES:
        text = page.read_text()
        found = [(path, words) for words, path in re.findall(r'!\[([^]]*)\]\((\S+)\)', text)]
        found += re.findall(r'<img src="([^"]+)" alt="([^"]+)">', text)
        found += [(path, '') for path in re.findall(r'srcset="([^"]+)"', text)]
        for path, words in found:
            yield (page.parent / path).resolve().relative_to(ROOT), words


def test_pictures_are_all_shown():
    assert {path for path, _ in _shown()} == DRAWN


def test_pictures_are_all_described():
    described = {path for path, words in _shown() if len(words) > 40}
    assert described == {path for path in DRAWN if not path.stem.endswith('-narrow')}


def test_a_wide_picture_has_a_narrow_one_for_small_screens():
    wide = {path for path, words in _shown() if words and path.stem not in ('way', 'upload')}
    assert {path.with_stem(f'{path.stem}-narrow') for path in wide} < DRAWN


@pytest.mark.parametrize('path', sorted(DRAWN), ids=str)
def test_a_picture_refers_to_nothing_elsewhere(path):
    drawn = (ROOT / path).read_text()
    assert drawn.rstrip().endswith('</svg>')
    assert not re.search(r'url\((?!#)|href="(?!#)|@import|@font-face|<script', drawn)
