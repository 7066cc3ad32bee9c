"""Builds the source of a charm with `charm-build`, for tests that name a source."""

import os
import pathlib
import shutil
import subprocess
import sys

from charm_unit._unit import charm, errors


def is_built(folder: pathlib.Path) -> bool:
    """Return whether a folder holds a built charm, and not the source of one."""
    return (folder / 'hooks' / 'install').exists() and (folder / 'metadata.yaml').exists()


def build(source: pathlib.Path, into: pathlib.Path) -> charm.BuiltCharm:
    """Build a charm's source below the folder `into`, with the layers of $CHARM_LAYERS_DIR.

    Raises NotABuiltCharmError with what `charm-build` said if it fails.
    """
    if not (source / 'layer.yaml').exists():
        return charm.BuiltCharm(source)  # which says what it is instead
    beside = pathlib.Path(sys.executable).parent / 'charm-build'
    program = str(beside) if beside.exists() else shutil.which('charm-build')
    if not program:
        raise errors.NotABuiltCharmError(
            f'{source} is the source of a charm, and charm-build is not installed: run '
            "`pip install 'charm-tools==3.0.9' 'setuptools>=70.1,<81'`"
        )
    # The name of the folder that it makes is that of the source's.
    done = subprocess.run(
        [
            *(program, '--hide-metrics', '--no-report', '--wheelhouse-per-layer'),
            *('--cache-dir', into / 'cache', '--build-dir', into / 'built', source),
        ],
        cwd=into,
        # It starts programs that were installed beside it.
        env={
            **os.environ,
            'PATH': f'{pathlib.Path(program).parent}{os.pathsep}{os.environ["PATH"]}',
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found = [folder for folder in (into / 'built').glob('*') if is_built(folder)]
    # charm-proof runs at the end, and exits 100 or 200 for what it finds.
    if done.returncode not in (0, 100, 200) or not found:
        raise errors.NotABuiltCharmError(
            f'charm-build of {source} exited {done.returncode}:\n{done.stdout}'
        )
    return charm.BuiltCharm(found[0])
