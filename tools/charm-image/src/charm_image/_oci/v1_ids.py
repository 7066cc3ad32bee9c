"""Recognizes layers by their V1 IDs in exports of Docker Engine up to 24, before reading them.

Such an export lacks the digests of layers. But each layer is in a directory named after its V1 ID,
a digest of the content of its `json` and of the layer's chain ID: see CreateID in moby's
package image/v1, and "layer ChainID" in the OCI image specification 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from charm_image import _errors
from charm_image._oci import images

_JSON = re.compile(r'(?:\./)?([0-9a-f]{64})/json')
_LAYER = re.compile(r'(?:\./)?([0-9a-f]{64})/layer\.tar')
# the characters that Go escapes in JSON
_ESCAPED = str.maketrans({char: f'\\u{ord(char):04x}' for char in '<>&\u2028\u2029'})


class V1LayerNames:
    """Maps the directories of an export to layers.

    `diff_ids_by_platform` are the diff IDs of the layers of each platform, from the lowest up.
    """

    def __init__(self, diff_ids_by_platform: Iterable[Sequence[str]]):
        self._diff_ids = {
            chain_id: diff_id
            for diff_ids in diff_ids_by_platform
            for chain_id, diff_id in zip(_chain_ids(diff_ids), diff_ids, strict=True)
        }
        self._found: dict[str, str] = {}

    def read_json(self, name: str, data: bytes) -> None:
        """Read a file that may be the `json` of a layer, which precedes the layer."""
        if not (match := _JSON.fullmatch(name)):
            return
        try:
            content = images.parse_json(data, name)
        except _errors.InvalidImageError:
            return  # it does not describe a layer
        if not isinstance(content, dict):
            return
        for chain_id, diff_id in self._diff_ids.items():
            if match[1] in _ids(content, chain_id):
                self._found[match[1]] = diff_id

    def diff_id(self, name: str) -> str | None:
        """Return the diff ID of the layer in a file; None if it is not a known layer."""
        match = _LAYER.fullmatch(name)
        return self._found.get(match[1]) if match else None


def _chain_ids(diff_ids: Sequence[str]) -> list[str]:
    chain_ids: list[str] = []
    for diff_id in diff_ids:
        below = chain_ids[-1:]
        chain_ids.append(images.digest(f'{below[0]} {diff_id}'.encode()) if below else diff_id)
    return chain_ids


def _ids(content: dict[str, Any], chain_id: str) -> set[str]:
    """Return the possible V1 IDs of a layer: that of the top layer also includes its `os`."""
    hashed = {key: value for key, value in content.items() if key not in ('id', 'os', 'parent')}
    hashed['layer_id'] = chain_id
    if 'parent' in content:
        hashed['parent'] = f'sha256:{content["parent"]}'
    return {
        images.digest(_json(form)).removeprefix('sha256:')
        for form in (hashed, {**hashed, 'os': content.get('os')})
    }


def _json(content: dict[str, Any]) -> bytes:
    content = {key: content[key] for key in sorted(content)}
    text = json.dumps(content, separators=(',', ':'), ensure_ascii=False)
    return text.translate(_ESCAPED).encode('utf-8', 'surrogatepass')
