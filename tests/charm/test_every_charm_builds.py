"""Whatever a charm includes beside the layer, it builds, and its metadata stays its own."""

import fnmatch
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from support import building

pytestmark = pytest.mark.slow

LEAST = {
    'name': 'least',
    'summary': 'A charm with nothing that it can do without',
    'description': 'Made by a test.',
}
# As `charm build` writes it.
LEAST_LETTERS = """\
"name": "least"
"summary": "A charm with nothing that it can do without"
"description": "Made by a test."
"""
IMAGE = {'type': 'oci-image', 'auto-fetch': True, 'description': 'An image'}
MOST = {
    **LEAST,
    'maintainer': 'Somebody <somebody@example.com>',
    'tags': ['misc'],
    'series': ['kubernetes', 'focal'],
    'min-juju-version': '2.8.0',
    'resources': {'image': IMAGE},
    'storage': {'data': {'type': 'filesystem', 'location': '/data'}},
    'deployment': {'type': 'stateful', 'service': 'omit'},
}
INCLUDES = {
    'caas-base first': ['layer:caas-base', 'layer:docker-resource'],
    'caas-base last': ['layer:docker-resource', 'layer:caas-base'],
    'basic first': ['layer:basic', 'layer:docker-resource'],
    'basic last': ['layer:docker-resource', 'layer:basic'],
    'with status': ['layer:caas-base', 'layer:docker-resource', 'layer:status'],
    'nothing but docker-resource': ['layer:docker-resource'],
}
KINDS = {
    **{f'{name}, least': (includes, LEAST) for name, includes in INCLUDES.items()},
    'caas-base first, most': (INCLUDES['caas-base first'], MOST),
    'basic first, most': (INCLUDES['basic first'], MOST),
}


@pytest.fixture(scope='module')
def layer(tmp_path_factory):
    """Our layer without its wheelhouse, which other tests fill."""
    folder = tmp_path_factory.mktemp('layer') / 'docker-resource'
    building.check_out(folder, sparse=True)
    (folder / 'wheelhouse.txt').unlink()
    return folder


def _source(folder, includes, metadata):
    """Write a charm that has no more files than it must."""
    folder.mkdir(parents=True)
    (folder / 'layer.yaml').write_text(yaml.safe_dump({'includes': includes}))
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    return folder


@pytest.mark.parametrize(('includes', 'metadata'), KINDS.values(), ids=KINDS)
def test_a_charm_builds_and_its_metadata_is_its_own(includes, metadata, layer, tmp_path):
    source = _source(tmp_path / 'least', includes, metadata)
    if 'layer:basic' in includes:
        _empty_wheelhouse(tmp_path)
    if 'layer:caas-base' not in includes and 'layer:basic' not in includes:
        (source / 'hooks').mkdir()  # without a base layer, it has to say itself how a hook starts
        shutil.copy(building.LAYERS / 'caas-base' / 'hooks' / 'hook.template', source / 'hooks')
    built = building.build(source, tmp_path / 'into', layer, proof=metadata is MOST)
    letters = (built / 'metadata.yaml').read_text()
    assert yaml.safe_load(letters) == metadata
    assert letters == LEAST_LETTERS or metadata is not LEAST
    for module in ('reactive/{}.py', 'lib/charms/layer/{}.py'):
        assert (built / module.format('docker_resource')).is_file()
        assert (built / module.format('status')).is_file()
    assert (built / 'hooks' / 'install').is_file()


def test_the_layer_s_own_metadata_is_empty_and_says_why():
    comment, letters = re.fullmatch(
        r'((?:#.*\n)+)(.*\n)', (building.ROOT / 'metadata.yaml').read_text()
    ).groups()
    assert letters == '{}\n'
    assert 'charm proof' in comment


@pytest.mark.parametrize('key', ['name', 'summary', 'maintainer'])  # what it wants of a charm
def test_what_a_charm_lacks_is_still_noticed_by_charm_proof(key, layer, tmp_path):
    metadata = {other: value for other, value in MOST.items() if other != key}
    source = _source(tmp_path / 'least', INCLUDES['caas-base first'], metadata)
    building.build(source, tmp_path / 'into', layer, proof=False)
    log = (tmp_path / 'into' / 'least.log').read_text()
    assert re.search(rf'proof: E: .*{key}', log)


def _empty_wheelhouse(folder):
    """Have layer:basic bring no packages, whose download other tests wait for."""
    layers = folder / 'into' / 'layers'
    shutil.copytree(building.LAYERS / 'basic', layers / 'basic')
    (layers / 'basic' / 'wheelhouse.txt').write_text('# nothing\n')


def test_a_charm_says_whose_code_it_carries(layer, tmp_path):
    source = _source(tmp_path / 'least', INCLUDES['caas-base first'], LEAST)
    (source / 'copyright').write_text('Of the charm.\n')
    built = building.build(source, tmp_path / 'into', layer, proof=False)
    assert (built / 'copyright').read_text() == 'Of the charm.\n'
    ours = (built / 'copyright.layer-docker-resource').read_text()
    assert ours == (building.ROOT / 'copyright').read_text()
    for path in re.findall(r'\S+/\S+\.py', ours):
        assert (built / path).is_file()


def test_a_clone_that_python_ran_in_leaves_no_pycache_in_the_charm(layer, tmp_path):
    clone = tmp_path / 'clone'
    shutil.copytree(layer, clone)
    subprocess.run([sys.executable, '-m', 'compileall', '-q', clone], check=True)
    assert list(clone.rglob('__pycache__'))
    source = _source(tmp_path / 'least', INCLUDES['caas-base first'], LEAST)
    into = tmp_path / 'into'
    # As it is, with what git ignores: `building.build` would leave that out.
    (into / 'layers').mkdir(parents=True)
    (into / 'layers' / 'docker-resource').symlink_to(clone)
    built = building.build(source, into, clone, proof=False)
    assert list(built.rglob('__pycache__')) == []


def test_no_built_file_speaks_of_a_place_that_is_not_in_the_charm(charms):
    built = charms.example('my-charm')
    text = ''.join(
        path.read_text()
        for path in [
            *built.glob('*.*'),
            *built.glob('lib/charms/**/*.py'),
            *built.glob('lib/container_image/*.py'),
            *built.glob('lib/image_resource/*.py'),
            *built.glob('reactive/*.py'),
        ]
        if path.is_file()
    )
    assert re.findall('(?i).*this (?:repository|checkout|clone).*', text) == []


def test_the_copyright_file_names_all_code_of_the_layer():
    root = building.ROOT
    text = (root / 'copyright').read_text()
    patterns = re.search(r'Files:(.*?)\nCopyright', text, re.DOTALL)[1].split()
    code = [*root.glob('lib/**/*.py'), *root.glob('reactive/*.py')]
    names = [str(path.relative_to(root)) for path in code]
    assert len(names) > 15
    assert [name for name in names if not any(fnmatch.fnmatch(name, p) for p in patterns)] == []


# The stand-ins


def _table():
    """Return the files of each stand-in as tests/layers/README.md lists them."""
    text = (building.LAYERS / 'README.md').read_text()
    row = r'^\| (\S+) \| github\.com/\S+, [0-9a-f]{7} of [0-9-]+ \| (.*) \|$'
    rows = re.findall(row, text, re.MULTILINE)
    return {name: set(re.findall('`([^`]+)`', files)) for name, files in rows}


def test_every_stand_in_is_compared_with_a_release():
    layers = {path.name for path in building.LAYERS.iterdir() if path.is_dir()}
    assert set(_table()) == layers - {'interfaces'}


@pytest.mark.parametrize('name', ['basic', 'caas-base', 'options', 'status'])
def test_a_stand_in_has_the_files_of_the_real_layer_and_no_others(name):
    folder = building.LAYERS / name
    files = {
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert files == _table()[name]


def test_of_the_base_layers_only_basic_has_metadata_and_none_in_it():
    found = building.LAYERS.glob('*/metadata.yaml')
    assert {path.parent.name: path.read_text() for path in found} == {'basic': '{}\n'}
