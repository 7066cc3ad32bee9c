"""Hooks that share what they import do what they do without."""

import dataclasses

import pytest

import charm_unit
from charm_unit._unit import preload

pytestmark = pytest.mark.slow

_IMAGES = {'my-charm': 'my-resource', 'kubeflow-metadata': 'oci-image'}


@pytest.mark.parametrize('name', _IMAGES)
def test_an_example_lives_the_same_life_both_ways(charms, tmp_path, name):
    charm = charms.example(name)
    shared, alone = (
        _life(charm, _IMAGES[name], tmp_path / str(shares), shares) for shares in (True, False)
    )
    assert shared == alone
    assert preload._servers[-1].suits(*_where(charm, tmp_path / 'another'))


def _life(charm, image, folder, shares):
    unit = charm_unit.Unit(charm, folder, check=False, preload=shares)
    unit.attach(image, 'a/b:1')
    unit.attach(image, b'not: an image')
    unit.idle()
    unit.attach(image, 'a/b:2', 'me', 'swordfish')
    unit.upgrade()
    unit.lose_leadership()
    found = []
    for run in unit.runs:
        facts = dataclasses.asdict(run)
        del facts['seconds'], facts['cpu_seconds']
        for noted in (facts['log'], facts['processes']):
            noted.sort()  # what is done in the order of a set is in another order in each process
        found.append(repr(sorted(facts.items())).replace(str(folder), ''))
    return len(found), sorted(unit.flags), unit.pod_spec, unit.status, found


def _where(charm, folder):
    unit = charm_unit.Unit(charm, folder, deploy=False)
    return unit._agent._found.folder, unit.folder, unit.charm
