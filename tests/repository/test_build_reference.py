"""What the reference says about building is what there is."""

import inspect
import pathlib
import re

import pytest

import charm_image
from charm_image import resources

REFERENCE = pathlib.Path(__file__).parents[2] / 'docs' / 'reference'
RESOURCES = (REFERENCE / 'resources.md').read_text()
SETTINGS = (REFERENCE / 'settings.md').read_text()
KINDS = ['File', 'Directory', 'Link', 'Line', 'Execute', 'Package', 'User', 'Group']


@pytest.mark.parametrize('kind', KINDS)
def test_the_table_of_resources_has_every_argument_and_policy(kind):
    resource = getattr(resources, kind)
    row = re.search(rf'^\| `{kind}` \|.*', RESOURCES, re.MULTILINE)[0]
    arguments = list(inspect.signature(resource.__init__).parameters)[1:-1]
    assert [each for each in arguments if f'`{each}`' not in row] == []
    assert [each for each in resource.policies if each not in row] == []


def test_what_cannot_be_used_in_an_image_is_named():
    for kind in set(resources.__all__) - {*KINDS, 'Resource', 'ResourceError'}:
        assert f'`{kind}`' in RESOURCES


def test_the_table_of_settings_has_every_argument_of_the_builder():
    arguments = list(inspect.signature(charm_image.DockerBuilder.__init__).parameters)[2:]
    rows = re.findall(r'^\| `(\w+)=.*`--([a-z-]+)', SETTINGS, re.MULTILINE)
    options = [{'engine': 'engines'}.get(option, option.replace('-', '_')) for _, option in rows]
    assert [name for name, _ in rows] == options
    assert {name for name, _ in rows} == {*arguments} - {'client'}
