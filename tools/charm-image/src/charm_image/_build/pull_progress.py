"""The progress of a pull, from the reports of engines.

See POST /images/create of the Docker Engine API. Docker reports the bytes of a layer that are
downloaded and extracted, or with containerd's store the seconds of extraction; podman does not
report extraction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from charm_image import _progress
from container_image import messages

_DOWNLOADED = ('Download complete', 'Extracting', 'Pull complete')


@dataclasses.dataclass
class _Layer:
    """Sizes in bytes, compressed as in the registry."""

    size: int = 0
    downloaded: int = 0
    extracted: int = 0
    complete: bool = False


class PullProgress:
    """Turns reports about the pull of `name` into progress, and adds some every `interval` s."""

    def __init__(self, name: str, interval: float):
        self._name = name
        self._interval = interval
        self._layers: dict[str, _Layer] = {}
        self._told: dict[str, str] = {}  # layers are pulled in parallel, and repeat their status
        self._download = _progress.Rate(name)
        self._extraction: _progress.Rate | None = None

    def follow(self, report: Mapping[str, Any] | None) -> Iterator[_progress.Progress]:
        """Yield the progress after a report, or after a second without one (None)."""
        if report is not None:
            layer, status = (messages.printable(report.get(key) or '') for key in ('id', 'status'))
            if self._told.get(layer) != status:
                self._told[layer] = status
                text = f'{self._name}: {f"{layer} {status}".strip()}'
                yield _progress.Progress('pull', text)
            self._read(layer, status, report.get('progressDetail') or {})
        yield from self._step().report('pull', self._interval)

    def _read(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        if status in ('Pulling fs layer', 'Waiting'):
            self._layers.setdefault(layer, _Layer())
        elif status == 'Already exists':
            self._layers.pop(layer, None)
        elif status == 'Downloading':
            state = self._layers.setdefault(layer, _Layer())
            state.downloaded = max(0, detail.get('current') or 0)
            state.size = max(0, detail.get('total') or 0)  # not known earlier
        elif layer in self._layers and status in _DOWNLOADED:
            state = self._layers[layer]
            state.complete, state.downloaded = True, state.size
            if status == 'Pull complete':
                state.extracted = state.size
            elif status == 'Extracting' and not detail.get('units'):
                state.extracted = max(0, detail.get('current') or 0)

    def _step(self) -> _progress.Rate:
        layers = self._layers.values()
        size = sum(layer.size for layer in layers) or None
        if not layers or not all(layer.complete for layer in layers):
            self._extraction = None
            self._download.done = sum(layer.downloaded for layer in layers)
            self._download.total = size
            return self._download
        if self._extraction is None:
            self._extraction = _progress.Rate(f'{self._name}: extracting')
        self._extraction.done = sum(layer.extracted for layer in layers)
        # if the engine does not report bytes, show only the time
        self._extraction.total = size if self._extraction.done else None
        return self._extraction
