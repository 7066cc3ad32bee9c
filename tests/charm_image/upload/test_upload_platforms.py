"""charm-upload-resource --from --platform: only some platforms of an image."""

import json

import pytest

from charm_image import _errors, upload
from charm_image._oci import platforms, remote_image
from container_image import reference, registry
from support import loopback, remote_images
from support.charm_cases import AMD64, ARM64, rows, sent
from support.remote_cases import nested

S390X = remote_images.platform('s390x', layers=[b'one', b'four'])
ALL = (AMD64, ARM64, S390X)
TWO = '--platform=linux/amd64,linux/arm64'


def described(stored):
    """What the index of an image has, in its order."""
    return json.loads(stored.manifests[-1][0])['manifests']


def select(there, name, *wanted):
    with remote_image.Source(reference.Reference.parse(name)) as source:
        return source.read(frozenset(map(platforms.parse, wanted)))


def index_of(image):
    return json.loads(image.manifests[-1].content)


@pytest.fixture
def stored():
    return remote_images.image(*ALL)


@pytest.fixture
def name(there, stored, repository):
    return stored.push(there.host, repository)


def test_platforms_are_the_only_ones_that_are_copied_in_another_index(
    hub, upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    name = f'{proxy.host}/{repository}@{stored.digest}'
    done = upload('my-charm', 'my-image', f'--from={name}', TWO, '--format=json')
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    digest = content['image-digest']
    assert digest != stored.digest
    assert content['reference'] == name
    assert content['platforms'] == ['linux/amd64', 'linux/arm64']
    assert content['architectures'] == ['amd64', 'arm64']
    assert (
        f'Only linux/amd64, linux/arm64 of {name}: this is {digest}, a different index, of these '
        'manifests\n'
    ) in done.stderr
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert json.loads(revision.content)['ImageName'].endswith(f'@{digest}')
    # neither manifest nor layers of the third
    left = described(stored)[2]['digest']
    blobs = proxy.paths('GET', '/blobs/')
    assert not [path for path in hub.registry_proxy.paths('PUT', '/manifests/') if left in path]
    assert not [path for path in blobs if remote_images.digest_of(S390X.config) in path]
    assert [path for path in blobs if remote_images.digest_of(ARM64.config) in path]


def test_a_second_run_sends_nothing_and_gives_the_same_revision(hub, upload, name):
    first = upload('my-charm', 'my-image', f'--from={name}', TWO)
    assert first.returncode == 0, first.stderr
    hub.registry_proxy.forget()
    done = upload('my-charm', 'my-image', f'--from={name}', TWO)
    assert done.stdout.splitlines() == [
        "Using the OCI image from Canonical's registry",
        "Revision 1 of resource 'my-image' for charm 'my-charm' already exists",
    ]
    assert not [path for _, path in hub.registry_proxy.requests if 'uploads' in path]


def test_the_index_keeps_what_it_said_of_its_manifests(there, stored, name):
    for wanted in (('linux/amd64', 'linux/arm64'), ('linux/arm64', 'linux/amd64')):
        image = select(there, name, *wanted)
        whole = json.loads(stored.manifests[-1][0])
        assert index_of(image) == {**whole, 'manifests': whole['manifests'][:2]}
        assert image.manifests[-1].media_type == whole['mediaType']


def test_a_single_platform_is_its_manifest_itself(hub, upload, stored, name):
    done = upload('my-charm', 'my-image', f'--from={name}', '--platform=linux/arm64')
    assert done.returncode == 0, done.stderr
    digest = described(stored)[1]['digest']
    assert f'Image uploaded, new remote digest: {digest}' in done.stdout
    assert f'this is {digest}, its manifest without the index' in done.stderr
    put = [path.rpartition('/')[2] for path in hub.registry_proxy.paths('PUT', '/manifests/')]
    assert put == [digest]


def test_platforms_that_are_all_leave_the_image_itself(there, stored, name):
    image = select(there, name, 'linux/s390x', 'linux/amd64', 'linux/arm64/v8')
    assert image.id == stored.digest


def test_an_image_for_one_platform_is_itself(there, repository):
    stored = remote_images.image(AMD64)
    assert select(there, stored.push(there.host, repository), 'linux/amd64').id == stored.digest


@pytest.mark.parametrize('wanted', [['linux/arm64'], ['linux/amd64', 'linux/s390x']])
def test_attestations_of_the_chosen_ones_go_along(wanted, there, repository):
    stored = remote_images.image(*ALL, attested=True)
    image = select(there, stored.push(there.host, repository), *wanted)
    chosen = [
        entry
        for pair in zip(described(stored)[::2], described(stored)[1::2], strict=True)
        for entry in pair
        if f'linux/{pair[0]["platform"]["architecture"]}' in wanted
    ]
    assert index_of(image)['manifests'] == chosen
    assert len(image.platforms) == len(wanted)
    assert {each['digest'] for each in chosen} <= {each.digest for each in image.manifests}


def test_an_index_in_an_index_is_looked_through(there, repository):
    stored = nested(2)
    image = select(there, stored.push(there.host, repository), 'linux/arm64')
    assert image.id == remote_images.digest_of(stored.manifests[1][0])


def test_a_platform_that_the_index_does_not_name_is_read_from_the_configuration(there, repository):
    stored = remote_images.image(*ALL)
    content, media_type = stored.manifests.pop()
    index = json.loads(content)
    for entry in index['manifests']:
        entry.pop('platform')
    stored.manifest(json.dumps(index).encode(), media_type)
    image = select(there, stored.push(there.host, repository), 'linux/s390x')
    assert image.id == remote_images.digest_of(stored.manifests[2][0])


@pytest.mark.parametrize(
    ('image', 'has'),
    [(remote_images.image(*ALL), 'linux/amd64, linux/arm64, linux/s390x'),
     (remote_images.image(AMD64), 'linux/amd64')],
)  # fmt: skip
def test_a_platform_that_is_absent_is_refused_with_those_that_exist(
    image, has, hub, upload, there, repository
):
    name = image.push(there.host, repository)
    done = upload('my-charm', 'my-image', f'--from={name}', '--platform=linux/amd64,linux/ppc64le')
    assert (done.returncode, done.stdout) == (1, '')
    assert f'the image has no linux/ppc64le: it has {has}\n' in done.stderr
    assert sent(hub) == []


def test_platforms_of_a_hostile_index_are_printable_and_short(there, repository):
    stored = remote_images.image(AMD64, ARM64)
    content, media_type = stored.manifests.pop()
    index = json.loads(content)
    index['manifests'][1]['platform'] = {'os': '\x1b]0;x\x07', 'architecture': 'y' * 10000}
    stored.manifest(json.dumps(index).encode(), media_type)
    with pytest.raises(_errors.InvalidImageError) as error:
        select(there, stored.push(there.host, repository), 'linux/s390x')
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


def test_an_index_of_very_many_manifests_without_a_platform_is_given_up():
    config = b'{}'
    leaf = json.dumps({'config': {'digest': remote_images.digest_of(config)}}).encode()
    entry = {'digest': remote_images.digest_of(leaf), 'size': len(leaf)}
    index = json.dumps({'manifests': [entry] * 5000}).encode()
    by_digest = {remote_images.digest_of(each): each for each in (config, leaf, index)}
    asked = []

    def answer(exchange):
        asked.append(exchange.path)
        kind = registry.MEDIA_TYPES[0 if exchange.path.endswith(digest) else 1]
        exchange.reply(200, by_digest[exchange.path.rpartition('/')[2]], Content_Type=kind)

    digest = remote_images.digest_of(index)
    with (
        loopback.serving(answer) as url,
        pytest.raises(_errors.InvalidImageError, match='more than 100 manifests without a'),
    ):
        select(None, f'{url.partition("//")[2]}/app@{digest}', 'linux/amd64')
    assert len(asked) < 300


@pytest.mark.parametrize('option', ['--platform=amd64', '--platform=linux/amd64,', '--platform='])
def test_a_platform_that_is_none_is_refused_before_anything_is_asked(option, hub, upload, name):
    done = upload('my-charm', 'my-image', f'--from={name}', option)
    assert done.returncode == 2
    assert 'is not valid: use a form such as linux/arm64' in done.stderr
    assert hub.requests == []


def test_the_option_is_only_for_copies(hub, upload, archive):
    done = upload('my-charm', 'my-image', f'--image={archive}', TWO)
    assert done.returncode == 2
    assert '--platform is only for --from' in done.stderr


def test_the_option_is_for_all_images_of_a_charm_that_are_copied(upload_all, charm, tagged):
    done = upload_all('charm', '--platform=linux/amd64', '--only=app', '--only=side')
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert (found['app'][1], found['side'][1]) == ('amd64', 'amd64')
    assert found['side'][0] == tagged['side'][1]
    assert found['app'][0] != tagged['app'][1]


def test_a_program_gives_them_as_a_list(hub, name, stored):
    with upload.Uploader(
        credentials=hub.environment['CHARMCRAFT_AUTH'],
        api_url=hub.url,
        storage_url=hub.url,
        registry_url=hub.environment['CHARMCRAFT_REGISTRY_URL'],
    ) as uploader:
        result = uploader.copy_image(
            'my-charm', 'my-image', name, platforms=['linux/amd64', 'linux/arm64']
        )
    assert (result.reference, result.platforms) == (name, ('linux/amd64', 'linux/arm64'))
    assert result.digest != stored.digest


# what only the index names, and what uname and Debian call it
UNUSUAL = (
    remote_images.platform('amd64', layers=[b'1'], stated=('', '')),
    remote_images.platform('arm64', layers=[b'2'], stated=('aarch64', 'linux')),
    remote_images.platform('arm', layers=[b'3'], stated=('armhf', '')),
)


def test_charmhub_is_told_the_usual_names_of_unusual_platforms(hub, upload, there, repository):
    stored = remote_images.image(*UNUSUAL)
    name = stored.push(there.host, repository)
    for _ in range(2):  # from the other registry, and from Canonical's
        done = upload('my-charm', 'my-image', f'--from={name}', '--format=json')
        assert done.returncode == 0, done.stderr
        content = json.loads(done.stdout)
        assert content['architectures'] == ['amd64', 'arm64', 'armhf']
        assert content['image-digest'] == stored.digest
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert revision.bases[0]['architectures'] == ['amd64', 'arm64', 'armhf']


@pytest.mark.parametrize(
    ('wanted', 'architecture', 'manifests'),
    [('linux/amd64', 'amd64', 2), ('linux/arm64', 'arm64', 1), ('linux/x86_64', 'amd64', 2)],
)
def test_a_single_platform_keeps_an_index_if_nothing_else_names_it(
    wanted, architecture, manifests, there, repository
):
    stored = remote_images.image(*UNUSUAL)
    image = select(there, stored.push(there.host, repository), wanted)
    assert [each.config.platform['architecture'] for each in image.platforms] == [architecture]
    assert len(image.manifests) == manifests
