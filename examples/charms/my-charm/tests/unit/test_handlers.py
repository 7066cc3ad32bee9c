from charmhelpers.core import hookenv
from charms import layer, reactive
from reactive import my_charm


def test_the_leader_sends_the_image_that_the_layer_gives(image):
    hookenv.is_leader.return_value = True
    my_charm.start_container()
    (spec,) = layer.caas_base.pod_spec_set.call_args.args
    (container,) = spec['containers']
    assert container['imageDetails'] == image
    layer.docker_resource.get_info.assert_called_with('my-resource')
    reactive.set_flag.assert_called_with('charm.my-charm.started')


def test_a_unit_that_does_not_lead_sends_nothing(image):
    hookenv.is_leader.return_value = False
    my_charm.start_container()
    layer.caas_base.pod_spec_set.assert_not_called()


def test_another_image_has_the_container_started_again():
    my_charm.restart_container()
    reactive.clear_flag.assert_called_with('charm.my-charm.started')
