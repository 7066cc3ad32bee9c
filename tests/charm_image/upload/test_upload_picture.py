"""The pictures of an upload in docs/how-to/upload-an-image.md."""

import pathlib
import subprocess
import sys

import support

ROOT = pathlib.Path(__file__).parents[3]


def test_the_pictures_are_what_an_upload_shows_today(tmp_path):
    support.require('docker-registry')
    program = ROOT / 'bench' / 'upload_picture.py'
    subprocess.run([sys.executable, program, tmp_path / 'upload.svg'], check=True)
    for name in ('upload.svg', 'upload-narrow.svg'):
        how = f'{name} is out of date: run `./dev bench -- upload_picture`'
        assert (tmp_path / name).read_text() == (ROOT / 'docs' / name).read_text(), how
