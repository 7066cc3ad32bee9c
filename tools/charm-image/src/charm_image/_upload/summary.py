"""The results for a charm's resources: as a table or JSON, and the command to release them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NOTHING = '-'


@dataclasses.dataclass
class Outcome:
    """The result for one resource: `status` is uploaded, checked, failed or left-out."""

    name: str
    type: str
    status: str = 'failed'
    revision: int | None = None
    reference: str = ''
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    errors: Sequence[Mapping[str, str]] = ()

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Name, digest, architectures, and the revision or the status."""
        architectures = ' '.join(self.facts.get('architectures', ())) or _NOTHING
        result = self.status.replace('-', ' ') if self.revision is None else str(self.revision)
        return self.name, self.facts.get('image-digest') or _NOTHING, architectures, result

    @property
    def document(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            'name': self.name,
            'type': self.type,
            'status': self.status,
            'revision': self.revision,
            'reference': self.reference or None,
            'image-digest': self.facts.get('image-digest') or None,
            'architectures': list(self.facts.get('architectures', ())),
            **({'errors': list(self.errors)} if self.errors else {}),
        }


def table(outcomes: Iterable[Outcome]) -> str:
    """Return the outcomes as a table."""
    rows = [('Resource', 'Digest', 'Architectures', 'Revision')]
    rows += [outcome.row for outcome in outcomes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return '\n'.join(lines)


def release(charm: str, outcomes: Iterable[Outcome]) -> str:
    """Return the command that releases the charm with these revisions; '' without any."""
    options = [
        f'--resource={outcome.name}:{outcome.revision}'
        for outcome in outcomes
        if outcome.revision is not None
    ]
    if not options:
        return ''
    return f'charmcraft release {charm} --revision=… --channel=… {" ".join(options)}'
