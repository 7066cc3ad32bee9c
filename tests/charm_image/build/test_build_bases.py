"""The image that a build starts from: pulled, named or an ID, with the user it runs as."""

import base64
import io
import json
import tarfile

import pytest

import charm_image
from charm_image import resources
from support import registry as registries

pytestmark = pytest.mark.holds('builds')


@pytest.mark.parametrize('kind', ['name', 'ID'])
def test_a_base_may_be_named_or_an_id_and_keeps_the_user_it_runs_as(build, build_engine, kind):
    container = build_engine.client.api.create_container(build_engine.busybox, ['/none'])
    base = build_engine.client.api.commit(
        container, 'with-user', changes='USER 12:34', conf={'WorkingDir': '/tmp'}
    )
    build_engine.client.api.remove_container(container)
    built = build(
        resources.Execute(command='sh -c "id -u >/who; pwd >>/who"'),
        from_image='with-user' if kind == 'name' else f'sha256:{base["Id"].rpartition(":")[2]}',
    )
    assert built.config['User'] == '12:34'
    assert built.contents['/who'] == b'0\n/\n'


@pytest.mark.parametrize('user', ['app\\nRUN touch /injected', 'app\\u202e', '\\x1b[31m'])
def test_a_base_whose_user_no_dockerfile_could_name_is_refused(build, build_engine, user):
    archive = io.BytesIO(_with_user(build_engine, user.encode().decode('unicode_escape')))
    [image] = build_engine.client.images.load(archive)
    with pytest.raises(charm_image.BuildError, match='unprintable character'):
        build(resources.Execute(command='true'), from_image=image.id)


def _with_user(engine, user):
    """An archive of busybox that runs as `user`, which no engine would write itself."""
    exported = io.BytesIO(b''.join(engine.client.api.get_image(engine.busybox)))
    changed = io.BytesIO()
    with tarfile.open(fileobj=exported) as old, tarfile.open(fileobj=changed, mode='w') as new:
        [image] = json.load(old.extractfile('manifest.json'))
        config = json.load(old.extractfile(image['Config']))
        config['config']['User'] = user
        files = {
            'manifest.json': json.dumps([{**image, 'Config': 'changed.json', 'RepoTags': None}]),
            'changed.json': json.dumps(config),
        }
        for layer in image['Layers']:
            member = old.getmember(layer)
            new.addfile(member, old.extractfile(member))
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            new.addfile(info, io.BytesIO(text.encode()))
    return changed.getvalue()


@pytest.fixture(scope='module')
def closed_registry(tmp_path_factory):
    """A registry that lets in Ada only."""
    directory = tmp_path_factory.mktemp('closed-registry')
    with registries.running(directory, accounts={'ada': 'pa$$"word'}) as running:
        yield running


def test_an_absent_base_is_pulled_with_the_users_credentials(
    build_engine, closed_registry, tmp_path, monkeypatch
):
    api = build_engine.client.api
    account = {'username': 'ada', 'password': 'pa$$"word'}
    repository = f'{closed_registry.host}/base/{build_engine.builder.lower()}'
    api.tag(build_engine.busybox, repository, '1.0')
    for line in api.push(repository, '1.0', stream=True, decode=True, auth_config=account):
        assert 'error' not in line
    api.remove_image(f'{repository}:1.0', noprune=True)

    def build():
        bundle = charm_image.ResourceBundle()
        bundle.add(resources.File(name='/pulled', contents=''))
        return list(charm_image.DockerBuilder(bundle, f'{repository}:1.0').build())

    monkeypatch.setenv('DOCKER_HOST', build_engine.host)
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path))
    with pytest.raises(charm_image.BuildError, match='cannot be pulled'):
        build()
    encoded = base64.b64encode('{username}:{password}'.format(**account).encode()).decode()
    config = {'auths': {closed_registry.host: {'auth': encoded}}}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    progress = build()
    assert progress[0].state == 'pull'
    assert progress[-1].state == 'built'
    assert 'pull' not in {each.state for each in build()}


def test_a_newer_base_is_pulled_if_asked_and_its_digest_told(build, build_engine, open_registry):
    api = build_engine.client.api
    repository = f'{open_registry.host}/newer/{build_engine.builder.lower()}'

    def push(image):
        api.tag(image, repository, '1.0')
        for line in api.push(repository, '1.0', stream=True, decode=True):
            assert 'error' not in line

    made = [resources.Execute(command='touch /made')]
    push(build_engine.busybox)
    push(build(resources.Execute(command='touch /newer')).id)
    api.remove_image(f'{repository}:1.0', noprune=True)
    api.tag(build_engine.busybox, repository, '1.0')
    older = build(*made, from_image=f'{repository}:1.0')
    # BuildKit on containerd's store asks the registry in any case, as for `docker build`
    asks = build_engine.kind.containerd and build_engine.builder == 'BuildKit'
    assert asks or '/newer' not in older.files
    newer = build(*made, from_image=f'{repository}:1.0', pull=True)
    assert '/newer' in newer.files
    [told] = [each.text for each in newer.progress if f'{repository}:1.0 is ' in each.text]
    # podman knows two: before and after it was compressed
    assert told.split(' is ')[1] in api.inspect_image(f'{repository}:1.0')['RepoDigests']


@pytest.mark.parametrize('owner', [{'owner': 'nobody-here'}, {'owner': 0, 'group': 'no-group'}])
def test_a_file_of_nobody_is_refused(build, owner):
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.File(name='/of-nobody', contents='', **owner))
    assert caught.value.resource == 'File[/of-nobody]'
    assert 'no' in caught.value.output[-1]
