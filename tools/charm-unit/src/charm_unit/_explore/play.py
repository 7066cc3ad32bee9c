"""Plays sequences in a unit, from the longest beginning that was played before."""

import collections
import dataclasses
import pathlib
import shutil
import typing

from charm_unit._explore import operations, requirements, sequences, world
from charm_unit._unit import files, runs, snapshot, unit


class StoppedError(Exception):
    """There is no time left."""


@dataclasses.dataclass
class Played:
    """A step, or the deployment, that was done, and the unit after it."""

    followed: list[tuple[operations.Operation, runs.Run]]
    """The hooks, each with the operation that it followed."""
    status: tuple[str, str] = ('', '')
    leader: bool = False
    pod_spec: 'str | None' = None
    """The last one that was sent, as text."""

    @property
    def runs(self) -> list[runs.Run]:
        """The hooks that followed."""
        return [run for _operation, run in self.followed]


class Position:
    """A unit in the middle of a sequence."""

    def __init__(
        self,
        known: world.World,
        subject: unit.Unit,
        state: sequences.State,
        watch: requirements.Watch,
        played: list[Played],
    ) -> None:
        self._world = known
        self.unit = subject
        self.state = state
        self.watch = watch
        self.played = played
        """The deployment, and each step."""

    def step(self, step: sequences.Step, stop: typing.Callable[[], bool]) -> None:
        """Do a step, and hold what follows against the requirements.

        Raises StoppedError if `stop` returns true meanwhile, and what Watch.after raises.
        """
        done = sequences.apply(self._world, self.state, step)
        self._do(step.kind, done, stop)

    def _do(
        self,
        kind: str,
        done: typing.Sequence[operations.Operation],
        stop: typing.Callable[[], bool],
    ) -> None:
        played = Played([])
        self.played.append(played)
        for operation in done:
            if stop():
                raise StoppedError
            played.followed += [(operation, run) for run in operation.call(self.unit)]
            if self.unit.failed and not operation.failure:
                break
        if stop():  # which ends hooks
            raise StoppedError
        played.status, played.leader = self.unit.status, self.unit.leader
        played.pod_spec = self.unit._model.pod_spec
        self.watch.after(kind, self.state, self.unit, played.followed)

    @classmethod
    def deploy(
        cls,
        known: world.World,
        how: sequences.Start,
        folder: pathlib.Path,
        stop: typing.Callable[[], bool],
    ) -> 'Position':
        """Deploy a unit in an empty folder; raises what `step` does."""
        subject = unit.Unit(
            known.first.folder,
            folder,
            deploy=False,
            leader=how.leader,
            peers=how.peers,
            juju=known.juju,
            check=False,
            **known.unit_options,
        )
        state, done = sequences.start(known, how)
        position = cls(known, subject, state, requirements.Watch(known), [])
        try:
            position._do('deploy', done, stop)
        except requirements.BrokenRequirementError as broken:
            broken.position = position
            raise
        return position


class _Mark:
    """A position to return to; `base` is an earlier one in the same unit, which lasts longer."""

    def __init__(self, position: Position, base: '_Mark | None' = None) -> None:
        self._snapshot: snapshot.Snapshot = snapshot.Snapshot(
            position.unit, base._snapshot if base else None
        )
        self._state = position.state.copy()
        self._watch = position.watch.fork(position._world)  # which goes on
        self._played = list(position.played)

    def position(self, known: world.World) -> Position:
        """Return a new position there; the positions before it are no more."""
        return Position(
            known,
            self._snapshot.restore(),
            self._state.copy(),
            self._watch.fork(known),
            list(self._played),
        )

    def discard(self) -> None:
        """Forget it."""
        self._snapshot.discard()


class Player:
    """Plays one sequence after the other in one folder, as a context manager."""

    def __init__(self, known: world.World, stop: typing.Callable[[], bool]) -> None:
        self._world = known
        self._stop = stop
        self._folder = pathlib.Path(files.temporary_folder())
        self._marks: dict[sequences.Sequence, _Mark] = {}
        self.hooks = 0
        """How many hooks ran."""
        self.checked: collections.Counter[str] = collections.Counter()
        """How often each requirement was checked."""

    def __enter__(self) -> 'Player':
        return self

    def __exit__(self, *_: object) -> None:
        for mark in self._marks.values():
            mark.discard()
        shutil.rmtree(self._folder, ignore_errors=True)

    def use(self, known: world.World) -> None:
        """Let other things happen to the same units from now on."""
        self._world = known

    def forget(self, sequence: sequences.Sequence) -> None:
        """Forget the beginnings of all sequences but of this one, and deployments."""
        for begun in list(self._marks):
            if begun.steps and not sequence.begins_with(begun):
                self._marks.pop(begun).discard()

    def play(self, sequence: sequences.Sequence, keep: typing.Container[int] = ()) -> Position:
        """Play a sequence; keep its beginnings with these numbers of steps for others.

        Raises BrokenRequirementError, NotExploredError and StoppedError.
        """
        position, begun = self._begin(sequence)
        hooks, checked = _hooks(position), position.watch.checked.copy()
        try:
            for number, step in enumerate(sequence.steps[begun:], begun + 1):
                position.step(step, self._stop)
                if number in keep:
                    beginning = dataclasses.replace(sequence, steps=sequence.steps[:number])
                    deployed = self._marks[sequences.Sequence(sequence.start, ())]
                    self._marks[beginning] = _Mark(position, deployed)
        except requirements.BrokenRequirementError as broken:
            broken.position = position
            raise
        finally:
            self.hooks += _hooks(position) - hooks
            self.checked += position.watch.checked - checked
        return position

    def _begin(self, sequence: sequences.Sequence) -> tuple[Position, int]:
        """Return the longest beginning that was kept, and its number of steps."""
        begun = [kept for kept in self._marks if sequence.begins_with(kept)]
        if begun:
            longest = max(begun, key=lambda kept: len(kept.steps))
            return self._marks[longest].position(self._world), len(longest.steps)
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        position = Position.deploy(self._world, sequence.start, self._folder, self._stop)
        self.hooks += _hooks(position)
        self.checked += position.watch.checked
        self._marks[sequences.Sequence(sequence.start, ())] = _Mark(position)
        return self._marks[sequences.Sequence(sequence.start, ())].position(self._world), 0


def _hooks(position: Position) -> int:
    return sum(len(played.followed) for played in position.played)
