"""The hook tools of a simulated unit: what Juju's `jujuc` is to a real one.

Started as `hook_tools.py TOOL ARGUMENTS...` with the unit's folder in $SIMULATED_UNIT. Reads what
the unit is from its state.json and writes what the charm said to its journal: for each entry its
kind, how many words follow, and these, each ended by a NUL.

Exit codes and messages are those of Juju 2.9 (cmd/juju, worker/uniter/runner/jujuc).
"""

import itertools
import json
import os
import pathlib
import sys

_UNIT = pathlib.Path(os.environ.get('SIMULATED_UNIT', ''))
_RESTRICTED = ('collect-metrics', 'meter-status-changed')


class _Failed(Exception):
    """Raised with a message and an exit code: 1 if it failed, 2 if it was called wrongly."""


# Hooks log a lot: this one has no need of an interpreter that takes 20 ms to start.
_SHELL = """#!/bin/sh
printf '%s\\0' {kind} "$#" "$@" >>"$SIMULATED_UNIT/journal"
"""


def install(folder, interpreter):
    """Put the tools into `folder`, as executables."""
    folder.mkdir()
    for name in TOOLS:
        # Only pod specs need a library.
        options = '-I' if name in ('pod-spec-set', 'k8s-spec-set') else '-IS'
        script = f'#!/bin/sh\nexec "{interpreter}" {options} "{__file__}" {name} "$@"\n'
        (folder / name).write_text(script)
    (folder / 'juju-log').write_text(_SHELL.format(kind='log'))
    for tool in folder.iterdir():
        tool.chmod(0o755)


def journal(folder):
    """Return the entries of the journal, each a list of its kind and its words."""
    words = iter((folder / 'journal').read_text(errors='replace').split('\0')[:-1])
    return [[kind, *itertools.islice(words, int(next(words)))] for kind in words]


def _note(kind, *words):
    with open(_UNIT / 'journal', 'a') as file:
        file.write(''.join(f'{word}\0' for word in (kind, len(words), *words)))


def _positional(arguments):
    """Return the arguments that are neither options nor their values, and the options."""
    positional, options = [], {}
    arguments = iter(arguments)
    for argument in arguments:
        if argument in ('-r', '-l', '--format', '--file', '-o'):
            options[argument] = next(arguments, '')
        elif argument.startswith('-') and argument != '-':
            name, _, value = argument.partition('=')
            options[name] = value or True
        else:
            positional.append(argument)
    return positional, options


def _print(value):
    print(json.dumps(value))


def _resource_get(state, arguments):
    if len(arguments) != 1:
        raise _Failed('no resource name specified' if not arguments else 'unrecognized args', 2)
    (name,) = arguments
    if os.environ['JUJU_HOOK_NAME'] in _RESTRICTED:
        raise _Failed('could not download resource: not implemented for restricted context', 1)
    script = state['resource_scripts'].get(name)
    if script:
        os.execv('/bin/sh', ['sh', '-c', script, 'resource-get', name])
    declared = state['resources'].get(name)
    if declared is None:
        application = state['unit'].split('/')[0]
        raise _Failed(
            'could not download resource: HTTP request failed: Get https://10.152.183.1:17070/'
            f'units/unit-{application}/resources/{name}: resource#{application}/{name} not found',
            1,
        )
    if declared['content'] is None:
        store = 'charmhub' if state['shared_path'] else 'the charm store'
        raise _Failed(
            'could not download resource: while getting resource from '
            f'{store}: resource "{name}" not found',
            1,
        )
    folder = pathlib.Path(os.environ['JUJU_CHARM_DIR']).parent / 'resources'
    if declared['type'] == 'file':
        path = folder / name / declared['filename']
    elif state['shared_path']:  # from Juju 2.9.31 on
        path = folder / 'content.yaml'
    else:
        path = folder / name / 'content.yaml'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes.fromhex(declared['content']))
    sys.stdout.write(str(path))


def _pod_spec_set(state, arguments):
    if not state['leader']:
        raise _Failed('this unit is not the leader', 1)
    _positional_, options = _positional(arguments)
    file = options.get('--file')
    text = pathlib.Path(file).read_text() if file and file != '-' else sys.stdin.read()
    import yaml  # the only one that needs site-packages

    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise _Failed(f'yaml: {error}', 1) from error
    if not documents or not isinstance(documents[0], dict):
        raise _Failed('yaml: unmarshal errors: cannot unmarshal into specs.PodSpec', 1)
    spec = documents[0]
    containers = spec.get('containers')
    if not containers:
        raise _Failed('require at least one container spec', 1)
    for container in containers:
        details = container.get('imageDetails')
        if details is None and container.get('image'):
            continue
        if not isinstance(details, dict) or not details.get('imagePath'):
            raise _Failed('spec image details is missing', 1)
        for key, value in details.items():
            if key not in ('imagePath', 'username', 'password'):
                raise _Failed(f'json: unknown field "{key}"', 1)
            if value is not None and not isinstance(value, str):
                raise _Failed(f'json: cannot unmarshal into {key} of type string', 1)
    _note('pod-spec', json.dumps(documents[0], default=str))  # YAML has bytes and dates as well


def _config_get(state, arguments):
    names, _options = _positional(arguments)
    _print(state['config'].get(names[0]) if names else state['config'])


def _relation_ids(state, arguments):
    names, _options = _positional(arguments)
    name = names[0] if names else os.environ['JUJU_RELATION']
    _print([rid for rid in state['relations'] if rid.split(':')[0] == name])


def _relation(state, options):
    rid = options.get('-r') or os.environ.get('JUJU_RELATION_ID')
    if rid not in state['relations']:
        raise _Failed(f'invalid value "{rid}" for option -r: relation not found', 2)
    return state['relations'][rid]


def _relation_list(state, arguments):
    _names, options = _positional(arguments)
    _print(sorted(unit for unit in _relation(state, options) if unit != state['unit']))


def _relation_get(state, arguments):
    names, options = _positional(arguments)
    key = names[0] if names else '-'
    unit = names[1] if len(names) > 1 else os.environ.get('JUJU_REMOTE_UNIT')
    said = _relation(state, options).get(unit, {})
    _print(said if key == '-' else said.get(key))


def _status_get(state, _arguments):
    _print({'status': state['status'][0], 'message': state['status'][1], 'status-data': {}})


def _status_set(_state, arguments):
    words, _options = _positional(arguments)
    if not words or words[0] not in ('maintenance', 'blocked', 'waiting', 'active'):
        raise _Failed(f'invalid status "{"".join(words[:1])}"', 1)
    _note('status', words[0], words[1] if len(words) > 1 else '')


def _application_version_set(_state, arguments):
    _note('version', *arguments)


def _is_leader(state, _arguments):
    _print(state['leader'])


def _leader_get(_state, _arguments):
    _print({})


def _address(_state, _arguments):
    _print('10.1.0.7')


def _goal_state(_state, _arguments):
    _print({'units': {}, 'relations': {}})


def _noted(_state, _arguments):
    """Nothing that a charm could see now."""


TOOLS = {
    'application-version-set': _application_version_set,
    'close-port': _noted,
    'config-get': _config_get,
    'goal-state': _goal_state,
    'is-leader': _is_leader,
    'k8s-spec-set': _pod_spec_set,
    'leader-get': _leader_get,
    'leader-set': _noted,
    'network-get': _address,
    'open-port': _noted,
    'pod-spec-set': _pod_spec_set,
    'relation-get': _relation_get,
    'relation-ids': _relation_ids,
    'relation-list': _relation_list,
    'relation-set': _noted,
    'resource-get': _resource_get,
    'state-delete': _noted,
    'status-get': _status_get,
    'status-set': _status_set,
    'unit-get': _address,
}


def _main(tool, *arguments):
    try:
        TOOLS[tool](json.loads((_UNIT / 'state.json').read_text()), arguments)
    except _Failed as failed:
        message, code = failed.args
        print(f'ERROR {message}', file=sys.stderr)
        return code
    return 0


if __name__ == '__main__':
    sys.exit(_main(*sys.argv[1:]))
