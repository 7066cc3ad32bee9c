"""How Sphinx builds the site of the documents: see `./dev docs`.

The source is the whole repository, so that links between its Markdown files are links of the site,
too. docs/index.md is the list of all pages: a section is a part of the sidebar.
"""

import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[1]

project = 'docker-resource'
html_title = 'docker-resource'
root_doc = 'docs/index'
include_patterns = [
    'docs/**',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'examples/charms/*/README.md',
]
extensions = ['myst_parser', 'sphinx_copybutton']
html_theme = 'furo'
html_copy_source = html_show_sphinx = html_show_copyright = False
html_static_path = ['_static']
html_css_files = ['site.css']
html_theme_options = {'source_directory': '.'}
nitpicky = True

myst_heading_anchors = 4  # as forges do
myst_enable_extensions = ['html_image']
copybutton_prompt_text = '$ '

_SECTION = re.compile(r'^## (.+)$', re.MULTILINE)
_LINK = re.compile(r'^[-|] .*?\]\(([^)#:]+)\.md\)', re.MULTILINE)


def _add_sidebar(_app, name, source):
    """Add to the list of all pages what Sphinx makes the sidebar of."""
    if name != root_doc:
        return
    _, *parts = _SECTION.split(source[0])
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        pages = '\n'.join(f'/docs/{page}' for page in _LINK.findall(text))
        if pages:
            source[0] += f'\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n'


def _copy_pictures(app, error):
    """Copy what <picture> names, and let the folder of the site lead to its first page."""
    if error or app.builder.format != 'html':
        return
    for picture in (ROOT / 'docs').rglob('*.svg'):
        target = pathlib.Path(app.outdir) / picture.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">'
    (pathlib.Path(app.outdir) / 'index.html').write_text(page + '\n')


def setup(app):
    """Connect these functions."""
    app.connect('source-read', _add_sidebar)
    app.connect('build-finished', _copy_pictures)
