"""What every test here needs."""

import importlib.util
import pathlib
import runpy
import signal

from support import no_skips

_ROOT = pathlib.Path(__file__).resolve().parent.parent

# charmhelpers is imported here, too.
runpy.run_path(str(_ROOT / 'tools/charm-unit/src/charm_unit/_unit/in_hooks/charm_unit_hook.py'))

# engines, registries and a Charmhub, where charm-image is installed
_TOOLS = ('charm_image', 'deflate', 'docker', 'keyring')
pytest_plugins = ['support.fixtures'] if all(map(importlib.util.find_spec, _TOOLS)) else []


def pytest_configure(config):
    config.pluginmanager.register(no_skips)
    # a script starts `./dev tests &` with SIGINT ignored, as would be what tests start
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
