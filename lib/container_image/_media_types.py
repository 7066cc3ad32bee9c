"""The media types of manifests, which some registries do not say in the header for it.

Formats: OCI image-spec 1.1, and Docker's image manifest schema 1 and 2 and manifest lists.
"""

import json
import typing

_OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
_OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
_DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
_DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

MANIFESTS = (_OCI_INDEX, _OCI_MANIFEST, _DOCKER_LIST, _DOCKER_MANIFEST)

#: Any manifest of schema 1, which has no digest.
SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+json'


def of_manifest(header: str, content: bytes) -> str:
    """Return the type of a manifest: by the header Content-Type, by its own field, or its shape.

    That is one of `MANIFESTS`, `SCHEMA_1`, or '' if it is not a manifest.
    """
    media_type = header.partition(';')[0].strip().lower()
    if media_type in MANIFESTS:
        return media_type
    if media_type.startswith('application/vnd.docker.distribution.manifest.v1+'):
        return SCHEMA_1
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return ''
    if document.get('mediaType') in MANIFESTS:
        return str(document['mediaType'])
    return _of_shape(document)


def _of_shape(document: typing.Dict[str, typing.Any]) -> str:
    children, config = document.get('manifests'), document.get('config')
    if isinstance(children, list):
        named = [child.get('mediaType') for child in children if isinstance(child, dict)]
        return _DOCKER_LIST if _DOCKER_MANIFEST in named else _OCI_INDEX
    if isinstance(config, dict) and 'layers' in document:
        is_docker = str(config.get('mediaType')).startswith('application/vnd.docker.')
        return _DOCKER_MANIFEST if is_docker else _OCI_MANIFEST
    return SCHEMA_1 if document.get('schemaVersion') == 1 and 'fsLayers' in document else ''
