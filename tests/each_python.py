"""Runs tests/unit on every Python from 3.6 on, and with old libraries on those that units have.

    python tests/each_python.py [PYTEST ARGUMENTS]

Units run Python 3.6 to 3.10, the newest are for those to come. One tox cannot make environments
for 3.6 and 3.12 at once, so each Python makes its own with `-m venv`, kept under .tox/each-python
until the list of its packages changes. Finds pythonX.Y on PATH and among pyenv's versions. One
that is absent is skipped with a word; but where CI is set and pyenv is there, those that units
run must be there as well. In the short run, where the variable TESTS is `short`, the oldest Python
has the old libraries, and tox's own the current ones; no other is used.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

MINORS = range(6, 14)
WANTED_IN_CI = (6, 8, 10, 12)
_WITH_OLD_LIBRARIES = (6, 8, 10)  # what units of public charms run
_ROOT = pathlib.Path(__file__).resolve().parent.parent


def _requirements(path):
    return re.findall(r'(?m)^[^#\s].*$', (_ROOT / path).read_text())


WHEELHOUSE = _requirements('wheelhouse.txt')
_COMBINATIONS = {
    # The oldest that the base layers bring. 5.2 is built without libyaml, like in a charm.
    'floor': ('PyYAML==5.2', 'charmhelpers==0.20.24', *WHEELHOUSE),
    'current': (),
}
_ALWAYS = _requirements('tests/requirements.txt')
_CACHE = _ROOT / '.tox' / 'each-python'


def pyenv_versions():
    root = os.environ.get('PYENV_ROOT') or pathlib.Path.home() / '.pyenv'
    return pathlib.Path(root) / 'versions'


def find(minor):
    """Return the path of a Python 3.`minor` that starts, or None."""
    name = f'python3.{minor}'

    def patch(version):
        return int(re.sub(r'\D.*', '', version.name.split('.')[2]))

    installed = sorted(pyenv_versions().glob(f'3.{minor}.*'), key=patch, reverse=True)
    candidates = [shutil.which(name), *(version / 'bin' / name for version in installed)]
    for candidate in candidates:
        # pyenv's shims are on PATH for versions that it then refuses to start.
        if (
            candidate
            and subprocess.run([candidate, '-c', ''], capture_output=True).returncode == 0
        ):
            return str(candidate)
    return None


def make_environment(python, home):
    """Make a virtual environment with `python` in the folder `home`."""
    # Debian has ensurepip, which venv needs, in a package of its own.
    whole = subprocess.run([python, '-c', 'import ensurepip'], capture_output=True).returncode == 0
    tool = [python, '-m', 'venv'] if whole else [sys.executable, '-m', 'virtualenv', '-p', python]
    subprocess.run([*tool, '--clear', home], check=True, capture_output=True, text=True)


def _install(interpreter, *packages):
    subprocess.run(
        [interpreter, '-m', 'pip', 'install', '--quiet', *packages],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
    )


def _environment(python, minor, combination):
    """Return the interpreter of a virtual environment with that combination's packages."""
    packages = [*_COMBINATIONS[combination], *_ALWAYS]
    home = _CACHE / f'3.{minor}-{combination}'
    interpreter = home / 'bin' / 'python'
    stamp = home / 'packages'
    wanted = hashlib.sha256('\n'.join([python, *packages]).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    make_environment(python, home)
    if minor == 6:  # ensurepip's is too old for the wheels that there still are for 3.6
        _install(interpreter, 'pip==21.3.1')
    _install(interpreter, *packages)
    stamp.write_text(wanted)
    return interpreter


def _arguments(run, runs):
    """Return what pytest is told: random inputs take half the time, and two runs have them."""
    oldest, own = runs[0], (sys.version_info.minor, 'current')
    current = own if own in runs else runs[-1]
    return () if run in (oldest, current) else ('-m', 'not hypothesis')


def _run(python, minor, combination, arguments):
    """Return exit code, output and seconds of one run of the unit tests."""
    try:
        interpreter = _environment(python, minor, combination)
    except subprocess.CalledProcessError as error:
        return error.returncode, f'{error}\n{error.stdout}{error.stderr}', 0
    begun = time.monotonic()
    done = subprocess.run(
        [interpreter, '-m', 'pytest', '-p', 'no:cacheprovider', 'tests/unit', *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONPATH': ''},
    )
    return done.returncode, done.stdout, time.monotonic() - begun


def _runs(minors):
    """Return which Pythons, by minor version, have the unit tests with which libraries."""
    if os.environ.get('TESTS') == 'short':
        own = sys.version_info.minor
        return [(min(minors), 'floor'), (own if own in minors else max(minors), 'current')]
    of_units = [minor for minor in minors if minor in _WITH_OLD_LIBRARIES] or [min(minors)]
    return [(minor, 'floor') for minor in of_units] + [(minor, 'current') for minor in minors]


def _summary(output):
    lines = [line.strip('= ') for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ''


def main(arguments):
    """Run them all; return the exit code."""
    found = {minor: find(minor) for minor in MINORS}
    absent = [minor for minor in MINORS if not found[minor]]
    for minor in absent:
        print(f'3.{minor}: absent, skipped', flush=True)
    failed = False
    if os.environ.get('CI') and pyenv_versions().is_dir():
        for minor in set(absent) & set(WANTED_IN_CI):
            print(f'3.{minor}: must be there in CI: pyenv install 3.{minor}', flush=True)
            failed = True
    if len(absent) == len(MINORS):
        print('no Python from 3.6 to 3.13 is here')
        return 1
    # part of a run is waiting for time limits: one more of them keeps the processors busy
    minors = [minor for minor in MINORS if found[minor]]
    with concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        planned, runs = _runs(minors), {}
        for minor, combination in planned:
            words = (*_arguments((minor, combination), planned), *arguments)
            runs[pool.submit(_run, found[minor], minor, combination, words)] = minor, combination
        for run in concurrent.futures.as_completed(runs):
            minor, combination = runs[run]
            code, output, seconds = run.result()
            word = 'ok' if code == 0 else f'FAILED ({code})'
            if code:
                failed = True
                print(output)
            print(f'3.{minor} {combination}: {word}: {_summary(output)}', flush=True)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
