"""The main job, as a newcomer starts it."""

import importlib
import os
import shutil
import subprocess
import sys

import pytest

from support import building

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    """Return where the program draws its picture."""
    return tmp_path_factory.mktemp('docs') / 'demo.svg'


@pytest.fixture(scope='module')
def told(picture):
    """Return how the program ended and what it printed, for a dumb terminal of 80 columns."""
    return subprocess.run(
        [sys.executable, building.ROOT / 'examples' / 'demo.py', f'--svg={picture}'],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(
                str(building.ROOT / path) for path in ('tests', 'tools/charm-unit/src', 'lib')
            ),
            'COLUMNS': '80',
            'TERM': 'dumb',
        },
        capture_output=True,
        text=True,
    )


def test_demo_goes_as_expected(told):
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ''
    assert '✗' not in told.stdout


@pytest.mark.parametrize(
    'words',
    [
        '+ layer.docker-resource.my-resource.failed',
        'blocked  my-resource: no image is attached',
        '+ layer.docker-resource.my-resource.available',
        'pod spec  my-service: docker.io/library/nginx:1.27',
        'no changes',
        '± layer.docker-resource.my-resource.changed',
        'pod spec  my-service: registry.example.com/team/web:2.0',
        'waiting  my-resource: the registry 127.0.0.1:',
    ],
)
def test_what_hooks_did_is_told(told, words):
    # values are wrapped in a column of their own
    assert ' '.join(words.split()) in ' '.join(told.stdout.split())


def test_plain_text_of_80_columns_is_told_to_a_pipe(told):
    assert '\x1b' not in told.stdout
    assert max(len(line) for line in told.stdout.splitlines()) <= 80


@pytest.mark.parametrize('name', ['demo.svg', 'demo-narrow.svg'])
def test_the_picture_in_the_readme_is_what_is_drawn_today(told, picture, name):
    committed = building.ROOT / 'docs' / name
    drawn = picture.with_name(name).read_text()
    assert drawn == committed.read_text(), 'it is out of date: run `./dev demo --svg`'


def test_demo_that_goes_wrong_says_so_and_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(building.ROOT / 'examples')
    demo = importlib.import_module('demo')
    lazy = tmp_path / 'my-charm'
    shutil.copytree(demo._CHARM, lazy)
    (lazy / 'reactive' / 'my_charm.py').write_text('# sets no pod spec\n')
    monkeypatch.setattr(demo, '_CHARM', lazy)
    assert demo.main([]) == 1
    assert '✗ Check failed: The image is available and in the pod' in capsys.readouterr().out
