"""Links between documents have targets, also on a forge, which shows them without the site."""

import pathlib
import re

import pytest

from support import building

ROOT = building.ROOT
_SKIPPED = ('.tox', '.cache', 'site', 'build')


def _is_ours(page):
    return not {*page.relative_to(ROOT).parts} & {*_SKIPPED}


PAGES = sorted(page for page in ROOT.rglob('*.md') if _is_ours(page))


def _links(page):
    text = re.sub(r'(?ms)^( *)```.*?^\1```', '', page.read_text())
    text = re.sub(r'(?m)^ {4,}\S.*|`[^`\n]*`', '', text)
    yield from re.findall(r'\]\(([^()\s]+)\)', text)
    yield from re.findall(r'(?:src|srcset|href)="([^"]+)"', text)


def _anchors(page):
    """Return the names that a forge gives the headings of a page."""
    text = re.sub(r'(?ms)^```.*?^```', '', page.read_text())
    names = set()
    for heading in re.findall(r'(?m)^#+ (.*)', text):
        words = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).lower()
        name = re.sub(r'[^\w\- ]', '', words).strip().replace(' ', '-')
        number = 1
        while name in names:
            name, number = (
                f'{name.rpartition("-")[0] if number > 1 else name}-{number}',
                number + 1,
            )
        names.add(name)
    return names


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_documents_all_lead_somewhere(page):
    wrong = []
    for link in _links(page):
        path, _, anchor = link.partition('#')
        if re.match(r'[a-z]+:', link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_links_are_found():
    assert sum(len(list(_links(page))) for page in PAGES) > 150
    assert pathlib.Path('tutorial.md') in map(pathlib.Path, _links(ROOT / 'docs' / 'index.md'))
