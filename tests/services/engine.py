"""Container engines of the tests' own: a Docker Engine, podman's service, and bases to build on.

Each keeps its data, sockets and settings in a directory of its own, and containers use the
host's network, so nothing of the machine's own engines is touched. Needs root.
"""

import contextlib
import functools
import io
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

import docker

import services

PACKAGES = ('ca-certificates', 'python3')

CACHE = pathlib.Path(__file__).parents[2] / '.cache'


_DEBIAN_WITH_PACKAGES = r"""
FROM {base}
RUN apt-get update && \
    apt-get install --yes --no-install-recommends --download-only {packages} && \
    mkdir /srv/packages && mv /var/cache/apt/archives/*.deb /srv/packages && cd /srv/packages && \
    for file in *.deb; do \
        dpkg-deb --field "$file"; \
        echo "Filename: ./$file"; \
        echo "Size: $(stat --format=%s "$file")"; \
        echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"; \
        echo; \
    done >Packages && \
    echo 'deb [trusted=yes] file:/srv/packages ./' >/etc/apt/sources.list && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
"""


class Engine:
    """A running engine that speaks Docker's API."""

    def __init__(self, home):
        self.home = home
        self.host = f'unix://{home}/engine.sock'

    @property
    def environ(self):
        """The environment for a program that shall find this engine, and no settings of a user."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(('DOCKER_', 'BUILDX_'))}
        return {**environ, 'DOCKER_HOST': self.host, 'DOCKER_CONFIG': f'{self.home}/config'}

    @functools.cached_property
    def client(self):
        """The engine through the Docker SDK."""
        return docker.DockerClient(base_url=self.host, version='auto', timeout=120)

    def docker(self, *args, stdin=None):
        """Run the docker command-line program; give what it prints."""
        services.require('docker')
        done = subprocess.run(
            ['docker', *args], env=self.environ, stdin=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, f'docker {" ".join(args)}: {done.stderr}'
        return done.stdout.rstrip('\n')

    def run(self, image, *command, **options):
        """Run a new container of `image` to its end; give its output, both streams, as bytes."""
        options = {'network_mode': 'host', **options}
        container = self.client.containers.create(image, list(command) or None, **options)
        try:
            container.start()
            status = container.wait(timeout=120)['StatusCode']
            output = container.logs()  # followed from the start, podman's at times never end
        finally:
            container.remove(force=True)
        assert status == 0, f'{command}: status {status}: {output.decode(errors="replace")}'
        return output

    @functools.cached_property
    def debian(self):
        """The name of an image with this machine's Debian release, minbase, no package lists."""
        with debian_archive().open('rb') as archive:
            return self._import(archive, 'debian:minbase')

    @functools.cached_property
    def busybox(self):
        """The name of an image with busybox and nothing else: no Python, no apt, no libc."""
        return self._import(busybox_archive(), 'busybox:static')

    @functools.cached_property
    def debian_with_packages(self):
        """The name of a Debian image that installs PACKAGES from itself, without a network."""
        dockerfile = _DEBIAN_WITH_PACKAGES.format(base=self.debian, packages=' '.join(PACKAGES))
        self.client.images.build(
            fileobj=io.BytesIO(dockerfile.encode()),
            tag='debian:packages',
            network_mode='host',
            rm=True,
        )
        return 'debian:packages'

    def _import(self, archive, name):
        api = self.client.api
        reply = api.post(
            f'{api.base_url}/v{api.api_version}/images/create',
            params={'fromSrc': '-', 'repo': name, 'changes': 'CMD ["/bin/sh"]'},
            data=archive,
        )
        assert self.client.images.list(name), reply.text
        return name


@contextlib.contextmanager
def dockerd():
    """Run a Docker Engine, and end it."""
    services.require('dockerd', 'containerd')
    with _home() as home:
        # containerd takes no two separators in a row and none at the end, mkdtemp gives both
        namespace = home.name.replace('_', '')
        command = [
            'dockerd',
            f'--data-root={home}/data',
            f'--exec-root={home}/exec',
            f'--pidfile={home}/engine.pid',
            f'--host=unix://{home}/engine.sock',
            f'--config-file={home}/config/daemon.json',
            # where the machine's own containerd runs, dockerd takes it
            f'--containerd-namespace=tests-{namespace}',
            f'--containerd-plugins-namespace=tests-plugins-{namespace}',
            '--bridge=none',
            '--iptables=false',
        ]
        (home / 'config/daemon.json').write_text('{}')
        with _serve(home, command, dict(os.environ)) as engine:
            try:
                yield engine
            finally:
                for container in engine.client.containers.list(all=True):
                    container.remove(force=True)


@contextlib.contextmanager
def podman():
    """Run podman's service, which speaks Docker's API, and end it."""
    services.require('podman', 'conmon')
    with _home() as home:
        config = home / 'config'
        (config / 'containers.conf').write_text(
            '[containers]\nnetns = "host"\n'
            # podman would raise them, for which a root without CAP_SYS_RESOURCE has no right
            'default_ulimits = ["nofile=4096:4096", "nproc=16384:16384"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\n'
            f'[network]\nnetwork_config_dir = "{home}/networks"\n'
        )
        (config / 'storage.conf').write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{home}/run"\ngraphroot = "{home}/data"\n'
        )
        (config / 'registries.conf').write_text(
            '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'
        )
        (config / 'policy.json').write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        environ = {
            **os.environ,
            'CONTAINERS_CONF': f'{config}/containers.conf',
            'CONTAINERS_STORAGE_CONF': f'{config}/storage.conf',
            'CONTAINERS_REGISTRIES_CONF': f'{config}/registries.conf',
        }
        command = [
            'podman',
            f'--root={home}/data',
            f'--runroot={home}/run',
            f'--tmpdir={home}/tmp',
        ]
        service = [*command, 'system', 'service', '--time=0', f'unix://{home}/engine.sock']
        with _serve(home, service, environ) as engine:
            try:
                yield engine
            finally:
                subprocess.run(
                    [*command, 'rm', '--all', '--force', '--time=0'],
                    env=environ,
                    capture_output=True,
                )


@contextlib.contextmanager
def _home():
    # a socket's path has at most 107 bytes, so no tmp_path
    home = pathlib.Path(tempfile.mkdtemp(prefix='engine-', dir='/tmp'))
    try:
        (home / 'config').mkdir()
        yield home
    finally:
        _await_end(home)
        for mount in reversed(pathlib.Path('/proc/self/mounts').read_text().splitlines()):
            target = mount.split()[1]
            if target.startswith(f'{home}/'):
                subprocess.run(['umount', '--lazy', target], capture_output=True)
        shutil.rmtree(home)


def _await_end(home):
    # a container's monitor ends a little after its container, and after the engine
    deadline = time.monotonic() + 10
    while processes_of(home):
        if time.monotonic() > deadline:
            for pid in processes_of(home):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            deadline += 5
        time.sleep(0.05)


def processes_of(home):
    """The processes of the engine that lives there: its own, and those in its containers."""
    host = os.stat('/proc/self/root')
    found = []
    for directory in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            # which mounts make up a container's root tells whose it is
            contained = not os.path.samestat(os.stat(directory / 'root'), host)
            names = (directory / ('mountinfo' if contained else 'cmdline')).read_bytes()
            if f'{home}/'.encode() in names:
                found.append(int(directory.name))
    return found


@contextlib.contextmanager
def _serve(home, command, environ):
    engine = Engine(home)
    with (home / 'log').open('wb') as log:
        # a session of its own: ^C is for pytest, which then ends the engine in order
        process = subprocess.Popen(
            # even a killed pytest leaves none running
            ['setpriv', '--pdeathsig=TERM', *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await(engine, process, command)
        yield engine
    finally:
        if 'client' in vars(engine):
            engine.client.close()
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(engine, process, command):
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(docker.errors.DockerException):
            engine.client.ping()
            return
        log = (engine.home / 'log').read_text(errors='replace')[-3000:]
        assert process.poll() is None, f'{command[0]} ended at once:\n{log}'
        assert time.monotonic() < deadline, f'{command[0]} does not answer:\n{log}'
        time.sleep(0.1)


def debian_archive():
    """Make, once for this checkout, the archive of a Debian base; give its path."""
    release = _os_release()
    archive = CACHE / f'{release}-minbase.tar'
    if archive.exists():
        return archive
    services.require('debootstrap')
    CACHE.mkdir(exist_ok=True)
    root = pathlib.Path(tempfile.mkdtemp(prefix='debootstrap-', dir=CACHE))
    try:
        mirror = _mirror(release)
        done = subprocess.run(
            ['debootstrap', '--variant=minbase', release, str(root), mirror],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f'debootstrap failed:\n{done.stdout[-3000:]}'
        for junk in ('var/lib/apt/lists', 'var/cache/apt', 'var/log'):
            shutil.rmtree(root / junk)
        for needed in ('var/lib/apt/lists/partial', 'var/cache/apt/archives/partial', 'var/log'):
            (root / needed).mkdir(parents=True)
        tar = ['tar', '--create', '--numeric-owner', '--exclude=./proc/*', '--exclude=./sys/*']
        unfinished = root.with_suffix('.tar')
        subprocess.run([*tar, f'--file={unfinished}', f'--directory={root}', '.'], check=True)
        unfinished.rename(archive)
    finally:
        shutil.rmtree(root)
    return archive


def _os_release():
    lines = pathlib.Path('/etc/os-release').read_text().splitlines()
    values = dict(line.split('=', 1) for line in lines if '=' in line)
    return values['VERSION_CODENAME'].strip('"')


def _mirror(release):
    """The mirror from which this machine takes its packages."""
    command = ['apt-get', 'indextargets', '--format=$(REPO_URI)']
    command += ['Created-By: Packages', f'Release: {release}', 'Component: main']
    mirrors = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert mirrors, f'apt knows no mirror for {release}'
    return mirrors[0]


def busybox_archive():
    """Make the archive of a base that has busybox, a shell and users, and nothing else."""
    services.require('busybox')
    program = shutil.which('busybox')
    applets = subprocess.run([program, '--list'], check=True, capture_output=True, text=True)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w') as tar:

        def add(name, mode, kind=tarfile.REGTYPE, content=b'', link=''):
            info = tarfile.TarInfo(name)
            info.mode, info.type, info.size, info.linkname = mode, kind, len(content), link
            tar.addfile(info, io.BytesIO(content))

        for directory in ('bin', 'dev', 'etc', 'proc', 'root', 'sys', 'usr', 'usr/bin', 'var'):
            add(directory, 0o755, tarfile.DIRTYPE)
        add('tmp', 0o1777, tarfile.DIRTYPE)
        add('etc/passwd', 0o644, content=b'root:x:0:0:root:/root:/bin/sh\n')
        add('etc/group', 0o644, content=b'root:x:0:\n')
        add('etc/shadow', 0o640, content=b'root:*:0:0:99999:7:::\n')
        add('bin/busybox', 0o755, content=pathlib.Path(program).read_bytes())
        for applet in sorted({*applets.stdout.split(), 'sh'} - {'busybox'}):
            add(f'bin/{applet}', 0o777, tarfile.SYMTYPE, link='busybox')
    archive.seek(0)
    return archive
