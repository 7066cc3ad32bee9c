"""What goes wrong on the way to the registry, and what becomes of the push."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from charm_image import _progress
from charm_image._oci import archives, engine
from charm_image._upload import push, pushed
from container_image import registry
from support import faulty_proxy, layouts
from support import registry as registries
from support.uploads import reporter

MIB = 1 << 20
LAYERS = tuple(
    layouts.tar([(f'file{n}', random.Random(n).randbytes(MIB * (n + 1)))]) for n in range(4)
)
IMAGE = layouts.Image(LAYERS)


@pytest.fixture
def proxy(open_registry):
    with faulty_proxy.running(open_registry.host) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with registry.Client(proxy.host) as client:
        yield client


@pytest.fixture
def image(fake, local):
    fake.add(IMAGE.inspected, layouts.docker_25(IMAGE))
    return local.find(IMAGE.id)


@pytest.fixture(scope='module')
def wanted(tmp_path_factory, open_registry):
    """The digest of the image where nothing goes wrong."""
    path = tmp_path_factory.mktemp('image') / 'image.tar'
    path.write_bytes(layouts.docker_25(IMAGE))
    with registry.Client(open_registry.host) as client:
        return push.push(archives.open(path), client, 'charm/tests/wanted').digest


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Retry at once."""
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)


@pytest.mark.parametrize(
    'fault',
    [
        lambda proxy: proxy.cut('PATCH', '/blobs/uploads/', at=300_000),
        lambda proxy: proxy.cut('PATCH', '/blobs/uploads/', at=300_000, times=3),
        lambda proxy: proxy.cut('HEAD', '/blobs/'),
        lambda proxy: proxy.cut('PUT', '/blobs/uploads/'),
        lambda proxy: proxy.cut('PUT', '/manifests/'),
        lambda proxy: proxy.answer('HEAD', '/blobs/', 500),
        lambda proxy: proxy.answer('POST', '/blobs/uploads/', 502),
        lambda proxy: proxy.answer('PATCH', '/blobs/uploads/', 500, times=2),
        lambda proxy: proxy.answer('PUT', '/blobs/uploads/', 503),
        lambda proxy: proxy.answer('PUT', '/manifests/', 500),
        lambda proxy: proxy.answer('POST', '/blobs/uploads/', 429, Retry_After='1'),
    ],
)
def test_push_outlives_a_passing_fault(fault, proxy, client, image, repository, wanted):
    fault(proxy)
    assert push.push(image, client, repository).digest == wanted
    assert pushed.find(client, repository, image).digest == wanted


def test_push_goes_on_with_the_blobs_of_an_upload_that_died(
    proxy, client, image, repository, wanted
):
    proxy.answer('PUT', '/manifests/sha256', 403)
    with pytest.raises(registry.RegistryError):
        push.push(image, client, repository)
    assert pushed.find(client, repository, image) is None
    sent = proxy.count('POST', f'{repository}/blobs/uploads/')
    assert sent == len(LAYERS) + 1  # the configuration is a blob too
    assert push.push(image, client, repository).digest == wanted
    assert proxy.count('POST', f'{repository}/blobs/uploads/') == sent


def test_push_does_not_send_a_layer_again(proxy, client, fake, image, repository, wanted):
    push.push(image, client, repository)
    sent = proxy.count('POST', f'{repository}/blobs/uploads/')
    assert sent == len(LAYERS) + 1  # the configuration is a blob too
    changed = layouts.Image(LAYERS, command=('/other',))
    fake.add(changed.inspected, layouts.docker_20(changed))
    with engine.connect({'DOCKER_HOST': fake.host}) as local:
        push.push(local.find(changed.id), client, repository)
    assert proxy.count('POST', f'{repository}/blobs/uploads/') == sent + 1


def test_push_ends_the_export_at_a_refusal_and_leaves_no_tag(proxy, client, fake, repository):
    large = tarfile.TarInfo('blobs/sha256/large')
    large.size = 4 << 30
    start = layouts.tar([('layer.tar', LAYERS[0])])[: 512 + len(LAYERS[0])]
    start += large.tobuf(tarfile.GNU_FORMAT)
    zeros = itertools.repeat(bytes(MIB), 4096)
    image = layouts.Image(LAYERS[:1])
    fake.add(image.inspected, itertools.chain([start], zeros))
    proxy.answer('POST', '/blobs/uploads/', 403, times=100)
    with (
        engine.connect({'DOCKER_HOST': fake.host}) as local,
        pytest.raises(registry.AccessDeniedError),
    ):
        push.push(local.find(image.id), client, repository)
    assert next(zeros, None) is not None
    assert proxy.count('PUT', '/manifests/') == 0


def test_push_succeeds_though_a_tag_may_not_be_written(proxy, client, image, repository, wanted):
    proxy.answer('PUT', '/manifests/image-', 403)
    noted = []
    report = _progress.Reporter(lambda event: event.state == 'note' and noted.append(event.text))
    assert push.push(image, client, repository, report).digest == wanted
    assert client.head_manifest(repository, wanted) == wanted
    assert noted[0].startswith('The next upload of this image will compress it again: ')


def test_push_renews_a_token_that_expires_in_the_middle(tmp_path, image, repository, wanted):
    with (
        registries.token_server(tmp_path / 'tokens', {'author': 'password'}) as tokens,
        registries.running(tmp_path / 'registry', tokens=tokens) as real,
        faulty_proxy.running(real.host) as proxy,
        registry.Client(proxy.host, 'author', 'password') as client,
    ):
        challenge = (
            f'Bearer realm="{tokens.realm}",service="registry of the tests, \\"quoted\\"",'
            f'scope="repository:{repository}:pull,push",error="invalid_token"'
        )
        for method in ('PATCH', 'PUT', 'HEAD'):
            proxy.answer(method, '/blobs/', 401, WWW_Authenticate=challenge)
        assert push.push(image, client, repository).digest == wanted
        assert len(tokens.asked) > 2


_NEVER = 600  # seconds: nothing takes so long but what would not end by itself

PUSH = r"""
import sys
from charm_image._oci import engine
from charm_image._upload import push, pushed
from container_image import registry
host, to, repository, digest = sys.argv[1:]
# what hangs does so until the signal, however slow the machine is
with (
    engine.connect({'DOCKER_HOST': host}) as local,
    registry.Client(to, timeouts=(3600, 3600)) as client,
):
    push.push(local.find(digest), client, repository)
"""


def _stop(stop, waits, fake, proxy, repository, temporary):
    """Push in a process that gets a signal once it waits; assert that nothing is left of it."""
    process = subprocess.Popen(
        [sys.executable, '-c', PUSH, fake.host, proxy.host, repository, IMAGE.id],
        env={**os.environ, 'TMPDIR': str(temporary)},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not waits.wait(1):
            assert process.poll() is None, 'it ended before it got to where it should wait'
        process.send_signal(stop)
        assert process.wait(_NEVER) != 0
    finally:
        process.kill()
        process.wait()
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures('image')
@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize('where', ['PATCH', 'HEAD'])
def test_push_that_is_stopped_ends_soon_and_leaves_no_files(
    stop, where, proxy, fake, repository, tmp_path
):
    _stop(stop, proxy.hold(where, f'{repository}/blobs/'), fake, proxy, repository, tmp_path)


def test_push_is_stopped_while_the_engine_is_silent(proxy, fake, repository, tmp_path):
    waits, over = threading.Event(), threading.Event()

    def export():
        yield layouts.docker_25(IMAGE)[: 3 * MIB]
        waits.set()
        over.wait()

    fake.add(IMAGE.inspected, export())
    try:
        _stop(signal.SIGINT, waits, fake, proxy, repository, tmp_path)
    finally:
        over.set()


def test_push_takes_no_more_disk_than_the_compressed_layers_once(
    image, client, repository, tmp_path, monkeypatch
):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    held = []

    def progress(step, done, total):
        sizes = []
        for descriptor in pathlib.Path('/proc/self/fd').iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(descriptor).startswith(f'{tmp_path}/'):
                    sizes.append(descriptor.stat().st_size)
        held.append(sum(sizes))

    digest = push.push(image, client, repository, reporter(progress)).digest
    manifest = json.loads(client.get_manifest(repository, digest).content)
    total = sum(layer['size'] for layer in manifest['layers'])
    assert 0 < max(held) <= total
    assert held[-1] < total  # what was sent is gone
