"""A stand-in for Charmhub, and a client of it that waits for nothing."""

import pytest

from charm_image._upload import store
from support import charmhub
from support.storing import connect


@pytest.fixture
def hub():
    with charmhub.running() as running:
        yield running


@pytest.fixture
def told():
    return []


@pytest.fixture
def client(hub, told):
    return connect(hub, on_retry=told.append)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Wait for nothing, but remember for how long."""
    slept = []
    monkeypatch.setattr(store.time, 'sleep', slept.append)
    return slept
