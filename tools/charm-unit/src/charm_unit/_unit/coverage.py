"""Counts the lines that hooks run, if coverage.py measures this program or should.

It measures below `coverage run`, and with pytest-cov; $COVERAGE_PROCESS_START names a
configuration file for all other programs. A hook is measured with the same package, if its
interpreter can import it. Its lines are those of the author's file: the one in the working
directory, or else in the built charm, from which the unit's copy was made.
"""

import fnmatch
import functools
import importlib
import json
import os
import pathlib
import sys
import typing

from charm_unit._unit import errors, process

_NAME = 'coverage'


class _Measurement(typing.NamedTuple):
    """What is measured of this program, with what settings."""

    data: typing.Any
    """The CoverageData to which lines are added."""
    settings: typing.Any
    """The Coverage that has them."""


def _measurement() -> '_Measurement | None':
    package = sys.modules.get('coverage')
    running = package.Coverage.current() if package else None
    if running:
        return _Measurement(running.get_data(), running)
    file = os.environ.get('COVERAGE_PROCESS_START')
    return _configured(os.path.abspath(file)) if file else None


@functools.cache
def _configured(file: str) -> '_Measurement | None':
    """Return what a configuration file asks for, with data of this process's own.

    None if coverage.py is not installed beside charm-unit. Raises UsageError.
    """
    try:
        package = importlib.import_module('coverage')
    except ImportError:
        return None
    try:
        settings = package.Coverage(config_file=file)
    except package.CoverageException as error:
        raise errors.UsageError(f'COVERAGE_PROCESS_START: {error}') from error
    name = os.path.abspath(settings.get_option('run:data_file') or '.coverage')
    return _Measurement(package.CoverageData(name, suffix=True), settings)


def variables(folders: process.Folders) -> dict[str, str]:
    """Return the environment variables that have a hook measured; raise UsageError."""
    measured = _measurement()
    if measured is None:
        return {}
    file = sys.modules['coverage'].__file__ or ''
    settings = {
        'packages': str(pathlib.Path(file).parents[1]),
        'file': str(folders.root / _NAME),
        'charm': str(folders.charm),
        'branch': bool(measured.settings.get_option('run:branch')),
    }
    return {'CHARM_UNIT_COVERAGE': json.dumps(settings)}


def collect(folders: process.Folders, built: pathlib.Path) -> None:
    """Add the lines that a hook ran to those of this program."""
    measured = _measurement()
    if measured is None:
        return
    package = sys.modules['coverage']
    for file in folders.root.glob(f'{_NAME}.*'):
        data = package.CoverageData(str(file))
        data.read()
        for name in data.measured_files():
            origin = _origin(pathlib.Path(name), folders.charm, built)
            if origin is None or not _is_wanted(origin, measured.settings):
                continue
            if data.has_arcs():
                measured.data.add_arcs({origin: data.arcs(name)})
            else:
                measured.data.add_lines({origin: data.lines(name)})
        file.unlink()


def _origin(file: pathlib.Path, charm: pathlib.Path, built: pathlib.Path) -> 'str | None':
    """Return the author's file of which a file of the unit is a copy."""
    if not file.is_relative_to(charm):
        return None
    name = file.relative_to(charm)
    for folder in (pathlib.Path.cwd(), built):
        origin = folder / name
        if origin.is_file() and origin.read_bytes() == file.read_bytes():
            return str(origin)
    return None


def _is_wanted(file: str, settings: typing.Any) -> bool:
    """Return whether a file is in what this program is measured for: --source, or --cov."""
    sources = [source for source in settings.get_option('run:source') or () if source]
    folders = [name if os.path.isdir(name) else name.replace('.', os.sep) for name in sources]
    if folders and not any(
        pathlib.Path(file).is_relative_to(os.path.abspath(folder)) for folder in folders
    ):
        return False
    included = settings.get_option('run:include') if not folders else None
    if included and not _matches(file, included):
        return False
    return not _matches(file, settings.get_option('run:omit') or ())


def _matches(file: str, patterns: typing.Iterable[str]) -> bool:
    """Return whether one of coverage.py's patterns has a file."""
    return any(
        fnmatch.fnmatchcase(file, pattern if pattern[:1] in '*?/' else os.path.abspath(pattern))
        for pattern in patterns
    )
