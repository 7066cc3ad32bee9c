"""Services that all tests of the tools share."""

import itertools

import pytest

import charm_image
import charm_image.engine
from container_image import registry
from services import built, engine, fake_engine
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
def client(open_registry):
    """A client of that registry, without an account."""
    with registry.Client(open_registry.host) as client:
        yield client


@pytest.fixture
def fake():
    """An engine that gives the exports it is told to."""
    with fake_engine.running() as running:
        yield running


@pytest.fixture
def local(fake):
    """The fake engine, as the upload sees it."""
    with charm_image.engine.connect({'DOCKER_HOST': fake.host}) as local:
        yield local


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
