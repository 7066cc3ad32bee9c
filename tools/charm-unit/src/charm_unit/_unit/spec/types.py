"""The types of pod specs, by version: what Go's structs of the same names hold."""

import typing

from charm_unit._unit.spec.decode import ANY, BOOL, INT32, INT64, STRING, ListOf, MapOf, Struct

_STRINGS = ListOf(STRING)
_TEXTS = MapOf(STRING)

_ACTIONS = {
    'exec': Struct('ExecAction', {'command': _STRINGS}),
    'httpGet': Struct(
        'HTTPGetAction',
        {
            'path': STRING,
            'port': ANY,
            'host': STRING,
            'scheme': STRING,
            'httpHeaders': ListOf(Struct('HTTPHeader', {'name': STRING, 'value': STRING})),
        },
    ),
    'tcpSocket': Struct('TCPSocketAction', {'port': ANY, 'host': STRING}),
}
_PROBE = Struct(
    'Probe',
    {
        **_ACTIONS,
        'initialDelaySeconds': INT32,
        'timeoutSeconds': INT32,
        'periodSeconds': INT32,
        'successThreshold': INT32,
        'failureThreshold': INT32,
    },
)
_SE_LINUX = Struct(
    'SELinuxOptions', {'user': STRING, 'role': STRING, 'type': STRING, 'level': STRING}
)
_WINDOWS = Struct(
    'WindowsSecurityContextOptions',
    {'gmsaCredentialSpecName': STRING, 'gmsaCredentialSpec': STRING, 'runAsUserName': STRING},
)
_RUNS_AS = {
    'seLinuxOptions': _SE_LINUX,
    'windowsOptions': _WINDOWS,
    'runAsUser': INT64,
    'runAsGroup': INT64,
    'runAsNonRoot': BOOL,
    'seccompProfile': Struct('SeccompProfile', {'type': STRING, 'localhostProfile': STRING}),
}
_SECURITY_CONTEXT = Struct(
    'SecurityContext',
    {
        **_RUNS_AS,
        'capabilities': Struct('Capabilities', {'add': _STRINGS, 'drop': _STRINGS}),
        'privileged': BOOL,
        'readOnlyRootFilesystem': BOOL,
        'allowPrivilegeEscalation': BOOL,
        'procMount': STRING,
    },
)
_POD = {
    'restartPolicy': STRING,
    'activeDeadlineSeconds': INT64,
    'terminationGracePeriodSeconds': INT64,
    'securityContext': Struct(
        'PodSecurityContext',
        {
            **_RUNS_AS,
            'supplementalGroups': ListOf(INT64),
            'fsGroup': INT64,
            'fsGroupChangePolicy': STRING,
            'sysctls': ListOf(Struct('Sysctl', {'name': STRING, 'value': STRING})),
        },
    ),
    'readinessGates': ListOf(Struct('PodReadinessGate', {'conditionType': STRING})),
    'dnsPolicy': STRING,
    'hostNetwork': BOOL,
    'hostPID': BOOL,
    'priorityClassName': STRING,
    'priority': INT32,
}
_IN_KUBERNETES = {
    'livenessProbe': _PROBE,
    'readinessProbe': _PROBE,
    'startupProbe': _PROBE,
    'securityContext': _SECURITY_CONTEXT,
}
IMAGE_DETAILS = Struct(
    'ImageDetails', {'imagePath': STRING, 'username': STRING, 'password': STRING}
)
_CONTAINER = {
    'name': STRING,
    'init': BOOL,
    'image': STRING,
    'imageDetails': IMAGE_DETAILS,
    'ports': ListOf(
        Struct(
            'ContainerPort',
            {'name': STRING, 'containerPort': INT32, 'protocol': STRING},
        )
    ),
    'command': _STRINGS,
    'args': _STRINGS,
    'workingDir': STRING,
    'imagePullPolicy': STRING,
}
_CONTAINER_2 = {
    **_CONTAINER,
    'config': MapOf(ANY),
    'files': ListOf(Struct('FileSetV2', {'name': STRING, 'mountPath': STRING, 'files': _TEXTS})),
}
_FILE = {'path': STRING, 'mode': INT32}
_REFERENCE = Struct(
    'ResourceRefVol',
    {
        'name': STRING,
        'files': ListOf(Struct('FileRef', {**_FILE, 'key': STRING})),
        'defaultMode': INT32,
    },
)
_CONTAINER_3 = {
    **_CONTAINER,
    'envConfig': MapOf(ANY),
    'volumeConfig': ListOf(
        Struct(
            'FileSet',
            {
                'name': STRING,
                'mountPath': STRING,
                'files': ListOf(Struct('File', {**_FILE, 'content': STRING})),
                'hostPath': Struct('HostPathVol', {'path': STRING, 'type': STRING}),
                'emptyDir': Struct('EmptyDirVol', {'medium': STRING, 'sizeLimit': ANY}),
                'configMap': _REFERENCE,
                'secret': _REFERENCE,
            },
        )
    ),
}
_RULE = Struct(
    'PolicyRule',
    {
        'verbs': _STRINGS,
        'apiGroups': _STRINGS,
        'resources': _STRINGS,
        'resourceNames': _STRINGS,
        'nonResourceURLs': _STRINGS,
    },
)
_ACCOUNT_2 = {'automountServiceAccountToken': BOOL, 'global': BOOL, 'rules': ListOf(_RULE)}
_ACCOUNT_3 = {
    'automountServiceAccountToken': BOOL,
    'roles': ListOf(Struct('Role', {'name': STRING, 'global': BOOL, 'rules': ListOf(_RULE)})),
}
_META = {'name': STRING, 'labels': _TEXTS, 'annotations': _TEXTS}
_SECRET = Struct(
    'Secret',
    {'name': STRING, 'type': STRING, 'annotations': _TEXTS, 'data': _TEXTS, 'stringData': _TEXTS},
)
_RESOURCES: dict[str, typing.Any] = {
    'pod': Struct('PodSpec', _POD),
    'secrets': ListOf(_SECRET),
    'customResources': MapOf(ListOf(ANY)),
    'ingressResources': ListOf(Struct('K8sIngressSpec', {**_META, 'spec': ANY})),
}
_SERVICE = Struct(
    'ServiceSpec',
    {
        'annotations': _TEXTS,
        'scalePolicy': STRING,
        'updateStrategy': Struct(
            'UpdateStrategy',
            {
                'type': STRING,
                'rollingUpdate': Struct(
                    'RollingUpdateSpec',
                    {'maxUnavailable': ANY, 'maxSurge': ANY, 'partition': INT32},
                ),
            },
        ),
    },
)
_SPEC: dict[str, typing.Any] = {
    'version': INT32,
    'omitServiceFrontend': BOOL,
    'service': _SERVICE,
    'configmaps': MapOf(_TEXTS),
}
_LEGACY_CONTAINERS = ListOf(Struct('k8sContainerLegacy', {**_CONTAINER_2, **_IN_KUBERNETES}))
_KUBERNETES = Struct('K8sContainerSpec', _IN_KUBERNETES)

POD_SPECS = {
    0: Struct(
        'podSpecLegacy',
        {
            **_SPEC,
            **_POD,
            'serviceAccountName': STRING,
            'automountServiceAccountToken': BOOL,
            'customResourceDefinitions': MapOf(ANY),
            'containers': _LEGACY_CONTAINERS,
            'initContainers': _LEGACY_CONTAINERS,
        },
    ),
    2: Struct(
        'podSpecV2',
        {
            **_SPEC,
            'serviceAccount': Struct('ServiceAccountSpecV2', _ACCOUNT_2),
            'containers': ListOf(
                Struct('k8sContainerV2', {**_CONTAINER_2, 'kubernetes': _KUBERNETES})
            ),
            'kubernetesResources': Struct(
                'KubernetesResourcesV2',
                {
                    **_RESOURCES,
                    'customResourceDefinitions': MapOf(ANY),
                    'mutatingWebhookConfigurations': MapOf(ListOf(ANY)),
                    'validatingWebhookConfigurations': MapOf(ListOf(ANY)),
                    'serviceAccounts': ListOf(
                        Struct('K8sServiceAccountSpecV2', {**_ACCOUNT_2, 'name': STRING})
                    ),
                },
            ),
        },
    ),
    3: Struct(
        'podSpecV3',
        {
            **_SPEC,
            'serviceAccount': Struct('PrimeServiceAccountSpecV3', _ACCOUNT_3),
            'containers': ListOf(
                Struct('k8sContainer', {**_CONTAINER_3, 'kubernetes': _KUBERNETES})
            ),
            'kubernetesResources': Struct(
                'KubernetesResources',
                {
                    **_RESOURCES,
                    'customResourceDefinitions': ListOf(
                        Struct('K8sCustomResourceDefinition', {**_META, 'spec': ANY})
                    ),
                    'mutatingWebhookConfigurations': ListOf(
                        Struct('K8sMutatingWebhook', {**_META, 'webhooks': ListOf(ANY)})
                    ),
                    'validatingWebhookConfigurations': ListOf(
                        Struct('K8sValidatingWebhook', {**_META, 'webhooks': ListOf(ANY)})
                    ),
                    'serviceAccounts': ListOf(
                        Struct('K8sServiceAccountSpec', {**_ACCOUNT_3, 'name': STRING})
                    ),
                    'services': ListOf(Struct('K8sService', {**_META, 'spec': ANY})),
                },
            ),
        },
    ),
}
"""The type of a whole spec, by its version."""
