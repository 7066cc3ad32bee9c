"""Images written in the layouts of engines and tools, byte for byte as the tests want them."""

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tar(files=(), fmt=tarfile.GNU_FORMAT):
    """Write a tar of (name, content) pairs; a str as content is where a symbolic link leads."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode='w', format=fmt) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname, content = tarfile.SYMTYPE, content, b''
            info.size = len(content)
            info.mode = 0o755
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


@dataclasses.dataclass(frozen=True)
class Image:
    """An image for one platform: its layers are uncompressed tar files.

    `stated` is what its configuration states as architecture and operating system instead.
    """

    layers: tuple = ()
    architecture: str = 'amd64'
    system: str = 'linux'
    variant: str = ''
    command: tuple = ()
    stated: tuple | None = None
    labels: tuple = ()  # pairs

    @property
    def config(self):
        architecture, system = self.stated or (self.architecture, self.system)
        content = {
            'architecture': architecture,
            'os': system,
            'config': {'Cmd': list(self.command), 'Env': ['PATH=/bin']},
            'created': '2026-01-02T03:04:05.678Z',
            'rootfs': {'type': 'layers', 'diff_ids': self.diff_ids},
        }
        if self.labels:
            content['config']['Labels'] = dict(self.labels)
        if self.variant:
            content['variant'] = self.variant
        # spaces, so that only who keeps the bytes keeps the digest
        return json.dumps(content, indent=1).encode()

    @property
    def id(self):
        return f'sha256:{sha256(self.config)}'

    @property
    def diff_ids(self):
        return [f'sha256:{sha256(layer)}' for layer in self.layers]

    @property
    def inspected(self):
        """What an engine tells about it."""
        return {
            'Id': self.id,
            'RepoTags': [],
            'RepoDigests': [],
            'Os': self.system,
            'Architecture': self.architecture,
            'Size': sum(map(len, self.layers)),
            'RootFS': {'Type': 'layers', 'Layers': self.diff_ids},
        }


def docker_20(image):
    """Docker Engine up to 24: V1ID/layer.tar by the alphabet, equal layers as links."""
    first, members, paths = {}, [], []
    below = {}
    for number, layer in enumerate(image.layers):
        diff_id, parent = f'sha256:{sha256(layer)}', below.get('v1_id')
        chain = f'{below["chain"]} {diff_id}'.encode() if below else b''
        below = {'chain': f'sha256:{sha256(chain)}' if chain else diff_id}
        # those of a daemon in Berlin, whose beginning of time was at one
        image_v1 = {'container_config': {'Cmd': None}, 'created': '1970-01-01T01:00:00+01:00'}
        if number == len(image.layers) - 1:
            # in the order of their names, as Go writes a map
            image_v1 = {'config': {'Cmd': list(image.command)}, **image_v1, 'os': image.system}
        v1_id = below['v1_id'] = _v1_id(image_v1, below['chain'], parent)
        told = {'id': v1_id, **({'parent': parent} if parent else {}), **image_v1}
        members.append((f'{v1_id}/VERSION', b'1.0'))
        members.append((f'{v1_id}/json', _go_json({**told, 'os': image.system})))
        same = first.setdefault(sha256(layer), v1_id)
        linked = same != v1_id
        members.append((f'{v1_id}/layer.tar', f'../{same}/layer.tar' if linked else layer))
        paths.append(f'{v1_id}/layer.tar')
    config = f'{sha256(image.config)}.json'
    members.append((config, image.config))
    manifest = [{'Config': config, 'RepoTags': None, 'Layers': paths}]
    return tar([*sorted(members), ('manifest.json', json.dumps(manifest).encode())])


def _v1_id(image_v1, chain_id, parent):
    content = {**image_v1, 'layer_id': chain_id}
    if parent:
        content['parent'] = f'sha256:{parent}'
    return sha256(_go_json(dict(sorted(content.items()))))


def _go_json(content):
    text = json.dumps(content, separators=(',', ':'), ensure_ascii=False)
    return text.replace('<', r'\u003c').replace('>', r'\u003e').replace('&', r'\u0026').encode()


def docker_25(image):
    """Docker Engine from 25 on, graph drivers: blobs in one directory, uncompressed."""
    blobs, descriptors = _blobs(
        image, lambda layer: layer, 'application/vnd.oci.image.layer.v1.tar'
    )
    return _oci([*blobs], [descriptors], docker_manifest=image)


def _gzip(data):
    return gzip.compress(data, mtime=0)  # the same whenever it is made


def containerd(*images, compress=_gzip, attested=True, absent=(), index=True, extra=()):
    """Docker Engine with containerd's store: blobs as they came, an index, attestations."""
    blobs, manifests = [], []
    for image in images:
        files, descriptor = _blobs(image, compress, 'application/vnd.oci.image.layer.v1.tar+gzip')
        blobs += files
        manifests.append(descriptor)
        if attested:
            statement = b'{"_type": "https://in-toto.io/Statement/v0.1"}'
            config = b'{"architecture": "unknown", "os": "unknown", "rootfs": {"diff_ids": []}}'
            layer = {'mediaType': 'application/vnd.in-toto+json', **_described(statement)}
            manifest = _manifest(config, [layer])
            blobs += [statement, config, manifest]
            manifests.append(
                {
                    **_described(manifest),
                    'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                    'platform': {'os': 'unknown', 'architecture': 'unknown'},
                    'annotations': {'vnd.docker.reference.type': 'attestation-manifest'},
                }
            )
    for image in absent:
        manifests.append(_blobs(image, compress, '')[1])
    if not index:
        return _oci(blobs, manifests, docker_manifest=images[0], extra=extra)
    content = json.dumps({'schemaVersion': 2, 'manifests': manifests}).encode()
    top = {'mediaType': 'application/vnd.oci.image.index.v1+json', **_described(content)}
    return _oci([*blobs, content], [top], docker_manifest=images[0], extra=extra)


def index_digest(archive):
    """The digest of the index, or manifest, that an OCI archive leads to."""
    return json.loads(files(archive)['index.json'])['manifests'][0]['digest']


def podman(image):
    """podman's Docker-compatible API: DIFFID.tar, and links to them by V1 IDs."""
    layers = {f'{sha256(layer)}.tar': layer for layer in image.layers}
    config = f'{sha256(image.config)}.json'
    links = [
        (f'{sha256(bytes([n]))}/layer.tar', f'../{sha256(layer)}.tar')
        for n, layer in enumerate(image.layers)
    ]
    paths = [f'{sha256(layer)}.tar' for layer in image.layers]
    manifest = [{'Config': config, 'RepoTags': [], 'Layers': paths}]
    return tar(
        [
            *layers.items(),
            (config, image.config),
            *links,
            ('repositories', b'{}'),
            ('manifest.json', json.dumps(manifest).encode()),
        ]
    )


def files(archive):
    """The contents of the regular files in a tar, by their names."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {m.name: opened.extractfile(m).read() for m in opened if m.isreg()}


def extract(archive, directory):
    """Write the files of an OCI archive as an OCI layout."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory)


def _blobs(image, compress, media_type):
    layers = [compress(layer) for layer in image.layers]
    descriptors = [{'mediaType': media_type, **_described(layer)} for layer in layers]
    manifest = _manifest(image.config, descriptors)
    platform = {'os': image.system, 'architecture': image.architecture}
    if image.variant:
        platform['variant'] = image.variant
    descriptor = {
        'mediaType': 'application/vnd.oci.image.manifest.v1+json',
        **_described(manifest),
        'platform': platform,
    }
    return [*layers, image.config, manifest], descriptor


def _manifest(config, layers):
    return json.dumps(
        {
            'schemaVersion': 2,
            'config': {
                'mediaType': 'application/vnd.oci.image.config.v1+json',
                **_described(config),
            },
            'layers': layers,
        }
    ).encode()


def _described(data):
    return {'digest': f'sha256:{sha256(data)}', 'size': len(data)}


def _oci(blobs, manifests, docker_manifest=None, extra=()):
    members = {f'blobs/sha256/{sha256(blob)}': blob for blob in blobs}
    index = json.dumps({'schemaVersion': 2, 'manifests': manifests}).encode()
    files = [*sorted(members.items()), *extra, ('index.json', index)]
    if docker_manifest:
        config = f'blobs/sha256/{sha256(docker_manifest.config)}'
        manifest = [{'Config': config, 'RepoTags': None, 'Layers': []}]
        files.append(('manifest.json', json.dumps(manifest).encode()))
    return tar([*files, ('oci-layout', b'{"imageLayoutVersion": "1.0.0"}')])
