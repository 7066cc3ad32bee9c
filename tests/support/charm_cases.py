"""What the tests of charm-upload-resources share."""

import re

import yaml

from support import remote_images

AMD64 = remote_images.platform('amd64', layers=[b'one', b'two'])
ARM64 = remote_images.platform('arm64', layers=[b'one', b'three'])
LOCAL = ('--image', 'local=local.tar', '--filepath', 'data=data.txt')


def write(path, content):
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def rows(output):
    """The table, as a list of its columns for each name."""
    lines = output.split('\n\n')[0].splitlines()
    assert lines[0].split() == ['Resource', 'Digest', 'Architectures', 'Revision']
    return {line.split()[0]: re.split(r'  +', line)[1:] for line in lines[1:]}


def sent(hub):
    """What left this machine: everything but questions."""
    return [path for method, path, _ in hub.requests if method not in ('GET', 'HEAD')] + [
        path for method, path in hub.registry_proxy.requests if method in ('POST', 'PATCH', 'PUT')
    ]
