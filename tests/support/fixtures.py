"""Fixtures: engines, registries and a Charmhub for the tests of charm_image and the documents."""

import contextlib
import itertools
import os
import pathlib
import subprocess
import sys

import pytest

import charm_image
from charm_image import resources
from charm_image._oci import engine as local_engine
from container_image import http_client, registry
from support import built, charmhub, debs, engine, engine_table, fake_engine, isolation
from support import registry as registries

_IMPATIENT = pathlib.Path(__file__).with_name('impatient')

_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption(
        '--engines',
        default='machine',
        help='machine (its own; default), others (of other releases; builds with a sample of '
        'them), all, or some of ' + ','.join(engine.KINDS),
    )


def pytest_configure(config):
    config.addinivalue_line('markers', 'engine: depends on the engine (those with each_engine)')
    config.addinivalue_line('markers', 'scripts: of what is the same with all; the first will do')
    config.addinivalue_line('markers', 'holds(what): its column in the table of the engines')
    asked = config.getoption('--engines')
    named = {
        'machine': [name for name, kind in engine.KINDS.items() if not kind.release],
        'others': [name for name, kind in engine.KINDS.items() if kind.release],
        'all': list(engine.KINDS),
    }.get(asked, asked.split(','))
    if unknown := set(named) - set(engine.KINDS):
        raise pytest.UsageError(f'--engines: unknown: {", ".join(unknown)}')
    config.pluginmanager.register(engine_table.EngineTable(named), 'engine_table')


def pytest_generate_tests(metafunc):
    if 'each_engine' in metafunc.fixturenames:
        names = metafunc.config.pluginmanager.get_plugin('engine_table').names
        if metafunc.definition.get_closest_marker('scripts'):
            names = names[:1]
        elif metafunc.config.getoption('--engines') == 'others' and _is_of_builds(metafunc):
            names = [name for name in names if engine.KINDS[name].sample]
        metafunc.parametrize('each_engine', names, indirect=True, scope='session')


def _is_of_builds(metafunc):
    return metafunc.definition.path.parent.name == 'build'


@pytest.hookimpl(tryfirst=True)  # before -m
def pytest_collection_modifyitems(config, items):
    for item in items:
        if 'each_engine' in item.fixturenames:
            item.add_marker('engine')
    other = [item for item in items if not _fits(item)]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Have one worker run all tests with an engine, so that no two start it, or all of a module.

    Not with xdist's groups, which xdist 3.8 writes to where pytest 9.2 does not read them.
    """
    if config.getoption('dist') != 'loadscope':
        return None
    import xdist.scheduler

    class ByEngine(xdist.scheduler.LoadScopeScheduling):
        def _split_scope(self, nodeid):
            module, _, test = nodeid.partition('::')
            parameters = '-{}-'.format(test.partition('[')[2].rstrip(']'))
            kinds = sorted(engine.KINDS, key=len, reverse=True)
            return next((kind for kind in kinds if f'-{kind}-' in parameters), module)

    return ByEngine(config, log)


def _fits(item):
    """Whether the test's builder is one of the test's engine."""
    params = item.callspec.params if hasattr(item, 'callspec') else {}
    if not {'each_engine', 'build_engine'} <= set(params):
        return True
    return ('podman' in params['each_engine']) == (params['build_engine'] == 'podman')


@pytest.fixture(scope='session', autouse=True)
def network():
    """What is on loopback here, an engine of the tests finds there, and nothing else anywhere."""
    if os.geteuid():
        yield  # no engine is started then
    else:
        with isolation.network():
            yield


class _Engines:
    """Gives the engine of a kind, by its name; each is started once."""

    def __init__(self, stack, versions):
        self._stack = stack
        self._versions = versions
        self.started = {}

    def __call__(self, name):
        if name not in self.started:
            running = self._stack.enter_context(engine.running(engine.KINDS[name]))
            self.started[name] = running
            self._versions[name] = running.version
        return self.started[name]


@pytest.fixture(scope='session')
def engines(network, request):
    """What gives the engine of a kind, by its name."""
    table = request.config.pluginmanager.get_plugin('engine_table')
    with contextlib.ExitStack() as stack:
        yield _Engines(stack, table.versions)


@pytest.fixture(scope='module', autouse=True)
def tidy(engines):
    """Without it, each request of podman's takes 10 s after some hundred builds."""
    yield
    for running in engines.started.values():
        if running.kind.program == 'podman':
            running.tidy()


@pytest.fixture(scope='session')
def each_engine(engines, request):
    """Each engine that `--engines` names: what depends on the engine is tried with all of them."""
    return engines(request.param)


@pytest.fixture(scope='session')
def dockerd(engines):
    """The machine's Docker Engine."""
    return engines('docker')


@pytest.fixture(scope='session')
def podman(engines):
    """The service of the machine's podman."""
    return engines('podman')


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
    with local_engine.connect({'DOCKER_HOST': fake.host}) as local:
        yield local


@pytest.fixture
def repository():
    """The name of a repository that nothing was pushed to."""
    return f'charm/tests/{next(_numbers)}'


@pytest.fixture(scope='session', params=['classic', 'BuildKit', 'podman'])
def build_engine(request, each_engine):
    """An engine, and DOCKER_BUILDKIT set so that it takes the wanted builder."""
    running = each_engine
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


@pytest.fixture(scope='session')
def deb_repository(tmp_path_factory):
    """Files of a repository of Debian packages."""
    return debs.repository(tmp_path_factory.mktemp('repository'))


@pytest.fixture
def apt_base(build, build_engine, deb_repository):
    """A Debian whose apt knows that repository only; it is called with-repository."""
    return build(
        *(resources.File(name=f'/repository/{each.name}', source=each) for each in deb_repository),
        resources.File(
            name='/etc/apt/sources.list', contents='deb [trusted=yes] file:/repository ./\n'
        ),
        from_image=build_engine.debian,
        tag='with-repository:latest',
    )


@pytest.fixture
def dnf_base(build_engine):
    """The name of a base whose dnf knows a repository of tiny packages only."""
    return build_engine.debian_with_dnf


@pytest.fixture(scope='module')
def running_hub(tmp_path_factory):
    with charmhub.running(tmp_path_factory.mktemp('hub'), faulty_registry=True) as running:
        yield running


@pytest.fixture
def hub(running_hub):
    """A Charmhub of which nothing was asked, where nothing goes wrong."""
    running_hub.reset()
    running_hub.registry_proxy.forget()
    return running_hub


@pytest.fixture
def environment(hub, tmp_path):
    """That of the program: no engine, no settings of a user, temporary files where we see them."""
    (tmp_path / 'tmp').mkdir()
    kept = {name: os.environ[name] for name in ('PATH', 'LANG') if name in os.environ}
    return {
        **kept,
        **hub.environment,
        'HOME': str(tmp_path),
        'TMPDIR': str(tmp_path / 'tmp'),
        'DOCKER_HOST': f'unix://{tmp_path}/no-engine.sock',
        'HTTPS_PROXY': 'http://127.0.0.1:9',  # so that nothing leaves this machine
        'PYTHON_KEYRING_BACKEND': 'keyring.backends.null.Keyring',
    }


@pytest.fixture
def impatient(monkeypatch):
    """Have clients in this process retry at once, as often as ever."""
    monkeypatch.setattr(http_client, 'DELAYS', tuple(0 for _ in http_client.DELAYS))


@pytest.fixture
def upload(environment, tmp_path):
    """Run charm-upload-resource in `tmp_path` to its end."""
    return _runner('charm-upload-resource', environment, tmp_path)


@pytest.fixture
def upload_all(environment, tmp_path):
    """Run charm-upload-resources in `tmp_path` to its end."""
    return _runner('charm-upload-resources', environment, tmp_path)


@pytest.fixture
def list_revisions(environment, tmp_path):
    """Run charm-resource-revisions in `tmp_path` to its end."""
    return _runner('charm-resource-revisions', environment, tmp_path)


def _runner(program, environment, tmp_path):
    def run(*args, **changes):
        return subprocess.run(
            [pathlib.Path(sys.executable).with_name(program), *args],
            env={**environment, 'PYTHONPATH': str(_IMPATIENT), **changes},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
