"""The base of a charm on a machine: its Python packages come from the charm's wheelhouse."""

import os
import pathlib
import subprocess
import sys

from charms import layer
from charms.layer.execd import execd_preinstall


def bootstrap_charm_deps():
    """Go on in the virtual environment beside the charm; make it in the first hook."""
    execd_preinstall()
    home = pathlib.Path('..', '.venv').resolve()
    python = home / 'bin' / 'python'
    if pathlib.Path(sys.prefix) == home:
        layer.import_layer_libs()
        return
    done = pathlib.Path('wheelhouse', '.bootstrapped')
    if not done.exists():
        subprocess.check_call(['virtualenv', '--quiet', '-ppython3', '--no-download', str(home)])
        pip = [str(python), '-m', 'pip', 'install', '--quiet', '--no-index']
        pip += ['--find-links', 'wheelhouse']
        sources = [str(path) for path in pathlib.Path('wheelhouse').glob('*.*')]
        # First what builds the others: pip could fetch nothing to build them with.
        subprocess.check_call([*pip, '--upgrade', 'setuptools'])
        subprocess.check_call([*pip, '--no-build-isolation', 'pbr'])
        subprocess.check_call([*pip, '--no-build-isolation', *sources])
        done.touch()
    os.execv(str(python), [str(python), *sys.argv])


def init_config_states():
    """Set config.changed[.OPTION], config.set.OPTION and config.default.OPTION for this hook."""
    import yaml
    from charmhelpers.core import hookenv
    from charms import reactive

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


def clear_config_states():
    """Clear what `init_config_states` set, at the end of the hook."""
    from charmhelpers.core import hookenv, unitdata
    from charms import reactive

    reactive.clear_flag('config.changed')
    for name in hookenv.config():
        for kind in ('changed', 'set', 'default'):
            reactive.clear_flag(f'config.{kind}.{name}')
    unitdata.kv().flush()
