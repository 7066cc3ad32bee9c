"""The examples do what the documents say."""

import configparser
import re

import pytest
import yaml

from support import building

README = building.ROOT / 'README.md'
DOCS = building.ROOT / 'docs'
STEPS = DOCS / 'how-to' / 'use-the-layer.md'
_RESOURCES = {'my-resource': {'type': 'oci-image', 'auto-fetch': True, 'description': 'An image'}}


def _blocks(page, language):
    return re.findall(rf'(?m)^```{language}\n(.*?)^```', page.read_text(), re.DOTALL)


def test_the_steps_show_the_example_as_it_is():
    source = building.ROOT / 'examples' / 'charms' / 'my-charm'
    shown = map(yaml.safe_load, _blocks(STEPS, 'yaml'))
    written = [yaml.safe_load((source / name).read_text()) for name in _CHARM_FILES]
    assert list(shown) == written


_CHARM_FILES = ('layer.yaml', 'metadata.yaml')


@pytest.mark.parametrize(('page', 'container'), [(README, 'web'), (STEPS, 'my-service')])
def test_the_handlers_that_are_shown_send_each_image_that_is_attached(
    charms, live, page, container
):
    (handlers,) = _blocks(page, 'python')
    subject = live(charms.make(resources=_RESOURCES, reactive=handlers))
    subject.deploy()
    assert subject.status[0] == 'blocked'
    for image in ('a/b:1', 'a/b:2'):
        subject.attach('my-resource', image)
        assert subject.image(container) == image
        assert subject.status == ('active', 'ready')
    assert subject.idle()[-1].pod_spec is None
    subject.attach('my-resource', b'no: image')
    assert subject.status[0] == 'blocked'
    subject.attach('my-resource', 'a/b:2')
    assert subject.status == ('active', 'ready')


@pytest.mark.parametrize('page', [README, STEPS])
def test_the_handlers_that_are_shown_leave_the_pod_spec_to_the_leader(charms, live, page):
    (handlers,) = _blocks(page, 'python')
    subject = live(charms.make(resources=_RESOURCES, reactive=handlers), leader=False)
    subject.attach('my-resource', 'a/b:1')
    subject.deploy()
    assert subject.pod_spec is None
    subject.become_leader()
    assert subject.image() == 'a/b:1'


def test_the_page_about_the_architecture_knows_the_house():
    page = DOCS / 'explanation' / 'architecture.md'
    paths = re.findall(r'(?m)^\| `([^`]+)` \|', page.read_text())
    assert len(paths) > 10
    assert [path for path in paths if not (building.ROOT / path).exists()] == []


def test_operators_meet_the_messages_that_troubleshooting_lists():
    page = DOCS / 'reference' / 'troubleshooting.md'
    (table,) = re.findall(
        r'\| status says \| do \|\n\|.*?\n(.*?)\n\n', page.read_text(), re.DOTALL
    )
    source = ''.join(path.read_text() for path in (building.ROOT / 'lib').rglob('*.py'))
    source = re.sub(r"'\s+f?'", '', source)  # texts that go on in the next line
    first_column = ''.join(row.split(' | ')[0] for row in table.splitlines())
    messages = [text for text in re.findall('`([^`]+)`', first_column) if ' ' in text]
    assert len(messages) > 10
    pieces = [piece.strip(' :') for text in messages for piece in text.split('…')]
    filled_in = {
        '30 s': '{seconds:.2g} s',
        'its registrypath': 'its {path_key}',
        'its username': 'its {key}',
        'its password': 'its {key}',
    }
    for shown, written in filled_in.items():
        pieces = [piece.replace(shown, written) for piece in pieces if piece]
    assert [piece for piece in pieces if piece not in source] == []


def test_the_commands_in_the_documents_are_environments_of_tox():
    tox = configparser.ConfigParser()
    tox.read(building.ROOT / 'tox.ini')
    pages = [README, building.ROOT / 'CONTRIBUTING.md', *DOCS.rglob('*.md')]
    documents = ''.join(page.read_text() for page in pages)
    commands = set(re.findall(r'\./dev ([a-z-]+)', documents))
    assert {'demo', 'tests', 'lint', 'docs'} < commands
    assert {f'testenv:{name}' for name in commands - {'tests', 'engines'}} <= set(tox.sections())


@pytest.fixture
def metadata(charms, live):
    return live(charms.example('kubeflow-metadata'))


DATABASE = {
    'host': '10.1.0.9',
    'port': '3306',
    'database': 'd',
    'user': 'root',
    'password': 'swordfish',
}


def _arguments(pod_spec):
    return pod_spec['containers'][0]['args']


def test_kubeflow_metadata_waits_for_image_and_database(metadata):
    metadata.deploy()
    assert metadata.status[0] == 'blocked'
    metadata.attach('oci-image', 'gcr.io/a/b:v1', '_json_key', '0123')
    assert metadata.status == ('waiting', 'waiting for a relation to mysql')
    assert metadata.pod_spec is None
    metadata.relate('mysql', 'mysql/0', DATABASE)
    assert metadata.status == ('active', '')
    (container,) = metadata.pod_spec['containers']
    assert container['imageDetails'] == {
        'imagePath': 'gcr.io/a/b:v1',
        'username': '_json_key',
        'password': '0123',
    }
    assert '--mysql_config_host=10.1.0.9' in container['args']
    assert '--mysql_config_database=metadb' in container['args']
    assert container['ports'] == [{'name': 'grpc', 'containerPort': 8080}]


def test_kubeflow_metadata_follows_its_options_and_its_image(metadata):
    metadata.attach('oci-image', 'gcr.io/a/b:v1')
    metadata.deploy()
    metadata.relate('mysql', 'mysql/0', DATABASE)
    (run,) = metadata.configure(mysql_database='other', port=9090)
    assert '--mysql_config_database=other' in _arguments(run.pod_spec)
    assert '--grpc_port=9090' in _arguments(run.pod_spec)
    upgrade, config_changed = metadata.attach('oci-image', 'gcr.io/a/b:v2')
    assert upgrade.pod_spec['containers'][0]['imageDetails']['imagePath'] == 'gcr.io/a/b:v2'
    assert config_changed.pod_spec is None
    assert metadata.idle()[-1].pod_spec is None


def test_kubeflow_metadata_leaves_the_pod_spec_to_the_leader(charms, live):
    subject = live(charms.example('kubeflow-metadata'), leader=False)
    subject.attach('oci-image', 'gcr.io/a/b:v1')
    subject.deploy()
    subject.relate('mysql', 'mysql/0', DATABASE)
    assert subject.pod_spec is None
    assert subject.status == ('active', '')
    subject.leader = True
    assert subject.run('leader-elected')[-1].pod_spec


def test_my_charm_leaves_the_pod_spec_to_the_leader(charms, live):
    subject = live(charms.example('my-charm'), leader=False)
    subject.attach('my-resource', 'a/b:1')
    subject.deploy()
    assert subject.pod_spec is None
    assert subject.status == ('active', 'ready')
    subject.leader = True
    assert subject.run('leader-elected')[-1].pod_spec


def test_kubeflow_metadata_survives_its_database_that_leaves_and_comes_back(metadata):
    metadata.attach('oci-image', 'gcr.io/a/b:v1')
    metadata.deploy()
    metadata.relate('mysql', 'mysql/0', DATABASE)
    metadata.relate('mysql', 'mysql/1', DATABASE)
    metadata.depart('mysql', 'mysql/1')
    assert metadata.status == ('active', '')
    metadata.break_relation('mysql')
    assert metadata.status == ('waiting', 'waiting for a relation to mysql')
    metadata.relate('mysql', 'mysql/0', {**DATABASE, 'host': '10.1.0.10'})
    assert '--mysql_config_host=10.1.0.10' in _arguments(metadata.pod_spec)
