"""What engines answer, and what the builder makes of it."""

import json
import urllib.parse

import docker
import pytest

import charm_image
from charm_image import resources
from charm_image._build import bases
from charm_image._oci import platforms
from support import loopback

UNREADABLE = (
    'failed to read downloaded context: failed to load cache key: Get "http://build-context-x": '
    'dial tcp: lookup build-context-x: no such host'
)
# what the classic builder of Docker 26 wrote
CLASSIC = [
    'Step 1/3 : FROM base\n',
    ' ---> 0123456789ab\n',
    'Step 2/3 : RUN ["/bin/sh", "-euc", "x"]\n',
    ' ---> Running in 1123456789ab\n',
    'said\n',
    ' ---> Removed intermediate container 1123456789ab\n',
    ' ---> 2123456789ab\n',
]


@pytest.fixture(autouse=True)
def no_builder_is_chosen(monkeypatch):
    """Not by tests that ran before, with engines that are kept for the next ones."""
    monkeypatch.delenv('DOCKER_BUILDKIT', raising=False)


class _Engine:
    """Answers as an engine would; `builds` are the parameters of each build."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.builds = []
        self.inspected = []

    def __call__(self, exchange):
        url = urllib.parse.urlsplit(exchange.path)
        query = {name: value[0] for name, value in urllib.parse.parse_qs(url.query).items()}
        if url.path.endswith('/build'):
            self.builds.append(query)
            lines = self.answers.pop(0)
            exchange.reply(200, '\n'.join(map(json.dumps, lines)).encode())
        elif url.path.endswith('/_ping'):
            exchange.reply(200, b'OK', API_Version='1.44', Builder_Version='2')
        elif '/images/' in url.path:
            self.inspected.append(query)
            asked = json.loads(query.get('platform', '{"architecture": "amd64"}'))
            architecture = asked['architecture']
            user = {'amd64': 'root', 'arm64': 'bob'}.get(architecture)
            content = {'Os': 'linux', 'Architecture': architecture, 'Config': {'User': user}}
            answer = content if user else {'message': 'No such image'}
            exchange.reply(200 if user else 404, json.dumps(answer).encode())
        else:
            exchange.reply(200, b'{"Os": "linux", "Arch": "amd64"}')


def build(engine, *made, **options):
    bundle = charm_image.ResourceBundle.from_iterator(made)
    with loopback.serving(engine) as url, docker.APIClient(url, version='1.49') as client:
        return list(charm_image.DockerBuilder(bundle, 'base', client=client, **options).build())


def failed(message):
    return [{'errorDetail': {'message': message}, 'error': message}]


def streamed(lines):
    return [{'stream': line} for line in lines]


def test_a_buildkit_that_cannot_read_the_context_is_reported_once_and_the_classic_one_used():
    built = [*streamed(CLASSIC), {'aux': {'ID': f'sha256:{64 * "b"}'}}]
    engine = _Engine(failed(UNREADABLE), built)
    progress = build(engine, resources.Execute(command='x'))
    notes = [each.text for each in progress if each.state == 'note']
    assert len(notes) == 1
    assert 'classic builder' in notes[0]
    assert [each.get('version') for each in engine.builds] == ['2', None]
    assert progress[-1].state == 'built'
    assert [each.text for each in progress if each.state == 'output'] == ['said']


def test_classic_builder_in_place_of_a_buildkit_refuses_what_it_cannot_do():
    engine = _Engine(failed(UNREADABLE))
    made = resources.File(name='/a', source='/x', from_image='base')
    with pytest.raises(charm_image.BuildError) as caught:
        build(engine, made, platform='linux/arm64')
    assert 'cannot copy files for linux/arm64: upgrade Docker' in str(caught.value)
    assert len(engine.builds) == 1


def test_buildkit_with_another_failure_is_not_replaced():
    engine = _Engine(failed('no space left on device'))
    with pytest.raises(charm_image.BuildError, match='no space left on device'):
        build(engine, resources.Execute(command='x'))
    assert len(engine.builds) == 1


@pytest.mark.parametrize(
    'message',
    [
        'executor failed running [/bin/sh -euc a\n]: b\n]: {}',
        'process "/bin/sh -euc umask 0022\\n\\"x\\"\\n" did not complete successfully: {}',
        'rpc error: code = Unknown desc = process "/bin/sh -euc x" did not complete '
        'successfully: {}',
    ],
)
def test_the_reason_of_the_engine_is_reported_without_the_script(message):
    reason = 'network bridge not found'
    engine = _Engine(failed(message.format(reason)))
    with pytest.raises(charm_image.BuildError) as caught:
        build(engine, resources.Execute(command='x'))
    assert str(caught.value) == f'the engine cannot build the image: {reason}'


def test_the_status_that_is_reported_is_the_commands_and_not_the_one_of_its_script(monkeypatch):
    monkeypatch.setenv('DOCKER_BUILDKIT', '0')
    lines = [*CLASSIC[:4], 'exit status 3, expected 2\n', CLASSIC[5]]
    answer = [*streamed(lines), {'errorDetail': {'message': 'non-zero code: 1', 'code': 1}}]
    with pytest.raises(charm_image.StepError) as caught:
        build(_Engine(answer), resources.Execute(command='x', returncode=2))
    assert caught.value.status == 3
    assert caught.value.output == ('exit status 3, expected 2',)


def test_base_of_several_platforms_is_inspected_for_the_one_to_build():
    engine = _Engine()
    with loopback.serving(engine) as url, docker.APIClient(url, version='1.49') as client:
        for platform, user in (('linux/amd64', ''), ('linux/arm64', 'bob')):
            base = bases.Base(client, 'base', platforms.parse(platform))
            assert list(base.pull()) == []
            assert bases.user_of(base.name, base.config) == user
        missing = bases.Base(client, f'sha256:{64 * "a"}', platforms.parse('linux/s390x'))
        with pytest.raises(charm_image.BuildError, match=r'has no image .* for linux/s390x'):
            list(missing.pull())


@pytest.mark.parametrize(
    ('text', 'same'),
    [
        ('linux/arm64', 'linux/arm64/v8'),
        ('linux/aarch64', 'linux/arm64'),
        ('linux/x86_64', 'linux/amd64'),
        ('linux/armhf', 'linux/arm/v7'),
        ('linux/arm', 'linux/arm/v7'),
    ],
)
def test_a_platform_has_one_name(text, same):
    assert platforms.parse(text) == platforms.parse(same)
    assert platforms.parse('linux/arm/v6') != platforms.parse('linux/arm/v7')
