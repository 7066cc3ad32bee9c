"""Charms put together by hand: what a unit does is seen without a framework."""

import pathlib
import stat

import pytest
import yaml

import charm_unit

_NOTHING = '#!/bin/sh\n'


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
    """Keep environments where no developer's are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture
def charm(tmp_path):
    """A function that makes a charm of shell scripts, by the names of hooks."""

    def make(scripts=None, folder='charm', actions=None, config=None, **metadata):
        root = tmp_path / folder
        for name in ('hooks', 'actions', 'lib/charmhelpers', 'lib/charms/reactive', 'lib/yaml'):
            (root / name).mkdir(parents=True, exist_ok=True)
        hooks = {'install': '', 'upgrade-charm': '', 'config-changed': '', 'update-status': ''}
        for name, script in {**hooks, **(scripts or {})}.items():
            write(root / ('actions' if name in (actions or {}) else 'hooks') / name, script)
        about = {
            'name': 'tested',
            'summary': 'A charm to test with',
            'description': 'Made by a test.',
            'resources': {'web': {'type': 'oci-image'}},
            **metadata,
        }
        for role in ('requires', 'provides', 'peers'):
            for name, endpoint in about.get(role, {}).items():
                about[role][name] = {'interface': name, **endpoint}
        (root / 'metadata.yaml').write_text(yaml.safe_dump(about))
        (root / 'actions.yaml').write_text(yaml.safe_dump(actions or {}))
        (root / 'config.yaml').write_text(yaml.safe_dump({'options': config or {}}))
        return root

    return make


def write(file: pathlib.Path, script):
    file.write_text(_NOTHING + script + '\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def say(charm, tmp_path):
    """A function that runs shell commands in a hook of a unit; returns the run."""

    def run(script, hook='install', unit=None, **options):
        unit = unit or charm_unit.Unit(charm(), tmp_path / 'unit', deploy=False, **options)
        write(unit.charm / 'hooks' / hook, script)
        (done,) = unit.run(hook, check=False)
        return done

    return run
