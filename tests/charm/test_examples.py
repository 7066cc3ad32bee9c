"""The examples do what the README says."""

import pytest


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
    assert metadata.idle().pod_spec is None


def test_kubeflow_metadata_leaves_the_pod_spec_to_the_leader(charms, live):
    subject = live(charms.example('kubeflow-metadata'), leader=False)
    subject.attach('oci-image', 'gcr.io/a/b:v1')
    subject.deploy()
    subject.relate('mysql', 'mysql/0', DATABASE)
    assert subject.pod_spec is None
    assert subject.status == ('active', '')
    subject.leader = True
    assert subject.run('leader-elected').pod_spec


def test_my_charm_leaves_the_pod_spec_to_the_leader(charms, live):
    subject = live(charms.example('my-charm'), leader=False)
    subject.attach('my-resource', 'a/b:1')
    subject.deploy()
    assert subject.pod_spec is None
    assert subject.status == ('active', 'ready')
    subject.leader = True
    assert subject.run('leader-elected').pod_spec
