"""Make a release: its version, changelog, distributions and tag; nothing is pushed or published.

It sets the version of both distributions, dates the changelog's section Unreleased, builds sdists
and wheels in dist/, checks them, installs them in a new environment and starts their commands.
Then it commits, tags, and says what is left to do. If a step fails, the files are as before.
"""

import argparse
import configparser
import datetime
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DISTRIBUTIONS = ('charm-image', 'charm-unit')
_VERSION = re.compile(r"^VERSION = '(\d+\.\d+\.\d+)'$", re.MULTILINE)
_UNRELEASED = re.compile(r'^## Unreleased\n(.*?)(?=^## |\Z)', re.MULTILINE | re.DOTALL)


class ReleaseError(Exception):
    """A release cannot be made; says why, and what to do."""


def main(arguments=None):
    """Make a release; return the exit status."""
    parser = argparse.ArgumentParser(
        prog='./dev release',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('version', metavar='VERSION', help='such as 0.2.0')
    parser.add_argument(
        '--dry-run', action='store_true', help='build and check, but change and commit nothing'
    )
    args = parser.parse_args(arguments)
    try:
        release(args.version, dry_run=args.dry_run)
    except ReleaseError as error:
        print(f'./dev release: {error}', file=sys.stderr)
        return 1
    return 0


def release(version, *, dry_run=False, root=ROOT, today=None):
    """Make the release `version` of the clone in `root`; raise ReleaseError."""
    files = {path: path.read_text() for path in _files(root)}
    edited = edit(files, version, today or datetime.date.today())
    _check_clone(root, version)
    try:
        for path, text in edited.items():
            path.write_text(text)
        _build(root)
        _try(root, version)
    except BaseException:
        _restore(files)
        raise
    if dry_run:
        _restore(files)
        print(f'Version {version} can be released; nothing was changed but dist/.')
        return
    _run('git', 'commit', '--quiet', '--all', f'--message=Release {version}', cwd=root)
    _run('git', 'tag', '--annotate', f'--message=Release {version}', f'v{version}', cwd=root)
    print(
        f'Released {version}: committed and tagged v{version}. To publish it:\n'
        f'  git push origin main v{version}\n'
        '  twine upload dist/*'
    )


def edit(files, version, today):
    """Return the texts of the files, by path, with that version; raise ReleaseError."""
    if not re.fullmatch(r'\d+\.\d+\.\d+', version):
        raise ReleaseError(f'{version!r} is not a version: use a form such as 0.2.0')
    edited = {}
    for path, text in files.items():
        if path.name == 'CHANGELOG.md':
            found = _UNRELEASED.search(text)
            if not found or not found[1].strip():
                raise ReleaseError('CHANGELOG.md has nothing below Unreleased: say what is new')
            dated = f'## Unreleased\n\n## {version} - {today:%Y-%m-%d}\n{found[1]}'
            edited[path] = text.replace(found[0], dated)
            continue
        current = _VERSION.search(text)[1]
        if _numbers(version) < _numbers(current):
            raise ReleaseError(f'{version} is older than {current}, which {path} has')
        edited[path] = _VERSION.sub(f"VERSION = '{version}'", text)
    return edited


def _numbers(version):
    return [int(number) for number in version.split('.')]


def _files(root):
    packages = [(name, name.replace('-', '_')) for name in DISTRIBUTIONS]
    versions = [root / 'tools' / name / 'src' / it / '_version.py' for name, it in packages]
    return [root / 'CHANGELOG.md', *versions]


def _restore(files):
    for path, text in files.items():
        path.write_text(text)


def _check_clone(root, version):
    if changed := _run('git', 'status', '--porcelain', cwd=root):
        raise ReleaseError(f'the clone has changes: commit them first:\n{changed}')
    branch = _run('git', 'branch', '--show-current', cwd=root)
    if branch != 'main':
        raise ReleaseError(f'this is branch {branch!r}: release from main')
    if _run('git', 'tag', '--list', f'v{version}', cwd=root):
        raise ReleaseError(f'the tag v{version} exists: choose the next version')


def _build(root):
    shutil.rmtree(root / 'dist', ignore_errors=True)
    for name in DISTRIBUTIONS:
        print(f'Building {name}', flush=True)
        # the wheel is made from the sdist, which shows that this is complete
        project = root / 'tools' / name
        _run(sys.executable, '-m', 'build', '--outdir', root / 'dist', project, cwd=root)
    built = sorted((root / 'dist').iterdir())
    _run(sys.executable, '-m', 'twine', 'check', '--strict', *built, cwd=root)


def _try(root, version):
    print('Installing the wheels in a new environment', flush=True)
    wheels = sorted((root / 'dist').glob('*.whl'))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        programs = pathlib.Path(folder, 'bin')
        _run(programs / 'python', '-m', 'pip', 'install', '--quiet', *wheels, cwd=folder)
        for command in itertools.chain.from_iterable(map(_commands, wheels)):
            said = _run(programs / command, '--version', cwd=folder)
            if version not in said.split():
                raise ReleaseError(f'{command} --version says {said!r}, not {version}')


def _commands(wheel):
    """Return the names of the commands that a wheel installs."""
    entries = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith('/entry_points.txt'))
        entries.read_string(archive.read(name).decode())
    return list(entries['console_scripts'])


def _run(*command, cwd):
    """Run the command; return what it prints, or raise ReleaseError."""
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        words = ' '.join(map(str, command))
        raise ReleaseError(f'{words} failed with {done.returncode}:\n{done.stdout}')
    return done.stdout.strip()


if __name__ == '__main__':
    sys.exit(main())
