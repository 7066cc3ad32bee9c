"""The interpreter that runs a charm's hooks, with what the charm needs.

A charm on layer:caas-base has its dependencies in lib/. One on layer:basic has them in
wheelhouse/: they are unpacked into a virtual environment, which is kept for next time, below
$XDG_CACHE_HOME or ~/.cache. What Juju's operator image would bring (charms.reactive, charmhelpers)
and neither has, comes from the packages of the interpreter that was asked for.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing

from charm_unit._unit import errors, wheelhouse

_IN_HOOKS = pathlib.Path(__file__).resolve().parent / 'in_hooks'
_NEEDED = ('charmhelpers', 'charms.reactive', 'yaml')
_KEPT_DAYS = 60
_LAYOUT = 2
"""Changes when the environments in the cache must be created again."""

_ABOUT = """
import importlib.util, json, os, site, sys, sysconfig
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.util.find_spec(name) is not None
    except ImportError:
        found[name] = False
print(json.dumps({
    'version': list(sys.version_info[:3]),
    'executable': os.path.realpath(sys.executable),
    'paths': [path for path in sys.path if path.endswith(('site-packages', 'dist-packages'))],
    'found': found,
}))
"""


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment for a charm's hooks, in `folder`."""

    folder: pathlib.Path

    @property
    def python(self) -> pathlib.Path:
        """The interpreter."""
        return self.folder / 'bin' / 'python3'


def find(charm: pathlib.Path, python: 'str | os.PathLike[str] | None' = None) -> Environment:
    """Return an environment for the built charm in a folder; create it if there is none.

    `python` is the interpreter: a path, or a name on PATH; else the one that runs this. Raises
    CharmEnvironmentError.
    """
    given = os.fspath(python or sys.executable)
    program = shutil.which(given)
    if not program:
        raise errors.CharmEnvironmentError(
            f'the interpreter {given} does not exist: check --python'
        )
    program = os.path.abspath(program)  # not resolved: that of a virtual environment is a link
    about = _about(program)
    lacking = [name for name in _NEEDED if not _brings(charm, name)]
    absent = [name for name in lacking if not about['found'][name]]
    if absent:
        raise errors.CharmEnvironmentError(
            f"{', '.join(absent)}: missing from the charm's lib/ and wheelhouse/, and from "
            f'{program}. Build the charm with layer:caas-base or layer:basic, or '
            f'install {" ".join(name.replace("yaml", "PyYAML") for name in absent)} for that '
            'interpreter'
        )
    return _kept(charm, program, about, about['paths'] if lacking else [])


@functools.cache
def _about(program: str) -> dict[str, typing.Any]:
    # Not one of the folder in which it happens to be started.
    done = subprocess.run(
        [program, '-E', '-c', _ABOUT, *_NEEDED],
        capture_output=True,
        text=True,
        cwd='/',
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise errors.CharmEnvironmentError(f'{program} is not a Python 3: {done.stderr.strip()}')
    about: dict[str, typing.Any] = json.loads(done.stdout)
    if about['version'] < [3, 5]:
        raise errors.CharmEnvironmentError(f'{program} is older than Python 3.5')
    return about


def _brings(charm: pathlib.Path, name: str) -> bool:
    path = charm.joinpath('lib', *name.split('.'))
    if path.is_dir() or path.with_suffix('.py').exists():
        return True
    project = {'yaml': 'pyyaml'}.get(name, name).replace('.', '-')
    return any(
        file.name.lower().replace('_', '-').replace('.', '-').startswith(project + '-')
        for file in wheelhouse.archives(charm)
    )


def _kept(
    charm: pathlib.Path, program: str, about: dict[str, typing.Any], paths: list[str]
) -> Environment:
    """Return the environment for this charm and interpreter, which is created only once."""
    recipe = [_LAYOUT, about['executable'], about['version'], paths]
    recipe += [[file.name, _digest(file)] for file in wheelhouse.archives(charm)]
    recipe += [[file.name, _digest(file)] for file in sorted(_IN_HOOKS.rglob('*.py'))]
    name = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
    home = cache() / name
    if (home / 'made').exists():
        (home / 'made').touch()
        return Environment(home)
    home.parent.mkdir(parents=True, exist_ok=True)
    _forget_unused(home.parent)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix='.making-') as temporary:
        making = pathlib.Path(temporary) / 'environment'
        _make(making, charm, program, paths)
        (making / 'made').touch()
        try:
            making.rename(home)
        except OSError:
            if not (home / 'made').exists():  # somebody was not faster, but was ended half-way
                shutil.rmtree(home, ignore_errors=True)
                making.rename(home)
    return Environment(home)


def cache() -> pathlib.Path:
    """Return the folder in which charm-unit keeps environments and the history of its prompt."""
    home = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache')
    return home / 'charm-unit'


def _forget_unused(cache: pathlib.Path) -> None:
    """Remove the environments that have not been used for a long time."""
    for made in cache.glob('*/made'):
        with contextlib.suppress(OSError):
            if time.time() - made.stat().st_mtime > _KEPT_DAYS * 24 * 3600:
                shutil.rmtree(made.parent, ignore_errors=True)


def _digest(file: pathlib.Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _make(home: pathlib.Path, charm: pathlib.Path, program: str, paths: list[str]) -> None:
    done = subprocess.run(
        [program, '-m', 'venv', '--without-pip', home],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise errors.CharmEnvironmentError(
            f'{program} -m venv failed: {(done.stderr or done.stdout).strip()}'
        )
    (packages,) = (home / 'lib').glob('python3*/site-packages')
    own = home / 'in_hooks'
    shutil.copytree(_IN_HOOKS, own, ignore=shutil.ignore_patterns('__pycache__'))
    wheelhouse.install(charm, packages, home / 'bin' / 'python3')
    # The last, so that its folders end sys.path. A line that begins with import is run.
    # Relative, since the environment is moved when it is done.
    into = '../../../in_hooks'
    lines = [*paths, into, 'import charm_unit_hook', f'{into}/missing_modules']
    (packages / 'zz-charm-unit.pth').write_text('\n'.join(lines) + '\n')
