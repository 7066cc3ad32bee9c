"""The hook tools of Juju 2.9 and 3.6, as its worker/uniter/runner/jujuc has them.

`call` runs one: exit code 1 if it failed, 2 if it was called wrongly, with Juju's message on
stderr; --help prints its usage. What is not simulated fails by name.
"""

from charm_unit._unit import context, juju_version
from charm_unit._unit.hook_tools import (
    action,
    configuration,
    leadership,
    network,
    pod_spec,
    relation,
    resource,
    state,
    status,
    storage,
)
from charm_unit._unit.hook_tools.tool import Answer, Call, Failed, HelpAsked, Tool

TOOLS: dict[str, Tool] = {
    **action.TOOLS,
    **configuration.TOOLS,
    **leadership.TOOLS,
    **network.TOOLS,
    **pod_spec.TOOLS,
    **relation.TOOLS,
    **resource.TOOLS,
    **state.TOOLS,
    **status.TOOLS,
    **storage.TOOLS,
}

_SECRETS = (
    'secret-add',
    'secret-get',
    'secret-grant',
    'secret-ids',
    'secret-info-get',
    'secret-remove',
    'secret-revoke',
    'secret-set',
)
NOT_SIMULATED = (
    'credential-get',
    'juju-reboot',
    'payload-register',
    'payload-status-set',
    'payload-unregister',
    'storage-add',
    *_SECRETS,
)

_SINCE = {
    **dict.fromkeys(('action-log', 'pod-spec-get'), (2, 7, 0)),
    **dict.fromkeys(('k8s-raw-get', 'k8s-raw-set', 'k8s-spec-get', 'k8s-spec-set'), (2, 8, 0)),
    **dict.fromkeys(state.TOOLS, (2, 8, 0)),
    **dict.fromkeys(('relation-model-get', *_SECRETS), (3, 0, 0)),
}
"""The version of Juju that first had a tool, if it is not older than pod specs."""

_ALLOWED_WHEN_RESTRICTED = ('juju-log', 'add-metric', 'resource-get')


def names(juju: juju_version.JujuVersion) -> list[str]:
    """Return the names of all hook tools that this version of Juju has."""
    lacking = {name for name, first in _SINCE.items() if juju.numbers < first}
    return sorted({*TOOLS, *NOT_SIMULATED} - lacking)


def call(hook: context.HookContext, made: Call) -> Answer:
    """Run a hook tool in the context of a hook."""
    answer = Answer(folder=made.folder)
    if made.tool not in TOOLS:
        hook.not_simulated.append(made.tool)
        answer.stderr = f'ERROR {made.tool} is not simulated by charm-unit\n'
        answer.code = 1
        return answer
    try:
        if hook.restricted and made.tool not in _ALLOWED_WHEN_RESTRICTED:
            raise Failed('not implemented for restricted context')
        TOOLS[made.tool](hook, made, answer)
    except HelpAsked as asked:
        answer.stdout += str(asked)
    except Failed as failed:
        answer.stderr += f'ERROR {failed}\n'
        answer.code = failed.code
    return answer
