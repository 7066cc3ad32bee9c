"""Manifests and indexes, wherever they come from."""

import pytest

from charm_image import _errors
from charm_image._oci import manifests

CONFIG = {'mediaType': 'application/vnd.oci.image.config.v1+json', 'digest': 'sha256:c'}
IMAGE = {'config': CONFIG, 'layers': []}


def index(*digests, **descriptor):
    return {'manifests': [{'digest': digest, **descriptor} for digest in digests]}


def getter(found):
    return lambda descriptor, part: found.get(descriptor['digest'])


def digests(content, found, **options):
    nodes = manifests.walk(content, getter(found), **options)
    return [node.descriptor.get('digest', 'first') for node in nodes]


def test_walk_yields_a_manifest_before_the_index_that_names_it():
    found = {'a': IMAGE, 'below': index('a', 'b'), 'b': IMAGE}
    assert digests(index('below', 'b'), found) == ['a', 'b', 'below', 'first']


def test_walk_yields_each_manifest_once_though_indexes_name_each_other():
    found = {'x': index('y', 'x'), 'y': index('x', 'a', 'a'), 'a': IMAGE}
    assert digests(index('x', 'y'), found) == ['a', 'y', 'x', 'first']


@pytest.mark.parametrize('content', [{'manifests': []}, {'manifests': None}])
def test_walk_takes_manifests_that_are_null_for_none(content):
    assert digests(content, {}) == ['first']


def test_part_names_the_platform_of_an_image_and_of_what_attests_it():
    image = {'digest': 'a', 'platform': {'os': 'linux', 'architecture': 'aarch64'}}
    attestation = {
        'digest': 'b',
        'annotations': {
            'vnd.docker.reference.type': 'attestation-manifest',
            'vnd.docker.reference.digest': 'a',
        },
    }
    assert manifests.part(image) == 'the image for linux/arm64'
    assert manifests.part({'digest': 'c'}) == 'one of its manifests'
    assert manifests.part(attestation) == 'an attestation'
    assert manifests.part(attestation, [attestation, image]) == (
        'the attestation of the image for linux/arm64'
    )
    hostile = {'digest': 'd', 'platform': {'os': 'linux', 'architecture': '\x1b[2J' * 1000}}
    assert manifests.part(hostile).isprintable()
    assert len(manifests.part(hostile)) < 100


def test_walk_yields_what_the_source_lacks_without_content():
    [missing, first] = manifests.walk(index('gone'), getter({}))
    assert (missing.content, missing.is_image) == (None, False)
    assert not first.is_image


@pytest.mark.parametrize(
    'descriptor',
    [
        {'annotations': {'vnd.docker.reference.type': 'attestation-manifest'}},
        {'platform': {'os': 'unknown', 'architecture': 'unknown'}},
    ],
)
def test_walk_leaves_out_attestations_and_what_is_below_them_unless_asked(descriptor):
    found = {'a': index('b'), 'b': IMAGE}
    content = index('a', **descriptor)
    assert digests(content, found) == ['first']
    assert digests(content, found, attestations=True) == ['b', 'a', 'first']
    nodes = manifests.walk(content, getter(found), attestations=True)
    assert [node.is_attestation for node in nodes] == [True, True, False]


def test_walk_refuses_indexes_that_are_nested_too_deeply():
    found = {str(n): index(str(n + 1)) for n in range(10)}
    with pytest.raises(_errors.InvalidImageError, match='nested too deeply'):
        digests(index('0'), found)
    assert digests(index('7'), {**found, '9': IMAGE}) == ['9', '8', '7', 'first']


@pytest.mark.parametrize(
    ('content', 'lacking'),
    [
        (5, 'a value of the right type'),
        ({'manifests': 5}, 'a value of the right type'),
        ({'manifests': [5]}, 'a value of the right type'),
        ({'manifests': [{}]}, "'digest'"),
    ],
)
def test_walk_names_the_index_that_is_not_valid(content, lacking):
    with pytest.raises(_errors.InvalidImageError, match=f'index.json is not valid.*{lacking}'):
        digests(content, {}, name='index.json')
    with pytest.raises(_errors.InvalidImageError, match=f'the manifest a is .*{lacking}'):
        digests(index('a'), {'a': content})


def test_the_manifest_of_an_artifact_is_not_that_of_an_image():
    found = {'image': IMAGE, 'chart': {'config': {}, 'layers': []}}
    [image, chart, _] = manifests.walk(index('image', 'chart'), getter(found))
    assert (image.is_image, chart.is_image) == (True, False)
