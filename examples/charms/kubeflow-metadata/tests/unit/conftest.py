"""Handlers are called with mocks in place of charms.reactive, charmhelpers and all layers."""

import pytest
from charms import unit_test

unit_test.patch_reactive()
# Needed where charmhelpers is installed: it would be found before the mock.
unit_test.patch_module('charmhelpers.core.hookenv')


@pytest.fixture
def image():
    """What the layer docker-resource would give for an image that is attached."""
    from charms import layer

    details = {'imagePath': 'a/web:1', 'username': 'me', 'password': 'secret'}
    layer.caas_base.pod_spec_set.reset_mock()
    info = layer.docker_resource.get_info.return_value
    info.registry_path, info.username, info.password = details.values()
    info.image_details = details
    return details
