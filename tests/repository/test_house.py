"""The house is as CONTRIBUTING.md draws it: arrows go one way."""

import ast
import configparser
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each room must not import; a name stands for all modules below it, too.
FORBIDDEN = {
    'lib': ['charm_image', 'charm_unit'],
    'lib/container_image': ['charmhelpers', 'charms', 'image_resource'],
    'lib/image_resource': ['charms.layer'],
    'reactive': ['container_image', 'image_resource', 'charm_image', 'charm_unit'],
    'tools/charm-unit/src/charm_unit': [
        'charm_image',
        'container_image',
        'image_resource',
        'charms.layer',
    ],
    'tools/charm-image/src/charm_image': [
        'charm_unit',
        'image_resource',
        'charmhelpers',
        'charms',
    ],
    'tools/charm-image/src/charm_image/resources': [
        *('charm_image._build', 'charm_image._oci', 'charm_image._upload'),
        *('charm_image.fabric', 'charm_image.programs', 'container_image'),
    ],
    'tools/charm-image/src/charm_image/_oci': [
        *('charm_image._build', 'charm_image.resources', 'charm_image._upload'),
        *('charm_image.fabric', 'charm_image.programs'),
    ],
    'tools/charm-image/src/charm_image/_build': [
        *('charm_image._upload', 'charm_image.fabric', 'charm_image.programs'),
    ],
    'tools/charm-image/src/charm_image/_upload': [
        *('charm_image._build', 'charm_image.resources', 'charm_image.fabric'),
    ],
}


def _modules(folder):
    """Return the modules below a folder, without other people's and what only links to ours."""
    found = (ROOT / folder).rglob('*.py')
    theirs = ROOT / 'tests' / 'layers'
    return sorted(path for path in found if theirs not in path.parents and path == path.resolve())


def _imported(path):
    """Return the full names of all that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path} has a relative import'
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
    return names


@pytest.mark.parametrize('room', FORBIDDEN)
def test_arrows_run_one_way(room):
    modules = _modules(room)
    assert modules
    wrong = [
        f'{path.relative_to(ROOT)} imports {name}'
        for path in modules
        for name in sorted(_imported(path))
        for forbidden in FORBIDDEN[room]
        if f'{name}.'.startswith(f'{forbidden}.')
    ]
    assert wrong == []


def test_the_newest_release_in_the_changelog_is_the_version_of_the_tools():
    releases = re.findall(r'(?m)^## ([0-9.]+) - ', (ROOT / 'CHANGELOG.md').read_text())
    for tool in ('charm-image', 'charm-unit'):
        project = (ROOT / 'tools' / tool / 'pyproject.toml').read_text()
        assert f'version = "{releases[0]}"' in project


def test_pre_commit_calls_what_lint_calls():
    configuration = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    entries = [hook['entry'] for repo in configuration['repos'] for hook in repo['hooks']]
    assert entries == ['./dev lint']
    assert {repo['repo'] for repo in configuration['repos']} == {'local'}
    tox = configparser.ConfigParser()
    tox.read(ROOT / 'tox.ini')
    for tool in ('ruff', 'mypy'):
        assert re.search(rf'(?m)^{tool}==', tox['testenv:lint']['deps'])
        assert re.search(rf'(?m)^{tool}\b', tox['testenv:lint']['commands'])


@pytest.mark.parametrize('name', ['layer', 'tools'])
def test_issue_templates_ask_for_what_is_needed_and_no_credentials(name):
    template = yaml.safe_load((ROOT / f'.github/ISSUE_TEMPLATE/{name}.yml').read_text())
    assert {'name', 'description', 'body'} <= set(template)
    fields = {field['id']: field for field in template['body'] if field['type'] != 'markdown'}
    required = {key for key, field in fields.items() if field['validations']['required']}
    assert (
        required
        == {
            'layer': {'happened', 'charm', 'juju', 'status', 'resource'},
            'tools': {'happened', 'command', 'output', 'versions'},
        }[name]
    )
    assert 'password' in template['body'][0]['attributes']['value']
