from charmhelpers.core import hookenv
from charms import layer
from charms.reactive import clear_flag, set_flag, when, when_not


@when('layer.docker-resource.my-resource.available')
@when_not('charm.my-charm.started')
def start_container():
    if not hookenv.is_leader():  # only a leader may set the pod spec
        return
    layer.status.maintenance('configuring container')
    image_info = layer.docker_resource.get_info('my-resource')
    layer.caas_base.pod_spec_set(
        {
            'containers': [
                {
                    'name': 'my-service',
                    'imageDetails': image_info.image_details,
                    'ports': [
                        {
                            'name': 'service',
                            'containerPort': 80,
                        },
                    ],
                },
            ],
        }
    )
    layer.status.maintenance('creating container')
    set_flag('charm.my-charm.started')


@when('layer.docker-resource.my-resource.changed')
def restart_container():
    clear_flag('charm.my-charm.started')


@when('layer.docker-resource.my-resource.available')
def report_ready():
    layer.status.active('ready')
