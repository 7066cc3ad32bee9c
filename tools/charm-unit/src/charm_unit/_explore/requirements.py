"""What must be true of a unit whatever happens to it, held against it after each step.

These are the requirements of `charm-unit check`, which checks them in a few sequences of its own.
"""

import collections
import dataclasses
import functools
import typing

from charm_unit._check import checks, in_pod_spec, observations
from charm_unit._explore import operations, sequences, world
from charm_unit._unit import runs, spec, unit

if typing.TYPE_CHECKING:
    from charm_unit._explore import play

REQUIREMENTS = {
    'hooks': 'no hook fails or hangs',
    'image': "once things have settled, the last valid image is in the leader's pod spec",
    'credentials': 'and so are its credentials, and no others',
    'recovers': 'the status is good again once the images are',
    'broken': 'an image that is broken or missing does not change the pod spec',
    'idle': 'nothing is sent when idle',
    'no_password_shown': 'no password in a log, status, flag or argument',
}

_UNSETTLED = ('action', 'crash', 'fail', 'follow', 'hang', 'lead', 'repair')
"""After these steps, the next hook may still have something to send."""
_Spec = dict[str, typing.Any] | None


class BrokenRequirementError(Exception):
    """A requirement is not met; the message says what was observed."""

    position: 'play.Position'
    """Where: the unit, and the hooks that ran until then."""

    def __init__(
        self, requirement: str, seen: str, resource: str = '', stale: tuple[str, ...] = ()
    ) -> None:
        super().__init__(seen)
        self.stale = stale
        """The references that should not be in the pod spec."""
        self.requirement = requirement
        self.resource = resource


class NotExploredError(Exception):
    """The sequence says nothing of the charm; the message says why."""


@dataclasses.dataclass
class _Moment:
    """A unit after a step."""

    state: sequences.State
    pod_spec: _Spec
    status: tuple[str, str]


class Watch:
    """Holds the states of one unit, from its deployment on, against the requirements."""

    def __init__(self, known: world.World) -> None:
        self._world = known
        self.checked: collections.Counter[str] = collections.Counter()
        """How often each requirement was checked."""
        self._steps: list[str] = []
        self._before: _Moment | None = None
        self._was_right: frozenset[str] = frozenset()
        """The resources whose image was in the pod spec before."""

    def fork(self, known: world.World) -> 'Watch':
        """Return a watch that continues from here."""
        other = Watch(known)
        other._steps = list(self._steps)
        other._before = self._before
        other._was_right = self._was_right
        return other

    def after(
        self,
        kind: str,
        state: sequences.State,
        subject: unit.Unit,
        followed: typing.Sequence[tuple[operations.Operation, runs.Run]],
    ) -> None:
        """Check a unit after a step, with the hooks that followed each of its operations.

        Raises BrokenRequirementError, or NotExploredError if a hook needs what is not simulated.
        """
        pod_spec = _load(subject._model.pod_spec)
        now = _Moment(state.copy(), pod_spec, subject.status)
        self._hooks(followed, state)
        self._passwords([run for _operation, run in followed])
        if state.build is self._world.built:
            if self._before:
                self._broken(now, followed)
                self._idle(kind, now, followed)
            if not state.is_removed:
                self._image(kind, now)
        self._before = now
        self._steps.append(kind)

    def _hooks(
        self,
        followed: typing.Sequence[tuple[operations.Operation, runs.Run]],
        state: sequences.State,
    ) -> None:
        for operation, run in followed:
            self.checked['hooks'] += 1
            if not run.exit_code or operation.failure:
                continue
            if run.action and not run.timed_out:  # it may have a reason, which the operator reads
                continue
            reason = observations.not_its_fault(run)
            if reason:
                raise NotExploredError(reason)
            if state.build is not self._world.built:
                raise NotExploredError(f'in the older build, {observations.error(run)}')
            raise BrokenRequirementError('hooks', observations.error(run))

    def _passwords(self, followed: typing.Sequence[runs.Run]) -> None:
        for run in followed:
            self.checked['no_password_shown'] += 1
            shown = checks.password_shown(run)
            if shown:
                raise BrokenRequirementError('no_password_shown', shown)

    def _broken(
        self,
        now: _Moment,
        followed: typing.Sequence[tuple[operations.Operation, runs.Run]],
    ) -> None:
        """What is sent while an image cannot be read has the image that it had before."""
        before = self._before
        assert before is not None  # noqa: S101 (the caller knows)
        if not any(run.pod_spec is not None for _operation, run in followed):
            return
        for name, resource in now.state.resources.items():
            if resource.is_valid or name not in before.state.resources:
                continue
            self.checked['broken'] += 1
            there, were = self._found(name, now.pod_spec), self._found(name, before.pod_spec)
            allowed = {were}
            for last in (resource.last_valid, resource.last_delivered):
                if last:
                    allowed.add((last.reference,))
            if before.pod_spec is None and not there:
                continue
            if there not in allowed:
                raise BrokenRequirementError(
                    'broken',
                    f'a pod spec with {", ".join(there) or "no image of it"} is sent, '
                    f'and had {", ".join(were) or "none"} before',
                    name,
                )

    def _found(self, resource: str, pod_spec: _Spec) -> tuple[str, ...]:
        images = self._world.images(resource)
        return tuple(image for image in images if in_pod_spec.has_image(pod_spec, image))

    def _idle(
        self,
        kind: str,
        now: _Moment,
        followed: typing.Sequence[tuple[operations.Operation, runs.Run]],
    ) -> None:
        """Five quiet minutes after quiet minutes, or after what was done already, send nothing."""
        if kind != 'idle':
            return
        self.checked['idle'] += 1
        sent = any(run.pod_spec is not None for _operation, run in followed)
        if not sent:
            return
        last = self._steps[-1]
        assert self._before is not None  # noqa: S101 (the caller knows)
        same = not in_pod_spec.difference(self._before.pod_spec, now.pod_spec)
        if last == 'idle' or (same and last not in _UNSETTLED):
            again = 'the same pod spec' if same else 'a different pod spec'
            raise BrokenRequirementError('idle', f'update-status sends {again}')

    def _image(self, kind: str, now: _Moment) -> None:
        """The right image is there once things have settled, and as long as nothing changes it."""
        if not self._can_send(now.state):
            self._was_right = frozenset()
            return
        right = set()
        for name, resource in now.state.resources.items():
            image = resource.content
            assert isinstance(image, world.Image)  # noqa: S101 (as _can_send says)
            before = self._before.state.resources.get(name) if self._before else None
            must = kind == 'idle' or (
                name in self._was_right and before is not None and before.content == image
            )
            for requirement in ('image', 'credentials') if must else ():
                self.checked[requirement] += 1
            try:
                self._must_have(name, image, now)
                right.add(name)
            except BrokenRequirementError:
                if must:
                    raise
        self._was_right = frozenset(right)
        if kind == 'idle' and now.state.leader:  # a peer's status is not looked at
            self.checked['recovers'] += 1
            if now.status[0] in ('error', *observations.WAITING):
                raise BrokenRequirementError('recovers', observations.status_words(now.status))

    def _can_send(self, state: sequences.State) -> bool:
        """Whether the charm has all that it was given at first, and a unit that leads."""
        related = all(
            state.relations.get(endpoint)
            for endpoint in self._world.setup.relations
            if endpoint in state.build.endpoints
        )
        demanding = any(endpoint in self._world.demanding for endpoint in state.relations)
        valid = all(resource.is_valid for resource in state.resources.values())
        return state.has_leader and related and valid and not demanding

    def _must_have(self, name: str, image: world.Image, now: _Moment) -> None:
        there = ', '.join(in_pod_spec.images(now.pod_spec)) or 'no image'
        if now.pod_spec is None:
            seen = f'no pod spec was sent; {observations.status_words(now.status)}'
            raise BrokenRequirementError('image', seen, name)
        if not in_pod_spec.has_image(now.pod_spec, image.reference):
            seen = f'the pod spec has {there}, not {image.reference}'
            raise BrokenRequirementError('image', seen, name)
        others = {
            resource.content.reference
            for resource in now.state.resources.values()
            if isinstance(resource.content, world.Image)
        }
        for stale in self._found(name, now.pod_spec):
            if stale not in others:
                seen = f'the pod spec still has {stale} as well as {image.reference}'
                raise BrokenRequirementError('image', seen, name, (stale,))
        if image.password and not in_pod_spec.has_password(
            now.pod_spec, world.USERNAME, image.password
        ):
            seen = f'the pod spec does not have the password of {image.reference}'
            raise BrokenRequirementError('credentials', seen, name)
        used = {
            resource.content.password
            for resource in now.state.resources.values()
            if isinstance(resource.content, world.Image)
        }
        for password in world.PASSWORDS:
            if password not in used and in_pod_spec.has_password(
                now.pod_spec, world.USERNAME, password
            ):
                seen = f'the pod spec still has a password that is not of {image.reference}'
                raise BrokenRequirementError('credentials', seen, name)


@functools.lru_cache(maxsize=256)
def _load(text: 'str | None') -> _Spec:
    return None if text is None else spec.load(text)
