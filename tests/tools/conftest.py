"""Services that all tests of the tools share."""

import itertools

import pytest

import charm_image
from services import built, engine
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


@pytest.fixture(scope='session', params=['classic', 'BuildKit', 'podman'])
def build_engine(request):
    """An engine, and DOCKER_BUILDKIT set so that it takes the wanted builder."""
    running = request.getfixturevalue('podman' if request.param == 'podman' else 'dockerd')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DOCKER_BUILDKIT', '1' if request.param == 'BuildKit' else '0')
        running.builder = request.param
        yield running


@pytest.fixture
def build(build_engine):
    """Build an image of resources with that engine."""

    def build(*made, from_image=None, **options):
        bundle = charm_image.ResourceBundle.from_iterator(made)
        builder = charm_image.DockerBuilder(
            bundle,
            from_image=from_image or build_engine.busybox,
            network='host',
            client=build_engine.client.api,
            **options,
        )
        progress = list(builder.build())
        return built.Built(build_engine, builder.image_id, progress)

    return build
