"""Searches for a sequence that breaks a requirement, in several units at once; shrinks it."""

import collections
import contextlib
import dataclasses
import os
import threading
import time
import typing

from charm_unit._explore import play, requirements, sequences, world
from charm_unit._unit import process

_HANGING = 2
"""How many units wait for a resource-get that hangs: they take no processor."""
_MAX_SHRINKING = 150
"""How many sequences are tried to shrink one."""


@dataclasses.dataclass
class Finding:
    """A sequence that breaks a requirement."""

    sequence: sequences.Sequence
    error: requirements.BrokenRequirementError


@dataclasses.dataclass
class Found:
    """What a search came to."""

    sequences: int = 0
    hooks: int = 0
    seconds: float = 0
    checked: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    not_explored: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """How many sequences ended for that reason, which says nothing of the charm."""
    hangs: int = 0
    """How many sequences in which resource-get hangs were played to their end."""
    findings: 'list[Finding]' = dataclasses.field(default_factory=list)
    """The first, and the first of those that hang, if it breaks another requirement."""

    def add(self, player: play.Player) -> None:
        """Add what a player has done."""
        self.hooks += player.hooks
        self.checked += player.checked


Played = collections.abc.Callable[[str, sequences.Sequence, str], None]
"""Is told the name of each sequence that was played, the sequence, and what it broke."""


class Search:
    """A search among the sequences of a seed."""

    def __init__(self, known: world.World, seed: int, seconds: float, played: Played) -> None:
        self._world = known
        self._generator = sequences.Generator(known, seed)
        self._seconds = seconds
        self._played = played
        self._lock = threading.Lock()
        self._next = 0
        self._has_played = False
        self._last: int | None = None
        """The number of the group of sequences in which a requirement was broken first."""
        self._broken: dict[int, Finding] = {}
        self._broken_hanging: dict[int, Finding] = {}
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self.found = Found()

    def run(self) -> Found:
        """Play sequences until one breaks a requirement, or there is no time left."""
        begun = time.monotonic()
        self._deadline = begun + self._seconds
        workers = [
            threading.Thread(target=self._guarded, args=(self._explore,))
            for _ in range((os.cpu_count() or 1) + 1)  # one waits for a disk, or for a lock
        ]
        hanging = [
            threading.Thread(target=self._guarded, args=(self._hang, number))
            for number in range(_HANGING)
        ]
        try:
            for thread in [*workers, *hanging]:
                thread.start()
            self._wait(workers)
        finally:
            self._over.set()
            while any(thread.is_alive() for thread in [*workers, *hanging]):
                process.end_all()
                time.sleep(0.02)
        if self._failures:
            raise self._failures[0]
        self.found.seconds = time.monotonic() - begun
        for broken in (self._broken, self._broken_hanging):
            known = [finding.error.requirement for finding in self.found.findings]
            if broken and broken[min(broken)].error.requirement not in known:
                self.found.findings.append(broken[min(broken)])
        return self.found

    def _wait(self, threads: typing.Sequence[threading.Thread]) -> None:
        """Wait for threads until the end, which is later if there is something to settle.

        However slow the machine is, one sequence is played.
        """
        while any(thread.is_alive() for thread in threads) and not self._failures:
            is_over = time.monotonic() > self._deadline
            if is_over and self._last is None and self._has_played:
                return
            time.sleep(0.05)

    def _guarded(self, work: typing.Callable[..., None], *words: typing.Any) -> None:
        try:
            work(*words)
        except play.StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 (raised in the main thread)
            self._failures.append(error)

    @contextlib.contextmanager
    def _player(self) -> typing.Iterator[play.Player]:
        with play.Player(self._world, self._over.is_set) as player:
            try:
                yield player
            finally:
                with self._lock:
                    self.found.add(player)

    def _explore(self) -> None:
        """Play one group of sequences after the other, all that begin with the same steps."""
        with self._player() as player:
            while True:
                with self._lock:
                    group, self._next = self._next, self._next + 1
                    if self._last is not None and group > self._last:
                        return
                trunk = self._generator.trunk(group)
                player.forget(trunk)
                for branch in range(sequences.BRANCHES):
                    number = group * sequences.BRANCHES + branch
                    sequence = self._generator.sequence(number)
                    finding = self._play(player, str(number), sequence, len(trunk.steps))
                    self._has_played = True
                    if finding:
                        self._broken[number] = finding
                        self._last = group if self._last is None else min(self._last, group)
                        return

    def _hang(self, number: int) -> None:
        """Play sequences in which resource-get hangs.

        What they find comes so late that it ends nothing: what else is found must not depend on
        the time that others take.
        """
        with self._player() as player:
            while True:
                sequence = self._generator.hanging(number)
                finding = self._play(player, f'h{number}', sequence)
                if finding:
                    self._broken_hanging[number] = finding
                    return
                self.found.hangs += 1
                number += _HANGING

    def _play(
        self, player: play.Player, name: str, sequence: sequences.Sequence, keep: int = -1
    ) -> 'Finding | None':
        """Play a sequence; return what it breaks."""
        ended = sequences.settled(self._world, sequence)
        finding, why = None, ''
        try:
            player.play(ended, (keep,))
        except requirements.BrokenRequirementError as error:
            steps = ended.steps[: len(error.position.played) - 1]
            finding = Finding(sequences.Sequence(sequence.start, steps), error)
            why = error.requirement
        except requirements.NotExploredError as error:
            why = str(error)
            with self._lock:
                self.found.not_explored[why] += 1
        with self._lock:
            self.found.sequences += 1
            self._played(name, sequence, why)
        return finding


def shrink(known: world.World, finding: Finding) -> Finding:
    """Return the shortest sequence found that breaks the same requirement.

    One that hangs is as it is: each attempt would take as long as the hook's time limit.
    """
    if any(step.kind == 'hang' for step in finding.sequence.steps):
        return finding
    attempts = 0

    def breaks(sequence: sequences.Sequence) -> 'Finding | None':
        nonlocal attempts
        attempts += 1
        try:
            player.play(sequence, range(1, len(sequence.steps)))
        except requirements.BrokenRequirementError as error:
            if error.requirement == finding.error.requirement:
                steps = sequence.steps[: len(error.position.played) - 1]
                return Finding(sequences.Sequence(sequence.start, steps), error)
        except requirements.NotExploredError:
            pass
        return None

    with play.Player(known, lambda: False) as player:
        best, tried = finding, {finding.sequence}
        while True:
            for candidate in _simpler(known, best.sequence):
                if candidate in tried or attempts >= _MAX_SHRINKING:
                    continue
                tried.add(candidate)
                smaller = breaks(candidate)
                if smaller:
                    best = smaller
                    player.forget(best.sequence)
                    break
            else:
                return best


_OTHER_ROLE = {'follow': 'lead', 'lead': 'follow'}


def _simpler(
    known: world.World, sequence: sequences.Sequence
) -> typing.Iterator[sequences.Sequence]:
    """Yield sequences that are simpler: with fewer steps first, then with simpler ones."""
    how, steps = sequence.start, sequence.steps
    size = len(steps) // 2
    while size:
        for begin in range(0, len(steps), size):
            left = (*steps[:begin], *steps[begin + size :])
            yield sequences.possible(known, sequences.Sequence(how, left))
        size //= 2
    if not how.attached:
        yield sequences.possible(
            known, sequences.Sequence(dataclasses.replace(how, attached=True), steps)
        )
    if not how.leader:
        yield sequences.possible(
            known, sequences.Sequence(dataclasses.replace(how, leader=True), steps)
        )
    if how.peers:
        alone = dataclasses.replace(how, peers=0)
        yield sequences.possible(known, sequences.Sequence(alone, steps))
        # what the peer met may meet a unit that is not the leader at first
        other = dataclasses.replace(alone, leader=not how.leader)
        swapped = tuple(
            dataclasses.replace(step, kind=_OTHER_ROLE.get(step.kind, step.kind)) for step in steps
        )
        yield sequences.possible(known, sequences.Sequence(other, swapped))
    for number, step in enumerate(steps):
        for simpler in _simpler_steps(step):
            one = (*steps[:number], simpler, *steps[number + 1 :])
            changed = sequences.possible(known, sequences.Sequence(how, one))
            if len(changed.steps) <= len(steps):
                yield changed


def _simpler_steps(step: sequences.Step) -> typing.Iterator[sequences.Step]:
    Step = sequences.Step
    if step.kind == 'crash':
        hit, failure, then = step.value
        yield hit
        for simpler in _simpler_steps(hit):
            yield Step('crash', '', (simpler, failure, then))
        for other in (Step('idle'), *_simpler_steps(then)):
            if other != then:
                yield Step('crash', '', (hit, failure, other))
        if failure != sequences.FAILURES[0]:
            yield Step('crash', '', (hit, sequences.FAILURES[0], then))
    elif step.kind == 'attach-private':
        yield Step('attach', step.target, step.value[0])
        if step.value != (2, 0):
            yield Step('attach-private', step.target, (2, 0))
    elif step.kind == 'attach' and step.value > 2:
        yield Step('attach', step.target, 2)
    elif step.kind == 'attach-broken' and step.value != next(iter(world.BROKEN)):
        yield Step('attach-broken', step.target, next(iter(world.BROKEN)))
    elif step.kind == 'unrelate':
        yield Step('depart', step.target)
    elif step.kind == 'upgrade':
        return
