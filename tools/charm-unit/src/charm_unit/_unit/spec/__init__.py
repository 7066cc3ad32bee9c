"""Pod specs, checked as Juju's caas/specs and caas/kubernetes/provider/specs do.

Versions are those of Juju: none (called legacy, or 1), 2 and 3. `check` decodes a spec as
strictly as Juju and then validates it, in the same order and with the same words. The bodies of
custom resources, webhooks and ingresses, which are Kubernetes' own types, are not looked into.
"""

import typing

from charm_unit._unit.spec import decode, types, validate
from charm_unit._unit.spec.decode import Invalid

__all__ = ['Invalid', 'check', 'containers', 'load']


def load(text: str) -> dict[str, typing.Any]:
    """Return the mapping in a pod spec's first document; raise Invalid."""
    found = decode.load_yaml(text)
    if found is None:
        return {}
    if not isinstance(found, dict):
        kind = decode.kind(found)
        raise Invalid(f'yaml: unmarshal errors: cannot unmarshal {kind} into specs.PodSpecVersion')
    return found


def check(text: str, latest: int = 3) -> dict[str, typing.Any]:
    """Return a pod spec's contents; raise Invalid with the error that an operator would see.

    `latest` is the latest version of pod specs that this Juju knows.
    """
    found = load(text)
    version = decode.lookup(found, 'version') or 0
    if isinstance(version, bool) or not isinstance(version, int):
        raise Invalid(
            'yaml: unmarshal errors: cannot unmarshal '
            f'{decode.kind(version)} `{version}` into specs.Version'
        )
    if version not in (0, 2, 3) or version > latest:
        raise Invalid(f'latest supported version {latest}, but got podspec version {version}')
    decoded = decode.decode(found, types.POD_SPECS[version])
    validate.validate(decoded, version)
    return found


def containers(
    pod_spec: 'typing.Mapping[str, typing.Any] | None',
) -> dict[str, dict[str, typing.Any]]:
    """Return the containers of a pod spec, by name."""
    found = [
        *((pod_spec or {}).get('containers') or []),
        *((pod_spec or {}).get('initContainers') or []),
    ]
    return {container['name']: container for container in found if isinstance(container, dict)}
