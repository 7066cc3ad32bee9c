"""No order of events makes the example charms lose an image, as far as a minute shows."""

import os
import secrets
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_SECONDS = 15
"""For each charm and seed: a minute in all."""
_TIMEOUT = 300
"""In seconds, for each hook: a busy machine is no hook that hangs."""
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
    limits = [f'--seconds={_SECONDS}', f'--timeout={_TIMEOUT}']
    words = [f'--seed={seed}', *limits, *_OPTIONS[example]]
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
