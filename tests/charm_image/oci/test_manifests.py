"""Manifests and indexes, wherever they come from."""

import pytest

from charm_image import _errors
from charm_image._oci import manifests

CONFIG = {'mediaType': 'application/vnd.oci.image.config.v1+json', 'digest': 'sha256:c'}
IMAGE = {'config': CONFIG, 'layers': []}


def index(*digests, **descriptor):
    return {'manifests': [{'digest': digest, **descriptor} for digest in digests]}


def digests(content, found, **options):
    nodes = manifests.walk(content, found.get, **options)
    return [node.descriptor.get('digest', 'first') for node in nodes]


def test_walk_yields_a_manifest_before_the_index_that_names_it():
    found = {'a': IMAGE, 'below': index('a', 'b'), 'b': IMAGE}
    assert digests(index('below', 'b'), found) == ['a', 'b', 'below', 'first']


def test_walk_yields_each_manifest_once_though_indexes_name_each_other():
    found = {'x': index('y', 'x'), 'y': index('x', 'a', 'a'), 'a': IMAGE}
    assert digests(index('x', 'y'), found) == ['a', 'y', 'x', 'first']


def test_walk_yields_what_the_source_lacks_without_content():
    [missing, first] = manifests.walk(index('gone'), lambda digest: None)
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
    nodes = manifests.walk(content, found.get, attestations=True)
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
    [image, chart, _] = manifests.walk(
        index('image', 'chart'), {'image': IMAGE, 'chart': {'config': {}, 'layers': []}}.get
    )
    assert (image.is_image, chart.is_image) == (True, False)
