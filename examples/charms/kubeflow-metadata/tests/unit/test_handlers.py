import pytest
from charmhelpers.core import hookenv
from charms import layer, reactive
from reactive import kubeflow_metadata


@pytest.fixture
def mysql():
    endpoint = reactive.endpoint_from_name.return_value
    endpoint.host.return_value = '10.1.0.9'
    endpoint.port.return_value = '3306'
    hookenv.config.return_value = {'port': 8080, 'mysql-database': 'metadb'}
    return endpoint


def test_the_leader_sends_the_image_with_options_and_database(image, mysql):
    hookenv.is_leader.return_value = True
    kubeflow_metadata.start_charm()
    (spec,) = layer.caas_base.pod_spec_set.call_args.args
    (container,) = spec['containers']
    assert container['imageDetails'] == image
    assert '--mysql_config_host=10.1.0.9' in container['args']
    assert '--grpc_port=8080' in container['args']


def test_a_unit_that_does_not_lead_sends_nothing(image, mysql):
    hookenv.is_leader.return_value = False
    kubeflow_metadata.start_charm()
    layer.caas_base.pod_spec_set.assert_not_called()


def test_what_changes_has_the_charm_started_again():
    kubeflow_metadata.restart_charm()
    reactive.clear_flag.assert_any_call('charm.started')
