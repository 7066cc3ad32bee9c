"""Follows docs/tutorial.md in a fresh home directory: writes its files and types its commands."""

import pathlib
import re
import shutil

import pytest

import support
from support import building, newcomer

pytestmark = pytest.mark.documents

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
    shutil.copytree(
        building.LAYERS,
        tmp_path / 'home' / 'layers',
        ignore=shutil.ignore_patterns('interfaces', 'README.md'),
    )
    reader = newcomer.Newcomer(tmp_path)
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
    engine = {key: dockerd.environ[key] for key in ('DOCKER_HOST', 'DOCKER_CONFIG')}
    said = reader.type('\n'.join(script), **engine)
    for sentence in (
        'status    blocked  web: no image is attached',
        'pod spec  web: docker.io/library/nginx:1.27',
        'sends the pod spec with the image that is attached',
        '\nHELLO WORLD!\n',
        'pod spec  web: registry.example.com/hello:1',
        'imagePath: registry.example.com/hello:1',
        '1 passed',
    ):
        assert sentence in said, said
    assert '✗' not in said
