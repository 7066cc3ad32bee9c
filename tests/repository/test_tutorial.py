"""Follows docs/tutorial.md in a fresh home directory: writes its files and types its commands."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import support
from support import building, isolation

TUTORIAL = building.ROOT / 'docs' / 'tutorial.md'
_BLOCK = re.compile(r'(?ms)^```(\w+)\n(.*?)^```')


def steps(text):
    """Yield each file, as its name and content, and each script, as '' and its lines."""
    end = 0
    for block in _BLOCK.finditer(text):
        before, end = text[end : block.start()], block.end()
        language, content = block.groups()
        if language == 'sh':
            yield '', content
        elif language != 'text':
            yield re.findall(r'`([\w/.]+\.(?:py|yaml))`', before)[-1], content


def test_every_block_of_the_tutorial_is_a_file_or_typed():
    found = list(steps(TUTORIAL.read_text()))
    names = [name for name, _ in found if name]
    assert names == [
        *('layer.yaml', 'metadata.yaml', 'reactive/hello.py'),
        *('fabfile.py', 'tests/life/test_images.py'),
    ]
    assert sum(content.count('\n') for name, content in found if not name) > 20


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_a_charm_with_an_image_of_its_own(dockerd, tmp_path):
    support.require('bash', 'git', 'docker')
    home = tmp_path / 'home'
    shutil.copytree(
        building.LAYERS, home / 'layers', ignore=shutil.ignore_patterns('interfaces', 'README.md')
    )
    clone = tmp_path / 'docker-resource'
    building.check_out(clone)
    git = ('git', '-C', clone, '-c', 'user.name=Tests', '-c', 'user.email=tests@example.com')
    for command in (['init', '--quiet'], ['add', '.'], ['commit', '--quiet', '-m', 'All']):
        subprocess.run([*git, *command], check=True)
    programs = tmp_path / 'programs'
    programs.mkdir()
    (programs / 'python3').symlink_to(getattr(sys, '_base_executable', sys.executable))
    environment = pathlib.Path(sys.executable).parent
    path = [part for part in os.environ['PATH'].split(os.pathsep) if part != str(environment)]
    dockerd.client.images.get(dockerd.busybox).tag('busybox:1.37')  # which could not be pulled

    # There is no layer index, and no network in the engine.
    script = [
        'set -e',
        'charm-build() { command charm-build --hide-metrics --no-report '
        '--layer-index file:///nonexistent/ "$@"; }',
        'docker() { [ "$1" = run ] && shift && set -- run --network=none "$@"; '
        'command docker "$@"; }',
    ]
    for name, content in steps(TUTORIAL.read_text()):
        if name:
            script += [f'mkdir -p ~/hello/{pathlib.Path(name).parent}']
            script += [f"cat >~/hello/{name} <<'WRITTEN'", content + 'WRITTEN']
        else:
            script += ['set -x', content, 'set +x']
            if 'charm-tools==' in content:
                # which the real layer:caas-base brings, and its stand-in does not
                brought = "charmhelpers 'charms.reactive==1.5.3'"
                script += [f'~/charm-tools/bin/pip install --quiet {brought}']
    done = subprocess.run(
        [*isolation.on_the_machines_network(), 'bash'],  # for pip
        input='\n'.join(script),
        cwd=clone,
        env={
            **{key: value for key, value in os.environ.items() if key.startswith('PIP_')},
            **{key: dockerd.environ[key] for key in ('DOCKER_HOST', 'DOCKER_CONFIG')},
            'HOME': str(home),
            'LANG': 'C.UTF-8',
            'PATH': os.pathsep.join([str(programs), *path]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    for sentence in (
        'status    blocked  web: no image is attached',
        'pod spec  web: docker.io/library/nginx:1.27',
        'sends the pod spec with the image that is attached',
        '\nHELLO WORLD!\n',
        'pod spec  web: registry.example.com/hello:1',
        'imagePath: registry.example.com/hello:1',
        '1 passed',
    ):
        assert sentence in done.stdout, done.stdout
    assert '✗' not in done.stdout
