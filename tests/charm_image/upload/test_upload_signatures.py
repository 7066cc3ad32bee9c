"""charm-upload-resource --from --with-signatures: what belongs to an image goes along."""

import io
import json
import subprocess

import pytest

import support
from charm_image._oci import signatures
from container_image import registry
from support import remote_images
from support.charm_cases import AMD64, ARM64, rows, sent

INDEX, MANIFEST = registry.MEDIA_TYPES[:2]
_LAYER = 'application/vnd.dev.cosign.simplesigning.v1+json'


@pytest.fixture
def source(there):
    """A client of the registry that images come from."""
    with registry.Client(there.host) as client:
        yield client


@pytest.fixture
def target(hub):
    """A client of Canonical's registry that may do what a test wants."""
    tokens = hub.registry_tokens
    tokens.accounts['test'] = 'secret'
    repository = f'charm/{hub.charms["my-charm"].id}/my-image'
    tokens.rights['test'] = {repository: ('pull', 'push')}
    with registry.Client(hub.registry_proxy.host, 'test', 'secret') as client:
        client.repository = repository
        yield client


@pytest.fixture
def stored():
    return remote_images.image(AMD64, ARM64)


@pytest.fixture
def name(there, stored, repository):
    return stored.push(there.host, repository)


def tag(digest, suffix=''):
    return digest.replace(':', '-') + suffix


def artifact(content, subject=None, **fields):
    """What cosign makes of a signature: an image whose layers are signatures."""
    made = remote_images.Stored()
    manifest = {
        'schemaVersion': 2,
        'mediaType': MANIFEST,
        'config': made.blob(b'{}', 'application/vnd.oci.image.config.v1+json'),
        'layers': [made.blob(content, _LAYER)],
        **fields,
    }
    if subject:
        manifest['subject'] = {'mediaType': INDEX, 'digest': subject, 'size': 1}
    made.manifest(json.dumps(manifest).encode(), MANIFEST)
    return made


def sign(there, repository, digest, suffix='.sig'):
    """Store what cosign would for a manifest; return its digest."""
    made = artifact(f'{suffix} of {digest}'.encode())
    made.push(there.host, repository, tag(digest, suffix))
    return made.digest


def refer(there, repository, subject, kind='application/vnd.dev.sigstore.bundle.v0.3+json'):
    """Store a referrer as for a registry without referrers API; return its descriptor."""
    made = artifact(f'{kind} of {subject}'.encode(), subject, artifactType=kind)
    made.push(there.host, repository)
    content, media_type = made.manifests[-1]
    descriptor = {
        'mediaType': media_type,
        'digest': made.digest,
        'size': len(content),
        'artifactType': kind,
    }
    index = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [descriptor]}
    with registry.Client(there.host) as client:
        client.put_manifest(repository, tag(subject), json.dumps(index).encode(), INDEX)
    return descriptor


def test_tags_of_cosign_go_along_to_the_byte(
    hub, upload, source, target, there, stored, name, repository
):
    leaf = remote_images.digest_of(stored.manifests[0][0])
    made = {
        tag(stored.digest, '.sig'): sign(there, repository, stored.digest),
        tag(stored.digest, '.att'): sign(there, repository, stored.digest, '.att'),
        tag(leaf, '.sbom'): sign(there, repository, leaf, '.sbom'),
    }
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures', '--format=json')
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert (sorted(content['signatures']), content['signatures-left']) == (sorted(made), [])
    assert 'Copied with the image: 1 signature, 1 attestation, 1 SBOM\n' in done.stderr
    for each, digest in made.items():
        found = target.get_manifest(target.repository, each)
        assert found == source.get_manifest(repository, each)
        for blob in json.loads(found.content)['layers']:
            assert target.get_blob(target.repository, blob['digest'])
        assert found.digest == digest


def test_a_copy_is_what_skopeo_makes(upload, target, there, stored, name, repository):
    support.require('skopeo')
    signature = tag(stored.digest, '.sig')
    sign(there, repository, stored.digest)
    for each in (f'@{stored.digest}', f':{signature}'):
        subprocess.run(
            ['skopeo', '--insecure-policy', 'copy', '--all', '--preserve-digests', '-q']
            + ['--src-tls-verify=false', '--dest-tls-verify=false']
            + [f'docker://{there.host}/{repository}{each}']
            + [f'docker://{there.host}/{repository}-skopeo:{each[1:].replace(":", "-")}'],
            check=True,
        )
    assert upload('my-charm', 'my-image', f'--from={name}', '--with-signatures').returncode == 0
    with registry.Client(there.host) as client:
        for ours, theirs in ((stored.digest, tag(stored.digest)), (signature, signature)):
            found = client.get_manifest(f'{repository}-skopeo', theirs)
            assert target.get_manifest(target.repository, ours) == found


def test_referrers_go_along_and_are_listed_in_a_registry_without_referrers_api(
    upload, target, there, stored, name, repository
):
    descriptor = refer(there, repository, stored.digest)
    nested = refer(there, repository, descriptor['digest'], 'application/spdx+json')
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert done.returncode == 0, done.stderr
    assert 'Copied with the image: 1 signature, 1 SBOM\n' in done.stderr
    for subject, each in ((stored.digest, descriptor), (descriptor['digest'], nested)):
        assert signatures.referrers(target, target.repository, subject) == [each]
        assert target.get_manifest(target.repository, each['digest'])


def test_signatures_that_are_listed_there_already_stay_listed(
    upload, target, there, stored, name, repository
):
    refer(there, repository, stored.digest)
    index = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': []}
    first = upload('my-charm', 'my-image', f'--from={name}')
    assert first.returncode == 0, first.stderr
    other = artifact(b'another', stored.digest)
    content, media_type = other.manifests[-1]
    for digest, blob in other.blobs.items():
        target.push_blob(target.repository, digest, len(blob), lambda blob=blob: io.BytesIO(blob))
    target.put_manifest(target.repository, other.digest, content, media_type)
    index['manifests'] = [{'mediaType': media_type, 'digest': other.digest, 'size': len(content)}]
    target.put_manifest(target.repository, tag(stored.digest), json.dumps(index).encode(), INDEX)
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert done.returncode == 0, done.stderr
    listed = signatures.referrers(target, target.repository, stored.digest)
    assert [each['digest'] for each in listed][0] == other.digest
    assert len(listed) == 2


def test_referrers_are_asked_of_the_api_where_there_is_one(
    hub, upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    made = artifact(b'one', stored.digest)
    made.push(there.host, repository)
    descriptor = {'digest': made.digest, 'artifactType': 'application/vnd.in-toto+json'}
    pages = [json.dumps({'manifests': each}).encode() for each in ([], [descriptor])]
    path = f'/referrers/{stored.digest}'
    proxy.answer(
        'GET', f'{path}$', 200, content=pages[0], Link=f'</v2/{repository}{path}?n=2>; rel="next"'
    )
    proxy.answer('GET', rf'{path}\?n=2', 200, content=pages[1])
    hub.registry_proxy.answer('GET', path, 200, content=pages[0])
    name = f'{proxy.host}/{repository}@{stored.digest}'
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert done.returncode == 0, done.stderr
    assert 'Copied with the image: 1 attestation\n' in done.stderr
    put = [each.rpartition('/')[2] for each in hub.registry_proxy.paths('PUT', '/manifests/')]
    assert put[-1] == made.digest
    assert tag(stored.digest) not in put  # it lists referrers itself


def test_signatures_are_named_in_a_line_without_the_option(
    hub, upload, there, stored, name, repository
):
    sign(there, repository, stored.digest)
    refer(there, repository, stored.digest)
    done = upload('my-charm', 'my-image', f'--from={name}', '--format=json')
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content['signatures'] == []
    assert len(content['signatures-left']) == 2
    assert (
        f'Left in {there.host}/{repository}: 2 signatures. To copy what belongs to the image, '
        'too, use --with-signatures.\n'
    ) in done.stderr
    assert hub.registry_proxy.paths('PUT', r'/manifests/sha256-') == []


def test_an_image_without_any_is_not_talked_about(upload, name):
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 0, done.stderr
    assert 'Left in' not in done.stderr


def test_a_registry_that_cannot_list_them_now_does_not_delay_a_copy(
    upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    proxy.answer('GET', '/referrers/', 503, times=99)
    name = f'{proxy.host}/{repository}@{stored.digest}'
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 0, done.stderr
    assert 'Signatures of the image were not looked for: ' in done.stderr
    assert 'retrying' not in done.stderr


def test_a_second_run_finds_those_of_an_image_that_is_there(
    hub, upload, target, there, stored, name, repository
):
    assert upload('my-charm', 'my-image', f'--from={name}').returncode == 0
    sign(there, repository, stored.digest)
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert done.returncode == 0, done.stderr
    assert "Using the OCI image from Canonical's registry" in done.stdout
    assert target.head_manifest(target.repository, tag(stored.digest, '.sig'))
    hub.registry_proxy.forget()
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert 'Copied with the image: 1 signature\n' in done.stderr
    assert hub.registry_proxy.paths('PUT', '/manifests/') == []


def test_a_tag_that_the_registry_rejects_is_named_and_the_image_becomes_a_revision(
    hub, upload, there, stored, name, repository
):
    sign(there, repository, stored.digest)
    hub.registry_proxy.answer('PUT', r'/manifests/sha256-', 405, times=9)
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures', '--format=json')
    assert done.returncode == 0, done.stderr
    signature = tag(stored.digest, '.sig')
    assert f'The signature {signature} was not copied: ' in done.stderr
    content = json.loads(done.stdout)
    assert (content['signatures'], content['signatures-left']) == ([], [signature])
    assert len(hub.revisions('my-charm', 'my-image')) == 1


def test_signatures_of_the_chosen_platform_alone_go_along(
    hub, upload, target, there, stored, name, repository
):
    leaves = [remote_images.digest_of(content) for content, _ in stored.manifests[:2]]
    for digest in (stored.digest, *leaves):
        sign(there, repository, digest)
    done = upload(
        'my-charm', 'my-image', f'--from={name}', '--platform=linux/arm64', '--with-signatures'
    )
    assert done.returncode == 0, done.stderr
    put = [each.rpartition('/')[2] for each in hub.registry_proxy.paths('PUT', '/manifests/')]
    assert put == [leaves[1], tag(leaves[1], '.sig')]
    assert 'Copied with the image: 1 signature\n' in done.stderr
    assert (
        f'Left in {there.host}/{repository}, because it is for {stored.digest}, the index of all '
        'platforms: 1 signature\n'
    ) in done.stderr


def test_very_many_are_refused_before_anything_is_sent(
    hub, upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    many = [{'digest': f'sha256:{number:064x}'} for number in range(5000)]
    proxy.answer(
        'GET', f'/referrers/{stored.digest}', 200, content=json.dumps({'manifests': many}).encode()
    )
    name = f'{proxy.host}/{repository}@{stored.digest}'
    done = upload('my-charm', 'my-image', f'--from={name}', '--with-signatures')
    assert done.returncode == 1
    assert 'more than 100 signatures and other artifacts' in done.stderr
    assert len(proxy.requests) < 60
    assert sent(hub) == []


def test_the_option_is_for_all_images_of_a_charm_that_are_copied(upload_all, there, charm, tagged):
    reference, digest = tagged['app']
    repository = reference.partition('/')[2].rpartition(':')[0]
    sign(there, repository, digest)
    done = upload_all('charm', '--only=app', '--with-signatures', '--format=json')
    assert done.returncode == 0, done.stderr
    (app,) = json.loads(done.stdout)['resources']
    assert app['signatures'] == [tag(digest, '.sig')]
    done = upload_all('charm', '--only=app', '--with-signatures', '--dry-run')
    assert rows(done.stdout)['app'][2] == 'checked'
    assert 'To be copied with the image: 1 signature' in done.stderr


def test_the_option_is_only_for_copies(upload, archive):
    done = upload('my-charm', 'my-image', f'--image={archive}', '--with-signatures')
    assert done.returncode == 2
    assert '--with-signatures is only for --from' in done.stderr
