"""Small charms, and the command that judges them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from support import small_charms

_SOURCES = pathlib.Path(__file__).resolve().parents[3] / 'tools' / 'charm-unit' / 'src'


class Check:
    """Runs `charm-unit check` on a charm."""

    def __init__(self, folder):
        self.folder = folder

    def charm(self, body="live(['web'])", **options):
        """Return the folder of a small charm, whose hooks run `body`."""
        number = len(list(self.folder.iterdir()))
        return small_charms.make(self.folder / str(number), body, **options)

    def run(self, charm, *options):
        """Return how the command ended."""
        return subprocess.run(
            [sys.executable, '-m', 'charm_unit', 'check', charm, *options],
            env={
                **os.environ,
                'PYTHONPATH': str(_SOURCES),
                'COLUMNS': '100',
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def verdicts(self, charm, *options, resource='web'):
        """Return (verdict, what was seen) by the ids of the sentences."""
        done = self.run(charm, '--format=json', *options)
        assert done.returncode in (0, 1), done.stderr
        told = json.loads(done.stdout)
        assert told['fails'] == bool(done.returncode)
        return {
            verdict['id']: (verdict['mark'], verdict['seen'])
            for verdict in told['resources'][resource]['verdicts']
        }


@pytest.fixture
def check(tmp_path):
    """Return what judges small charms."""
    return Check(tmp_path)
