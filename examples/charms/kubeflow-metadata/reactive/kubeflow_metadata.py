from charmhelpers.core import hookenv
from charms import layer
from charms.reactive import (
    clear_flag,
    endpoint_from_name,
    hook,
    set_flag,
    when,
    when_any,
    when_not,
)


@hook('upgrade-charm')
def upgrade_charm():
    clear_flag('charm.started')


@when_any('layer.docker-resource.oci-image.changed', 'config.changed', 'mysql.changed')
def restart_charm():
    clear_flag('charm.started')
    clear_flag('mysql.changed')


@when_not('mysql.available')
def wait_for_database():
    layer.status.waiting('waiting for a relation to mysql')


@when('layer.docker-resource.oci-image.available', 'mysql.available')
@when_not('charm.started')
def start_charm():
    if not hookenv.is_leader():
        hookenv.log('leaving the pod spec to the leader')
        return
    layer.status.maintenance('configuring container')
    config = hookenv.config()
    image = layer.docker_resource.get_info('oci-image')
    mysql = endpoint_from_name('mysql')
    layer.caas_base.pod_spec_set(
        {
            'version': 2,
            'containers': [
                {
                    'name': 'metadata',
                    'imageDetails': image.image_details,
                    'command': ['/bin/metadata_store_server'],
                    'args': [
                        f'--grpc_port={config["port"]}',
                        f'--mysql_config_host={mysql.host()}',
                        f'--mysql_config_port={mysql.port()}',
                        f'--mysql_config_database={config["mysql-database"]}',
                        f'--mysql_config_user={mysql.user()}',
                        f'--mysql_config_password={mysql.password()}',
                    ],
                    'ports': [{'name': 'grpc', 'containerPort': config['port']}],
                    'kubernetes': {'readinessProbe': {'tcpSocket': {'port': config['port']}}},
                }
            ],
        }
    )
    set_flag('charm.started')


@when('layer.docker-resource.oci-image.available', 'mysql.available')
def report_ready():
    layer.status.active('')
