"""Images as other people's tools leave them in registries, to the byte."""

import dataclasses
import gzip
import hashlib
import io
import json

from container_image import registry
from support import layouts

OCI, DOCKER = 'oci', 'docker'
_TYPES = {
    OCI: {
        'index': 'application/vnd.oci.image.index.v1+json',
        'manifest': 'application/vnd.oci.image.manifest.v1+json',
        'config': 'application/vnd.oci.image.config.v1+json',
        'layer': 'application/vnd.oci.image.layer.v1.tar+gzip',
        'zstd': 'application/vnd.oci.image.layer.v1.tar+zstd',
    },
    DOCKER: {
        'index': 'application/vnd.docker.distribution.manifest.list.v2+json',
        'manifest': 'application/vnd.docker.distribution.manifest.v2+json',
        'config': 'application/vnd.docker.container.image.v1+json',
        'layer': 'application/vnd.docker.image.rootfs.diff.tar.gzip',
        'zstd': 'application/vnd.docker.image.rootfs.diff.tar.zstd',
    },
}


def digest_of(content):
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


@dataclasses.dataclass
class Stored:
    """Manifests, what they name before those that name it, and blobs, by digest."""

    manifests: list = dataclasses.field(default_factory=list)  # (content, media type)
    blobs: dict = dataclasses.field(default_factory=dict)

    @property
    def digest(self):
        """That of the manifest or index which is the image."""
        return digest_of(self.manifests[-1][0])

    def blob(self, content, media_type):
        self.blobs[digest_of(content)] = content
        return _described(content, media_type)

    def manifest(self, content, media_type):
        self.manifests.append((content, media_type))
        return _described(content, media_type)

    def push(self, host, repository, tag=None, **login):
        """Store it all; give the full name with the digest."""
        with registry.Client(host, **login) as client:
            for digest, content in self.blobs.items():
                client.push_blob(
                    repository, digest, len(content), lambda content=content: io.BytesIO(content)
                )
            for content, media_type in self.manifests:
                client.put_manifest(repository, digest_of(content), content, media_type)
            if tag:
                client.put_manifest(repository, tag, *self.manifests[-1])
        return f'{host}/{repository}@{self.digest}'


def _described(content, media_type):
    return {'mediaType': media_type, 'size': len(content), 'digest': digest_of(content)}


def _json(content):
    # indented, so that only who keeps the bytes keeps the digest
    return json.dumps(content, indent=3).encode()


def image(*platforms, kind=OCI, layer='layer', compress=gzip.compress, attested=False):
    """Make an image of `layouts.Image`s: a manifest for one, an index for several."""
    stored = Stored()
    children = []
    for platform in platforms:
        child = _platform(stored, platform, _TYPES[kind], layer, compress)
        children.append(child)
        if attested:
            children.append(_attestation(stored, child))
    if len(children) > 1:
        index(stored, children, kind)
    return stored


def index(stored, children, kind=OCI):
    """Add an index of manifests."""
    content = {
        'schemaVersion': 2,
        'mediaType': _TYPES[kind]['index'],
        'manifests': children,
    }
    return stored.manifest(_json(content), _TYPES[kind]['index'])


def _platform(stored, platform, types, layer, compress):
    content = {
        'schemaVersion': 2,
        'mediaType': types['manifest'],
        'config': stored.blob(platform.config, types['config']),
        'layers': [stored.blob(compress(each), types[layer]) for each in platform.layers],
    }
    described = stored.manifest(_json(content), types['manifest'])
    return {
        **described,
        'platform': {'os': platform.system, 'architecture': platform.architecture},
    }


def _attestation(stored, subject):
    """What BuildKit adds: provenance in a manifest of its own, which no engine runs."""
    statement = _json({'_type': 'https://in-toto.io/Statement/v0.1', 'of': subject['digest']})
    config = _json({'architecture': 'unknown', 'os': 'unknown', 'rootfs': {'diff_ids': []}})
    content = {
        'schemaVersion': 2,
        'mediaType': _TYPES[OCI]['manifest'],
        'config': stored.blob(config, _TYPES[OCI]['config']),
        'layers': [stored.blob(statement, 'application/vnd.in-toto+json')],
    }
    return {
        **stored.manifest(_json(content), _TYPES[OCI]['manifest']),
        'platform': {'os': 'unknown', 'architecture': 'unknown'},
        'annotations': {
            'vnd.docker.reference.type': 'attestation-manifest',
            'vnd.docker.reference.digest': subject['digest'],
        },
    }


def artifact(config_type='application/vnd.cncf.helm.config.v1+json', **fields):
    """Make something that registries store, and that no engine runs."""
    stored = Stored()
    content = {
        'schemaVersion': 2,
        'mediaType': _TYPES[OCI]['manifest'],
        'config': stored.blob(b'{}', config_type),
        'layers': [stored.blob(b'chart', 'application/vnd.cncf.helm.chart.content.v1.tar+gzip')],
        **fields,
    }
    stored.manifest(_json(content), _TYPES[OCI]['manifest'])
    return stored


def platform(architecture='amd64', system='linux', layers=(b'files',), stated=None):
    """Make an image for one platform; `stated` is as in `layouts.Image`."""
    tars = tuple(layouts.tar([('file', layer)]) for layer in layers)
    return layouts.Image(tars, architecture, system, stated=stated)
