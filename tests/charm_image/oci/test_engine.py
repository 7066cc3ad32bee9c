"""What the tests' own engines promise to the tests that build with them."""

import io
import os

import pytest

pytestmark = pytest.mark.holds('runs')


@pytest.fixture
def running(each_engine):
    return each_engine


@pytest.mark.slow
def test_a_container_of_the_debian_base_has_apt_and_no_package_lists(running):
    output = running.run(running.debian, 'sh', '-c', 'apt-get --version; ls /var/lib/apt/lists')
    assert output.startswith(b'apt ')
    assert output.split()[-1] == b'partial'


def test_a_container_of_the_busybox_base_has_a_shell_and_no_python(running):
    output = running.run(
        running.busybox, 'sh', '-c', 'command -v python3; command -v apt-get; id -un'
    )
    assert output == b'root\n'


def test_a_build_runs_commands_and_has_the_network_of_the_tests(running):
    dockerfile = f'FROM {running.busybox}\nRUN readlink /proc/self/ns/net >/network\n'
    image, _ = running.client.images.build(
        fileobj=io.BytesIO(dockerfile.encode()), network_mode='host', rm=True
    )
    network = running.run(image.id, 'cat', '/network')
    assert network.decode().strip() == os.readlink('/proc/thread-self/ns/net')


def test_the_command_line_program_finds_the_engine(running):
    assert running.docker('run', '--rm', running.busybox, 'echo', 'found') == 'found'
