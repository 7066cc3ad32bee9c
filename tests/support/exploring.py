"""Explores small charms with the command, and reads what it prints."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from support import small_charms

_SOURCES = pathlib.Path(__file__).resolve().parents[2] / 'tools' / 'charm-unit' / 'src'


class Explore:
    """Runs `charm-unit explore` on a charm."""

    def __init__(self, folder):
        self.folder = folder

    def charm(self, body="live(['web'])", **options):
        """Return the folder of a small charm, whose hooks run `body`."""
        number = len(list(self.folder.iterdir()))
        return small_charms.make(self.folder / str(number), body, **options)

    def charm_unit(self, *words, script=None):
        """Return how charm-unit ended."""
        return subprocess.run(
            [sys.executable, '-m', 'charm_unit', *map(str, words)],
            env={**os.environ, 'PYTHONPATH': str(_SOURCES)},
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def run(self, charm, *options, seed=1, seconds=300):
        """Return how the command ended; by default, a busy machine has time to find a fault."""
        return self.charm_unit(
            'explore', charm, f'--seed={seed}', f'--seconds={seconds}', *options
        )

    def pytest(self, charm, text, fails):
        """Return what pytest prints for a test, which fails or does not."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder.parent))
        file = folder / 'test_found.py'
        file.write_text(text)
        done = subprocess.run(
            [
                sys.executable,
                '-m',
                'pytest',
                '-q',
                '-p',
                'charm_unit.plugin',
                '--charm',
                charm,
                file,
            ]
            + ['-c', '/dev/null', '--rootdir', folder],
            env={**os.environ, 'PYTHONPATH': str(_SOURCES)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout


def failing(out):
    """Return the requirements that are not met."""
    return [line for line in out.splitlines() if line.startswith('✗')]


def script(out):
    """Return the options and the commands of the script that was printed."""
    found = re.search(r"^charm-unit run (.*) <<'EOF'\n(.*?)^EOF$", out, re.MULTILINE | re.DOTALL)
    return found[1].split(), found[2]


def pytest_test(out):
    """Return the test that was printed."""
    found = re.search(r'^As a test, [^\n]*\n(.*?)\n\n[✓✗–]', out, re.MULTILINE | re.DOTALL)
    return found[1]
