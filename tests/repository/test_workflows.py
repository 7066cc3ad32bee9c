"""The workflows in the documents, and those of this repository, are what a forge can run."""

import re

import pytest
import yaml

from support import building

ROOT = building.ROOT
CI = (ROOT / 'docs' / 'how-to' / 'ci.md').read_text()
SHOWN = [yaml.safe_load(text) for text in re.findall(r'(?ms)^```yaml\n(.*?)^```', CI)]
OURS = {path.name: path for path in (ROOT / '.github' / 'workflows').glob('*.yml')}


def _commands(job):
    return [step['run'] for step in job['steps'] if 'run' in step]


def test_workflow_that_is_shown_runs_the_commands_that_are_shown():
    workflow, publish = SHOWN
    (script,) = re.findall(r'(?ms)^```sh\n(.*?)^```', CI)
    assert _commands(workflow['jobs']['test']) == script.splitlines()
    assert _commands(publish['publish'])[-1].startswith('charm-upload-resources ')


def test_workflow_that_is_shown_has_credentials_from_a_secret_alone():
    workflow, publish = SHOWN
    assert 'secrets' not in str(workflow)
    assert publish['publish']['env'] == {'CHARMCRAFT_AUTH': '${{ secrets.CHARMCRAFT_AUTH }}'}
    assert 'CHARMCRAFT_AUTH' not in ' '.join(_commands(publish['publish']))


@pytest.mark.parametrize('name', sorted(OURS))
def test_workflow_of_ours_has_limits_and_no_more_rights_than_it_needs(name):
    workflow = yaml.safe_load(OURS[name].read_text())
    assert workflow['permissions'] == {'contents': 'read'}
    assert all(job['timeout-minutes'] <= 60 for job in workflow['jobs'].values())
    for job in workflow['jobs'].values():
        rights = {key for key, value in job.get('permissions', {}).items() if value == 'write'}
        assert rights <= {'pages', 'id-token'}


def test_workflow_of_the_site_builds_it_strictly_and_publishes_only_the_main_branch():
    workflow = yaml.safe_load(OURS['pages.yml'].read_text())
    assert './dev docs --check' in _commands(workflow['jobs']['build'])
    assert workflow['jobs']['publish']['if'] == "github.ref == 'refs/heads/main'"
    tox = (ROOT / 'tox.ini').read_text()
    assert re.search(r'sphinx-build .*--fail-on-warning .*--nitpicky .* site', tox)
