"""Counts the lines that hooks run, if coverage.py measures this program.

That is so below `coverage run`, and with pytest-cov. A hook is measured with the same package, if
its interpreter can import it. Its lines are those of the author's file: the one in the working
directory, or else in the built charm, from which the unit's copy was made.
"""

import json
import os
import pathlib
import sys
import typing

from charm_unit._unit import process

_NAME = 'coverage'


def _measuring() -> typing.Any:
    """Return the Coverage that measures this program; None if none does."""
    package = sys.modules.get('coverage')
    return package.Coverage.current() if package else None


def variables(folders: process.Folders) -> dict[str, str]:
    """Return the environment variables that have a hook measured."""
    measuring = _measuring()
    if measuring is None:
        return {}
    file = sys.modules['coverage'].__file__ or ''
    settings = {
        'packages': str(pathlib.Path(file).parents[1]),
        'file': str(folders.root / _NAME),
        'charm': str(folders.charm),
        'branch': bool(measuring.get_option('run:branch')),
    }
    return {'CHARM_UNIT_COVERAGE': json.dumps(settings)}


def collect(folders: process.Folders, built: pathlib.Path) -> None:
    """Add the lines that a hook ran to those of this program."""
    measuring = _measuring()
    if measuring is None:
        return
    package = sys.modules['coverage']
    total = measuring.get_data()
    for file in folders.root.glob(f'{_NAME}.*'):
        data = package.CoverageData(str(file))
        data.read()
        for measured in data.measured_files():
            origin = _origin(pathlib.Path(measured), folders.charm, built)
            if origin is None or not _is_wanted(origin, measuring):
                continue
            if data.has_arcs():
                total.add_arcs({origin: data.arcs(measured)})
            else:
                total.add_lines({origin: data.lines(measured)})
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


def _is_wanted(file: str, measuring: typing.Any) -> bool:
    """Return whether a file is in what this program is measured for: --source, or --cov."""
    sources = [source for source in measuring.get_option('run:source') or () if source]
    folders = [name if os.path.isdir(name) else name.replace('.', os.sep) for name in sources]
    return not folders or any(
        pathlib.Path(file).is_relative_to(os.path.abspath(folder)) for folder in folders
    )
