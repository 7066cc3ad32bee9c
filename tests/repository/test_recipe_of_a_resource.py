"""Whoever follows the recipe for a kind of resource has one, with a test that passes."""

import pytest

from support import recipes

RESOURCES = 'tools/charm-image/src/charm_image/resources'


@pytest.mark.slow
def test_the_recipe_for_a_kind_of_resource_leads_to_one(tmp_path):
    recipe = recipes.Recipe('Add a kind of resource', tmp_path / 'clone')
    kind, test = recipe.code
    recipe.create(f'{RESOURCES}/_fifo.py', kind)
    init = f'{RESOURCES}/__init__.py'
    recipe.insert(
        init,
        'from charm_image.resources._file',
        'from charm_image.resources._fifo import Fifo\n',
    )
    recipe.insert(init, "    'File',\n", "    'Fifo',\n")
    scripts = 'tests/charm_image/build/test_build_scripts.py'
    recipe.insert(scripts, '\n\n@pytest.mark.parametrize', f'\n\n{test}')
    recipe.insert(
        'docs/reference/resources.md', '| `Group` |', '| `Fifo` | `name` | apply, remove |\n'
    )
    recipe.insert('tests/repository/test_build_reference.py', "'Group']", "'Fifo', ")
    output = recipe.run('-v')
    assert 'test_a_fifo_is_made_once_and_removed[dash] PASSED' in output
    assert 'test_the_table_of_resources_has_every_argument_and_policy[Fifo] PASSED' in output
