import pytest

DATABASE = {
    'host': '10.1.0.9',
    'port': '3306',
    'database': 'd',
    'user': 'root',
    'password': 'swordfish',
}


@pytest.fixture
def unit(make_unit):
    """A unit with its image and its database."""
    unit = make_unit(resources={'oci-image': 'gcr.io/a/b:v1'})
    unit.relate('mysql', 'mysql/0', DATABASE)
    return unit


def test_it_waits_for_the_database(make_unit):
    unit = make_unit(resources={'oci-image': 'gcr.io/a/b:v1'})
    assert unit.status == ('waiting', 'waiting for a relation to mysql')
    assert unit.pod_spec is None


def test_image_and_database_reach_the_pod_spec(unit):
    assert unit.status == ('active', '')
    assert unit.image('metadata') == 'gcr.io/a/b:v1'
    assert '--mysql_config_host=10.1.0.9' in unit.pod_spec['containers'][0]['args']


def test_another_image_reaches_the_pod_spec_once(unit):
    unit.attach('oci-image', 'gcr.io/a/b:v2')
    assert unit.image() == 'gcr.io/a/b:v2'
    assert unit.idle()[-1].pod_spec is None


def test_an_option_reaches_the_pod_spec(unit):
    unit.configure(port=9090)
    assert '--grpc_port=9090' in unit.pod_spec['containers'][0]['args']
