"""What of a charm can be explored: it must be ready with all that it is given."""

import dataclasses
import typing

from charm_unit._check import observations
from charm_unit._explore import play, requirements, search, sequences, world
from charm_unit._unit import errors

_Step = sequences.Step


@dataclasses.dataclass
class Prepared:
    """A charm to explore, or what it breaks before anything has happened to it."""

    known: world.World
    left_out: dict[str, str]
    """Options and endpoints that do not change, actions that do not run, and why."""
    finding: 'search.Finding | None' = None


def prepare(known: world.World) -> Prepared:
    """Try the charm with valid images; raise UsageError if it waits for something else."""
    fresh = dataclasses.replace(known, older=None)
    with play.Player(fresh, lambda: False) as player:
        quiet = sequences.Sequence(sequences.Start(), (_Step('idle'),))
        finding = _baseline(player, fresh, quiet)
        if finding:
            return Prepared(known, {}, finding)
        left_out: dict[str, str] = {}
        options = _options(player, fresh, left_out)
        endpoints, demanding = _endpoints(player, fresh, left_out)
        actions = _actions(player, fresh, left_out)
    explored = dataclasses.replace(
        known,
        variations=options,
        endpoints=endpoints,
        demanding=frozenset(demanding),
        actions=actions,
    )
    return Prepared(explored, left_out)


def _baseline(
    player: play.Player, known: world.World, quiet: sequences.Sequence
) -> 'search.Finding | None':
    try:
        player.play(quiet)
    except requirements.NotExploredError as error:
        raise errors.UsageError(f'{known.built.name} cannot be explored: {error}') from error
    except requirements.BrokenRequirementError as error:
        subject = error.position.unit
        lacking = observations.missing_setup(known.built, known.setup)
        waits = subject.status[0] in observations.WAITING
        unready = subject.pod_spec is None or error.requirement == 'recovers'
        if error.requirement in ('image', 'recovers') and unready and (lacking or waits):
            what = observations.waiting_for(subject.status, lacking)
            raise errors.UsageError(
                f'{known.built.name} cannot be explored, because it is not ready with valid '
                f'images: {what}. Pass --relate and --config'
            ) from error
        steps = quiet.steps[: len(error.position.played) - 1]
        return search.Finding(sequences.Sequence(quiet.start, steps), error)
    return None


def _tried(
    player: play.Player, *steps: _Step
) -> 'requirements.BrokenRequirementError | requirements.NotExploredError | None':
    try:
        player.play(sequences.Sequence(sequences.Start(), steps))
    except (requirements.BrokenRequirementError, requirements.NotExploredError) as error:
        return error
    return None


def _options(
    player: play.Player, known: world.World, left_out: dict[str, str]
) -> dict[str, tuple[typing.Any, typing.Any]]:
    """Return the options whose two values are good; nobody knows here what others may mean."""
    found = world.variations(known.built, known.setup)
    player.use(dataclasses.replace(known, variations=found))

    def error_of(names: typing.Iterable[str]) -> 'Exception | None':
        steps = [_Step('config', name) for name in names]
        return _tried(player, *steps, _Step('idle'), *steps, _Step('idle'))

    if not found or error_of(found) is None:
        return found
    for name, (_value, other) in list(found.items()):
        error = error_of([name])
        if error:
            left_out[f'option {name}'] = f'with {other!r}: {error}'
            del found[name]
    return found


def _endpoints(
    player: play.Player, known: world.World, left_out: dict[str, str]
) -> tuple[tuple[str, ...], set[str]]:
    """Return the endpoints to relate, and those that need data that nobody knows here."""
    found, demanding = [], set()
    for name, role in known.built.endpoints.items():
        if name in known.setup.relations:
            found.append(name)
            continue
        player.use(dataclasses.replace(known, endpoints=(name,)))
        idle, relate, unrelate = _Step('idle'), _Step('relate', name), _Step('unrelate', name)
        if role == 'peers':
            relate, unrelate = _Step('join', name), _Step('depart', name)
        error = _tried(player, relate, idle, unrelate, idle)
        if (
            isinstance(error, requirements.BrokenRequirementError)
            and error.requirement in ('image', 'recovers')
            and len(error.position.played) == 3
        ):
            demanding.add(name)
            known = dataclasses.replace(known, demanding=frozenset(demanding))
            player.use(dataclasses.replace(known, endpoints=(name,)))
            error = _tried(player, relate, idle, unrelate, idle)
        if error and not _was_related(error):
            demanding.discard(name)
            left_out[f'endpoint {name}'] = f'without relation data: {error}'
        else:
            found.append(name)
    return tuple(found), demanding


def _was_related(error: Exception) -> bool:
    """Return whether a charm was well with a relation, and broke when that went: a fault."""
    return (
        isinstance(error, requirements.BrokenRequirementError) and len(error.position.played) > 3
    )


def _actions(player: play.Player, known: world.World, left_out: dict[str, str]) -> tuple[str, ...]:
    """Return the actions that run without parameters; nobody knows here what others may mean."""
    found = []
    for name in known.built.actions:
        try:
            known.built.parameters(name, {})
        except errors.UsageError as error:
            left_out[f'action {name}'] = str(error)
            continue
        player.use(dataclasses.replace(known, actions=(name,)))
        broken = _tried(player, _Step('action', name))
        if isinstance(broken, requirements.NotExploredError) or (
            broken and broken.requirement == 'hooks'
        ):
            left_out[f'action {name}'] = str(broken)
        else:
            found.append(name)
    return tuple(found)
