"""What every test here needs."""

import pathlib
import runpy

runpy.run_path(str(pathlib.Path(__file__).parent / 'ubuntu' / 'sitecustomize.py'))
