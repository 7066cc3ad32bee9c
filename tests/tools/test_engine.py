"""What the tests' own engines promise to the tests that build with them."""

import io
import pathlib

import pytest

from services import engine


@pytest.fixture(params=['dockerd', 'podman'])
def running(request):
    return request.getfixturevalue(request.param)


def test_a_container_of_the_debian_base_has_apt_and_no_package_lists(running):
    output = running.run(running.debian, 'sh', '-c', 'apt-get --version; ls /var/lib/apt/lists')
    assert output.startswith(b'apt ')
    assert output.split()[-1] == b'partial'


def test_a_container_of_the_busybox_base_has_a_shell_and_no_python(running):
    output = running.run(
        running.busybox, 'sh', '-c', 'command -v python3; command -v apt-get; id -un'
    )
    assert output == b'root\n'


def test_a_build_runs_commands_and_has_the_network_of_the_host(running):
    dockerfile = f'FROM {running.busybox}\nRUN cat /proc/net/route >/route\n'
    image, _ = running.client.images.build(
        fileobj=io.BytesIO(dockerfile.encode()), network_mode='host', rm=True
    )
    route = running.run(image.id, 'cat', '/route')
    assert route.decode() == pathlib.Path('/proc/net/route').read_text()


def test_the_command_line_program_finds_the_engine(running):
    assert running.docker('run', '--rm', running.busybox, 'echo', 'found') == 'found'


@pytest.mark.parametrize('start', [engine.dockerd, engine.podman])
def test_nothing_of_an_ended_engine_remains(start):
    with start() as running:
        home = str(running.home)
        running.docker('run', '--detach', running.busybox, 'sleep', '1000')
        assert pathlib.Path(home).exists()
    assert not pathlib.Path(home).exists()
    assert home not in pathlib.Path('/proc/self/mounts').read_text()
    assert not engine.processes_of(home)
