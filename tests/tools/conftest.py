import pytest

from services import engine


@pytest.fixture(scope='session')
def dockerd():
    """A Docker Engine."""
    with engine.dockerd() as running:
        yield running


@pytest.fixture(scope='session')
def podman():
    """Podman's service."""
    with engine.podman() as running:
        yield running
