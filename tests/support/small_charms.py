"""Built charms of one hook, each with a fault of its own: what is judged does not need layers."""

import os
import pathlib
import sys
import zipfile

import yaml

_HOOK = '''#!{python}
"""What a charm does with its images, in as few lines as possible."""
import json, os, pathlib, subprocess, sys

hook = os.environ.get('JUJU_HOOK_NAME') or os.environ['JUJU_ACTION_NAME']
file = pathlib.Path('kept.json')
kept = json.loads(file.read_text()) if file.exists() else {{'taken': {{}}}}
before = json.dumps(kept['taken'])

def call(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options).stdout

def status(state, message=''):
    call('status-set', state, message)

def text(name):
    """Return the text of a resource, None if resource-get fails or hangs."""
    try:
        return pathlib.Path(call('resource-get', name, timeout=5)).read_text()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None

def pairs(text):
    """Return the lines `key: value`; what a YAML library would do takes longer to import."""
    return dict(line.split(': ') for line in text.replace("''", '').splitlines())

def read(name):
    """Return the details of an image, None if there are none that can be used."""
    details = pairs(text(name) or '')
    path = details.get('registrypath', '[{{')
    if '://' in path or '[{{' in path:
        return None
    return {{'path': path, **{{key: details.get(key) or '' for key in ('username', 'password')}}}}

def leads():
    return json.loads(call('is-leader', '--format=json'))

def option(name):
    return json.loads(call('config-get', '--format=json', name))

def related(endpoint):
    return json.loads(call('relation-ids', '--format=json', endpoint))

def container(name, taken):
    return {{
        'name': name,
        'imageDetails': {{
            'imagePath': taken['path'],
            'username': taken['username'],
            'password': taken['password'],
        }},
    }}

def send(containers):
    call('pod-spec-set', '--file', '-', input=json.dumps({{'containers': containers}}))

def live(names, ready=lambda: True, containers=None):
    """Be a charm without fault: send what is new, once it is all there and this unit leads."""
    found = {{name: read(name) for name in names}}
    missing = [name for name in names if not found[name]]
    if missing:
        status('blocked', f'no image: {{", ".join(missing)}}')
        return
    if not ready():
        return
    if leads() and found != kept['taken']:
        send((containers or (lambda found: [container(*one) for one in found.items()]))(found))
        kept['taken'] = found
    status('active')

{body}

file.write_text(json.dumps(kept))
'''


def make(
    folder: pathlib.Path,
    body: str = "live(['web'])",
    resources: tuple = ('web',),
    files: tuple = (),
    config: 'dict | None' = None,
    requires: tuple = (),
    peers: tuple = (),
    actions: tuple = (),
    name: str = 'small',
) -> pathlib.Path:
    """Write a built charm whose every hook runs `body`; return its folder."""
    charm = folder / name
    (charm / 'hooks').mkdir(parents=True)
    metadata = {
        'name': name,
        'summary': 'A charm to test with',
        'description': 'Made by a test.',
        'resources': {
            **{resource: {'type': 'oci-image'} for resource in resources},
            **{resource: {'type': 'file', 'filename': resource} for resource in files},
        },
        'requires': {endpoint: {'interface': endpoint} for endpoint in requires},
        'peers': {endpoint: {'interface': endpoint} for endpoint in peers},
    }
    (charm / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    if config:
        (charm / 'config.yaml').write_text(yaml.safe_dump({'options': config}))
    # What a real one has from its layers, and this one does not import.
    for library in ('charmhelpers', 'charms/reactive'):
        (charm / 'lib' / library).mkdir(parents=True)
    script = charm / 'script'
    script.write_text(_HOOK.format(python=sys.executable, body=body))
    script.chmod(0o755)
    hooks = ['install', 'leader-elected', 'config-changed', 'start', 'upgrade-charm']
    hooks += ['update-status', 'leader-settings-changed']
    happens = ('changed', 'departed', 'broken')
    hooks += ['stop', 'remove']
    hooks += [f'{endpoint}-relation-{what}' for endpoint in requires + peers for what in happens]
    for hook in hooks:
        os.link(script, charm / 'hooks' / hook)
    if actions:
        (charm / 'actions').mkdir()
        about = {action: {'description': 'Made by a test.'} for action in actions}
        (charm / 'actions.yaml').write_text(yaml.safe_dump(about))
    for action in actions:
        os.link(script, charm / 'actions' / action)
    return charm


def pack(folder: pathlib.Path, file: pathlib.Path, more: tuple = ()) -> pathlib.Path:
    """Pack a charm as `charmcraft pack` does, with more members; return the file."""
    with zipfile.ZipFile(file, 'w') as archive:
        for path in sorted(folder.rglob('*')):
            name = str(path.relative_to(folder))
            info = zipfile.ZipInfo(name + ('/' if path.is_dir() and not path.is_symlink() else ''))
            info.external_attr = path.lstat().st_mode << 16
            if path.is_symlink():
                archive.writestr(info, str(path.readlink()))
            elif not path.is_dir():
                archive.writestr(info, path.read_bytes())
            else:
                archive.writestr(info, b'')
        for info, content in more:
            archive.writestr(info, content)
    return file


def marks(verdicts):
    """Return the marks of all requirements, in their order."""
    return ''.join(mark for mark, _seen in verdicts.values())


def failing(verdicts):
    """Return the ids of the requirements that are not met."""
    return {name for name, (mark, _seen) in verdicts.items() if mark == '✗'}
