"""What a charm needs to run is found: in its lib/, in its wheelhouse, in the interpreter."""

import io
import os
import pathlib
import shutil
import tarfile

import pytest

import charm_unit

_HOOK = '#!/usr/bin/env python3\nimport charmhelpers, charms.reactive, yaml\nprint(yaml.where)\n'


def _archive(folder, name, files):
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f'{name}.tar.gz', 'w:gz') as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f'{name}/{path}')
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


@pytest.fixture
def with_wheelhouse(charm):
    """A charm on layer:basic, as it were: what it needs is in sources, in layouts of that time."""
    built = charm()
    shutil.rmtree(built / 'lib')
    wheelhouse = built / 'wheelhouse'
    _archive(wheelhouse, 'charmhelpers-0.20', {'charmhelpers/__init__.py': '', 'setup.py': '1/0'})
    _archive(
        wheelhouse,
        'charms_reactive-1.5',
        {
            'charms/__init__.py': '',
            'charms/reactive/__init__.py': '',
            'charms.reactive.egg-info/top_level.txt': 'charms\n',
        },
    )
    _archive(
        wheelhouse,
        'PyYAML-5.2',
        {'lib/yaml/__init__.py': 'python 2', 'lib3/yaml/__init__.py': "where = 'lib3'"},
    )
    (built / 'hooks' / 'install').write_text(_HOOK)
    return built


def test_a_wheelhouse_is_unpacked_into_an_environment_that_is_kept(with_wheelhouse):
    kept = pathlib.Path(os.environ['XDG_CACHE_HOME'], 'charm-unit')
    before = set(kept.glob('*/made'))
    with charm_unit.Unit(with_wheelhouse, deploy=False) as unit:
        assert unit.run('install')[-1].output == 'lib3\n'
    (made,) = set(kept.glob('*/made')) - before
    with charm_unit.Unit(with_wheelhouse, deploy=False) as unit:
        assert unit.run('install')[-1].output == 'lib3\n'
    assert set(kept.glob('*/made')) - before == {made}


def test_layer_basic_finds_its_environment_made_in_every_hook(with_wheelhouse):
    with charm_unit.Unit(with_wheelhouse, deploy=False) as unit:
        for hook in ('install', 'upgrade-charm'):
            script = unit.charm / 'hooks' / hook
            script.write_text('#!/bin/sh\nls wheelhouse/.bootstrapped wheelhouse/.upgraded\n')
            assert unit.run(hook)[-1].exit_code == 0
            assert (unit.charm.parent / '.venv' / 'bin' / 'python3').exists()


def test_an_archive_that_cannot_be_unpacked_is_named(with_wheelhouse):
    (with_wheelhouse / 'wheelhouse' / 'broken-1.tar.gz').write_bytes(b'nothing')
    with pytest.raises(
        charm_unit.CharmEnvironmentError, match=r'broken-1\.tar\.gz cannot be unpacked'
    ):
        charm_unit.Unit(with_wheelhouse, deploy=False)


def test_what_python_has_dropped_since_is_there_again(charm):
    built = charm()
    (built / 'hooks' / 'install').write_text(
        '#!/usr/bin/env python3\n'
        'import collections, distutils.version, imp, inspect, pkg_resources\n'
        'collections.Mapping, inspect.getargspec, imp.load_source\n'
        'assert distutils.version.LooseVersion("1.10") > "1.9"\n'
        'assert pkg_resources.parse_version("1.10") > pkg_resources.parse_version("1.9")\n'
    )
    with charm_unit.Unit(built, deploy=False) as unit:
        assert unit.run('install')[-1].exit_code == 0


def test_the_processes_that_a_hook_starts_are_noted_or_not(charm):
    built = charm()
    (built / 'hooks' / 'install').write_text(
        '#!/usr/bin/env python3\nimport subprocess\nsubprocess.run(["juju-log", "a b"])\n'
    )
    with charm_unit.Unit(built, deploy=False) as unit:
        assert unit.run('install')[-1].started('juju-log') == [['juju-log', 'a b']]
    with charm_unit.Unit(built, record_processes=False, deploy=False) as unit:
        assert unit.run('install')[-1].processes == []
