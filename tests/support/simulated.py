"""A unit whose hooks run in this process, with the real charms.reactive and unitdata."""

import copy
import importlib
import os
import pathlib
import subprocess
import sys
import types

from charmhelpers.core import hookenv, unitdata
from charms import reactive
from charms.reactive import bus

from support import contents_cases

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET = contents_cases.SECRET
IMAGE = b'registrypath: a/b\nusername: ""\npassword: ""\n'
OTHER_IMAGE = b'registrypath: a/c\nusername: ""\npassword: ""\n'
PRIVATE = f'registrypath: a/b\nusername: me\npassword: {SECRET}\n'.encode()
ABSENT = object()

WAITING = {'fetched'}
AVAILABLE = {'fetched', 'available'}
CHANGED = {'fetched', 'available', 'changed'}
FAILED = {'fetched', 'failed'}


def _find_none(name):
    """Do what hookenv does when resource-get fails since nothing is attached."""
    said = f'while getting resource from charmhub: resource "{name}" not found'
    script = f"echo 'ERROR could not download resource: {said}' >&2; exit 1"
    try:
        subprocess.check_output(['sh', '-c', script])
    except subprocess.CalledProcessError:
        return False
    raise AssertionError


class Unit:
    """A unit whose hooks run in this process: Juju's side of hookenv, and what the layer says."""

    def __init__(self, folder, monkeypatch):
        self.metadata = {'resources': {'my-image': {'type': 'oci-image', 'auto-fetch': True}}}
        self.attached = {}
        self.options = {'set-status': True, 'verify-image': False}
        self.other_options = {}  # by section
        self.status = ('unknown', '')
        self.statuses = []
        self.logged = []
        self.asked = []
        self.handler = None
        self._folder = folder
        self._atstart = []
        self._atexit = []
        monkeypatch.setenv('CHARM_DIR', str(folder))
        monkeypatch.setenv('JUJU_CHARM_DIR', str(folder))
        monkeypatch.setenv('JUJU_UNIT_NAME', 'my-charm/0')
        monkeypatch.setenv('UNIT_STATE_DB', str(folder / '.unit-state.db'))
        monkeypatch.setattr(unitdata, '_KV', None)
        monkeypatch.setattr(bus.Handler, '_HANDLERS', {})
        for name, replacement in {
            'metadata': lambda: copy.deepcopy(self.metadata),
            'resource_get': self.resource_get,
            'log': lambda message, level=None: self.logged.append(message),
            'atstart': lambda callback, *args: self._atstart.append(callback),
            'atexit': lambda callback, *args: self._atexit.append(callback),
            'status_get': lambda: self.status,
        }.items():
            monkeypatch.setattr(hookenv, name, replacement)
        self._layer(monkeypatch)
        self.library = importlib.import_module('charms.layer.docker_resource')
        self.handlers = importlib.import_module('image_resource.hook')
        # As charms.reactive loads it: registers its handlers and callbacks.
        spec = importlib.util.spec_from_file_location(
            'reactive.docker_resource', str(ROOT / 'reactive' / 'docker_resource.py')
        )
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    def _layer(self, monkeypatch):
        def say(status):
            return lambda message: self.statuses.append((status, message))

        layer = types.ModuleType('charms.layer')
        layer.__path__ = [str(ROOT / 'lib' / 'charms' / 'layer')]
        layer.options = types.SimpleNamespace(
            get=lambda section, option=None: (
                self._section(section).get(option) if option else self._section(section)
            )
        )
        layer.status = types.SimpleNamespace(
            **{status: say(status) for status in ('maintenance', 'blocked', 'waiting')}
        )
        monkeypatch.setitem(sys.modules, 'charms.layer', layer)
        for name in ('charms.layer.docker_resource', 'image_resource.hook', 'image_resource'):
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys.modules['charms'], 'layer', layer, raising=False)

    def _section(self, name):
        return {'docker-resource': self.options, **self.other_options}.get(name, {})

    def resource_get(self, name):
        self.asked.append(name)
        data = self.attached.get(name, ABSENT)
        if data is ABSENT:
            return _find_none(name)
        if isinstance(data, Exception):
            raise data
        if not isinstance(data, bytes):
            return data
        # One file for all, as since Juju 2.9.31.
        path = self._folder / 'content.yaml'
        path.write_bytes(data)
        return str(path)

    def hook(self, name, *, crash=False):
        """Run a hook; a crash loses what it did, as charms.reactive has it."""
        os.environ['JUJU_HOOK_NAME'] = name
        self.statuses, self.logged, self.asked = [], [], []
        self._atexit = []
        # As in a process of its own.
        self.handlers._hook = self.handlers._Hook()
        self.handlers.idle.has_ended = False
        for callback in self._atstart:
            callback()
        bus.dispatch()
        if crash:
            unitdata.kv().conn.rollback()
            return
        for callback in reversed(self._atexit):
            callback()
        unitdata.kv().flush()

    def during(self, handler):
        """Have the charm's one handler run once in every hook from now on."""
        found = bus.Handler(handler)
        found.add_predicate(lambda: unitdata.kv().get('reactive.dispatch.phase') == 'other')
        found.register_flags(['charm.has-no-flags'])  # else it would run in every round
        bus.Handler._HANDLERS['charm'] = found

    def flags(self, name='my-image'):
        """Return which of a resource's flags are set, without the names around them."""
        prefix = f'layer.docker-resource.{name}.'
        return {flag[len(prefix) :] for flag in reactive.get_flags() if flag.startswith(prefix)}

    def seen(self, name='my-image', take=True):
        """Have each hook remember the flags that the charm's handlers see; return that list.

        If they are to `take` the image, they call get_info, too.
        """
        seen = []

        def look():
            seen.append(self.flags(name))
            if take and 'available' in seen[-1]:
                self.library.get_info(name)

        self.during(look)
        return seen
