"""Unpacks a charm's wheelhouse: its Python dependencies, without network or compiler.

`charm-build` fills wheelhouse/ with source archives. A unit builds these with pip; here, they are
unpacked, and only what then cannot be imported is built. So what setuptools of today no longer
builds does run, and it takes less than a second.
"""

import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from charm_unit._unit import errors

_BUILDERS = ('pip', 'setuptools', 'setuptools_scm', 'wheel', 'pbr')
"""Distributions that are only needed to build others."""
_NOT_PACKAGES = (
    'tests',
    'test',
    'docs',
    'doc',
    'examples',
    'example',
    'benchmarks',
    'tools',
    'build',
)


def archives(charm: pathlib.Path) -> list[pathlib.Path]:
    """Return the archives in a charm's wheelhouse."""
    folder = charm / 'wheelhouse'
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        file
        for file in found
        if file.name.endswith(('.tar.gz', '.zip', '.whl', '.tar.bz2', '.tgz'))
    ]


def install(charm: pathlib.Path, packages: pathlib.Path, python: pathlib.Path) -> None:
    """Unpack a charm's wheelhouse into the folder `packages` of the interpreter `python`.

    Raises CharmEnvironmentError if a package can neither be imported nor built.
    """
    modules: dict[str, pathlib.Path] = {}
    for archive in archives(charm):
        if archive.name.lower().rsplit('-', 1)[0].replace('-', '_') in _BUILDERS:
            continue
        for module in _unpack(archive, packages):
            modules[module] = archive
    for module, archive in _not_importable(modules, python).items():
        _build(archive, packages, python, module)


def _unpack(archive: pathlib.Path, packages: pathlib.Path) -> list[str]:
    """Unpack one archive; return the names of the modules in it."""
    try:
        if archive.name.endswith('.whl'):
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(packages)  # noqa: S202 (zipfile keeps within it)
                tops = {name.split('/')[0] for name in wheel.namelist()}
            return [
                top.removesuffix('.py')
                for top in tops
                if '.dist-info' not in top and '.data' not in top
            ]
        with tempfile.TemporaryDirectory() as temporary:
            root = _extract(archive, pathlib.Path(temporary))
            return _move_modules(root, packages)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        raise errors.CharmEnvironmentError(f'{archive} cannot be unpacked: {error}') from error


def _extract(archive: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    """Unpack a source archive; return its root."""
    if archive.name.endswith('.zip'):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(into)  # noqa: S202 (zipfile keeps within it)
    else:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, 'data_filter'):
                tar.extractall(into, filter='data')
            else:  # Python 3.10 and 3.11 before their last releases
                tar.extractall(into)  # noqa: S202
    roots = [path for path in into.iterdir() if path.is_dir()]
    return roots[0] if len(roots) == 1 else into


def _move_modules(root: pathlib.Path, packages: pathlib.Path) -> list[str]:
    """Move the modules of an unpacked source archive into `packages`; return their names."""
    metadata = next(root.rglob('*.egg-info'), None)
    named: list[str] = []
    if metadata and (metadata / 'top_level.txt').exists():
        named = (metadata / 'top_level.txt').read_text().split()
        # Named without its underscore by who may also be compiled.
        named = [name for name in named if not name.startswith('_')] or named
    bases = [root / base for base in ('lib3', 'src', 'lib', '.')]
    if not named:
        named = [
            path.stem
            for base in bases
            if base.is_dir()
            for path in base.iterdir()
            if ((path / '__init__.py').exists() and path.name not in _NOT_PACKAGES)
            or (path.suffix == '.py' and base == root and path.stem not in ('setup', 'conftest'))
        ]
    moved = []
    for name in named:
        for base in bases:
            for found in (base / name, base / f'{name}.py'):
                if found.exists() and name not in moved:
                    _merge(found, packages / found.name)
                    moved.append(name)
    if metadata and metadata.is_dir() and not (packages / metadata.name).exists():
        _merge(metadata, packages / metadata.name)
    elif metadata is None and (root / 'PKG-INFO').exists():
        about = packages / f'{root.name}.egg-info'
        about.mkdir(exist_ok=True)
        (root / 'PKG-INFO').rename(about / 'PKG-INFO')
    return moved


def _merge(source: pathlib.Path, target: pathlib.Path) -> None:
    """Move a file or a folder; merge it into an existing folder, for namespace packages."""
    if source.is_dir() and target.is_dir():
        for path in source.iterdir():
            _merge(path, target / path.name)
    else:
        source.replace(target) if _one_device(source, target) else _copy(source, target)


def _one_device(source: pathlib.Path, target: pathlib.Path) -> bool:
    return source.stat().st_dev == target.parent.stat().st_dev


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    import shutil

    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


_IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing = getattr(error, 'name', None) or name
        print(name, missing.split('.')[0] if missing.startswith(name) else '')
    except Exception:
        pass
"""


def _not_importable(
    modules: dict[str, pathlib.Path], python: pathlib.Path
) -> dict[str, pathlib.Path]:
    """Return the modules that cannot import a part of themselves, such as an extension."""
    if not modules:
        return {}
    done = subprocess.run(
        [python, '-c', _IMPORTS, *modules],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    lacking = [line.split() for line in done.stdout.splitlines()]
    return {
        words[0]: modules[words[0]] for words in lacking if len(words) > 1 and words[0] in modules
    }


def _build(
    archive: pathlib.Path, packages: pathlib.Path, python: pathlib.Path, module: str
) -> None:
    """Build one archive with pip, without network."""
    command = [
        *(sys.executable, '-m', 'pip', '--python', str(python), 'install', '--quiet'),
        *('--disable-pip-version-check', '--no-index', '--no-deps', '--no-build-isolation'),
        *(
            '--find-links',
            str(archive.parent),
            '--target',
            str(packages),
            '--upgrade',
            str(archive),
        ),
    ]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise errors.CharmEnvironmentError(
            f'{archive.name} must be built before {module} can be imported, and pip failed: '
            f'{"".join(last)}. Install it for a different interpreter and pass that to --python'
        )
