"""Sequences of steps: what an operator, Juju or the world does to a unit.

A step is data: `apply` says which operations it is, in the state that the steps before it led to.
The same seed gives the same sequences, whatever the time they take.
"""

import copy
import dataclasses
import math
import random
import typing

from charm_unit._explore import operations, world
from charm_unit._unit import charm

_Operation = operations.Operation
_World = world.World

BRANCHES = 3
"""Sequences in a row that begin with the same steps."""
FAILURES = (
    operations.Failure(),
    operations.Failure('resource-get'),
    operations.Failure('pod-spec-set'),
    operations.Failure('status-set'),
    operations.Failure('pod-spec-set', kills=False),
    operations.Failure('is-leader', kills=False),
)
"""What makes hooks fail, from the simplest on."""
_TRUNK_STEPS = (2, 6)
_BRANCH_STEPS = (3, 8)


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that happens, such as ('attach', 'my-resource', 2)."""

    kind: str
    target: str = ''
    value: typing.Any = ''


@dataclasses.dataclass(frozen=True)
class Start:
    """How a unit is deployed."""

    leader: bool = True
    attached: bool = True
    peers: int = 0
    """How many more units of the application run hooks; then one of all is the leader."""


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A deployment, and the steps that follow."""

    start: Start
    steps: tuple[Step, ...]

    def begins_with(self, other: 'Sequence') -> bool:
        """Return whether the other one is a beginning of this one, or the same."""
        return self.start == other.start and self.steps[: len(other.steps)] == other.steps


@dataclasses.dataclass
class Resource:
    """An image resource, as the operator and the store have it."""

    content: 'world.Image | str | None' = None
    """A string is what no charm can use."""
    delivery: str = 'works'
    """What resource-get does: works, fails or hangs."""
    last_valid: 'world.Image | None' = None
    """The valid image that was attached last."""
    last_delivered: 'world.Image | None' = None
    """The valid image that a hook could get last."""

    @property
    def is_valid(self) -> bool:
        """Whether a hook gets a valid image now."""
        return self.delivery == 'works' and isinstance(self.content, world.Image)

    def attach(self, content: 'world.Image | str | None') -> None:
        """Note what is attached."""
        self.content = content
        self._note()

    def deliver(self, delivery: str) -> None:
        """Note what resource-get does from now on."""
        self.delivery = delivery
        self._note()

    def _note(self) -> None:
        if isinstance(self.content, world.Image):
            self.last_valid = self.content
            if self.is_valid:
                self.last_delivered = self.content


@dataclasses.dataclass
class State:
    """What is known of a unit without looking at it: what has been done to it."""

    build: charm.BuiltCharm
    leader: bool
    """Whether the unit is the leader, not a peer, or one that is not simulated."""
    peers: int
    resources: dict[str, Resource]
    varied: set[str] = dataclasses.field(default_factory=set)
    """The options that have their other value."""
    relations: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    """The numbers of the remote units, by endpoint."""
    revision: int = 0
    """Counts what is written into relation data."""
    is_removed: bool = False

    @property
    def has_leader(self) -> bool:
        """Whether a unit that runs hooks is the leader."""
        return self.leader or self.peers > 0

    def copy(self) -> 'State':
        """Return a copy that shares no state."""
        return dataclasses.replace(
            self,
            resources={name: copy.copy(one) for name, one in self.resources.items()},
            varied=set(self.varied),
            relations={name: list(units) for name, units in self.relations.items()},
        )


def start(known: _World, how: Start) -> tuple[State, list[_Operation]]:
    """Return the state after a deployment, and the operations that lead there."""
    build = known.first
    resources = {name: Resource() for name in build.image_resources}
    state = State(build, how.leader, how.peers, resources)
    state.relations = {name: [] for name in known.peer_endpoints(build)}
    found = known.given()
    if how.attached:
        for name, resource in state.resources.items():
            resource.attach(world.Image(known.image(name, 1)))
            found.append(_Operation('attach', (name, known.image(name, 1))))
    for endpoint in known.setup.relations:
        if endpoint in build.endpoints:
            state.relations[endpoint] = list(range(len(known.units(endpoint))))
    return state, [*found, _Operation('deploy')]


def choices(
    known: _World, state: State, hangs: bool = False, ends: bool = False
) -> list[tuple[float, Step]]:
    """Return the steps that are possible in a state, each with its weight.

    Those that make resource-get hang are among them if `hangs`, the removal of the unit if `ends`.
    """
    found: list[tuple[float, Step]] = []
    if state.is_removed:
        return found

    def add(weight: float, steps: typing.Sequence[Step]) -> None:
        found.extend((weight / len(steps), step) for step in steps)

    others = world.OTHER_IMAGES
    for name, resource in state.resources.items():
        valid = isinstance(resource.content, world.Image)
        add(6 if valid else 12, [Step('attach', name, number) for number in (1, *others)])
        private = [(number, which) for number in others for which in range(len(world.PASSWORDS))]
        add(4, [Step('attach-private', name, value) for value in private])
        if isinstance(resource.content, world.Image) and resource.content.password:
            now = (resource.content.reference, resource.content.password)
            add(
                4,
                [
                    Step('attach-private', name, (number, which))
                    for number, which in private
                    if (known.image(name, number), world.PASSWORDS[1 - which]) == now
                ],
            )
        add(3, [Step('attach-broken', name, what) for what in world.BROKEN])
        add(1, [Step('detach', name)])
        if hangs and resource.delivery != 'hangs':
            add(1, [Step('hang', name)])
        if resource.delivery == 'works':
            add(3, [Step('fail', name)])
        else:
            add(8, [Step('repair', name)])
    options = [Step('config', name) for name in known.variations if name in state.build.options]
    if options:
        add(8, options)
    endpoints = [name for name in known.endpoints if name in state.build.endpoints]
    for name in endpoints:
        share = 1 / len(endpoints)
        units = state.relations.get(name)
        is_peer = state.build.endpoints[name] == 'peers'
        if not units:
            add(8 * share, [Step('join' if is_peer else 'relate', name)])
        else:
            add(2 * share, [Step('change', name)])
            add(2 * share, [Step('depart', name)])
            if len(units) < 2:
                add(1 * share, [Step('join', name)])
        if units is not None and not is_peer:
            add(1.5 * share, [Step('unrelate', name)])
    election = Step('follow' if state.leader else 'lead')
    add(3 if state.leader else 12, [election])
    add(5, [Step('idle')])
    add(3, [Step('refresh')])
    actions = [Step('action', name) for name in known.actions if name in state.build.actions]
    if actions:
        add(3, actions)
    if ends:
        add(1, [Step('remove')])
    attached = [
        Step('attach', name, number)
        for name, resource in state.resources.items()
        for number in others
        if world.Image(known.image(name, number)) != resource.content
    ]
    hit = [Step('refresh'), *options, *([] if state.leader else [election])]
    ways = [
        (failure, then)
        for failure in FAILURES
        for then in (Step('idle'), Step('resolve'), *attached)
    ]
    crashes = [(step, *way) for step in (*hit, *attached) for way in ways if step != way[1]]
    add(6, [Step('crash', '', crash) for crash in crashes])
    if state.build is not known.built:
        add(8, [Step('upgrade')])
    return found


def apply(known: _World, state: State, step: Step) -> list[_Operation]:
    """Do a step to a state; return the operations that it is."""
    change = _CHANGES[step.kind]
    return change(known, state, step)


def is_possible(known: _World, state: State, step: Step) -> bool:
    """Return whether a step is possible in a state."""
    return any(step == other for _weight, other in choices(known, state, True, True))


def possible(known: _World, sequence: Sequence) -> Sequence:
    """Return a sequence without the steps that are not possible where they stand."""
    state, _ = start(known, sequence.start)
    kept = []
    for step in sequence.steps:
        if is_possible(known, state, step):
            apply(known, state, step)
            kept.append(step)
    return Sequence(sequence.start, tuple(kept))


def settled(known: _World, sequence: Sequence) -> Sequence:
    """Return a sequence that goes on until a charm has all that it needs, and time to react."""
    state, _ = start(known, sequence.start)
    for step in sequence.steps:
        apply(known, state, step)
    if state.is_removed:
        return sequence
    more = [] if state.build is known.built else [Step('upgrade')]
    for name, resource in state.resources.items():
        if resource.delivery != 'works':
            more.append(Step('repair', name))
        if not isinstance(resource.content, world.Image):
            more.append(Step('attach', name, 2))
    more += [
        Step('relate', name)
        for name in known.setup.relations
        if name in known.endpoints and not state.relations.get(name)
    ]
    more += [Step('unrelate', name) for name in known.demanding if name in state.relations]
    if not state.has_leader:
        more.append(Step('lead'))
    return Sequence(sequence.start, (*sequence.steps, *more, Step('idle'), Step('idle')))


def written(known: _World, sequence: Sequence) -> list[list[_Operation]]:
    """Return the operations of the deployment, and of each step."""
    state, found = start(known, sequence.start)
    return [found, *(apply(known, state, step) for step in sequence.steps)]


class Generator:
    """Makes sequences from a seed, by their numbers."""

    def __init__(self, known: _World, seed: int) -> None:
        self._world = known
        self._seed = seed

    def trunk(self, bush: int) -> Sequence:
        """Return the steps with which BRANCHES sequences in a row begin."""
        chance = random.Random(f'{self._seed} {bush}')  # noqa: S311 (of a seed)
        how = _pick(
            chance,
            [
                (4, Start()),
                (3, Start(leader=False)),
                (1.5, Start(attached=False)),
                (0.5, Start(leader=False, attached=False)),
                (1, Start(peers=1)),
            ],
        )
        return self._longer(Sequence(how, ()), chance, _between(chance, *_TRUNK_STEPS))

    def sequence(self, number: int) -> Sequence:
        """Return a sequence by its number, from 0 on."""
        bush, branch = divmod(number, BRANCHES)
        chance = random.Random(f'{self._seed} {bush} {branch}')  # noqa: S311 (of a seed)
        return self._longer(self.trunk(bush), chance, _between(chance, *_BRANCH_STEPS), ends=True)

    def hanging(self, number: int) -> Sequence:
        """Return a sequence in which resource-get hangs, by its number: short ones first."""
        chance = random.Random(f'{self._seed} hangs {number}')  # noqa: S311 (of a seed)
        names = list(self._world.first.image_resources)
        hang = Step('hang', names[number % len(names)])
        if number < len(names):
            steps: tuple[Step, ...] = (hang, Step('refresh'))
        else:
            before = self._longer(Sequence(Start(), ()), chance, _between(chance, 0, 3))
            steps = (*before.steps, hang)
        sequence = possible(self._world, Sequence(Start(), steps))
        return self._longer(sequence, chance, _between(chance, 1, 3))

    def _longer(
        self, sequence: Sequence, chance: random.Random, steps: int, ends: bool = False
    ) -> Sequence:
        state, _ = start(self._world, sequence.start)
        for step in sequence.steps:
            apply(self._world, state, step)
        more = []
        for _ in range(steps):
            possible = choices(self._world, state, ends=ends)
            if not possible:  # the unit is removed
                break
            more.append(_pick(chance, possible))
            apply(self._world, state, more[-1])
        return Sequence(sequence.start, (*sequence.steps, *more))


_T = typing.TypeVar('_T')


def _pick(chance: random.Random, weighted: typing.Sequence[tuple[float, _T]]) -> _T:
    """Return one of the values; of `random`, only what is the same in all of Python's versions."""
    left = chance.random() * sum(weight for weight, _ in weighted)
    for weight, value in weighted:
        left -= weight
        if left < 0:
            return value
    return weighted[-1][1]


def _between(chance: random.Random, least: int, most: int) -> int:
    return least + int(chance.random() * (most - least + 1))


# What each kind of step does to a state, and which operations it is


def _attach(known: _World, state: State, step: Step) -> list[_Operation]:
    return _attached(known, state, step.target, world.Image(known.image(step.target, step.value)))


def _attach_private(known: _World, state: State, step: Step) -> list[_Operation]:
    number, which = step.value
    image = world.Image(known.image(step.target, number), world.PASSWORDS[which])
    return _attached(known, state, step.target, image)


def _attached(known: _World, state: State, name: str, image: world.Image) -> list[_Operation]:
    state.resources[name].attach(image)
    return known.attach(name, image)


def _attach_broken(known: _World, state: State, step: Step) -> list[_Operation]:
    text = world.BROKEN[step.value]
    state.resources[step.target].attach(text)
    return known.deliver(step.target, text)


def _detach(known: _World, state: State, step: Step) -> list[_Operation]:
    state.resources[step.target].attach(None)
    return known.detach(step.target)


def _fail(_known: _World, state: State, step: Step) -> list[_Operation]:
    state.resources[step.target].deliver('fails')
    return [_Operation('fail_resource_get', (step.target,))]


def _hang(_known: _World, state: State, step: Step) -> list[_Operation]:
    state.resources[step.target].deliver('hangs')
    return [_Operation('slow_resource_get', (step.target, math.inf))]


def _repair(_known: _World, state: State, step: Step) -> list[_Operation]:
    state.resources[step.target].deliver('works')
    return [_Operation('repair_resource_get', (step.target,))]


def _crash(known: _World, state: State, step: Step) -> list[_Operation]:
    hit, failure, then = step.value
    *first, last = apply(known, state, hit)
    return [*first, dataclasses.replace(last, failure=failure), *apply(known, state, then)]


def _config(known: _World, state: State, step: Step) -> list[_Operation]:
    state.varied ^= {step.target}
    value = known.variations[step.target][step.target in state.varied]
    return [_Operation('configure', ({step.target: value},))]


def _relate(known: _World, state: State, step: Step) -> list[_Operation]:
    units = known.units(step.target)
    state.relations[step.target] = list(range(len(units)))
    return [
        _Operation('relate', (step.target, known.remote_unit(step.target, number), data))
        for number, data in enumerate(units)
    ]


def _change(known: _World, state: State, step: Step) -> list[_Operation]:
    state.revision += 1
    number = state.relations[step.target][-1]
    units = known.units(step.target)
    data = {**units[min(number, len(units) - 1)], 'explored': str(state.revision)}
    return [_Operation('relate', (step.target, known.remote_unit(step.target, number), data))]


def _join(known: _World, state: State, step: Step) -> list[_Operation]:
    number = max(state.relations[step.target], default=-1) + 1
    state.relations[step.target].append(number)
    data = known.units(step.target)[-1]
    return [_Operation('relate', (step.target, known.remote_unit(step.target, number), data))]


def _depart(known: _World, state: State, step: Step) -> list[_Operation]:
    number = state.relations[step.target].pop()
    return [_Operation('depart', (step.target, known.remote_unit(step.target, number)))]


def _unrelate(_known: _World, state: State, step: Step) -> list[_Operation]:
    del state.relations[step.target]
    return [_Operation('break_relation', (step.target,))]


def _lead(_known: _World, state: State, step: Step) -> list[_Operation]:
    state.leader = step.kind == 'lead'
    return [_Operation('become_leader' if state.leader else 'lose_leadership')]


def _action(_known: _World, _state: State, step: Step) -> list[_Operation]:
    return [_Operation('run_action', (step.target,))]


def _remove(_known: _World, state: State, _step: Step) -> list[_Operation]:
    state.is_removed = True
    return [_Operation('remove')]


def _idle(_known: _World, _state: State, _step: Step) -> list[_Operation]:
    return [_Operation('idle')]


def _resolve(_known: _World, _state: State, _step: Step) -> list[_Operation]:
    return [_Operation('resolve')]


def _refresh(_known: _World, _state: State, _step: Step) -> list[_Operation]:
    return [_Operation('upgrade')]


def _upgrade(known: _World, state: State, _step: Step) -> list[_Operation]:
    before, state.build = state.build, known.built
    kept = {name: state.resources.get(name) for name in state.build.image_resources}
    state.resources = {name: resource or Resource() for name, resource in kept.items()}
    for name, resource in state.resources.items():
        if name not in before.image_resources:
            resource.attach(world.Image(known.image(name, 1)))
    for endpoint in known.peer_endpoints(state.build):
        state.relations.setdefault(endpoint, [])
    for endpoint in known.setup.relations:
        if endpoint in state.build.endpoints and endpoint not in before.endpoints:
            state.relations[endpoint] = list(range(len(known.units(endpoint))))
    return [_Operation('upgrade', (str(known.built.path),)), *known.given(before)]


_CHANGES: dict[str, typing.Callable[[_World, State, Step], list[_Operation]]] = {
    'attach': _attach,
    'action': _action,
    'attach-broken': _attach_broken,
    'attach-private': _attach_private,
    'change': _change,
    'config': _config,
    'crash': _crash,
    'depart': _depart,
    'detach': _detach,
    'fail': _fail,
    'follow': _lead,
    'hang': _hang,
    'idle': _idle,
    'join': _join,
    'lead': _lead,
    'refresh': _refresh,
    'relate': _relate,
    'remove': _remove,
    'repair': _repair,
    'resolve': _resolve,
    'unrelate': _unrelate,
    'upgrade': _upgrade,
}
