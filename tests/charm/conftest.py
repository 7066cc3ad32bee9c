"""Charms to test with, built once a session, and units of them."""

import dataclasses
import hashlib
import itertools
import json
import sys

import pytest
import yaml

import charm_unit
from support import building

sys.path.append(str(building.ROOT / 'lib'))  # services use the registry client

EXAMPLES = building.ROOT / 'examples' / 'charms'


class Charms:
    """Builds charms below a folder, each once."""

    def __init__(self, folder):
        self._folder = folder
        self._built = {}
        self._numbers = itertools.count()

    def example(self, name, layer=building.ROOT):
        """Return the built example of that name."""
        return self._once(EXAMPLES / name, layer)

    def make(
        self,
        resources=None,
        reactive='',
        options=None,
        includes=('layer:caas-base', 'layer:docker-resource'),
        layer=...,
        metadata=None,
    ):
        """Return the charm `tested`, built from these; `resources` are as in metadata.yaml.

        Unless told which, with our layer without its wheelhouse, which takes a while to fill and
        is for registries only. Without ours, or with that one, no other layer has an empty one.
        """
        wheelhouses = layer not in (..., None)
        if layer is ...:
            layer = self._folder / 'layer'
            if not layer.exists():
                building.check_out(layer, sparse=True)
                (layer / 'wheelhouse.txt').unlink()
        recipe = json.dumps([resources, reactive, options, includes, metadata])
        digest = hashlib.sha256(recipe.encode()).hexdigest()
        source = self._folder / 'sources' / digest[:16] / 'tested'
        if not source.exists():
            (source / 'reactive').mkdir(parents=True)
            about = {
                'name': 'tested',
                'summary': 'A charm to test with',
                'description': 'Made by a test.',
                'maintainers': ['Tests <tests@example.com>'],
                'tags': ['misc'],
                'series': ['kubernetes'],
                **({'resources': resources} if resources else {}),
                **(metadata or {}),
            }
            for name, content in {
                'metadata.yaml': yaml.safe_dump(about),
                'layer.yaml': yaml.safe_dump(
                    {'includes': list(includes), 'options': options or {}}
                ),
                'reactive/tested.py': reactive,
                'README.md': 'Made by a test.\n',
                'copyright': 'Made by a test.\n',
            }.items():
                (source / name).write_text(content)
        return self._once(source, layer, wheelhouses)

    def _once(self, source, layer, wheelhouses=True):
        if (source, layer) not in self._built:
            into = self._folder / str(next(self._numbers))
            self._built[source, layer] = building.build(
                source, into, layer, wheelhouses=wheelhouses
            )
        return self._built[source, layer]


@pytest.fixture(scope='session')
def charms(tmp_path_factory):
    return Charms(tmp_path_factory.mktemp('charms'))


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
    """Keep the units' environments where no developer's are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


_compared = set()
"""The charms whose hooks were run with modules that are shared, and without."""


@pytest.fixture
def live(tmp_path):
    """A function that gives a built charm a unit of its own, before its first hook.

    Whatever the charm, its first hook must do the same if it imports everything itself.
    """
    numbers = itertools.count()

    def begin(charm, **circumstances):
        folder = tmp_path / f'unit-{next(numbers)}'
        if charm not in _compared:
            _compared.add(charm)
            compared = tmp_path / f'compared-{len(_compared)}'
            compared.mkdir()
            assert _first_hook(charm, compared, True) == _first_hook(charm, compared, False)
        return charm_unit.Unit(charm, folder, deploy=False, **circumstances)

    return begin


def _first_hook(charm, folder, preload):
    """Return what a charm's first hook does, but for what is another in each unit and process."""
    folder = folder / str(preload)
    with charm_unit.Unit(charm, folder, deploy=False, check=False, preload=preload) as unit:
        (run,) = unit.run('install')
        found = dataclasses.asdict(run)
        del found['seconds'], found['cpu_seconds']
        for noted in (found['log'], found['processes']):
            noted.sort()  # what is done in the order of a set is in another order in each process
        return json.dumps(found, default=sorted, sort_keys=True).replace(str(folder), '')
