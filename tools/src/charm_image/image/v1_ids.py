"""Tells layers by their V1 IDs, under which Docker Engine up to 24 exports them, unread.

Such an export has no digests of layers in it. But the ID of an image in version 1 of the format,
which names the directory of a layer, is a digest over what its `json` says and over the layer's
chain ID: see CreateID in moby's package image/v1, and "layer ChainID" in the OCI image
specification 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from charm_image.image import images

_JSON = re.compile(r'(?:\./)?([0-9a-f]{64})/json')
_LAYER = re.compile(r'(?:\./)?([0-9a-f]{64})/layer\.tar')
# as Go writes JSON
_ESCAPED = str.maketrans({char: f'\\u{ord(char):04x}' for char in '<>&\u2028\u2029'})


class Layers:
    """Which layer is in which directory of an export.

    `rootfs` are the diff IDs of the layers of each platform, from the lowest up.
    """

    def __init__(self, rootfs: Iterable[Sequence[str]]):
        self._diff_ids = {
            chain_id: diff_id
            for diff_ids in rootfs
            for chain_id, diff_id in zip(_chain_ids(diff_ids), diff_ids, strict=True)
        }
        self._found: dict[str, str] = {}

    def learn(self, name: str, data: bytes) -> None:
        """Look at a file, which comes before the layer in its directory if it is its `json`."""
        if not (named := _JSON.fullmatch(name)):
            return
        try:
            content = images.parse_json(data, name)
        except images.InvalidImageError:
            return  # whatever it is, no layer is told by it
        if not isinstance(content, dict):
            return
        for chain_id, diff_id in self._diff_ids.items():
            if named[1] in _ids(content, chain_id):
                self._found[named[1]] = diff_id

    def diff_id(self, name: str) -> str | None:
        """Give the diff ID of the layer that a file is; None if it is not known to be one."""
        named = _LAYER.fullmatch(name)
        return self._found.get(named[1]) if named else None


def _chain_ids(diff_ids: Sequence[str]) -> list[str]:
    chain_ids: list[str] = []
    for diff_id in diff_ids:
        below = chain_ids[-1:]
        chain_ids.append(images.digest(f'{below[0]} {diff_id}'.encode()) if below else diff_id)
    return chain_ids


def _ids(content: dict[str, Any], chain_id: str) -> set[str]:
    """Give the V1 IDs that a layer may have: that of the uppermost is also over its system."""
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
