"""The base of a charm whose workload Kubernetes runs; Juju's operator image brings the rest."""

import importlib
import pathlib
import re
import subprocess

import yaml
from charmhelpers.core import hookenv, unitdata
from charms import reactive


def pod_spec_set(spec, k8s_resources=None):
    """Pass the pod spec to Juju; raise CalledProcessError if it rejects it."""
    _set('pod-spec-set', spec, k8s_resources)


def k8s_raw_set(spec):
    """Pass a raw Kubernetes spec to Juju; raise CalledProcessError if it rejects it."""
    _set('k8s-raw-set', spec)


def _set(tool, *documents):
    text = ''.join(
        part if isinstance(part, str) else yaml.dump(part)
        for part in documents
        if part is not None
    )
    done = subprocess.run(
        [tool],
        input=text.encode(),
        capture_output=True,
    )
    said = done.stderr.decode().strip()
    if done.returncode:
        hookenv.log(f'{tool}: {said}', level='ERROR')
        if not re.match(r'ERROR application [\w-]+ not alive$', said):
            done.check_returncode()


def init_config_states():
    """Set config.changed[.OPTION], config.set.OPTION and config.default.OPTION for this hook."""
    config = hookenv.config()
    file = pathlib.Path(hookenv.charm_dir(), 'config.yaml')
    options = yaml.safe_load(file.read_text()).get('options', {}) if file.exists() else {}
    for name, option in options.items():
        if config.changed(name):
            reactive.set_flag('config.changed')
            reactive.set_flag('config.changed.' + name)
        reactive.toggle_flag('config.set.' + name, config.get(name))
        default = config.get(name) == option.get('default')
        reactive.toggle_flag('config.default.' + name, default)
    hookenv.atexit(_clear_config_states)


def _clear_config_states():
    reactive.clear_flag('config.changed')
    for name in hookenv.config():
        for kind in ('changed', 'set', 'default'):
            reactive.clear_flag(f'config.{kind}.{name}')
    unitdata.kv().flush()


def import_layer_libs():
    """Import lib/charms/layer/*, so that `layer.NAME` works after `from charms import layer`."""
    for file in pathlib.Path('lib/charms/layer').glob('*'):
        if file.stem in ('__init__', 'caas_base', 'execd', '__pycache__'):
            continue
        if file.suffix == '.py' or file.is_dir():
            importlib.import_module('charms.layer.' + file.stem)
