"""As much of imp, gone since Python 3.12, as charms of that time use."""

import importlib
import importlib.machinery
import importlib.util
import sys
from importlib import reload  # noqa: F401 (for who imports it from here)


def load_source(name, pathname):
    """Import a file as a module of that name."""
    loader = importlib.machinery.SourceFileLoader(name, pathname)
    spec = importlib.util.spec_from_file_location(name, pathname, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
