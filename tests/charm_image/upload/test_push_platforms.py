"""An index: which of its platforms are there differs by machine and by time."""

import json

import pytest
import requests

from charm_image import _errors
from charm_image._oci import engine
from charm_image._upload import architectures, push, pushed
from support import layouts

# of these tests alone: containerd's store pulls no layer that it has unpacked, nor can export it
SMALL = layouts.tar([('small', b'of each platform')])
AMD64 = layouts.Image((SMALL, layouts.tar([('amd', b'amd')])))
ARM64 = layouts.Image((SMALL, layouts.tar([('arm', b'arm' * 9000)])), 'arm64', variant='v8')
S390X = layouts.Image((SMALL,), 's390x')
ALL = (AMD64, ARM64, S390X)

ARCHIVE = layouts.containerd(*ALL)
#: The digest of the index, which containerd's store takes for the ID whatever it has of it.
ID = layouts.index_digest(ARCHIVE)


class Indexed:
    """An engine with containerd's store; `tells` as Docker 28 does, which manifests it has."""

    def __init__(self, fake, local, tells):
        self._fake, self._local, self._tells = fake, local, tells

    def has(self, *present):
        """Have these of the index; give the image as the upload sees it then."""
        export = layouts.containerd(*present, absent=[i for i in ALL if i not in present])
        inspected = {**present[0].inspected, 'Id': ID, 'RepoDigests': [f'name@{ID}']}
        if self._tells:
            inspected['Manifests'] = [self._manifest(i, i in present) for i in ALL]
            attestation = {'Kind': 'attestation', 'Available': False, 'AttestationData': {}}
            inspected['Manifests'].append(attestation)
        self._fake.add(inspected, export)
        return self._local.find(ID)

    def _manifest(self, image, available):
        platform = {'os': image.system, 'architecture': image.architecture}
        return {'Kind': 'image', 'Available': available, 'ImageData': {'Platform': platform}}

    @property
    def exports(self):
        return self._fake.exports


@pytest.fixture(params=[True, False], ids=['told', 'not told'])
def indexed(fake, local, request):
    return Indexed(fake, local, request.param)


def test_push_uploads_a_platform_that_was_pulled_since(indexed, client, repository):
    first = push.push(indexed.has(AMD64), client, repository).digest
    assert pushed.architectures(client, repository, first) == ('amd64',)
    more = indexed.has(AMD64, ARM64)
    assert pushed.find(client, repository, more) is None
    second = push.push(more, client, repository).digest
    assert pushed.architectures(client, repository, second) == ('amd64', 'arm64')
    assert pushed.find(client, repository, indexed.has(AMD64, ARM64)).digest == second


def test_find_does_not_take_a_platform_that_only_another_machine_has(indexed, client, repository):
    push.push(indexed.has(AMD64, ARM64), client, repository)
    here = indexed.has(AMD64)
    assert pushed.find(client, repository, here) is None
    digest = push.push(here, client, repository).digest
    assert pushed.architectures(client, repository, digest) == ('amd64',)


def test_find_does_not_take_another_platform_of_the_same_index(indexed, client, repository):
    push.push(indexed.has(AMD64), client, repository)
    assert pushed.find(client, repository, indexed.has(ARM64)) is None


@pytest.mark.parametrize('present', [(AMD64,), (ARM64, AMD64)])
def test_find_knows_an_index_whose_platforms_are_as_they_were(
    present, indexed, client, repository
):
    digest = push.push(indexed.has(*present), client, repository).digest
    sent = client.get_manifest(repository, digest)
    assert pushed.find(client, repository, indexed.has(*present)).digest == digest
    assert client.get_manifest(repository, digest) == sent


def test_find_asks_an_engine_that_reports_platforms_for_no_export(fake, local, client, repository):
    indexed = Indexed(fake, local, tells=True)
    push.push(indexed.has(AMD64), client, repository)
    assert fake.exports == 1
    assert pushed.find(client, repository, indexed.has(AMD64))
    assert fake.exports == 1


def test_push_and_find_return_the_platforms_that_the_index_names(indexed, client, repository):
    done = push.push(indexed.has(AMD64), client, repository)
    found = pushed.find(client, repository, indexed.has(AMD64))
    for platforms in (done.platforms, found.platforms):
        assert sorted(architectures.of_platforms(platforms)) == ['amd64', 'arm64', 's390x']


def test_an_index_is_found_by_its_id_alone_once_all_of_it_was_pushed(indexed, client, repository):
    def found():
        assert pushed.find(client, repository, ID) is None
        return pushed.find(client, repository, ID, all_of=True)

    for present in ((AMD64,), (ARM64, AMD64)):
        push.push(indexed.has(*present), client, repository)
        assert found() is None
    digest = push.push(indexed.has(*ALL), client, repository).digest
    assert (found().digest, found().image.id) == (digest, digest)
    less = push.push(indexed.has(AMD64), client, repository).digest  # by somebody else
    assert found().digest == digest
    assert pushed.find(client, repository, indexed.has(AMD64)).digest == less


def test_an_index_of_which_the_registry_lost_a_part_is_not_found(
    indexed, client, repository, open_registry
):
    push.push(indexed.has(*ALL), client, repository)
    part = pushed.find(client, repository, ID, all_of=True).image.manifests[0]
    push.push(indexed.has(AMD64), client, repository)
    url = f'http://{open_registry.host}/v2/{repository}/manifests/{part.digest}'
    assert requests.delete(url, timeout=10).ok
    assert pushed.find(client, repository, ID, all_of=True) is None


def test_architectures_refuses_indexes_that_are_nested_too_deeply(fake, local, client, repository):
    fake.add(AMD64.inspected, layouts.docker_25(AMD64))
    digest = push.push(local.find(AMD64.id), client, repository).digest
    for _ in range(7):
        digest = _index(client, repository, digest)
    with pytest.raises(_errors.InvalidImageError, match='nested too deeply'):
        pushed.architectures(client, repository, digest)


def test_architectures_asks_for_each_index_once(fake, local, client, repository, monkeypatch):
    fake.add(AMD64.inspected, layouts.docker_25(AMD64))
    digest = push.push(local.find(AMD64.id), client, repository).digest
    for _ in range(3):
        digest = _index(client, repository, *[digest] * 10)
    asked = []
    get = client.get_manifest
    monkeypatch.setattr(client, 'get_manifest', lambda *args: asked.append(args) or get(*args))
    assert pushed.architectures(client, repository, digest) == ('amd64',)
    assert len(asked) == 4


@pytest.mark.parametrize('kind', ['docker', 'podman'])  # whose IDs are those of configurations
@pytest.mark.parametrize('stated', [('', ''), ('', 'linux'), ('x86_64', 'linux')])
def test_push_takes_the_platform_of_the_engine_for_an_image_that_names_none(
    stated, kind, engines, client, repository
):
    running = engines(kind)
    image = layouts.Image((SMALL,), stated=stated, command=(repository,))
    running.client.images.load(layouts.docker_20(image))
    own = running.client.version()['Arch']
    expected = stated[0] and 'amd64' or own
    with engine.connect({'DOCKER_HOST': running.host}) as local:
        found = local.find(image.id)
        assert architectures.of(found) == (expected,)
        done = push.push(found, client, repository)
        assert pushed.architectures(client, repository, done.digest) == (expected,)
        assert pushed.find(client, repository, found).digest == done.digest
    assert pushed.find(client, repository, image.id).digest == done.digest


@pytest.mark.holds('uploads what is there')
def test_find_compares_with_what_a_real_engine_has_now(
    each_engine, open_registry, client, repository
):
    source = open_registry.store(ARCHIVE, f'{repository}/source', 'v1')
    api = each_engine.client.api

    def has(platform):
        for told in api.pull(source, 'v1', platform=platform, stream=True, decode=True):
            assert 'error' not in told, told
        with engine.connect({'DOCKER_HOST': each_engine.host}) as local:
            found = local.find(api.inspect_image(f'{source}:v1')['Id'])
            known = pushed.find(client, repository, found)
            digest = (known or push.push(found, client, repository)).digest
        return bool(known), pushed.architectures(client, repository, digest)

    assert has('linux/amd64') == (False, ('amd64',))
    assert has('linux/amd64') == (True, ('amd64',))
    # only containerd's store keeps several platforms of one index
    both = ('amd64', 'arm64') if api.inspect_image(f'{source}:v1')['Id'] == ID else ('arm64',)
    assert has('linux/arm64') == (False, both)
    assert has('linux/arm64') == (True, both)


def _index(client, repository, *digests):
    """Store an index of manifests or indexes; give its digest."""
    content = json.dumps({'schemaVersion': 2, 'manifests': [{'digest': d} for d in digests]})
    media_type = 'application/vnd.oci.image.index.v1+json'
    digest = f'sha256:{layouts.sha256(content.encode())}'
    return client.put_manifest(repository, digest, content.encode(), media_type)
