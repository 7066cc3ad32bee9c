"""resource-get."""

from charm_unit._unit import context
from charm_unit._unit.hook_tools.tool import Answer, Call, Failed, Tool, check_empty, parse


def _resource_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    if not words:
        raise Failed('missing required resource name', 2)
    check_empty(words[1:])
    (name,) = words
    failed = 'could not download resource: '
    if hook.restricted:
        raise Failed(failed + 'not implemented for restricted context')
    known = hook.model
    resource = known.resources.get(name)
    if resource and resource.script:
        answer.script = resource.script
        answer.words = ('resource-get', name)
        return
    if resource is None or resource.file is None:
        raise Failed(
            f'{failed}HTTP request failed: Get https://10.152.183.1:17070/units/'
            f'unit-{known.unit.replace("/", "-")}/resources/{name}: '
            f'resource#{known.application}/{name} not found'
        )
    if resource.content is None:
        store = 'charmhub' if known.charmhub else 'the charm store'
        raise Failed(f'{failed}while getting resource from {store}: resource "{name}" not found')
    resource.file.parent.mkdir(parents=True, exist_ok=True)
    resource.file.write_bytes(resource.content)
    answer.stdout = str(resource.file)


TOOLS: dict[str, Tool] = {'resource-get': _resource_get}
