"""Where an image and its credentials are looked for in a pod spec."""

import base64

import pytest

from charm_unit._check import in_pod_spec


def spec(value):
    return {'containers': [{'name': 'web', 'config': {'IMAGE': value}}]}


@pytest.mark.parametrize(
    'value', ['nginx:1', 'docker.io/library/nginx:1', '--image=nginx:1,pull', 'nginx:1@sha256:ab']
)
def test_a_reference_is_found_in_any_text(value):
    assert in_pod_spec.has_image(spec(value), 'nginx:1')


@pytest.mark.parametrize('value', ['nginx:1.27', 'nginx:12', 'my-nginx:1', 'nginx:1-alpine', ''])
def test_another_reference_that_is_longer_is_not_taken_for_it(value):
    assert not in_pod_spec.has_image(spec(value), 'nginx:1')


def test_no_pod_spec_has_no_image():
    assert not in_pod_spec.has_image(None, 'nginx:1')
    assert in_pod_spec.images(None) == []


def test_a_password_is_found_as_it_is_and_as_kubernetes_encodes_it():
    encoded = base64.b64encode(b'me:secret').decode()
    secret = base64.b64encode(f'{{"auths": {{"x": {{"auth": "{encoded}"}}}}}}'.encode()).decode()
    for value in ('secret', 'password: secret', encoded, secret):
        assert in_pod_spec.has_password(spec(value), 'me', 'secret')
    assert not in_pod_spec.has_password(spec('c2VjcmV'), 'me', 'secret')


def test_the_images_of_all_containers_are_listed():
    pod_spec = {
        'containers': [{'imageDetails': {'imagePath': 'a:1'}}, {'image': 'b:1'}, {}],
        'initContainers': [{'image': 'c:1'}],
    }
    assert in_pod_spec.images(pod_spec) == ['a:1', 'b:1', '(none)', 'c:1']


@pytest.mark.parametrize(
    ('other', 'path'),
    [
        ({'a': [{'b': 'x'}]}, ''),
        ({'a': [{'b': 'y'}]}, 'a[0].b'),
        ({'a': [{'b': 'x'}, {}]}, 'a'),
        ({'a': [{'b': 'x', 'c': 1}]}, 'a[0].c'),
        ({'a': []}, 'a'),
        ({}, 'a'),
        (None, 'all of it'),
    ],
)
def test_the_first_difference_is_named_without_its_value(other, path):
    assert in_pod_spec.difference({'a': [{'b': 'x'}]}, other) == path
