"""Services that all tests of the tools share."""

import itertools

import pytest

from services import engine
from services import registry as registries

_numbers = itertools.count(1)


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


@pytest.fixture(scope='session')
def open_registry(tmp_path_factory):
    """A docker-registry that asks for no credentials."""
    with registries.running(tmp_path_factory.mktemp('registry')) as running:
        yield running


@pytest.fixture
def repository():
    """The name of a repository that nothing was pushed to."""
    return f'charm/tests/{next(_numbers)}'
