"""The ports that a unit opens, for all endpoints or for some.

What a hook asks for is recorded as in worker/uniter/runner/context/ports.go of juju/juju 2.9.31,
and kept as in state/machine_ports_ops.go: the ports are those of a machine.
"""

import typing


class Range(typing.NamedTuple):
    """Ports of a protocol; they are sorted as by Juju."""

    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        if self.protocol == 'icmp':
            return 'icmp'
        ends = f'{self.first}' if self.first == self.last else f'{self.first}-{self.last}'
        return f'{ends}/{self.protocol}'

    def overlaps(self, other: 'Range') -> bool:
        """Return whether they have a port in common."""
        same = self.protocol == other.protocol
        return same and self.last >= other.first and other.last >= self.first


Opened = set[tuple[str, Range]]
"""Ports, each with the endpoint for which it is open, '' for all."""


class Conflict(Exception):
    """A range is open, or asked for, that overlaps."""

    def __init__(self, other: Range, is_pending: bool) -> None:
        super().__init__(str(other))
        self.other = other
        self.is_pending = is_pending


class Changes:
    """What a hook asks for, until its end; `opened` are the unit's ports at its beginning."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._to_open: Opened = set()
        self._to_close: Opened = set()

    def open(self, endpoint: str, wanted: Range) -> None:
        """Ask for a range to be opened; raise Conflict."""
        self._to_close.discard((endpoint, wanted))
        if _is_known(endpoint, wanted, self._to_open, is_pending=True):
            return
        if not _is_known(endpoint, wanted, self._opened, is_pending=False):
            self._to_open.add((endpoint, wanted))

    def close(self, endpoint: str, wanted: Range) -> None:
        """Ask for a range to be closed; raise Conflict."""
        self._to_open.discard((endpoint, wanted))
        if _is_known(endpoint, wanted, self._to_close, is_pending=True):
            return
        _is_known(endpoint, wanted, self._opened, is_pending=False)
        self._to_close.add((endpoint, wanted))

    def unknown_endpoints(
        self, endpoints: typing.Collection[str]
    ) -> typing.Iterator[tuple[str, str]]:
        """Yield open or close, and an endpoint that is not among those of the charm."""
        for verb, ranges in (('open', self._to_open), ('close', self._to_close)):
            for endpoint, _ in sorted(ranges):
                if endpoint and endpoint not in endpoints:
                    yield verb, endpoint

    def apply(self, endpoints: typing.Collection[str]) -> Opened:
        """Return the unit's ports after the hook; `endpoints` are all that the charm has."""
        opened = set(self._opened)
        for endpoint, wanted in self._to_close:
            if not endpoint:
                opened = {entry for entry in opened if entry[1] != wanted}
            elif ('', wanted) in opened:
                opened.remove(('', wanted))
                opened |= {(other, wanted) for other in endpoints if other != endpoint}
            opened.discard((endpoint, wanted))
        for endpoint, wanted in self._to_open:
            if not endpoint:
                opened = {entry for entry in opened if entry[1] != wanted}
            if ('', wanted) not in opened:
                opened.add((endpoint, wanted))
        return opened


def by_range(opened: Opened) -> dict[Range, set[str]]:
    """Return the endpoints for which each range is open, in Juju's order."""
    return {
        known: {endpoint for endpoint, other in opened if other == known}
        for known in sorted({known for _, known in opened})
    }


def _is_known(endpoint: str, wanted: Range, known: Opened, *, is_pending: bool) -> bool:
    """Return whether a range is there already; raise Conflict if one is that overlaps."""
    for other_endpoint, other in known:
        if wanted == other:
            if endpoint == other_endpoint:
                return True
        elif wanted.overlaps(other):
            raise Conflict(other, is_pending)
    return False
