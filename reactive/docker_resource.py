"""When the charm's image resources are read."""

import charms.reactive as reactive
from charmhelpers.core import hookenv
from charms.layer import docker_resource

hookenv.atstart(docker_resource.begin_hook)


@reactive.when('layer.docker-resource.pending')
def read_pending_resources() -> None:
    """Read the resources that the charm's handlers asked for in this hook."""
    docker_resource.read_pending()
