"""A function that yields resources is a task of Fabric 3, which builds an image."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.holds('fab')

FABFILE = """
from charm_image.fabric import docker_container
from charm_image.resources import *
from fabric import task


@docker_container
def bare(bundle):
    yield File(name='/bare', contents='')


@docker_container(
    from_image='busybox:static',
    tag='tests:fabric',
    env={'LANG': 'C', 'KEPT': 'yes'},
    ports=[8000],
    volumes=['/data'],
    cmd=['true'],
    labels={'kept': 'yes'},
    maintainer='Nobody',
)
def app_server(
    bundle, word, count: int = 1, ratio=0.5, loud=False, names=('a',), sizes={'s': '1'}, **kwargs
):
    '''Serve the app.

    It has a second paragraph.
    '''
    yield File(name='/own', contents=repr((word, count, ratio, loud, names, sizes)))
    yield File(name='/tag', contents=str(kwargs['tag']))


@docker_container(from_image='busybox:static')
def small(bundle, content='hello', status=0):
    bundle.add(File(name='/greeting', contents=''.join(content)))
    if status:
        bundle.add(Execute(name='fails', command=['sh', '-c', f'echo ouch; exit {status}']))


@docker_container(from_image='busybox:static')
def wrong_argument(bundle):
    yield File(name='/a')
    yield File(name='relative')


@docker_container(from_image='busybox:static')
def double(bundle):
    yield File(name='/a')
    yield File(name='/a')


@docker_container(from_image='busybox:static')
def broken(bundle):
    yield File(name='/a')
    yield File(name={}['absent'])


@docker_container(from_image='busybox:static')
def forgot_to_yield(bundle):
    File(name='/a')


@docker_container(from_image='busybox:static')
def no_resource(bundle):
    yield 'a string'


@docker_container(from_image='busybox:static')
def added(bundle):
    bundle.add(File)


@docker_container(ports=80)
def wrong_setting(bundle):
    yield File(name='/a')


@docker_container(from_image='busybox:static')
def slow(bundle, context='a name that is not taken'):
    yield Execute(name='sleeps', command=['sh', '-c', 'echo begun; exec sleep 1000'])


@docker_container(
    from_image='scratch',
    platform=['linux/amd64', 'linux/arm64'],
    engines={'linux/arm64': 'ssh://arm.example.com'},
)
def worker(bundle, platform):
    yield File(name='/platform', contents=platform)


@task
def upload(context):
    image = small(context, content=['from', 'a task'], network='host', env={'X': 'yes'})
    print('uploading', image)
"""


def line_of(text):
    return FABFILE[: FABFILE.index(text)].count('\n') + 1


@pytest.fixture
def fab(tmp_path):
    """Run fab; by default where no engine is, as a dry run needs none."""
    (tmp_path / 'fabfile.py').write_text(FABFILE)

    def run(*arguments, engine=None, status=0):
        environ = engine.environ if engine else {**os.environ, 'DOCKER_HOST': 'unix:///nowhere'}
        program = pathlib.Path(sys.executable).with_name('fab')
        done = subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def instructions(dry_run):
    return [line for line in dry_run.stdout.splitlines() if line[:1].isupper()]


def test_the_list_of_tasks_has_the_first_line_of_the_docstring(fab):
    lines = fab('--list').stdout.splitlines()
    assert ['app-server', 'Serve the app.'] in [line.split(maxsplit=1) for line in lines]


def test_the_help_has_the_docstring_and_every_option(fab):
    text = fab('--help', 'app-server').stdout
    assert 'It has a second paragraph.' in text
    options = ('from-image', 'tag', 'env', 'volumes', 'ports', 'cmd', 'maintainer', 'platform')
    options += ('labels', 'dry-run', 'output', 'network', 'engine')
    own = ('word', 'count', 'ratio', 'loud', 'names', 'sizes')
    for option in (*options, *own):
        assert f'--{option}' in text
    assert "Default: ('a',)" in text


def test_a_decorator_without_arguments_makes_a_task_too(fab):
    assert 'COPY' in ' '.join(instructions(fab('bare', '--dry-run')))


def test_without_options_the_decorator_decides(fab):
    dockerfile = instructions(fab('app-server', 'w', '--dry-run'))
    for expected in (
        'FROM busybox:static',
        'ENV LANG="C"',
        'EXPOSE 8000',
        'VOLUME ["/data"]',
        'CMD ["true"]',
        'LABEL "org.opencontainers.image.authors"="Nobody"',
    ):
        assert expected in '\n'.join(dockerfile)


@pytest.mark.parametrize(
    ('options', 'expected', 'gone'),
    [
        (['--from-image=scratch'], ['FROM scratch'], 'busybox'),
        (['--env', 'LANG=C.UTF-8', '-e', 'X=a=b'], ['"C.UTF-8"', 'X="a=b"', 'KEPT'], 'LANG="C"'),
        (['--ports', '80, 81/udp', '--ports=82'], ['80', '81/udp', '82'], '8000'),
        (['--volumes', '/a,b,/c', '--volumes', '/d'], ['"/a,b"', '"/c"', '"/d"'], '/data'),
        (['--cmd', 'echo "two words"'], ['CMD ["echo", "two words"]'], 'true'),
        (['--cmd', '["echo", "$X"]'], ['CMD ["echo", "$X"]'], 'true'),
        (['--cmd='], [], 'CMD'),
        (['--env='], [], 'ENV'),
        (['--env=', '--env=X=b'], ['ENV X="b"'], 'LANG'),
        (['--ports='], [], 'EXPOSE'),
        (['--volumes='], [], 'VOLUME'),
        (['--labels='], ['"Nobody"'], 'kept'),
        (['--maintainer=Some Body'], ['"Some Body"'], 'Nobody'),
        (['--labels', 'more=or less'], ['"more"="or less"', '"kept"="yes"'], '"more=or"'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_an_option_overrides_what_the_decorator_says(fab, options, expected, gone):
    dockerfile = '\n'.join(instructions(fab('app-server', 'w', '--dry-run', *options)))
    for each in expected:
        assert each in dockerfile
    assert gone not in dockerfile


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--env=LANG'], "--env: 'LANG' is not NAME=VALUE"),
        (['--labels', '=x'], "--labels: '=x' is not NAME=VALUE"),
        (['--cmd', '["a"'], '--cmd: \'["a"\' begins like a list in JSON'),
        (['--cmd', '[1]'], "--cmd: '[1]' is not a list of texts"),
        (['--cmd', 'a "b'], "--cmd: 'a \"b': No closing quotation"),
        (['--count=many'], "--count: 'many' is no int"),
        (['--sizes', 'x'], "--sizes: 'x' is not NAME=VALUE"),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_an_option_that_cannot_be_read_ends_fab_with_status_2(fab, options, message):
    done = fab('app-server', 'w', '--dry-run', *options, status=2)
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_underscores_in_the_name_of_a_task_are_dashes_on_the_command_line(fab):
    assert "No idea what 'app_server' is!" in fab('app_server', status=1).stderr


@pytest.mark.parametrize(
    ('task', 'line', 'message'),
    [
        ('wrong-argument', "yield File(name='relative')", 'relative'),
        ('double', "yield File(name='/a')\n    yield File(name='/a')", 'in the bundle already'),
        ('no-resource', "yield 'a string'", 'a bundle holds resources, not str'),
        ('added', 'bundle.add(File)', 'a bundle holds resources, not File'),
        ('wrong-setting', '@docker_container(ports=80)', 'ports is a list, not 80'),
    ],
)
def test_a_wrong_resource_is_reported_at_its_line_without_traceback(fab, task, line, message):
    done = fab(task, status=1)
    number = line_of(line) + line.count('\n')
    assert f'fabfile.py:{number}: ' in done.stderr
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_an_error_in_the_function_is_reported_at_its_line(fab):
    done = fab('broken', status=1)
    assert done.stderr.splitlines()[-1] == "KeyError: 'absent'"
    assert f'fabfile.py", line {line_of("yield File(name={}")}' in done.stderr


def platforms_of(dry_run):
    return [line for line in dry_run.stdout.splitlines() if line.startswith('# linux/')]


@pytest.mark.parametrize(
    ('options', 'platforms'),
    [
        ([], ['# linux/amd64', '# linux/arm64']),
        (['--platform', 'linux/arm64, linux/s390x'], ['# linux/arm64', '# linux/s390x']),
        (['--platform=linux/arm/v7', '--platform=linux/386'], ['# linux/arm', '# linux/386']),
        (['--platform=linux/arm64'], []),
        (['--platform='], []),
    ],
    ids=' '.join,
)
def test_a_function_that_takes_platform_is_called_for_each(fab, options, platforms):
    if '--platform=' in options:
        options = [*options, '--engine=']
    done = fab('worker', '--dry-run', *options)
    assert platforms_of(done) == platforms
    assert done.stdout.count('FROM scratch') == (len(platforms) or 1)


def test_engines_of_the_command_line_are_added_to_the_decorators(fab):
    assert fab('worker', '--dry-run', '--engine', 'linux/amd64=my-context').returncode == 0
    done = fab('worker', '--dry-run', '--engine=linux/arm64', status=2)
    assert "--engine: 'linux/arm64' is not NAME=VALUE" in done.stderr
    done = fab('worker', '--dry-run', '--engine', 'linux/s390x=my-context', status=1)
    assert 'engines: linux/s390x is not a platform to build for' in done.stderr


def test_several_platforms_without_an_output_are_refused(fab):
    done = fab('worker', status=1)
    assert 'output=PATH (--output=PATH)' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('place', ['function', 'module'])
def test_an_unknown_name_ends_in_its_line_and_not_in_pages_of_invokes(fab, tmp_path, place):
    start = 'from charm_image.fabric import docker_container\n\n\n'
    wrong = {
        'function': '@docker_container\ndef app(bundle):\n    yield Fiel()\n',
        'module': '@docker_container(tag=TGA)\ndef app(bundle):\n    yield\n',
    }[place]
    (tmp_path / 'fabfile.py').write_text(start + wrong)
    lines = fab('app', status=1).stderr.splitlines()
    number, name = (6, 'Fiel') if place == 'function' else (4, 'TGA')
    assert lines[0] == 'Traceback (most recent call last):'
    assert f'fabfile.py", line {number}, in ' in lines[1]
    assert lines[-1].startswith(f"NameError: name '{name}' is not defined")
    assert 'invoke' not in '\n'.join(lines)


def test_without_fabric_it_says_what_to_install():
    program = "import sys; sys.modules['invoke'] = None; import charm_image.fabric"
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.endswith("charm_image.fabric needs Fabric: pip install 'charm-image[fabric]'")
    assert done.stderr.count('Traceback') == 1


def test_a_function_that_yields_nothing_is_told_so(fab):
    told = fab('forgot-to-yield', status=1).stderr
    line = line_of("@docker_container(from_image='busybox:static')\ndef forgot_to_yield")
    assert f'fabfile.py:{line}: forgot_to_yield: ' in told
    assert 'does the function yield?' in told


def test_an_engine_that_is_not_there_is_named_without_traceback(fab):
    done = fab('small', status=1)
    assert '/nowhere' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        ('def app(bundle, tag): ...', 'app: its parameter tag is a setting of the image'),
        ('def app(): ...', 'app has to take the bundle first'),
        ('def app(bundle, *words): ...', 'app: *words has no name that a command line could use'),
    ],
)
def test_a_function_that_cannot_be_a_task_is_refused_where_it_is_defined(
    fab, tmp_path, function, message
):
    start = 'from charm_image.fabric import docker_container\n\n\n@docker_container\n'
    (tmp_path / 'fabfile.py').write_text(start + function)
    done = fab('--list', status=1)
    assert f'fabfile.py:4: {message}' in done.stderr.splitlines()[-1]


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


def test_own_parameters_arrive_with_the_types_of_their_defaults(fab, engine):
    own = ['a word', '--count=3', '--ratio=0.25', '--loud', '--names=b', '--names=c']
    own += ['--sizes', 't=2', '--network=host']
    image = fab('app-server', *own, engine=engine).stdout.splitlines()[-1]
    values = ('a word', 3, 0.25, True, ('b', 'c'), {'s': '1', 't': '2'})
    assert engine.run(image, 'cat', '/own').decode() == repr(values)
    assert engine.run(image, 'cat', '/tag') == b'tests:fabric'


def test_values_arrive_to_the_letter(fab, engine):
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
    assert (process.returncode, message) == (130, 'Stopped; no image was built.\n')
    deadline = time.monotonic() + 60
    while {container.id for container in dockerd.client.containers.list(all=True)} - before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_for_several_hosts_an_image_is_built_once(fab, dockerd):
    assert dockerd.busybox
    done = fab('-H', 'a,b', 'small', '--content=once', '--network=host', engine=dockerd)
    assert done.stdout.count('sha256:') == 1


def test_two_tasks_in_one_call_build_two_images(fab, dockerd):
    assert dockerd.busybox
    tasks = ['small', '--content=1', '--network=host', 'small', '--content=2', '--network=host']
    done = fab(*tasks, engine=dockerd)
    images = [line for line in done.stdout.splitlines() if line.startswith('sha256:')]
    assert [dockerd.run(image, 'cat', '/greeting') for image in images] == [b'1', b'2']


def test_another_task_is_given_the_id_to_work_with(fab, dockerd):
    assert dockerd.busybox
    done = fab('upload', engine=dockerd)
    image = done.stdout.splitlines()[-1].removeprefix('uploading ')
    assert dockerd.run(image, 'cat', '/greeting') == b'froma task'
    assert dockerd.run(image, 'sh', '-c', 'echo $X') == b'yes\n'
