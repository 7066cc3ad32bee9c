"""A hook that shares imports is the same as one that does not, with each Python of charms."""

import os
import shutil

import pytest

import charm_unit
import each_python

_LIBRARY = """
import pathlib

HERE = pathlib.Path(__file__).parent
hash(HERE), str(HERE), HERE.parts
PATHS = {__file__: [__file__, {'b': (1, 2)}]}


def default(file=__file__):
    return file
"""
_HOOK = """#!/usr/bin/env python3
import sys
sys.path.insert(0, 'lib')
from charmhelpers.core import hookenv
import charms.reactive
shares = 'charm_unit_preload.py' in open('/proc/self/cmdline').read()
print('shares' if shares else 'alone', sys.version_info[:2])
print(hookenv.HERE, hookenv.HERE / 'a', hookenv.HERE.parts[-3:], hookenv.HERE.name)
print(hookenv.HERE == type(hookenv.HERE)(str(hookenv.HERE)), hookenv.HERE.exists())
print(hookenv.PATHS, hookenv.default(), hookenv.default.__code__.co_filename)
print(sys.executable, sys.argv, hookenv.__spec__.origin)
raise ValueError('on purpose')
"""
_ENDING = """#!/usr/bin/env python3
import sys
sys.path.insert(0, 'lib')
from charmhelpers.core import hookenv


class Told:
    def __init__(self, name):
        self.name = name

    def __del__(self, print=print):
        print(self.name)


files = [open('left-%d' % number, 'w') for number in range(8)] + [open('left-in-sys', 'w')]
for file in files:
    file.write('data')
sys.log = files.pop()
hookenv.PATHS['log'] = files.pop()
hookenv.PATHS['own'] = files
told = Told('in the script')
in_a_cycle = Told('in the script, in a cycle')
in_a_cycle.itself = in_a_cycle
sys.modules['own'] = own = type(sys)('own')
own.told = Told('in a module')
print('ends')
sys.exit(3)
"""


@pytest.fixture
def built(charm):
    folder = charm()
    for module, text in (
        ('charmhelpers/core/hookenv', _LIBRARY),
        ('charms/reactive/__init__', ''),
    ):
        file = folder / 'lib' / f'{module}.py'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for package in ('charmhelpers', 'charmhelpers/core', 'yaml'):
        (folder / 'lib' / package / '__init__.py').touch()
    (folder / 'hooks' / 'update-status').write_text(_HOOK)
    (folder / 'hooks' / 'config-changed').write_text(_ENDING)
    return folder


@pytest.mark.parametrize('minor', each_python.MINORS)
def test_a_hook_shares_what_it_imports_with_each_python(built, tmp_path, minor):
    python = each_python.find(minor)
    if python is None:
        if minor in each_python.WANTED_IN_CI and os.environ.get('CI'):
            pytest.fail(f'Python 3.{minor} must be there in CI')
        pytest.skip(f'no Python 3.{minor}')
    again = shutil.copytree(built, tmp_path / 'again' / 'charm')
    outputs, ends = [], []
    for folder, preload in ((built, True), (again, True), (again, False)):
        with charm_unit.Unit(folder, deploy=False, python=python, preload=preload) as unit:
            (run,) = unit.run('update-status', check=False)
            assert run.exit_code == 1
            outputs.append(run.output.replace(str(unit.folder), '/UNIT'))
            (run,) = unit.run('config-changed', check=False)
            assert run.exit_code == 3
            left = {path.name: path.read_text() for path in unit.charm.glob('left-*')}
            ends.append((run.output, left))
    assert outputs[1].startswith(f'shares (3, {minor})\n')
    assert outputs[1].replace('shares', 'alone') == outputs[2]
    assert set(ends[1][1].values()) == {'data'}
    assert sorted(ends[1][0].split()) == sorted(ends[2][0].split())
    assert ends[1][1] == ends[2][1]
