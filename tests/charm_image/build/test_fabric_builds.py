"""A task of Fabric builds an image in an engine."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.holds('fab')


@pytest.fixture
def engine(each_engine):
    assert each_engine.busybox
    return each_engine


def test_a_build_tells_its_progress_and_last_the_id_that_it_returns(fab, engine):
    done = fab('small', '--tag=tests:small', '--network=host', engine=engine)
    *progress, image = done.stdout.splitlines()
    assert 'File[/greeting]' in ''.join(progress)
    assert image == engine.client.images.get('tests:small').id
    assert engine.run(image, 'cat', '/greeting') == b'hello'


def test_parameters_of_a_task_arrive_with_the_types_of_their_defaults(fab, engine):
    own = ['a word', '--count=3', '--ratio=0.25', '--loud', '--names=b', '--names=c']
    own += ['--sizes', 't=2', '--network=host']
    image = fab('app-server', *own, engine=engine).stdout.splitlines()[-1]
    values = ('a word', 3, 0.25, True, ('b', 'c'), {'s': '1', 't': '2'})
    assert engine.run(image, 'cat', '/own').decode() == repr(values)
    assert engine.run(image, 'cat', '/tag') == b'tests:fabric'


def test_values_of_options_arrive_unchanged(fab, engine):
    value = ' a "b" \'c\' $d ${e} `f` \\ \\n =,é\n--g # h '
    options = ['--env', f'V={value}', '--labels', f'l={value}', '--content', value]
    options += ['--cmd', json.dumps(['printf', '%s', value]), '--network=host']
    image = fab('small', *options, engine=engine).stdout.splitlines()[-1]
    assert engine.run(image).decode() == value
    assert engine.run(image, 'sh', '-c', 'printf %s "$V"').decode() == value
    assert engine.run(image, 'cat', '/greeting').decode() == value
    assert engine.client.images.get(image).labels['l'] == value


def test_a_failed_build_names_the_resource_and_its_status_without_traceback(fab, engine):
    done = fab('small', '--status=7', '--network=host', engine=engine, status=1)
    for expected in ('Execute[fails]', 'exit status 7', 'ouch'):
        assert expected in done.stderr
    assert 'Traceback' not in done.stderr


def test_ctrl_c_ends_a_build_and_leaves_nothing(fab, dockerd, tmp_path):
    assert dockerd.busybox
    before = {container.id for container in dockerd.client.containers.list(all=True)}
    assert fab('--list').returncode == 0  # the file is there
    with subprocess.Popen(
        [pathlib.Path(sys.executable).with_name('fab'), 'slow', '--network=host'],
        cwd=tmp_path,
        env=dockerd.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert 'begun\n' in iter(lambda: process.stdout.readline().lstrip(), '')
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (130, 'Interrupted: no image was built.\n')
    deadline = time.monotonic() + 60
    while {container.id for container in dockerd.client.containers.list(all=True)} - before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_task_for_several_hosts_builds_once(fab, dockerd):
    assert dockerd.busybox
    done = fab('-H', 'a,b', 'small', '--content=once', '--network=host', engine=dockerd)
    assert done.stdout.count('sha256:') == 1


def test_tasks_in_one_call_build_an_image_each(fab, dockerd):
    assert dockerd.busybox
    tasks = ['small', '--content=1', '--network=host', 'small', '--content=2', '--network=host']
    done = fab(*tasks, engine=dockerd)
    images = [line for line in done.stdout.splitlines() if line.startswith('sha256:')]
    assert [dockerd.run(image, 'cat', '/greeting') for image in images] == [b'1', b'2']


def test_a_task_gives_another_task_the_id_to_work_with(fab, dockerd):
    assert dockerd.busybox
    done = fab('upload', engine=dockerd)
    image = done.stdout.splitlines()[-1].removeprefix('uploading ')
    assert dockerd.run(image, 'cat', '/greeting') == b'froma task'
    assert dockerd.run(image, 'sh', '-c', 'echo $X') == b'yes\n'
