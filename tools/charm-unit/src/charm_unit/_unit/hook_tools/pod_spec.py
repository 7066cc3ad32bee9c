"""pod-spec-set, k8s-spec-set, k8s-raw-set, and the tools that read these back."""

from charm_unit._unit import context, spec
from charm_unit._unit.hook_tools.tool import Answer, Call, Failed, Tool, check_empty, parse


def _text(call: Call) -> str:
    words, options = parse(call, valued=('file', 'k8s-resources'))
    check_empty(words)
    text = call.read(options.get('file', '-'))
    if not text:
        raise Failed(
            'no k8s spec specified: pipe k8s spec to command, or specify a file with --file'
        )
    if options.get('k8s-resources'):
        text += call.read(options['k8s-resources'])
    return text


def _spec_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    text = _text(call)
    if not hook.model.leader:
        if hook.juju.rejects_spec_of_others:
            raise Failed('this unit is not the leader')
        return
    if hook.juju.checks_pod_spec:
        try:
            spec.check(text, latest=3 if hook.juju.has_spec_version_3 else 2)
        except spec.Invalid as error:
            raise Failed(str(error)) from error
    hook.pod_spec = text
    hook.pod_specs_sent += 1


def _raw_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=('file',))
    check_empty(words)
    text = call.read(options.get('file', '-'))
    if not text:
        raise Failed(
            'no k8s raw spec specified: pipe k8s raw spec to command, '
            'or specify a file with --file'
        )
    if not hook.model.leader:
        raise Failed('this unit is not the leader')
    hook.raw_spec = text


def _spec_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    check_empty(words)
    answer.stdout = hook.model.pod_spec or ''


def _raw_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    check_empty(words)
    answer.stdout = hook.model.raw_spec or ''


TOOLS: dict[str, Tool] = {
    'k8s-raw-get': _raw_get,
    'k8s-raw-set': _raw_set,
    'k8s-spec-get': _spec_get,
    'k8s-spec-set': _spec_set,
    'pod-spec-get': _spec_get,
    'pod-spec-set': _spec_set,
}
