"""Images of all forms that a registry may have."""

import base64
import json
import random

import zstandard

from support import remote_images

MIB = 1 << 20
ACCOUNT = {'puller': 'pull, "word"'}
AMD64 = remote_images.platform('amd64', layers=[b'shared', random.Random(1).randbytes(3 * MIB)])
ARM64 = remote_images.platform('arm64', layers=[b'shared', random.Random(2).randbytes(2 * MIB)])
KINDS = {
    'one platform, OCI': lambda: remote_images.image(AMD64),
    'one platform, Docker': lambda: remote_images.image(AMD64, kind=remote_images.DOCKER),
    'an OCI index': lambda: remote_images.image(AMD64, ARM64),
    "Docker's manifest list": lambda: remote_images.image(AMD64, ARM64, kind=remote_images.DOCKER),
    'an index with attestations': lambda: remote_images.image(AMD64, ARM64, attested=True),
    'one platform with an attestation': lambda: remote_images.image(AMD64, attested=True),
    'layers of zstd': lambda: remote_images.image(
        AMD64, ARM64, layer='zstd', compress=zstandard.ZstdCompressor().compress
    ),
    'an index in an index': lambda: nested(2),
    'an index with a chart beside the image': lambda: beside(remote_images.artifact()),
}


def nested(depth):
    stored = remote_images.image(AMD64, ARM64)
    for _ in range(depth - 1):
        content, media_type = stored.manifests[-1]
        described = {'mediaType': media_type, 'size': len(content), 'digest': stored.digest}
        remote_images.index(stored, [described])
    return stored


def beside(other):
    stored = remote_images.image(AMD64)
    stored.blobs.update(other.blobs)
    stored.manifests.append(other.manifests[0])
    children = [
        {
            'mediaType': media_type,
            'size': len(content),
            'digest': remote_images.digest_of(content),
        }
        for content, media_type in stored.manifests
    ]
    remote_images.index(stored, children)
    return stored


def schema_1():
    return b'{"schemaVersion": 1, "name": "a", "fsLayers": [], "history": []}'


def assert_same(client, repository, stored):
    for content, media_type in stored.manifests:
        found = client.get_manifest(repository, remote_images.digest_of(content))
        assert (found.content, found.media_type) == (content, media_type)
    for digest, content in stored.blobs.items():
        assert client.get_blob(repository, digest, max_bytes=len(content)) == content


def log_in(file, host, account=ACCOUNT):
    """Leave in `file` what `docker login` or `podman login` would."""
    ((username, password),) = account.items()
    auth = base64.b64encode(f'{username}:{password}'.encode()).decode()
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({'auths': {host: {'auth': auth}}}))
