"""What layers bring, after `from charms import layer`."""

import importlib
import pathlib


def import_layer_libs():
    """Import lib/charms/layer/*, so that `layer.NAME` works after `from charms import layer`."""
    for file in pathlib.Path('lib/charms/layer').glob('*'):
        if file.stem in ('__init__', 'basic', 'execd', '__pycache__'):
            continue
        if file.suffix == '.py' or file.is_dir():
            importlib.import_module('charms.layer.' + file.stem)
