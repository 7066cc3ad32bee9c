"""Types what the documents tell to type, in a fresh home directory."""

import pathlib
import re
import shutil

import pytest
import yaml

import support
from support import building, newcomer

pytestmark = [pytest.mark.documents, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[2]
TYPED = {
    'docs/how-to/use-the-layer.md',
    'docs/how-to/build-an-image.md',
    'docs/how-to/test-a-charm.md',
    'tools/charm-image/README.md',
    'tools/charm-unit/README.md',
}
"""The pages whose commands are typed below, but for those of NOT_TYPED."""

PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (
        *(ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('tools/*/README.md')),
        *(ROOT / 'docs').rglob('*.md'),
    )
    if page.name != 'tutorial.md'  # test_tutorial.py types that
)

PROGRAMS = {
    *('./dev', 'cd', 'export', 'git', 'python3', '~/charm-tools/bin/pip', '~/charm-image/bin/pip'),
    '~/charm-unit/bin/pip',
    *('charm-build', 'charm-unit', 'charm-upload-resource', 'charm-upload-resources'),
    *('charmcraft', 'fab', 'juju', 'cat', 'docker', 'pip', 'pre-commit', 'pytest'),
    'charm-resource-revisions',
    '../.tox/tools/bin/python',
}
"""What begins a line in a block without prompts whose lines are commands."""

PICTURES = (
    '    Execute[make install]',
    '    ubuntu:24.04 is ubuntu@sha256:',
)
"""How the blocks begin that show neither commands nor a file."""

NOT_TYPED = {
    'juju ': 'needs a controller with a Kubernetes cloud',
    'charmcraft ': 'needs an account on Charmhub',
    'export CHARMCRAFT_AUTH=': 'needs an account on Charmhub',
    'charm-upload-resource ': 'needs an account on Charmhub',
    'charm-upload-resources ': 'needs an account on Charmhub',
    'charm-resource-revisions ': 'needs an account on Charmhub',
    'cat private.yaml': 'shows a file of the reader',
    'docker run --rm --tty': 'runs until it is stopped; test_examples.py runs this image',
    'cd tests': 'is for the next line',
    '../.tox/tools/bin/python -m support.charmhub': 'runs until Ctrl-C; test_upload.py uses it',
    './dev  ': 'lists what there is; test_dev.py runs it',
    './dev demo': 'is a step of .ci/run',
    './dev tests': 'is a step of .ci/run, and runs this test',
    './dev tests all': 'is a step of .ci/run',
    './dev lint': 'is part of ./dev tests',
    './dev types': 'is part of ./dev tests all',
    './dev lib': 'is part of ./dev tests',
    './dev charm': 'is part of ./dev tests',
    './dev release': 'makes a commit and a tag; test_release.py runs it in a clone',
    './dev docs': 'is part of ./dev tests all, which compares what it writes',
    './dev tools': 'is part of ./dev tests, or makes the environment that this test runs in',
    './dev bench': 'measures for minutes',
    'pre-commit ': 'changes the clone; test_house.py reads its configuration',
    './dev engines': 'is part of .ci/run',
    './dev examples': 'is part of ./dev tests all',
    'pip install -r tests/requirements.txt': 'tests/each_python.py makes environments with these',
    "pip install charms.reactive charmhelpers certifi urllib3 pyyaml pytest 'setuptools<81'": (
        'tests/unit/test_process.py has the tests run without the others'
    ),
    'pytest tests/unit': 'is what ./dev lib runs on each Python',
    'fab app-server --check-reproducible': 'finds a difference; test_reproducible.py runs it',
    'fab app-server --platform=': 'needs a base of both; test_build_several.py builds on one',
    'charm-unit check': 'needs a built charm; tests/charm_unit/check has several',
    'COVERAGE_PROCESS_START=': 'needs a built charm; tests/charm_unit/test_debugging.py uses it',
    'charm-unit explore': 'needs a built charm; tests/charm_unit/explore has several',
    'charm-build --wheelhouse-per-layer --build-dir built': 'needs a charm of the reader',
    'charm-build --wheelhouse-per-layer --charm-file': 'needs a charm of the reader',
    'charm-build --wheelhouse-per-layer --hide': 'is how the steps of use-the-layer.md build',
    'pip install charm-tools': 'needs the submodule of the reader',
    'git submodule add': 'names a repository of the reader',
    'export HTTPS_PROXY': 'names a proxy of the reader',
    'charm-unit run': 'reads from a terminal; tests/charm_unit/test_commands.py runs it',
    '~/charm-unit/bin/pip install pytest-cov': 'tests/charm_unit/test_debugging.py uses it',
    'pytest --charm': 'needs a charm with tests; tests/each_example.py runs those of the examples',
}
"""Beginnings of commands that are not typed, and why."""


def _blocks(text):
    """Yield the language, if it is fenced, and the lines of every block of code."""
    fence = None
    block = []
    for line in [*text.splitlines(), '']:
        if line.lstrip().startswith('```'):
            if fence is None:
                if block:
                    yield '', [line for line in block if line]
                fence, block = line.strip()[3:], []
            else:
                yield fence, block
                fence, block = None, []
        elif fence is not None or re.match(' {4}(?! *[-*] )', line) or (block and not line):
            block.append(line)
        elif block:
            yield '', [line for line in block if line]
            block = []


def _commands(page):
    """Return the commands of each block, those of one block in one list."""
    found = []
    for language, block in _blocks((ROOT / page).read_text()):
        lines = re.sub(r'\\\n\s*', '', '\n'.join(line.strip() for line in block)).splitlines()
        prompted = [line[2:] for line in lines if line.startswith('$ ')]
        if prompted or (lines and all(line.split()[0] in PROGRAMS for line in lines)):
            if not block[0].startswith(PICTURES):
                found.append(prompted or lines)
            continue
        known = language not in ('', 'sh') or block[0].startswith(PICTURES)
        known = known or re.match(r'\s+(from \S+ import|@|yield )', block[0])
        known = known or isinstance(_yaml(block), dict)
        assert known, f'{page}: is this a command? {block}'
    return found


def _yaml(lines):
    try:
        return yaml.safe_load('\n'.join(lines))
    except yaml.YAMLError:
        return None


def _is_typed(command):
    return not command.startswith(tuple(NOT_TYPED))


def test_reasons_not_to_type_a_command_are_all_needed():
    commands = [each for page in PAGES for block in _commands(page) for each in block]
    idle = [start for start in NOT_TYPED if not any(each.startswith(start) for each in commands)]
    assert set(idle) <= {'./dev engines'}
    assert sum(map(_is_typed, commands)) > 15


@pytest.mark.parametrize('page', sorted({*PAGES} - TYPED))
def test_a_page_whose_commands_are_not_typed_says_of_each_why(page):
    assert [each for block in _commands(page) for each in block if _is_typed(each)] == []


def test_ci_runs_what_it_is_said_to_run():
    script = (ROOT / '.ci/run').read_text()
    for command, reason in NOT_TYPED.items():
        if reason.startswith('is a step of .ci/run'):
            assert command in script


@pytest.fixture
def type_commands(tmp_path):
    """A function that types the commands of a README in a clone; gives the home directory."""
    support.require('bash', 'git')
    reader = newcomer.Newcomer(tmp_path)

    def type_them(page, prelude='', images=None, **variables):
        script = f'set -e\n{prelude}\n'
        for block in _commands(page):
            typed = [command for command in block if _is_typed(command)]
            if typed and (images or not typed[0].startswith('fab ')):
                folder = images if typed[0].startswith('fab ') else reader.clone
                script += '\n'.join([f"cd '{folder}'", 'set -x', *typed, 'set +x', ''])
        reader.type(script, **variables)
        return reader.home

    return type_them


def test_the_commands_of_the_steps_build_the_example_charm(type_commands, tmp_path):
    page = (ROOT / 'docs/how-to/use-the-layer.md').read_text()
    (offline,) = re.findall(r'Without internet, .*?`(--.*?)`', page, re.DOTALL)
    layers = tmp_path / 'home' / 'layers'
    for name in ('basic', 'caas-base', 'options', 'status'):
        shutil.copytree(building.LAYERS / name, layers / name)
    # As the page says where there is no layer index.
    prelude = f'charm-build() {{ command charm-build {" ".join(offline.split())} "$@"; }}'
    home = type_commands('docs/how-to/use-the-layer.md', prelude)
    built = yaml.safe_load((home / 'charms/my-charm/metadata.yaml').read_text())
    source = (ROOT / 'examples/charms/my-charm/metadata.yaml').read_text()
    assert built == yaml.safe_load(source)
    assert not (home / 'charm-tools/bin/charm').exists()


def _fabfiles(page):
    """Return what a page shows of fabfiles."""
    return [
        '\n'.join(line[4:] for line in block if not line.startswith('    $ '))
        for _, block in _blocks((ROOT / page).read_text())
        if re.search(
            r'(?m)^ {4}(from charm_image.fabric|@docker_container|@task)', '\n'.join(block)
        )
    ]


@pytest.mark.parametrize(
    ('page', 'tags'),
    [
        (
            'docs/how-to/build-an-image.md',
            ('myproject:appserver', 'mytag:latest', 'myproject:worker'),
        ),
        ('tools/charm-image/README.md', ('myproject:appserver',)),
    ],
)
def test_the_commands_about_images_build_them(type_commands, dockerd, tmp_path, page, tags):
    images = tmp_path / 'images'
    images.mkdir()
    shown = _fabfiles(page) + _fabfiles('docs/how-to/several-architectures.md')
    assert len(shown) >= 2
    (images / 'fabfile.py').write_text('\n\n'.join(shown))
    for name in ('ubuntu:24.04', 'debian:bookworm'):  # which could not be pulled
        dockerd.client.images.get(dockerd.debian_with_packages).tag(name)
    engine = {key: dockerd.environ[key] for key in ('DOCKER_HOST', 'DOCKER_CONFIG')}
    # Where no network is named, BuildKit wants a bridge.
    type_commands(page, images=images, DOCKER_BUILDKIT='0', **engine)
    for tag in tags:
        assert dockerd.client.images.get(tag)


@pytest.mark.parametrize('page', ['docs/how-to/test-a-charm.md', 'tools/charm-unit/README.md'])
def test_the_commands_about_charm_unit_install_it(type_commands, page):
    home = type_commands(page)
    assert (home / 'charm-unit/bin/charm-unit').exists()
