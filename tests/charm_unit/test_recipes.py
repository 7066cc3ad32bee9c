"""Whoever follows the recipes for contributors has what they lead to, with tests that pass."""

import textwrap

import pytest

from support import recipes

pytestmark = pytest.mark.slow

TOOLS = 'tools/charm-unit/src/charm_unit/_unit/hook_tools'


def test_the_recipe_for_a_hook_tool_leads_to_one(tmp_path):
    recipe = recipes.Recipe('Add a hook tool to the simulated unit', tmp_path / 'clone')
    (tool,) = recipe.code
    recipe.create(f'{TOOLS}/reboot.py', tool)
    init = f'{TOOLS}/__init__.py'
    recipe.insert(init, '    relation,\n', '    reboot,\n')
    recipe.insert(init, '    **relation.TOOLS', '    **reboot.TOOLS,\n')
    recipe.replace(init, "    'juju-reboot',\n", '')
    recipe.insert(
        'tests/charm_unit/test_hook_tools.py',
        "        (\n            'relation-list --app=x'",
        "        ('juju-reboot soon', 2, 'unrecognized args: [\"soon\"]'),\n",
    )
    output = recipe.run('-v', '-k', 'words')
    assert 'test_what_is_wrong_is_told_in_juju_words[juju-reboot soon-2-' in output


def test_the_recipe_for_an_error_of_a_registry_leads_to_one(tmp_path):
    recipe = recipes.Recipe('Add an error of a registry', tmp_path / 'clone')
    error, answer = recipe.code
    recipe.insert('lib/container_image/registry_errors.py', 'class NotFoundError', f'{error}\n\n')
    client = 'lib/container_image/registry.py'
    recipe.insert(client, '    UnavailableError,\n', '    WithheldError,\n')
    recipe.insert(client, "    'look_up',\n", "    'WithheldError',\n")
    connection = 'lib/container_image/_connection.py'
    recipe.insert(connection, '    UnavailableError,\n', '    WithheldError,\n')
    recipe.insert(
        connection, '        if response.status == 404:', textwrap.indent(answer, ' ' * 8)
    )
    recipe.insert(
        'tests/unit/registry/test_registry_answers.py',
        '        (418, registry.RejectedError),\n',
        '        (451, registry.WithheldError),\n',
    )
    output = recipe.run('-v', 'tests/unit/registry')
    assert 'test_a_status_becomes_the_error_that_says_so[451-WithheldError] PASSED' in output
