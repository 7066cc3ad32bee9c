"""What layers let a charm choose, as `charm build` wrote it into the charm's layer.yaml."""

import functools
import os
import pathlib

import yaml


@functools.lru_cache(maxsize=None)
def _read(path):
    return yaml.safe_load(path.read_text())


def get(section=None, option=None, layer_file='layer.yaml'):
    """Return all options, those of a section ({} if unknown), or one of them (None if unknown)."""
    if option and not section:
        raise ValueError('an option is looked up in a section: name it')
    charm = pathlib.Path(os.environ.get('JUJU_CHARM_DIR', '.'))
    options = _read((charm / layer_file).resolve()).get('options', {})
    if section:
        options = options.get(section, {})
    return options.get(option) if option else options
