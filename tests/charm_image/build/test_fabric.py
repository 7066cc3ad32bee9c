"""A function that yields resources is a task of Fabric 3, which builds an image."""

import subprocess
import sys

import pytest

from support.fabfile_cases import line_of

pytestmark = pytest.mark.holds('fab')


def instructions(dry_run):
    return [line for line in dry_run.stdout.splitlines() if line[:1].isupper()]


def test_the_list_of_tasks_has_the_first_line_of_the_docstring(fab):
    lines = fab('--list').stdout.splitlines()
    assert ['app-server', 'Serve the app.'] in [line.split(maxsplit=1) for line in lines]


def test_the_help_has_the_docstring_and_every_option(fab):
    text = fab('--help', 'app-server').stdout
    assert 'It has a second paragraph.' in text
    options = ('from-image', 'tag', 'env', 'volumes', 'ports', 'cmd', 'maintainer', 'platform')
    options += ('labels', 'dry-run', 'output', 'network', 'engine', 'entrypoint', 'workdir')
    options += ('user', 'stop-signal', 'pull', 'no-cache', 'check-reproducible')
    own = ('word', 'count', 'ratio', 'loud', 'names', 'sizes')
    for option in (*options, *own):
        assert f'--{option}' in text
    assert "Default: ('a',)" in text


def test_a_decorator_without_arguments_makes_a_task_too(fab):
    assert 'COPY' in ' '.join(instructions(fab('bare', '--dry-run')))


def test_a_task_without_options_has_the_settings_of_the_decorator(fab):
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
        (['--entrypoint', 'serve --all'], ['ENTRYPOINT ["serve", "--all"]'], 'ENTRYPOINT []'),
        (['--workdir=/srv', '--user=5:6'], ['WORKDIR /srv', 'USER 5:6'], 'USER 0'),
        (['--stop-signal=SIGINT'], ['STOPSIGNAL SIGINT'], 'SIGTERM'),
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
        (['--env=LANG'], "--env: 'LANG' is not of the form NAME=VALUE"),
        (['--labels', '=x'], "--labels: '=x' is not of the form NAME=VALUE"),
        (['--cmd', '["a"'], '--cmd: \'["a"\' is not a valid JSON list'),
        (['--cmd', '[1]'], "--cmd: '[1]' is not a list of strings"),
        (['--cmd', 'a "b'], "--cmd: 'a \"b': No closing quotation"),
        (['--count=many'], "--count: 'many' is not a valid int"),
        (['--sizes', 'x'], "--sizes: 'x' is not of the form NAME=VALUE"),
        (['--entrypoint', '[1]'], "--entrypoint: '[1]' is not a list of strings"),
        (['--platform=linux/arm65'], 'platform linux/arm65 does not exist for images: did you'),
        (['--platform=windows/amd64'], 'platform windows/amd64 does not exist for images'),
        (['--platform=linux/arm/v9'], 'arm has the variants v5, v6, v7, v8'),
        (['--ports=99999'], "ports: '99999' must be from 1 to 65535"),
        (['--tag=UPPER'], "tag 'UPPER' is not a valid image reference"),
        (['--from-image=UPPER'], "from_image 'UPPER' is not a valid image reference"),
        (['--volumes=data'], "volumes: 'data' must be an absolute path"),
        (['--output=/nowhere/image.tar'], 'must be the path of a file in an existing directory'),
        (['--workdir=srv'], "workdir 'srv' must be an absolute path"),
        (['--user=a b'], "user 'a b' must be the name or ID of a user, or USER:GROUP"),
        (['--stop-signal=SIGNONE'], "stop_signal 'SIGNONE' is not a signal such as SIGTERM"),
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
        ('double', "yield File(name='/a')\n    yield File(name='/a')", 'already in the bundle'),
        ('no-resource', "yield 'a string'", 'a bundle can contain only resources, not str'),
        ('added', 'bundle.add(File)', 'a bundle can contain only resources, not File'),
        ('wrong-setting', '@docker_container(ports=80)', 'ports must be a list, not 80'),
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
    assert "--engine: 'linux/arm64' is not of the form NAME=VALUE" in done.stderr
    done = fab('worker', '--dry-run', '--engine', 'linux/s390x=my-context', status=2)
    assert 'engines: linux/s390x is not a platform to build for' in done.stderr


def test_a_task_for_several_platforms_without_an_output_is_refused(fab):
    done = fab('worker', status=1)
    assert 'output=PATH (--output=PATH)' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('place', ['function', 'module'])
def test_an_unknown_name_is_reported_at_its_line(fab, tmp_path, place):
    start = 'from charm_image.fabric import docker_container\n\n\n'
    wrong = {
        'function': '@docker_container\ndef app(bundle):\n    yield Fiel()\n',
        'module': '@docker_container(tag=TGA)\ndef app(bundle):\n    yield\n',
    }[place]
    (tmp_path / 'fabfile.py').write_text(start + wrong)
    lines = fab('app', status=1).stderr.splitlines()
    number, name = (6, 'Fiel') if place == 'function' else (4, 'TGA')
    [*_, at] = [line for line in lines if line.startswith('  File ')]
    assert f'fabfile.py", line {number}, in ' in at
    assert lines[-1].startswith(f"NameError: name '{name}' is not defined")


def test_import_without_fabric_says_what_to_install():
    program = "import sys; sys.modules['invoke'] = None; import charm_image.fabric"
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.endswith("charm_image.fabric needs Fabric: pip install 'charm-image[fabric]'")
    assert done.stderr.count('Traceback') == 1


def test_a_function_that_yields_nothing_is_reported(fab):
    told = fab('forgot-to-yield', status=1).stderr
    line = line_of("@docker_container(from_image='busybox:static')\ndef forgot_to_yield")
    assert f'fabfile.py:{line}: forgot_to_yield: ' in told
    assert 'does the function yield them?' in told


def test_an_engine_that_is_not_there_is_named_without_traceback(fab):
    done = fab('small', status=1)
    assert '/nowhere' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        ('def app(bundle, tag): ...', 'app: its parameter tag is a setting of the image'),
        ('def app(): ...', 'app: its first parameter must be the bundle'),
        ('def app(bundle, *words): ...', 'app: *words cannot be a command-line option'),
    ],
)
def test_a_function_that_cannot_be_a_task_is_refused_where_it_is_defined(
    fab, tmp_path, function, message
):
    start = 'from charm_image.fabric import docker_container\n\n\n@docker_container\n'
    (tmp_path / 'fabfile.py').write_text(start + function)
    done = fab('--list', status=1)
    assert f'fabfile.py:4: {message}' in done.stderr.splitlines()[-1]
