"""What Juju's Validate methods reject in a decoded pod spec, in their order."""

import json
import typing

from charm_unit._unit.spec.decode import Invalid

_Mapping = dict[str, typing.Any]


def validate(spec: _Mapping, version: int) -> None:
    """Raise Invalid if Juju would not take this spec."""
    if version == 0:
        for name, definition in (spec.get('customResourceDefinitions') or {}).items():
            _check_scope(name, definition)
    else:
        _check_resources(spec.get('kubernetesResources') or {}, version)
    containers = spec.get('containers') or []
    if not containers:
        raise Invalid('require at least one container spec')
    for container in [*containers, *(spec.get('initContainers') or [])]:
        _check_container(container or {}, version)
    service = spec.get('service')
    if service:
        _check_service(service)
    if version == 3:
        _check_volumes(containers)
    account = spec.get('serviceAccount')
    if account is not None:
        _check_prime_account(account, version)


def _quoted(text: typing.Any) -> str:
    return json.dumps('' if text is None else text, ensure_ascii=False)


def _check_container(container: _Mapping, version: int) -> None:
    if not container.get('name'):
        raise Invalid('spec name is missing')
    details = container.get('imageDetails') or {}
    if not container.get('image') and not details.get('imagePath'):
        raise Invalid('spec image details is missing')
    for files in container.get('volumeConfig' if version == 3 else 'files') or []:
        files = files or {}
        if not files.get('name'):
            raise Invalid('file set name is missing')
        if not files.get('mountPath'):
            raise Invalid(f'mount path is missing for file set {_quoted(files["name"])}')
        if version == 3:
            _check_volume(files)


_SOURCES = ('hostPath', 'emptyDir', 'secret', 'configMap')


def _check_volume(volume: _Mapping) -> None:
    name = _quoted(volume['name'])
    for file in volume.get('files') or []:
        for key, word in (('path', 'Path'), ('content', 'Content')):
            if not (file or {}).get(key):
                raise Invalid(f'{word} is missing for {name}')
    sources = [source for source in _SOURCES if volume.get(source) is not None]
    for source in sources:
        found = volume[source]
        if source == 'hostPath' and not found.get('path'):
            raise Invalid(f'Path is missing for {name}')
        if source in ('secret', 'configMap'):
            if not found.get('name'):
                raise Invalid(f'Name is missing for {name}')
            for file in found.get('files') or []:
                for key, word in (('key', 'Key'), ('path', 'Path')):
                    if not (file or {}).get(key):
                        raise Invalid(f'{word} is missing for {name}')
    number = len(sources) + bool(volume.get('files'))
    if number == 0:
        raise Invalid(f'file set {name} requires volume source')
    if number > 1:
        raise Invalid(f'file set {name} can only have one volume source')


def _check_volumes(containers: list[_Mapping]) -> None:
    known: dict[str, _Mapping] = {}
    for container in containers:
        in_container = _quoted(container['name'])
        seen: list[_Mapping] = []
        for volume in container.get('volumeConfig') or []:
            name = volume['name']
            source = {key: value for key, value in volume.items() if key != 'mountPath'}
            if known.setdefault(name, source) != source:
                raise Invalid(
                    f'duplicated file {_quoted(name)} with different volume spec not valid'
                )
            if volume in seen:
                raise Invalid(
                    f'duplicated file {_quoted(name)} in container {in_container} not valid'
                )
            mount = volume['mountPath']
            if any(mount == other['mountPath'] for other in seen):
                raise Invalid(
                    f'duplicated mount path {_quoted(mount)} in container {in_container} not valid'
                )
            seen.append(volume)


def _check_service(service: _Mapping) -> None:
    strategy = service.get('updateStrategy')
    if strategy is not None:
        if not strategy.get('type'):
            raise Invalid('type is required')
        rolling = strategy.get('rollingUpdate') or {}
        if rolling.get('partition') is not None and (
            rolling.get('maxUnavailable') is not None or rolling.get('maxSurge') is not None
        ):
            raise Invalid(
                'partion can not be defined with maxUnavailable or maxSurge together'  # sic
            )
    policy = service.get('scalePolicy')
    if policy not in (None, '', 'parallel', 'serial'):
        raise Invalid(f'scale policy {_quoted(policy)} not supported')


def _check_scope(name: str, definition: typing.Any) -> None:
    scope = definition.get('scope') if isinstance(definition, dict) else None
    if scope not in ('Namespaced', 'Cluster'):
        raise Invalid(
            f'custom resource definition {_quoted(name)} scope {_quoted(scope)} is not supported, '
            'please use "Namespaced" or "Cluster" scope'
        )


def _check_resources(resources: _Mapping, version: int) -> None:
    definitions = resources.get('customResourceDefinitions') or {}
    if version == 2:
        for name, definition in definitions.items():
            _check_scope(name, definition)
    else:
        for definition in definitions or []:
            _check_name(definition)
            _check_scope(definition['name'], definition.get('spec'))
    for name, items in (resources.get('customResources') or {}).items():
        if not items:
            raise Invalid(f'empty custom resources {_quoted(name)} not valid')
    for key in ('mutatingWebhookConfigurations', 'validatingWebhookConfigurations'):
        if version == 2:
            webhooks = (resources.get(key) or {}).items()
        else:
            for item in resources.get(key) or []:
                _check_name(item)
            webhooks = [(item['name'], item.get('webhooks')) for item in resources.get(key) or []]
        for name, items in webhooks:
            if not items:
                raise Invalid(f'empty webhooks {_quoted(name)} not valid')
    _check_accounts(resources.get('serviceAccounts') or [], version)
    for ingress in resources.get('ingressResources') or []:
        if not (ingress or {}).get('name'):
            raise Invalid('ingress name is missing' if version == 2 else 'name is missing')


def _check_name(item: _Mapping) -> None:
    if not item.get('name'):
        raise Invalid('name is missing')


def _check_accounts(accounts: list[_Mapping], version: int) -> None:
    names: set[str] = set()
    for account in accounts:
        name = account.get('name')
        if not name:
            raise Invalid('service account name is missing' if version == 2 else 'name is missing')
        if version == 2:
            _check_rules(account)
            continue
        _check_roles(account)
        if name in names:
            raise Invalid(f'duplicated service account name {_quoted(name)} not valid')
        names.add(name)


def _check_prime_account(account: _Mapping, version: int) -> None:
    try:
        if version == 2:
            _check_rules(account)
        else:
            _check_roles(account)
    except Invalid as error:
        raise Invalid(f'invalid primary service account: {error}') from error


def _check_rules(holder: _Mapping) -> None:
    if not holder.get('rules'):
        raise Invalid('rules is required')


def _check_roles(account: _Mapping) -> None:
    roles = account.get('roles') or []
    if not roles:
        raise Invalid('roles is required')
    for role in roles:
        _check_rules(role or {})
    names = [role['name'] for role in roles if role.get('name')]
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f'duplicated role name {_quoted(name)} not valid')
    if names and len(names) != len(roles):
        raise Invalid('either all or none of the roles should have a name set')
