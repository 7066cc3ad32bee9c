"""What `charm build` makes of the layer."""

import json
import re
import subprocess

import pytest
import yaml

from support import building
from support.observing import IMAGE, OBSERVER

OURS = {
    'lib/charms/layer/docker_resource.py',
    'reactive/docker_resource.py',
}


def _files(charm):
    return {str(path.relative_to(charm)) for path in charm.rglob('*') if not path.is_dir()}


def _by_layer(charm):
    """Return the layer that each file of a built charm came from, as `charm build` noted it."""
    manifest = json.loads((charm / '.build.manifest').read_text())
    return {name: layer for name, (layer, *_) in manifest['signatures'].items()}


def _log(charm):
    return (charm.parent.parent / f'{charm.name}.log').read_text()


def test_the_charm_holds_what_a_unit_needs_and_nothing_else_of_ours(charms):
    ours = {
        name
        for name, layer in _by_layer(charms.example('my-charm')).items()
        if layer == 'layer:docker-resource'
    }
    library = {f'lib/{path.parent.name}/{path.name}' for path in _library().glob('*_*/*.py')}
    # layer:caas-base puts what wheelhouse.txt names into lib.
    packages = {'bin', *(name.replace('-', '_') for name in _requirements())}
    others = ours - OURS - library - {'wheelhouse.txt', 'copyright.layer-docker-resource'}
    assert {name for name in others if not re.match('lib/([^/]+)/', name)} == set()
    assert {name.split('/')[1] for name in others if name.startswith('lib/')} <= packages
    assert OURS | library <= _files(charms.example('my-charm'))


def _library():
    return building.ROOT / 'lib'


def test_no_tests_tools_or_papers_of_ours_are_in_the_charm(charms, tmp_path):
    clone = tmp_path / 'clone'
    building.check_out(clone)
    assert (clone / 'tests').is_dir()
    (clone / 'wheelhouse.txt').unlink()
    charm = charms.make(resources={'image': IMAGE}, layer=clone)
    ours = {name for name, layer in _by_layer(charm).items() if layer == 'layer:docker-resource'}
    top = {name.split('/')[0] for name in ours}
    assert top == {'copyright.layer-docker-resource', 'lib', 'reactive'}
    assert not {path.name for path in charm.iterdir()} & {'tools', 'examples', 'bench', 'dev'}
    assert (charm / 'README.md').read_text() == 'Made by a test.\n'


def test_nothing_of_our_metadata_is_in_the_charm(charms):
    source = building.ROOT / 'examples' / 'charms' / 'my-charm'
    own = yaml.safe_load((source / 'metadata.yaml').read_text())
    assert yaml.safe_load((charms.example('my-charm') / 'metadata.yaml').read_text()) == own


def test_the_built_layer_yaml_which_each_hook_parses_has_the_options_that_a_charm_sets(charms):
    built = yaml.safe_load((charms.example('my-charm') / 'layer.yaml').read_text())
    assert built['options']['docker-resource'] == {}
    charm = charms.make(options={'docker-resource': {'set-status': False}})
    built = yaml.safe_load((charm / 'layer.yaml').read_text())
    assert built['options']['docker-resource'] == {'set-status': False}


def test_the_repository_has_no_other_names_with_the_letters_that_layer_yaml_does_not_exclude():
    (pattern, _) = yaml.safe_load((building.ROOT / 'layer.yaml').read_text())['exclude']
    letters = re.fullmatch(r'/\[!(\w+)\]\*', pattern).group(1)
    files = subprocess.check_output(['git', 'ls-files'], cwd=building.ROOT, text=True).split()
    assert {name.split('/')[0] for name in files if name[0] in letters} == {
        *('copyright', 'layer.yaml', 'lib', 'metadata.yaml', 'reactive', 'wheelhouse.txt')
    }


@pytest.mark.parametrize('option', ['set-status', 'verify-image'])
@pytest.mark.parametrize('value', ['maybe', 'no'])
def test_an_option_that_is_no_boolean_does_not_build(charms, option, value):
    with pytest.raises(building.BuildError, match='option'):
        charms.make(options={'docker-resource': {option: value}})


def test_a_charm_without_layer_status_of_its_own_gets_it(charms, live):
    charm = charms.make(resources={'image': IMAGE})
    source = yaml.safe_load((charm / 'layer.yaml').read_text())
    assert 'layer:status' in source['includes']
    subject = live(charm)
    subject.run('install')
    assert subject.status[0] == 'blocked'


@pytest.mark.parametrize('example', ['my-charm', 'kubeflow-metadata'])
def test_charm_proof_has_nothing_to_say_because_of_this_layer(charms, example):
    charm = charms.example(example)
    proof = [line for line in _log(charm).splitlines() if line.startswith('proof: ')]
    assert proof, 'charm build runs charm proof'
    assert [line for line in proof if re.search(r'^proof: [WE]|resource', line)] == []


@pytest.mark.parametrize('entry', [{'upstream-source': 'a/b'}, {'auto-fetch': False}])
def test_charm_proof_knows_each_of_our_keys_alone(charms, entry):
    charm = charms.make(
        resources={'image': {'type': 'oci-image', 'description': 'An image', **entry}}
    )
    assert 'proof: E' not in _log(charm)


def test_charm_proof_still_minds_keys_that_nobody_knows(charms):
    with pytest.raises(building.BuildError, match='Unrecognized keys.*auto-fecth'):
        charms.make(resources={'image': {**IMAGE, 'auto-fecth': True}})


def test_the_layer_is_named_by_its_folder_and_so_are_its_options():
    assert 'name' not in yaml.safe_load((building.ROOT / 'layer.yaml').read_text())


# On a machine: layer:basic, whose packages come from the charm's own wheelhouse


@pytest.fixture(scope='module')
def wheelhouse_charm(charms):
    return charms.make(
        resources={'image': IMAGE},
        reactive=OBSERVER.replace('if images and', 'if False and'),
        includes=('layer:basic', 'layer:docker-resource'),
        layer=building.ROOT,
    )


def _requirements():
    """Return the names of the packages in our wheelhouse.txt."""
    return re.findall(r'(?m)^[A-Za-z0-9-]+', (building.ROOT / 'wheelhouse.txt').read_text())


@pytest.mark.slow
def test_the_wheelhouse_holds_sources_only(wheelhouse_charm):
    wheelhouse = {path.name for path in (wheelhouse_charm / 'wheelhouse').iterdir()}
    assert wheelhouse
    assert {name for name in wheelhouse if not name.endswith(('.tar.gz', '.zip'))} == set()


@pytest.mark.slow
def test_the_wheelhouse_installs_without_network_into_an_empty_environment(wheelhouse_charm, live):
    subject = live(wheelhouse_charm, bootstrap=True, timeout=300)
    subject.attach('image', 'a/b:1')
    install = subject.run('install')[-1]  # layer:basic makes the environment, with pip --no-index
    assert 'layer.docker-resource.image.available' in subject.flags
    assert any('--no-index' in command for command in install.processes)
    python = subject.charm.parent / '.venv' / 'bin' / 'python'
    for module in (building.ROOT / 'lib' / 'container_image').glob('*.py'):
        subprocess.run(
            [
                python,
                '-I',
                '-c',
                f'import sys; sys.path += ["lib"]; import container_image.{module.stem}',
            ],
            cwd=subject.charm,
            check=True,
        )
    listed = subprocess.check_output([python, '-m', 'pip', 'list', '--format', 'json'])
    assert set(_requirements()) <= {package['name'] for package in json.loads(listed)}
