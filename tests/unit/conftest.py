"""The layer's own code on the path, beside charms.reactive's, as `charm build` puts them."""

import contextlib
import pathlib
import sys

import charms
import pytest
from charmhelpers import osplatform

# It knows Ubuntu and CentOS only, and looks as soon as charms.reactive is imported.
osplatform.get_platform = lambda: 'ubuntu'

_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / 'lib'), str(_ROOT / 'tests')]
charms.__path__.append(str(_ROOT / 'lib' / 'charms'))

with contextlib.suppress(ImportError):  # modules that need it are skipped without
    import hypothesis

    # These machines are shared: how long an example takes says nothing.
    hypothesis.settings.register_profile(
        'shared-machine',
        deadline=None,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.function_scoped_fixture,
        ],
    )
    hypothesis.settings.load_profile('shared-machine')


@pytest.fixture
def unit(tmp_path, monkeypatch):
    from charmhelpers.core import unitdata

    from support import simulated

    yield simulated.Unit(tmp_path, monkeypatch)
    unitdata.kv().close()
