"""Charms that show what their handlers see, and how a test reads it."""

import json

IMAGE = {'type': 'oci-image', 'auto-fetch': True, 'description': 'An image'}
"""The entry of an image resource in metadata.yaml."""

_PREFIX = 'layer.docker-resource.'

OBSERVER = """
import json

from charmhelpers.core import hookenv
from charms import layer, reactive

PREFIX = 'layer.docker-resource.'


@reactive.when_not('never')
def observe():
    flags = [flag for flag in reactive.get_flags() if flag.startswith(PREFIX)]
    hookenv.log('SEEN ' + json.dumps(sorted(flags)))
    ends = '.available'
    names = sorted(flag[len(PREFIX) : -len(ends)] for flag in flags if flag.endswith(ends))
    images = {name: layer.docker_resource.get_info(name) for name in names}
    for image in images.values():
        hookenv.log('REPR {!r} {}'.format(image, image))
    if images and hookenv.is_leader():
        containers = [
            {'name': name, 'imageDetails': image.image_details} for name, image in images.items()
        ]
        # As JSON: PyYAML writes a password 1e3 as it is, and Juju takes that for a number.
        layer.caas_base.pod_spec_set(json.dumps({'containers': containers}, ensure_ascii=False))
"""
"""Logs the layer's flags as handlers see them, and runs every image that is available."""


def states(flags, name):
    """Return which of the layer's flags of the resource `name` are among `flags`."""
    return {
        flag[len(_PREFIX + name + '.') :] for flag in flags if flag.startswith(f'{_PREFIX}{name}.')
    }


def seen(run, name):
    """Return the states of `name` that the observer saw in that hook."""
    (flags,) = [text[5:] for _level, text in run.log if text.startswith('SEEN ')]
    return states(json.loads(flags), name)


def images(pod_spec):
    """Return the (image path, username, password) of each container in a pod spec, by name."""
    return {
        container['name']: tuple(
            container['imageDetails'][key] for key in ('imagePath', 'username', 'password')
        )
        for container in (pod_spec or {'containers': []})['containers']
    }
