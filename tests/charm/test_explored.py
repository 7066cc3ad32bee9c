"""No order of events makes the example charms lose an image, as far as a minute shows."""

import os
import secrets
import subprocess
import sys

import pytest

_SECONDS = 20
"""For each charm and seed: CI has a minute and a half for all four."""
_OPTIONS = {
    'my-charm': (),
    'kubeflow-metadata': (
        '--relate',
        'mysql:host=10.1.0.9,port=3306,user=root,password=not-an-image-s,database=metadb',
    ),
}


@pytest.mark.parametrize('seed', [1, None], ids=['fixed seed', 'new seed'])
@pytest.mark.parametrize('example', _OPTIONS)
def test_no_order_of_events_breaks_a_requirement(charms, example, seed):
    seed = secrets.randbelow(10**6) if seed is None else seed
    words = [f'--seed={seed}', f'--seconds={_SECONDS}', *_OPTIONS[example]]
    done = subprocess.run(
        [sys.executable, '-m', 'charm_unit', 'explore', charms.example(example), *words],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f'{" ".join(words)}\n{done.stdout}\n{done.stderr}'
    (checked,) = (line for line in done.stdout.splitlines() if 'last valid image' in line)
    assert checked.startswith('✓ '), done.stdout
