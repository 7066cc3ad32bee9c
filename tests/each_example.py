"""Runs the tests of each example charm as its author would, in its folder.

    python tests/each_example.py [CHARM...]

First tests/unit, with mocks; then tests/life, with units of the charm: the pytest plugin builds
it with `charm-build`, from the layers in this checkout.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import building

_CHARMS = building.ROOT / 'examples' / 'charms'


def main(names):
    """Run them; return the exit code."""
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        layers = pathlib.Path(temporary) / 'layers'
        layers.mkdir()
        for stand_in in building.LAYERS.iterdir():
            (layers / stand_in.name).symlink_to(stand_in)
        building.check_out(layers / 'docker-resource')
        variables = {
            **os.environ,
            'CHARM_LAYERS_DIR': str(layers),
            'CHARM_INTERFACES_DIR': str(building.LAYERS / 'interfaces'),
            'PYTHONDONTWRITEBYTECODE': '1',
            'TERM': 'dumb',
            'LC_ALL': 'C.UTF-8',
        }
        for charm in sorted(path for path in _CHARMS.iterdir() if path.is_dir()):
            if names and charm.name not in names:
                continue
            for arguments in (
                ('tests/unit',),
                ('-p', 'charm_unit.plugin', 'tests/life', '--charm', '.'),
            ):
                print(f'== {charm.name}: pytest {" ".join(arguments)}', flush=True)
                plugins = ['-p', 'no:cacheprovider', '-p', 'services.no_skips']
                command = [sys.executable, '-m', 'pytest', *plugins, *arguments]
                failed |= subprocess.run(command, cwd=charm, env=variables).returncode != 0
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
