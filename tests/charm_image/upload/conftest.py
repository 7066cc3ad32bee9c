"""What the tests of uploads share."""

import contextlib
import subprocess

import pytest

from support import faulty_proxy, layouts, remote_images
from support import registry as registries
from support.charm_cases import AMD64, ARM64, write
from support.uploads import PROGRAM, make_archive


@pytest.fixture
def archive(tmp_path):
    """An OCI archive of an image that nobody has, in `tmp_path`."""
    return make_archive(tmp_path / 'my.rock')


@pytest.fixture
def interrupted(environment, tmp_path):
    """Start the program, and give it back while it runs."""

    @contextlib.contextmanager
    def start(*args):
        with subprocess.Popen(
            [PROGRAM, *args],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


@pytest.fixture(scope='module')
def there(tmp_path_factory):
    """The registry that images come from, open."""
    with registries.running(tmp_path_factory.mktemp('there')) as running:
        yield running


@pytest.fixture
def proxy(there):
    """The way to that registry, on which things may go wrong."""
    with faulty_proxy.running(there.host) as proxy:
        yield proxy


@pytest.fixture
def tagged(there, repository):
    """Two images of another registry, by their tags: of two platforms, and of one."""
    first = remote_images.image(AMD64, ARM64, attested=True)
    first.push(there.host, repository, '1.2')
    second = remote_images.image(AMD64)
    second.push(there.host, f'{repository}-more', 'latest')
    return {
        'app': (f'{there.host}/{repository}:1.2', first.digest),
        'side': (f'{there.host}/{repository}-more', second.digest),
    }


@pytest.fixture
def charm(hub, tagged, tmp_path):
    """A charm's folder: two images from elsewhere, one from here, and a file."""
    resources = {
        name: {'type': 'oci-image', 'upstream-source': reference}
        for name, (reference, _) in tagged.items()
    }
    resources['local'] = {'type': 'oci-image', 'description': 'ours'}
    resources['data'] = {'type': 'file', 'filename': 'data.txt'}
    hub.add('my-app', {name: entry['type'] for name, entry in resources.items()})
    folder = tmp_path / 'charm'
    folder.mkdir()
    write(folder / 'metadata.yaml', {'name': 'my-app', 'resources': resources})
    (tmp_path / 'data.txt').write_text('some data')
    (tmp_path / 'local.tar').write_bytes(
        layouts.docker_25(layouts.Image((layouts.tar([('x', b'y')]),)))
    )
    return folder
