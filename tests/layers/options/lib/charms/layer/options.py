"""What layers let a charm choose, as `charm build` wrote it into the charm's layer.yaml."""

import functools
import pathlib

import yaml
from charmhelpers.core import hookenv


@functools.lru_cache(maxsize=None)
def _layer_yaml():
    return yaml.safe_load(pathlib.Path(hookenv.charm_dir() or '.', 'layer.yaml').read_text())


def get(section=None, option=None):
    """Return all options, those of a section ({} if unknown), or one of them (None if unknown)."""
    if option and not section:
        raise ValueError('an option is looked up in a section: name it')
    options = _layer_yaml().get('options', {})
    if section:
        options = options.get(section, {})
    return options.get(option) if option else options
