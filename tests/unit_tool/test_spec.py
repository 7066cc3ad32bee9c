"""What Juju takes as a pod spec."""

import pytest
import yaml

from charm_unit import spec


def with_data(value):
    secret = {'name': 'keys', 'type': 'Opaque', 'data': {'key': value}}
    return yaml.safe_dump(
        {
            'version': 3,
            'containers': [{'name': 'web', 'imageDetails': {'imagePath': 'nginx'}}],
            'kubernetesResources': {'secrets': [secret]},
        }
    )


def test_bytes_of_a_charm_are_a_string():
    text = with_data(b'c2VjcmV0')
    assert '!!binary' in text
    (secret,) = spec.check(text)['kubernetesResources']['secrets']
    assert secret['data'] == {'key': 'c2VjcmV0'}


def test_bytes_that_are_none_are_rejected():
    with pytest.raises(spec.Invalid, match='yaml: '):
        spec.check(with_data(b'x').replace('eA==', 'e'))
