"""The pytest plugin: the fixture `make_unit` creates units of the author's charm.

    def test_another_image_reaches_the_pod_spec(make_unit):
        unit = make_unit(resources={'my-resource': 'docker.io/library/nginx:1.27'})
        unit.attach('my-resource', 'docker.io/library/nginx:1.28')
        assert unit.image('my-service') == 'docker.io/library/nginx:1.28'
        assert unit.status == ('active', 'ready')

The charm is the one in the folder that `--charm` names (or `charm` in pytest's configuration; else
the folder of that): built already, or a source, which is built once for a session.
"""

import contextlib
import fcntl
import itertools
import os
import pathlib
import shutil
import sys
import typing

import pytest

from charm_unit._unit import charm, errors, process, source, unit

MakeUnit = typing.Callable[..., unit.Unit]
"""The type of `make_unit`, which takes the keywords of Unit; the unit ends with the test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup('charm-unit')
    group.addoption(
        '--charm',
        metavar='FOLDER',
        help='the built charm (a folder or a packed .charm), or its source',
    )
    group.addoption(
        '--charm-python', metavar='INTERPRETER', help='the interpreter that runs the hooks'
    )
    group.addoption('--charm-juju', metavar='VERSION', help='the version of Juju to simulate')
    group.addoption(
        '--charm-no-preload', action='store_true', help='start a new interpreter for each hook'
    )
    parser.addini('charm', 'the folder of the built charm, or of its source', default='.')


@pytest.fixture(scope='session')
def built_charm(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """The folder of the built charm to test."""
    named = pytestconfig.getoption('charm')
    folder = pathlib.Path(named) if named else pytestconfig.rootpath / pytestconfig.getini('charm')
    folder = folder.resolve()
    try:
        if source.is_built(folder) or not (folder / 'layer.yaml').exists():
            return charm.BuiltCharm(folder).folder
        with _shown(pytestconfig, f'building {folder} with charm-build …'):
            return _built_once(folder, tmp_path_factory)
    except errors.CharmUnitError as error:
        reason = str(error)
    if not named:
        reason += '\nPass the charm with --charm, or set `charm` in the configuration of pytest'
    pytest.fail(reason, pytrace=False)


@contextlib.contextmanager
def _shown(config: pytest.Config, text: str) -> typing.Iterator[None]:
    """Show on the terminal what takes so long, while pytest captures all output."""
    reporter = config.pluginmanager.get_plugin('terminalreporter')
    capture = config.pluginmanager.get_plugin('capturemanager')
    if reporter:  # processes of pytest-xdist have none
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            reporter.write_line(f'charm-unit: {text}')
    yield


def _built_once(folder: pathlib.Path, factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build a source once for all processes of pytest-xdist."""
    base = factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        base = base.parent
    into = base / 'charm-unit-built'
    with open(base / 'charm-unit.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = into / 'folder'
        if not stamp.exists():
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir()
            stamp.write_text(str(source.build(folder, into).folder))
        return pathlib.Path(stamp.read_text())


@pytest.fixture
def make_unit(
    built_charm: pathlib.Path, tmp_path: pathlib.Path, pytestconfig: pytest.Config
) -> MakeUnit:
    """A function that creates units of the charm; it takes the keywords of charm_unit.Unit."""
    given: dict[str, typing.Any] = {}
    for option, keyword in (('charm_python', 'python'), ('charm_juju', 'juju')):
        if pytestconfig.getoption(option):
            given[keyword] = pytestconfig.getoption(option)
    if pytestconfig.getoption('charm_no_preload'):
        given['preload'] = False
    if pytestconfig.getoption('capture') == 'no' and sys.stdin.isatty():
        process.terminal = os.ttyname(sys.stdin.fileno())
    numbers = itertools.count()

    def make(**options: typing.Any) -> unit.Unit:
        return unit.Unit(built_charm, tmp_path / f'unit-{next(numbers)}', **{**given, **options})

    return make


@pytest.fixture
def charm_unit(make_unit: MakeUnit) -> MakeUnit:
    """The same as `make_unit`, by its older name, which hides the package in a test."""
    return make_unit
