"""A builder of buildx builds, and only its result is read; the docker command is a stand-in."""

import base64
import json
import sys
import tarfile

import pytest

import charm_image
from charm_image import resources
from charm_image._oci import archives
from support import layouts

ARM = 'linux/arm64'
BUILT = layouts.Image((layouts.tar([('a', b'x')]),), 'arm64')
FROM = {'digest': 'sha256:f', 'name': '[1/2] FROM registry.example/base'}
RUN = {'digest': 'sha256:r', 'name': '[2/2] RUN /bin/sh'}

# does what `tmp_path/told.json` says, and writes down how it was called
DOCKER = """#!{python}
import json, pathlib, shutil, sys
home = pathlib.Path(__file__).parent
told = json.loads((home / 'told.json').read_text())
words = sys.argv[1:]
with (home / 'calls').open('a') as calls:
    calls.write(json.dumps(words) + '\\n')
if words[:2] != ['buildx', words[1]] or not told['buildx']:
    sys.exit("docker: 'buildx' is not a docker command.")
if words[1] == 'imagetools' and '{{json .Manifest}}' in words[-2]:
    print(json.dumps({'digest': 'sha256:' + 64 * 'd'}))
elif words[1] == 'imagetools':
    print(json.dumps(told['image']))
elif words[1] == 'build':
    (home / 'context.tar').write_bytes(sys.stdin.buffer.read())
    for line in told['progress']:
        print(line if isinstance(line, str) else json.dumps(line), file=sys.stderr, flush=True)
    if told['status']:
        sys.exit(told['status'])
    [output] = [word for word in words if word.startswith('--output=')]
    shutil.copy(home / 'built.tar', output.partition('dest=')[2])
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A builder called my-cluster; gives what tells the stand-in what to do."""
    (tmp_path / 'config/buildx/instances').mkdir(parents=True)
    (tmp_path / 'config/buildx/instances/my-cluster').write_text('{}')
    (tmp_path / 'docker').write_text(DOCKER.replace('{python}', sys.executable))
    (tmp_path / 'docker').chmod(0o755)
    (tmp_path / 'built.tar').write_bytes(layouts.docker_20(BUILT))
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path / 'config'))
    monkeypatch.delenv('BUILDX_CONFIG', raising=False)

    def tell(progress=(), status=0, buildx=True, image=None):
        amd = {'os': 'linux', 'architecture': 'amd64', 'config': {'User': 'wrong'}}
        arm = {'os': 'linux', 'architecture': 'arm64', 'config': {'User': 'app'}}
        image = image or {'linux/amd64': amd, 'linux/arm64': arm}
        told = {'progress': progress, 'status': status, 'buildx': buildx, 'image': image}
        (tmp_path / 'told.json').write_text(json.dumps(told))

    return tell


def build(tmp_path, **options):
    made = resources.Execute(name='greet', command='sh -c "echo hello"')
    options = {'output': tmp_path / 'image.tar', 'platform': ARM, **options}
    builder = charm_image.DockerBuilder(
        charm_image.ResourceBundle.from_iterator([made]),
        'registry.example/base',
        engines={ARM: 'my-cluster'},
        **options,
    )
    return builder, list(builder.build())


def call(tmp_path, which):
    calls = [json.loads(line) for line in (tmp_path / 'calls').read_text().splitlines()]
    return next(words for words in calls if words[1] == which)


def test_the_builder_is_given_the_context_and_its_result_is_read(cluster, tmp_path):
    log = {'vertex': 'sha256:r', 'data': base64.b64encode(b'hello\n').decode()}
    cluster(
        [
            {'vertexes': [{**FROM, 'started': 'now'}, {**RUN, 'started': 'now'}]},
            {'logs': [log]},
            'a warning that is not JSON',
            {'vertexes': [{**RUN, 'started': 'now', 'completed': 'later'}]},
        ]
    )
    builder, progress = build(tmp_path, network='host')
    notes = [each.text for each in progress if each.state == 'note']
    assert notes == [f'registry.example/base is registry.example/base@sha256:{64 * "d"}']
    states = [(each.state, each.text) for each in progress if each.step]
    assert states == [('started', ''), ('output', 'hello'), ('done', '')]
    assert archives.open(tmp_path / 'image.tar').id == builder.image_id == BUILT.id
    words = call(tmp_path, 'build')
    assert {'--builder=my-cluster', f'--platform={ARM}', '--network=host'} < set(words)
    # whom the base for that platform runs as
    assert builder.dockerfile.count('USER 0') == builder.dockerfile.count('USER app') == 1
    assert builder.context() == (tmp_path / 'context.tar').read_bytes()


@pytest.mark.parametrize('from_image', ['scratch', 'registry.example/base'])
def test_an_image_of_files_alone_is_assembled_on_what_the_builder_sends(
    cluster, tmp_path, from_image
):
    cluster()
    bundle = charm_image.ResourceBundle.from_iterator([resources.File('/a', contents='a')])
    builder = charm_image.DockerBuilder(
        bundle,
        from_image,
        platform=ARM,
        engines={ARM: 'my-cluster'},
        output=tmp_path / 'image.tar',
    )
    states = [each.state for each in builder.build() if each.step]
    assert states == ['started', 'done']
    written = archives.open(tmp_path / 'image.tar')
    assert written.id == builder.image_id
    [layers] = written.diff_ids_by_platform
    base = [] if from_image == 'scratch' else list(BUILT.diff_ids)
    assert list(layers[:-1]) == base
    assert (tmp_path / 'context.tar').exists() == bool(base)
    if base:
        with tarfile.open(tmp_path / 'context.tar') as tar:
            assert tar.extractfile('Dockerfile').read() == b'FROM registry.example/base\n'
            assert tar.getnames() == ['Dockerfile']


def test_a_step_that_fails_there_is_reported_as_everywhere(cluster, tmp_path):
    reason = 'process "/bin/sh -euc x" did not complete successfully: exit code: 4'
    log = {'vertex': 'sha256:r', 'data': base64.b64encode(b'oh\n').decode()}
    cluster(
        [
            {'vertexes': [{**RUN, 'started': 'now'}]},
            {'logs': [log]},
            {'vertexes': [{**RUN, 'started': 'now', 'completed': 'later', 'error': reason}]},
            f'ERROR: failed to solve: {reason}',
        ],
        status=1,
    )
    with pytest.raises(charm_image.StepError) as caught:
        build(tmp_path)
    assert (caught.value.resource, caught.value.status) == ('Execute[greet]', 4)
    assert caught.value.output == ('oh',)
    assert not (tmp_path / 'image.tar').exists()


def test_a_builder_that_fails_itself_tells_its_reason(cluster, tmp_path):
    cluster(['ERROR: no builder "my-cluster" found'], status=1)
    with pytest.raises(charm_image.BuildError, match='no builder "my-cluster" found'):
        build(tmp_path)


def test_builder_without_buildx_is_reported_with_what_to_install(cluster, tmp_path):
    cluster(buildx=False)
    with pytest.raises(charm_image.BuildError, match='apt install docker-buildx'):
        build(tmp_path)
    (tmp_path / 'docker').unlink()
    with pytest.raises(charm_image.BuildError, match='apt install docker-buildx'):
        build(tmp_path)


def test_a_name_of_neither_a_context_nor_a_builder_is_reported_with_how_to_have_one(
    cluster, tmp_path
):
    cluster(buildx=False)
    (tmp_path / 'config/buildx/instances/my-cluster').unlink()
    with pytest.raises(charm_image.BuildError) as caught:
        build(tmp_path)
    assert "no docker context or buildx builder is named 'my-cluster'" in str(caught.value)
    assert 'install buildx (apt install docker-buildx, ' in str(caught.value)
    assert 'docker context use' not in str(caught.value)


def test_the_docker_command_s_own_context_is_not_a_builder(cluster, tmp_path, monkeypatch):
    monkeypatch.delenv('DOCKER_HOST', raising=False)
    monkeypatch.setenv('DOCKER_CONTEXT', 'gone')
    with pytest.raises(charm_image.BuildError, match="no docker context 'gone'.*context use"):
        list(charm_image.DockerBuilder(charm_image.ResourceBundle(), 'scratch').build())


def test_a_builder_keeps_no_image_so_an_output_is_wanted(cluster, tmp_path):
    cluster()
    with pytest.raises(charm_image.BuildError, match='--output=PATH'):
        build(tmp_path, output=None)


def test_a_base_that_is_not_for_the_platform_is_reported(cluster, tmp_path):
    cluster(image={'linux/amd64': {'os': 'linux', 'architecture': 'amd64', 'config': {}}})
    with pytest.raises(charm_image.BuildError, match='has no image for linux/arm64'):
        build(tmp_path)
