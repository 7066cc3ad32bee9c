"""Container engines of the tests' own: a Docker Engine, podman's service, and bases to build on.

Each keeps its data, sockets and settings in a directory of its own, and has namespaces of its own,
so nothing of the machine's is touched (isolation.py says how). Its containers use its network,
which is that of the tests. Needs root.
"""

import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time

import docker

import support
from support import certificates, debian, isolation, rpms

PACKAGES = ('ca-certificates', 'python3')


class Engine:
    """A running engine that speaks Docker's API."""

    def __init__(self, home, kind):
        self.home = home
        self.kind = kind
        self.host = f'unix://{home}/engine.sock'
        self.tls_host = ''
        """Its address behind TLS, which only clients with the certificates in `keys` may use."""
        self.keys = home / 'config/keys'
        self._bases = []

    @property
    def environ(self):
        """The environment for a program that shall find this engine, and no settings of a user."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(('DOCKER_', 'BUILDX_'))}
        return {**environ, 'DOCKER_HOST': self.host, 'DOCKER_CONFIG': f'{self.home}/config'}

    @functools.cached_property
    def client(self):
        """The engine through the Docker SDK."""
        return docker.DockerClient(base_url=self.host, version='auto', timeout=120)

    @property
    def version(self):
        """Whose engine it is and which one, as in `Docker 20.10.24`, and how it is set up."""
        [told, *_] = self.client.version()['Components']
        name = {'Engine': 'Docker', 'Podman Engine': 'podman'}[told['Name']]
        set_up = self.kind.containerd * ", containerd's store" + self.kind.rootless * ', rootless'
        return f'{name} {told["Version"].partition("+")[0]}{set_up}'

    def id_of(self, image, manifest):
        """Which ID it gives to an image whose configuration and manifest have these digests."""
        return manifest if self.kind.containerd else image

    def docker(self, *args, stdin=None):
        """Run the docker command-line program; give what it prints."""
        support.require('docker')
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
        with debian.archive().open('rb') as archive:
            return self._import(archive, 'debian:minbase')

    @functools.cached_property
    def busybox(self):
        """The name of an image with busybox and nothing else: no Python, no apt, no libc."""
        return self._import(busybox_archive(), 'busybox:static')

    @functools.cached_property
    def debian_with_packages(self):
        """The name of a Debian image that installs PACKAGES from itself, without a network."""
        with debian.archive_with(PACKAGES).open('rb') as archive:
            return self._import(archive, 'debian:packages')

    @functools.cached_property
    def debian_with_dnf(self):
        """The name of a Debian image whose packages dnf installs, from itself; it has no apt."""
        with debian.archive_with_dnf(rpms.SPECS, rpms.PREPARE).open('rb') as archive:
            return self._import(archive, 'debian:dnf')

    def tidy(self):
        """Remove all images but the bases: podman looks through all of them in each request."""
        for image in self.client.images.list():
            if not any(tag.endswith(tuple(self._bases)) for tag in image.tags):
                with contextlib.suppress(docker.errors.APIError):  # one that went with another
                    self.client.images.remove(image.id, force=True)

    def _import(self, archive, name):
        api = self.client.api
        reply = api.post(
            f'{api.base_url}/v{api.api_version}/images/create',
            params={'fromSrc': '-', 'repo': name, 'changes': 'CMD ["/bin/sh"]'},
            data=archive,
        )
        assert self.client.images.list(name), reply.text
        self._bases.append(name)
        return name


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of engine: whose programs, and how they are set up."""

    name: str
    release: str = ''  # of Debian, where it is not this machine's
    containerd: bool = False
    rootless: bool = False
    sample: bool = False  # builds with `--engines=others`, too: what the machine's own are not

    @property
    def program(self):
        return 'podman' if 'podman' in self.name else 'dockerd'


KINDS = {
    kind.name: kind
    for kind in (
        Kind('docker'),
        Kind('podman'),
        Kind('trixie-docker', 'trixie'),
        Kind('trixie-docker-containerd', 'trixie', containerd=True),
        Kind('trixie-podman', 'trixie'),
        Kind('trixie-podman-rootless', 'trixie', rootless=True, sample=True),
        Kind('forky-docker', 'forky'),
        Kind('forky-docker-containerd', 'forky', containerd=True, sample=True),
        Kind('forky-podman', 'forky'),
    )
}


@contextlib.contextmanager
def running(kind, *, in_memory=True):
    """Run an engine of that `Kind`, and end it; all the time in `isolation.network()`."""
    support.require_root()
    if kind.release:
        root = debian.engines(kind.release)
    else:
        root = '/'
        support.require(kind.program, *_BESIDE[kind.program])
    # a socket's path has at most 107 bytes, so no tmp_path
    home = pathlib.Path(tempfile.mkdtemp(prefix='engine-', dir='/tmp'))
    room = isolation.Room(home, root)
    engine = Engine(home, kind)
    try:
        (home / 'config').mkdir()
        if (
            in_memory and not kind.rootless
        ):  # for whom not every kernel stacks file systems in memory
            (home / 'data').mkdir()
        if kind.program == 'podman':
            command, environ = _podman(kind, home)
        else:
            engine.tls_host = _free_address()
            command, environ = _dockerd(kind, home)
            command += [f'--host={engine.tls_host}', '--tlsverify', *_certificates(engine.keys)]
        room.start(command, {**os.environ, 'PATH': _PATH, **environ})
        _await(engine, room)
        yield engine
    finally:
        if 'client' in vars(engine):
            engine.client.close()
        room.end()
        shutil.rmtree(home)


_BESIDE = {'dockerd': ['containerd'], 'podman': ['conmon']}
_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


def _dockerd(kind, home):
    config = home / 'config/daemon.json'
    config.write_text(json.dumps({'features': {'containerd-snapshotter': kind.containerd}}))
    command = [
        'dockerd',
        f'--data-root={home}/data',
        f'--exec-root={home}/exec',
        f'--pidfile={home}/engine.pid',
        f'--host=unix://{home}/engine.sock',
        f'--config-file={config}',
        '--bridge=none',
        '--iptables=false',
    ]
    return command, {}


def _free_address():
    with socket.create_server(('127.0.0.1', 0)) as free:
        return f'tcp://127.0.0.1:{free.getsockname()[1]}'


def _certificates(keys):
    """Make what clients need in the directory `keys`; give dockerd's options for its side."""
    keys.mkdir()
    authority = certificates.Authority(keys)
    server, client = authority.issue('127.0.0.1'), authority.issue('client')
    for name, made in (
        ('ca', authority.certificate),
        ('cert', client.certificate),
        ('key', client.key),
    ):
        shutil.copy(made, keys / f'{name}.pem')
    return [
        f'--tlscacert={authority.certificate}',
        f'--tlscert={server.certificate}',
        f'--tlskey={server.key}',
    ]


def _podman(kind, home):
    config = home / 'config'
    (config / 'containers.conf').write_text(
        '[containers]\nnetns = "host"\n'
        # podman would raise them, for which a root without CAP_SYS_RESOURCE has no right
        'default_ulimits = ["nofile=4096:4096", "nproc=16384:16384"]\n'
        'pids_limit = 0\n'  # whose controller not every cgroup has
        + ('cgroups = "disabled"\n' if kind.rootless else '')  # which are root's
        + '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\n'
        f'[network]\nnetwork_config_dir = "{home}/networks"\n'
    )
    (config / 'storage.conf').write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{home}/run"\ngraphroot = "{home}/data"\n'
    )
    (config / 'registries.conf').write_text(
        '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'
    )
    environ = {
        'CONTAINERS_CONF': f'{config}/containers.conf',
        'CONTAINERS_STORAGE_CONF': f'{config}/storage.conf',
        'CONTAINERS_REGISTRIES_CONF': f'{config}/registries.conf',
    }
    (config / 'policy.json').write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    # the one file that no variable names
    prepare = f'mkdir -p /etc/containers && cp {config}/policy.json /etc/containers && '
    become = ''
    if kind.rootless:
        environ |= {'HOME': f'{home}/user', 'XDG_RUNTIME_DIR': f'{home}/user'}
        prepare += (
            f'useradd --create-home --home-dir={home}/user author && '
            f'chown -R author: {home}/user {home}/config && chown author: {home} && '
        )
        become = 'setpriv --reuid=author --regid=author --init-groups '
    serve = f'podman --root={home}/data --runroot={home}/run --tmpdir={home}/tmp'
    serve += f' system service --time=0 unix://{home}/engine.sock'
    return ['sh', '-c', f'{prepare}exec {become}{serve}'], environ


def _await(engine, room):
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(docker.errors.DockerException):
            engine.client.ping()
            return
        log = (engine.home / 'log').read_text(errors='replace')[-3000:]
        assert room.running(), f'{engine.kind.name} ended at once:\n{log}'
        assert time.monotonic() < deadline, f'{engine.kind.name} does not answer:\n{log}'
        time.sleep(0.1)


def busybox_archive(program=None):
    """Make the archive of a base that has busybox, a shell and users, and nothing else.

    `program` is the busybox of another architecture.
    """
    support.require('busybox')
    own = shutil.which('busybox')
    applets = subprocess.run([own, '--list'], check=True, capture_output=True, text=True)
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
        add('bin/busybox', 0o755, content=pathlib.Path(program or own).read_bytes())
        for applet in sorted({*applets.stdout.split(), 'sh'} - {'busybox'}):
            add(f'bin/{applet}', 0o777, tarfile.SYMTYPE, link='busybox')
    archive.seek(0)
    return archive
