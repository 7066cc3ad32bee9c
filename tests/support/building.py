"""Builds charms with the real `charm build` from the layers in this checkout, without network."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = ROOT / 'tests' / 'layers'

# `charm build` looks at every file below a layer; what git ignores are many, and no layer's.
_NOT_CHECKED_IN = shutil.ignore_patterns(
    '.git', '.tox', '.cache', '.*_cache', '.hypothesis', '__pycache__', '*.egg-info'
)
_BUILT = (
    'build',
    'tools/charm-image/build',
    'tools/charm-image/dist',
    'tools/charm-unit/build',
    'tools/charm-unit/dist',
)
_SPARSE = ('lib', 'reactive')


class BuildError(Exception):
    """`charm build` failed; says what it printed."""


def check_out(folder, layer=ROOT, *, sparse=False):
    """Copy the layer to `folder` as a clone has it, or, if `sparse`, as the README clones it."""
    layer = pathlib.Path(layer)

    def ignore(parent, names):
        here = pathlib.Path(parent)
        built = {name for name in names if here / name in {layer / each for each in _BUILT}}
        left_out = {
            name
            for name in names
            if sparse and here == layer and name not in _SPARSE and (here / name).is_dir()
        }
        return built | left_out | _NOT_CHECKED_IN(parent, names)

    shutil.copytree(layer, folder, symlinks=True, ignore=ignore)


def clone(folder):
    """Copy this checkout to `folder` as a repository, with all of it in a commit on main."""
    check_out(folder)
    git(folder, 'init', '--quiet', '--initial-branch=main')
    commit(folder, 'All')
    return folder


def commit(folder, message):
    """Commit all that is in the repository in `folder`."""
    git(folder, 'add', '--all')
    git(folder, 'commit', '--quiet', f'--message={message}')


def git(folder, *words):
    """Run git in the repository in `folder`; return what it prints."""
    command = ['git', '-c', 'user.name=A', '-c', 'user.email=a@example.com', *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def build(source, into, layer=ROOT, *, proof=True, wheelhouses=True):
    """Build the charm in `source` below the folder `into`; return the built charm's folder.

    `layer` is the docker-resource layer to build with; None if the charm is to be without. What
    `charm build` and `charm proof` said is beside the charm, in NAME.log. Raises BuildError, also
    if only `charm proof` finds an error in the built charm, unless `proof` is false. Unless
    `wheelhouses`, no environment is made for a wheelhouse that stays empty, which takes seconds.
    """
    into = pathlib.Path(into)
    layers = into / 'layers'
    layers.mkdir(parents=True, exist_ok=True)
    for stand_in in LAYERS.iterdir():
        if not stand_in.is_dir() or (layers / stand_in.name).exists():
            continue
        if wheelhouses or not _has_empty_wheelhouse(stand_in):
            (layers / stand_in.name).symlink_to(stand_in)
        else:
            ignored = shutil.ignore_patterns('wheelhouse.txt')
            shutil.copytree(stand_in, layers / stand_in.name, ignore=ignored)
    if layer and not (layers / 'docker-resource').exists():
        check_out(layers / 'docker-resource', layer, sparse=layer == ROOT)
    binaries = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ,
        'PATH': f'{binaries}{os.pathsep}{os.environ["PATH"]}',
        'CHARM_LAYERS_DIR': str(layers),
        'CHARM_INTERFACES_DIR': str(LAYERS / 'interfaces'),
        'PYTHONWARNINGS': 'ignore',
        'PYTHONDONTWRITEBYTECODE': '1',
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
        # Half of what pip does here is to compile itself and what no charm keeps.
        'PIP_COMPILE': '0',
        'TERM': 'dumb',
        'LC_ALL': 'C.UTF-8',
    }
    environment.pop('PYTHONPATH', None)
    done = subprocess.run(
        [
            binaries / 'charm-build',
            *('--hide-metrics', '--no-report', '--wheelhouse-per-layer'),
            *('--layer-index', 'file:///nonexistent/'),  # whatever is not here, is nowhere
            *('--cache-dir', into / 'cache', '--build-dir', into / 'built'),
            source,
        ],
        cwd=into,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    name = pathlib.Path(source).name
    (into / f'{name}.log').write_text(done.stdout)
    charm = into / 'built' / name
    # `charm proof` runs at the end: 100 is for warnings about the charm's manners, 200 for errors.
    accepted = (0, 100) if proof else (0, 100, 200)
    if done.returncode not in accepted or not (charm / '.build.manifest').exists():
        raise BuildError(f'charm build exited {done.returncode}:\n{done.stdout}')
    return charm


def _has_empty_wheelhouse(layer):
    file = layer / 'wheelhouse.txt'
    return file.exists() and not any(
        line.strip() and not line.startswith('#') for line in file.read_text().splitlines()
    )
