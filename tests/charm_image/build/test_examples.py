"""The images under examples/ can be built and do what they say."""

import pathlib
import subprocess
import sys
import time

import pytest

from support import built

IMAGES = pathlib.Path(__file__).parents[3] / 'examples' / 'images'


@pytest.fixture(scope='session')
def app_server(dockerd):
    """The image of the example for Fabric."""
    fab = pathlib.Path(sys.executable).with_name('fab')
    command = [fab, 'app-server', f'--from-image={dockerd.debian_with_packages}', '--network=none']
    done = subprocess.run(command, cwd=IMAGES, env=dockerd.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_app_server_greets_who_asks_its_port(dockerd, app_server):
    assert dockerd.client.images.get('myproject:appserver').id == app_server
    ask = 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8000/index.html").read())'
    container = dockerd.client.containers.run(app_server, network_mode='none', detach=True)
    try:
        deadline = time.monotonic() + 30
        status, output = None, b''
        while status != 0:
            assert time.monotonic() < deadline, output
            status, output = container.exec_run(['python3', '-c', ask])
        assert output == b"b'HELLO WORLD!\\n'\n"
    finally:
        container.remove(force=True)


@pytest.mark.slow
def test_the_app_server_says_which_port_it_has(dockerd, app_server):
    config = dockerd.client.images.get(app_server).attrs['Config']
    assert list(config['ExposedPorts']) == ['8000/tcp']
    assert config['Cmd'] == ['python3', '-m', 'http.server']


def test_the_site_is_the_same_each_time_and_serves_its_tree(dockerd):
    fab = pathlib.Path(sys.executable).with_name('fab')
    command = [fab, 'site', f'--from-image={dockerd.busybox}', '--check-reproducible']
    done = subprocess.run(command, cwd=IMAGES, env=dockerd.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'both images are the same' in done.stdout
    image = built.Built(dockerd, done.stdout.splitlines()[-1])
    assert image.files['/srv/site/start.html'].linkname == 'index.html'
    assert b'HELLO WORLD!' in image.contents['/srv/site/index.html']
    assert image.stat('/srv/site/css/site.css') == '0644 0:0'
    assert '/srv/site/README.md' not in image.files
    assert image.config['User'] == '1000:1000'
    assert image.config['WorkingDir'] == '/srv/site'


@pytest.mark.slow
def test_the_program_builds_an_image_with_python(dockerd):
    done = subprocess.run(
        [sys.executable, 'build.py', dockerd.debian_with_packages],
        cwd=IMAGES,
        # where no network is named, BuildKit wants a bridge
        env={**dockerd.environ, 'DOCKER_BUILDKIT': '0'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    image = done.stdout.splitlines()[-1]
    assert dockerd.client.images.get('test-image').id == image
    assert dockerd.run(image, 'python3', '-c', 'print(6 * 7)') == b'42\n'


def test_the_program_without_its_base_or_an_engine_says_so_in_one_line(dockerd):
    for host in ('unix:///nowhere', dockerd.host):
        done = subprocess.run(
            [sys.executable, 'build.py', '127.0.0.1:9/no/such:base'],
            cwd=IMAGES,
            env={**dockerd.environ, 'DOCKER_HOST': host},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith('build.py: ')
        assert ('/nowhere' if 'nowhere' in host else 'no/such:base cannot be pulled') in line
