"""Releases, checks before a commit, and templates of issues. Imports are checked by lint."""

import configparser
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_newest_release_in_the_changelog_is_the_version_of_the_tools():
    releases = re.findall(r'(?m)^## ([0-9.]+) - ', (ROOT / 'CHANGELOG.md').read_text())
    for tool, package in (('charm-image', 'charm_image'), ('charm-unit', 'charm_unit')):
        version = ROOT / 'tools' / tool / 'src' / package / '_version.py'
        assert f"VERSION = '{releases[0]}'" in version.read_text()


def test_pre_commit_calls_what_lint_calls():
    configuration = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    entries = [hook['entry'] for repo in configuration['repos'] for hook in repo['hooks']]
    assert entries == ['./dev lint']
    assert {repo['repo'] for repo in configuration['repos']} == {'local'}
    tox = configparser.ConfigParser()
    tox.read(ROOT / 'tox.ini')
    for environment, tool, command in (
        ('lint', 'ruff', 'ruff'),
        ('lint', 'mypy', 'mypy'),
        ('lint', 'import-linter', 'lint-imports'),
        ('types', 'basedpyright', 'basedpyright'),
    ):
        assert re.search(rf'(?m)^{tool}==', tox[f'testenv:{environment}']['deps'])
        assert re.search(rf'(?m)^{command}\b', tox[f'testenv:{environment}']['commands'])


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
