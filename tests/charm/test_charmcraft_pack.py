"""What docs/how-to/charmcraft-pack.md shows is what the plugin of charmcraft needs.

The plugin runs `charm proof` on the source, and ends if it exits with 200; then `charm build` with
the arguments in charmcraft.yaml.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
import yaml

from support import building

pytestmark = pytest.mark.slow

PAGE = (building.ROOT / 'docs' / 'how-to' / 'charmcraft-pack.md').read_text()
CHARMCRAFT, LAYER = (
    yaml.safe_load(textwrap.dedent(text))
    for text in re.findall(r'(?ms)^ *```yaml\n(.*?)^ *```', PAGE)
)
EXAMPLE = building.ROOT / 'examples' / 'charms' / 'my-charm'


@pytest.fixture
def source(tmp_path):
    """The source of the example charm, with the layer.yaml that the page shows."""
    copy = tmp_path / 'my-charm'
    shutil.copytree(EXAMPLE, copy)
    (copy / 'layer.yaml').write_text(yaml.safe_dump(LAYER))
    (copy / 'charmcraft.yaml').write_text(yaml.safe_dump(CHARMCRAFT))
    (copy / 'layers').mkdir()
    (copy / 'layers' / 'README.md').write_text('Where the layer is.\n')
    return copy


def _proof(source):
    program = pathlib.Path(sys.executable).with_name('charm-proof')
    done = subprocess.run([program], cwd=source, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_charm_proof_of_a_source_knows_the_keys_of_the_layer_with_the_proof_section(source):
    assert _proof(source) == (0, _proof(source)[1])
    without = {key: value for key, value in LAYER.items() if key != 'proof'}
    (source / 'layer.yaml').write_text(yaml.safe_dump(without))
    status, output = _proof(source)
    assert status == 200
    assert 'resources.my-resource: Unrecognized keys in mapping' in output


def test_charm_build_with_the_arguments_of_the_plugin_builds_the_charm(source, tmp_path):
    part = CHARMCRAFT['parts']['charm']
    assert part['plugin'] == 'reactive'
    # those of building.build
    assert part['reactive-charm-build-arguments'] == ['--wheelhouse-per-layer']
    built = building.build(source, tmp_path / 'into')
    names = {path.name for path in built.iterdir()}
    assert {'metadata.yaml', 'hooks', 'lib', 'reactive'} <= names
    assert not names & {'layers', 'charmcraft.yaml', 'tests'}
