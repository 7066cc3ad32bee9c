"""Debian: bases for images, and roots with the engines of other releases.

Each is made by debootstrap once and kept in .cache of the checkout; what a killed maker left
half-made is removed by the next one. Needs root, and the network of the machine.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import support
from support import isolation, short_run

CACHE = pathlib.Path(__file__).parents[2] / '.cache'

_ENGINES = ['ca-certificates', 'containerd', 'docker.io', 'iptables']
_ENGINES += ['conmon', 'crun', 'netavark', 'podman', 'uidmap']

_PACKAGES_IN_A_REPOSITORY = r"""set -e
apt-get update
apt-get install --yes --no-install-recommends --download-only "$@"
mkdir /srv/packages && mv /var/cache/apt/archives/*.deb /srv/packages && cd /srv/packages
for file in *.deb; do
    dpkg-deb --field "$file"
    echo "Filename: ./$file"
    echo "Size: $(stat --format=%s "$file")"
    echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"
    echo
done >Packages
echo 'deb [trusted=yes] file:/srv/packages ./' >/etc/apt/sources.list
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
"""

_INSTALL_DNF = """set -e
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends dnf rpm createrepo-c
"""


def once(name, make):
    """Give the path of what `make`, called with a path, makes there, once for this checkout."""
    made = CACHE / name
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name(made.name + '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unfinished = made.with_name(made.name + '.unfinished')
        if not made.exists():
            _remove(unfinished)
            try:
                make(unfinished)
                unfinished.rename(made)
            finally:
                _remove(unfinished)
    return made


def archive():
    """Give the path of a tar archive with this machine's release, minbase, no package lists."""
    release, mirror = _machines()

    def make(archive):
        with _directory() as root:
            _debootstrap(release, mirror, root)
            for junk in ('var/lib/apt/lists', 'var/cache/apt', 'var/log'):
                shutil.rmtree(root / junk)
            for needed in ('var/lib/apt/lists/partial', 'var/cache/apt/archives/partial'):
                (root / needed).mkdir(parents=True)
            (root / 'var/log').mkdir()
            _pack(root, archive)

    return once(f'{release}-minbase.tar', make)


def archive_with(packages):
    """The same, but its apt installs `packages` (names) from itself, without a network."""
    release, _ = _machines()
    minbase = archive()

    def make(archive):
        with _directory() as root:
            _run('tar', '--extract', f'--file={minbase}', f'--directory={root}')
            _run('chroot', root, 'sh', '-c', _PACKAGES_IN_A_REPOSITORY, 'sh', *packages)
            _pack(root, archive)

    return once(f'{release}-{_digest(packages)}.tar', make)


def archive_with_dnf(specs, prepare):
    """The same with dnf: the script `prepare` makes packages of `specs` (by name) in /srv."""
    release, _ = _machines()
    minbase = archive()

    def make(archive):
        with _directory() as root:
            _run('tar', '--extract', f'--file={minbase}', f'--directory={root}')
            _run('chroot', root, 'sh', '-c', _INSTALL_DNF)
            for name, spec in specs.items():
                (root / 'srv' / name).write_text(spec)
            _run('chroot', root, 'sh', '-c', prepare)
            _pack(root, archive)

    return once(f'{release}-dnf-{_digest([*specs.values(), prepare, _INSTALL_DNF])}.tar', make)


def busybox_of(architecture):
    """Give the path of the static busybox for another architecture, as Debian calls that."""
    release, mirror = _machines()

    def make(program):
        with _directory() as root:
            options = ['--download-only', f'--arch={architecture}', '--include=busybox-static']
            _debootstrap(release, mirror, root, *options)
            [package] = (root / 'var/cache/apt/archives').glob('busybox-static_*.deb')
            _run('dpkg-deb', '--extract', package, root / 'extracted')
            shutil.copy(root / 'extracted/bin/busybox', program)

    return once(f'{release}-busybox-{architecture}', make)


def buildx():
    """Give the path of the plugin buildx of the docker command, of the newest release."""
    release = 'forky'

    def make(program):
        with _directory() as root:
            options = ['--download-only', '--include=docker-buildx']
            _debootstrap(release, _machines()[1], root, *options)
            [package] = (root / 'var/cache/apt/archives').glob('docker-buildx_*.deb')
            _run('dpkg-deb', '--extract', package, root / 'extracted')
            shutil.copy(root / 'extracted/usr/libexec/docker/cli-plugins/docker-buildx', program)

    return once(f'{release}-docker-buildx', make)


def engines(release):
    """Give the path of a root of that release with its Docker and podman; nothing changes it."""

    def make(root):
        _debootstrap(release, _machines()[1], root, f'--include={",".join(_ENGINES)}')
        shutil.rmtree(root / 'var/cache/apt')

    return once(f'engines/{release}-{_digest(_ENGINES)}', make)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _directory():
    with tempfile.TemporaryDirectory(prefix='debootstrap-', dir=CACHE) as directory:
        yield pathlib.Path(directory)


def _debootstrap(release, mirror, root, *options):
    support.require('debootstrap')
    scripts = pathlib.Path('/usr/share/debootstrap/scripts')
    # one that is newer than this machine's debootstrap has none of its own
    script = scripts / (release if (scripts / release).exists() else 'sid')
    _run('debootstrap', '--variant=minbase', *options, release, root, mirror, script)


def _pack(root, archive):
    exclude = ['--exclude=./proc/*', '--exclude=./sys/*']
    _run('tar', '--create', '--numeric-owner', *exclude, f'--file={archive}', '-C', root, '.')


def _run(*command):
    # what it mounts, and whatever it starts, ends with it, or with a killed pytest
    own = ['setpriv', '--pdeathsig=KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child']
    done = subprocess.run(
        [*own, *isolation.on_the_machines_network(), *command],
        # a root that a crash of the machine left half-written is made again anyway
        env={**os.environ, 'DPKG_FORCE': 'security-mac,downgrade,unsafe-io'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f'{command[0]} failed:\n{done.stdout[-3000:]}'


def _digest(packages):
    return hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]


def _machines():
    """The release of this machine, and the mirror from which it takes its packages."""
    assert not short_run.is_short(), 'mark this test as slow: debootstrap takes minutes'
    lines = pathlib.Path('/etc/os-release').read_text().splitlines()
    release = dict(line.split('=', 1) for line in lines if '=' in line)['VERSION_CODENAME']
    release = release.strip('"')
    command = ['apt-get', 'indextargets', '--format=$(REPO_URI)']
    command += ['Created-By: Packages', f'Release: {release}', 'Component: main']
    mirrors = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert mirrors, f'apt knows no mirror for {release}'
    return release, mirrors[0]
