"""The picture of an upload in docs/how-to/upload-an-image.md."""

import pathlib
import subprocess
import sys

import support

ROOT = pathlib.Path(__file__).parents[3]
COMMITTED = ROOT / 'docs' / 'upload.svg'


def test_the_picture_is_what_an_upload_shows_today(tmp_path):
    support.require('docker-registry')
    drawn = tmp_path / 'upload.svg'
    subprocess.run([sys.executable, ROOT / 'bench' / 'upload_picture.py', drawn], check=True)
    how = 'it is out of date: run `./dev bench -- upload_picture`'
    assert drawn.read_text() == COMMITTED.read_text(), how
