"""Writes measurements as JSON, with a description of the machine, for `draw`.

parser.add_argument('--json', **figures.OPTION)
…
figures.write(args.json, ['Docker 20.10.24'], costs=[{'case': …, 'way': …, 'stage': …, …}])
"""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
_LOAD = os.getloadavg()[0]  # before anything is measured: what else kept the machine busy
OPTION = {
    'metavar': 'PATH',
    'help': 'write all measurements to this file, such as docs/bench/upload.json',
}


def write(path, versions, **content):
    """Write the measurements to `path`, relative to the checkout, unless it is None.

    `versions` are the measured programs with their versions, such as `skopeo 1.9.3`.
    """
    if not path:
        return
    document = {
        'date': datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        'machine': _machine(),
        'versions': versions,
        **content,
    }
    text = json.dumps(_rounded(document), indent=1, ensure_ascii=False)
    # lists of numbers on one line
    text = re.sub(
        r'\[\s+([\d.,e+\s-]+?)\s+\]', lambda found: f'[{" ".join(found[1].split())}]', text
    )
    path = ROOT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + '\n')


def version(*command):
    """Return a program's name and the first version that it prints, such as `skopeo 1.9.3`."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r'\d+(\.\d+)+', done.stdout)
    return f'{pathlib.Path(command[0]).name} {found[0]}'


def _machine():
    return {
        'processors': os.cpu_count(),
        'architecture': platform.machine(),
        'system': platform.freedesktop_os_release()['PRETTY_NAME'],
        'python': platform.python_version(),
        'load before': _LOAD,
    }


def _rounded(value):
    """Return `content` with all fractions rounded to four digits."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f'{value:.4g}') if isinstance(value, float) else value
