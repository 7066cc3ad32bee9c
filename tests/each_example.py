"""Runs the tests of each example charm as its author would, in its folder.

    python tests/each_example.py [CHARM...]

First tests/unit, with mocks; then tests/life, with units of the charm: the pytest plugin builds
it with `charm-build`, from the layers in this checkout. Before these, the unit test that
docs/how-to/test-a-charm.md shows, with the handlers in use-the-layer.md.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from support import building

_CHARMS = building.ROOT / 'examples' / 'charms'
_PAGES = building.ROOT / 'docs' / 'how-to'


def _shown_in(page):
    """Return the Python that a page shows, by block."""
    return re.findall(r'(?m)^```python\n(.*?)^```', (_PAGES / page).read_text(), re.DOTALL)


def _write_pages_s(folder):
    """Write the handlers that the pages show, and their unit test, into a folder."""
    (handlers,) = _shown_in('use-the-layer.md')
    conftest, test, *_ = _shown_in('test-a-charm.md')
    for path, text in (
        ('reactive/my_charm.py', handlers),
        ('tests/unit/conftest.py', conftest),
        ('tests/unit/test_handlers.py', test),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _test(charm, arguments, variables):
    """Run pytest in the folder of a charm; return whether it failed."""
    print(f'== {charm.name}: pytest {" ".join(arguments)}', flush=True)
    plugins = ['-p', 'no:cacheprovider', '-p', 'support.no_skips']
    command = [sys.executable, '-m', 'pytest', *plugins, *arguments]
    return subprocess.run(command, cwd=charm, env=variables).returncode != 0


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
        if not names:
            shown = pathlib.Path(temporary) / 'how-to'
            _write_pages_s(shown)
            failed |= _test(shown, ('tests/unit',), variables)
        for charm in sorted(path for path in _CHARMS.iterdir() if path.is_dir()):
            if names and charm.name not in names:
                continue
            for arguments in (
                ('tests/unit',),
                ('-p', 'charm_unit.plugin', 'tests/life', '--charm', '.'),
            ):
                failed |= _test(charm, arguments, variables)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
