"""Pod specs are rejected as Juju rejects them, in its words."""
# ruff: noqa: E501 (which are as long as they are)

import pytest
import yaml

from charm_unit._unit import spec

C = '{name: c, imageDetails: {imagePath: a/b}}'


@pytest.mark.parametrize(
    'text',
    [
        f'containers: [{C}]',
        f'version: 2\ncontainers: [{C}]\nserviceAccount: {{rules: [{{verbs: [get]}}]}}',
        f'version: 3\ncontainers: [{C}]\nserviceAccount: {{roles: [{{rules: [{{verbs: [get]}}]}}]}}',
        'containers: [{name: c, image: a/b}]\nrestartPolicy: Always\ninitContainers: []',
        'containers: [{name: c, image: a/b, livenessProbe: {httpGet: {path: /, port: 80}}}]',
        'version: 2\ncontainers: [{name: c, image: a/b, kubernetes: {readinessProbe: {tcpSocket: {port: p}}}}]',
        'version: 3\ncontainers: [{name: c, image: a/b, envConfig: {A: 1, B: {secret: {name: s}}}, '
        'volumeConfig: [{name: v, mountPath: /v, files: [{path: p, content: c}]}]}]',
        'containers: [{NAME: c, ImageDetails: {imagepath: a/b, username: null, password: ""}}]',
        f'containers: [{C}]\nconfigmaps: {{a: {{b: "2020-01-01"}}}}',
        f'version: 2\ncontainers: [{C}]\nkubernetesResources: {{pod: {{hostNetwork: true}}, '
        'customResourceDefinitions: {a.b: {scope: Cluster, group: b}}}',
    ],
)
def test_a_good_spec_is_taken(text):
    assert spec.check(text)['containers']


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('', 'require at least one container spec'),
        ('containers: []', 'require at least one container spec'),
        ('containers: [{imageDetails: {imagePath: a}}]', 'spec name is missing'),
        ('containers: [{name: c}]', 'spec image details is missing'),
        ('containers: [{name: c, imageDetails: {imagePath: a, digest: b}}]', 'json: unknown field "digest"'),
        ('containers: [{name: c, imageDetails: {imagePath: a, password: 83}}]',
         'json: cannot unmarshal number into Go struct field ImageDetails.containers.imageDetails.password of type string'),
        ('containers: {name: c}', 'json: cannot unmarshal object into Go struct field podSpecLegacy.containers of type []k8sContainerLegacy'),
        ('containers: [{name: c, image: a, ports: [{containerPort: "80"}]}]',
         'json: cannot unmarshal string into Go struct field ContainerPort.containers.ports.containerPort of type int32'),
        (f'version: 4\ncontainers: [{C}]', 'latest supported version 3, but got podspec version 4'),
        (f'version: 1\ncontainers: [{C}]', 'latest supported version 3, but got podspec version 1'),
        (f'version: 2\ncontainers: [{C}]\nrestartPolicy: Always', 'json: unknown field "restartPolicy"'),
        ('version: 3\ncontainers: [{name: c, image: a, config: {A: b}}]', 'json: unknown field "config"'),
        ('version: 2\ncontainers: [{name: c, image: a, files: [{name: f}]}]', 'mount path is missing for file set "f"'),
        ('version: 3\ncontainers: [{name: c, image: a, volumeConfig: [{name: v, mountPath: /v}]}]',
         'file set "v" requires volume source'),
        ('version: 3\ncontainers: [{name: c, image: a, volumeConfig: ['
         '{name: v, mountPath: /v, emptyDir: {}}, {name: w, mountPath: /v, emptyDir: {}}]}]',
         'duplicated mount path "/v" in container "c" not valid'),
        (f'version: 3\ncontainers: [{C}]\nserviceAccount: {{roles: []}}',
         'invalid primary service account: roles is required'),
        (f'version: 2\ncontainers: [{C}]\nkubernetesResources: {{serviceAccounts: [{{rules: []}}]}}',
         'service account name is missing'),
        (f'version: 3\ncontainers: [{C}]\nservice: {{scalePolicy: fast}}', 'scale policy "fast" not supported'),
        (f'version: 2\ncontainers: [{C}]\nkubernetesResources: {{customResourceDefinitions: {{a: {{scope: x}}}}}}',
         'custom resource definition "a" scope "x" is not supported, please use "Namespaced" or "Cluster" scope'),
        ('a: b: c', 'yaml: line 1: mapping values are not allowed in this context'),
    ],
)  # fmt: skip
def test_a_bad_spec_is_rejected_in_juju_words(text, error):
    with pytest.raises(spec.Invalid) as caught:
        spec.check(text)
    assert str(caught.value) == error


def test_version_3_is_unknown_to_older_jujus():
    with pytest.raises(
        spec.Invalid, match='latest supported version 2, but got podspec version 3'
    ):
        spec.check(f'version: 3\ncontainers: [{C}]', latest=2)


def _with_data(value):
    secret = {'name': 'keys', 'type': 'Opaque', 'data': {'key': value}}
    return yaml.safe_dump(
        {
            'version': 3,
            'containers': [{'name': 'web', 'imageDetails': {'imagePath': 'nginx'}}],
            'kubernetesResources': {'secrets': [secret]},
        }
    )


def test_bytes_of_a_charm_are_a_string():
    text = _with_data(b'c2VjcmV0')
    assert '!!binary' in text
    (secret,) = spec.check(text)['kubernetesResources']['secrets']
    assert secret['data'] == {'key': 'c2VjcmV0'}


def test_bytes_that_are_none_are_rejected():
    with pytest.raises(spec.Invalid, match='yaml: '):
        spec.check(_with_data(b'x').replace('eA==', 'e'))
