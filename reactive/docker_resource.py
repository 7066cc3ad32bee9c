"""When the charm's image resources are read."""

import charms.reactive as reactive
from charmhelpers.core import hookenv

from image_resource import hook

hookenv.atstart(hook.begin)


@reactive.when('layer.docker-resource.pending')
def read_requested_resources() -> None:
    """Read the resources that the charm's handlers asked for in this hook."""
    hook.read_requested()
