"""The lives that are lived for an image resource: what an operator does, and what came of it.

Each is a unit of its own, so that several run at the same time. They judge nothing.
"""

import collections.abc
import contextlib
import copy
import dataclasses
import pathlib
import typing

from charm_unit._unit import charm, resources, runs, unit
from charm_unit.check import circumstances

USERNAME = 'charm-unit-user'
PASSWORDS = ('open-sesame-Zk4w', 'open-barley-Qm7x', 'open-millet-Vt2y')  # noqa: S105 (nobody's)
"""What may be found nowhere but in the pod spec."""

_Run = runs.Run


@dataclasses.dataclass
class Step:
    """Something that an operator does, and what it was like afterwards."""

    name: str
    title: str
    command: str
    runs: list[_Run]
    pod_spec: 'dict[str, typing.Any] | None'
    """The last one sent until then."""
    status: tuple[str, str]
    image: str = ''
    """The reference that is attached, if it is a good one."""

    @property
    def sent(self) -> bool:
        """Whether a hook sent a pod spec."""
        return any(run.pod_spec is not None for run in self.runs)

    @property
    def failed(self) -> '_Run | None':
        """The first hook that ended in error."""
        return next((run for run in self.runs if run.exit_code), None)


class NotLived(Exception):
    """A life ended before the step that was asked for."""

    def __init__(self, life: 'Life') -> None:
        super().__init__(life.name)
        self.life = life


@dataclasses.dataclass
class Life:
    """One unit's steps, in order."""

    name: str
    title: str
    steps: list[Step] = dataclasses.field(default_factory=list)

    def step(self, name: str) -> Step:
        """Return the step of that name; raise NotLived."""
        for step in self.steps:
            if step.name == name:
                return step
        raise NotLived(self)

    def has(self, name: str) -> bool:
        """Return whether there is a step of that name."""
        return any(step.name == name for step in self.steps)

    @property
    def runs(self) -> list[_Run]:
        """All of its hooks."""
        return [run for step in self.steps for run in step.runs]

    def asked_for(self, resource: str) -> bool:
        """Return whether a hook called resource-get for that resource."""
        return any(
            pathlib.PurePath(command[0]).name == 'resource-get' and resource in command
            for run in self.runs
            for command in run.processes
            if command
        )


@dataclasses.dataclass(frozen=True)
class Subject:
    """A resource of a built charm, in its circumstances.

    With `older`, a unit is deployed from that build and upgraded before its life goes on.
    """

    built: charm.BuiltCharm
    resource: str
    given: circumstances.Circumstances
    keywords: typing.Mapping[str, typing.Any]
    """What else a Unit takes: python, juju, timeout."""
    older: 'charm.BuiltCharm | None' = None

    @property
    def name(self) -> str:
        """The application's name."""
        return self.built.name

    @property
    def first(self) -> str:
        """The image that is attached at first."""
        return self.given.image(self.resource)

    def upgraded_from(self, older: charm.BuiltCharm) -> 'Subject':
        """Return the same, with units that are deployed from an older build."""
        return dataclasses.replace(self, older=older)

    def another(self, number: int) -> str:
        """Return another image's reference."""
        return self.given.another(self.resource, number)


Heard = collections.abc.Callable[[Life, Step], None]


class _Over(Exception):
    """There is no use in going on with a life."""


class _Living:
    """A unit, what it is told to do, and what is noted of it."""

    def __init__(self, subject: Subject, life: Life, heard: Heard, leader: bool = True) -> None:
        self.subject = subject
        self.life = life
        self._heard = heard
        begun_with = subject.older or subject.built
        self.unit = unit.Unit(begun_with.folder, leader=leader, check=False, **subject.keywords)
        subject.given.surround(self.unit, subject.resource)
        self._image = ''

    def note(
        self,
        name: str,
        title: str,
        command: str,
        done: typing.Callable[[], list[_Run]],
        image: str = '',
    ) -> Step:
        """Do something; note what came of it. `image` is attached by it."""
        self._image = image or self._image
        hooks = done()
        spec = copy.deepcopy(self.unit.pod_spec)
        step = Step(name, title, command, hooks, spec, self.unit.status, self._image)
        self.life.steps.append(step)
        self._heard(self.life, step)
        if any(run.ended for run in hooks):
            raise _Over  # it would hang in each
        return step

    def begin(self, content: 'bytes | None', shown: str, image: str = '') -> None:
        """Deploy it, with that content of its resource; from the older build, upgrade it.

        What an older build is deployed with is another image, so that it has seen a change.
        """
        subject = self.subject
        given = f' --resource {subject.resource}={shown}' if shown else ''
        what = 'Deploy with the image' if shown else 'Deploy without the image'
        if subject.older is None:
            if content is not None:
                self.unit.attach(subject.resource, content)
            command = f'juju deploy ./{subject.name}{given}'
            self.note('deploy', what, command, self.unit.deploy, image)
            return
        if content is not None:
            self.unit.attach(subject.resource, subject.another(9))
        command = f'juju deploy ./older/{subject.name}'
        self.note('older', f'{what}: the older build', command, self.unit.deploy)
        if content is not None:
            self.attach('older image', 'Attach another image', content, shown, image)
        self.note(
            'deploy',
            'Upgrade to this build',
            f'juju refresh {subject.name} --path ./{subject.name}',
            self._upgrade,
        )

    def _upgrade(self) -> list[_Run]:
        done = self.unit.upgrade(self.subject.built.folder)
        older = self.subject.older
        return done + self.subject.given.surround(self.unit, self.subject.resource, older)

    def begin_well(self) -> None:
        """Begin with the first image; the life is over if that fails."""
        first = self.subject.first
        self.begin(resources.details(first), first, first)
        if self.life.step('deploy').failed and self.life.name != 'follower':
            raise _Over

    def attach(self, name: str, title: str, content: bytes, shown: str, image: str = '') -> Step:
        """Attach content to the resource."""

        def attached() -> list[_Run]:
            done = self.unit.attach(self.subject.resource, content)
            if done or self.unit.juju.attach_runs_hooks:
                return done
            return self.unit.upgrade()  # before Juju 2.6.9, an operator has to

        command = f'juju attach-resource {self.subject.name} {self.subject.resource}={shown}'
        return self.note(name, title, command, attached, image)

    def idle(self, name: str) -> Step:
        """Let five minutes pass."""
        return self.note(name, 'Let five minutes pass', 'sleep 300', self._idle)

    def _idle(self) -> list[_Run]:
        before = len(self.unit.runs)
        if self.unit.failed or (self.unit.charm / 'hooks' / 'update-status').exists():
            self.unit.idle()
        return self.unit.runs[before:]


def _missing(living: _Living) -> None:
    first = living.subject.first
    living.begin(None, '')
    living.attach('attach', 'Attach the image', resources.details(first), first, first)


def _attached(living: _Living) -> None:
    subject = living.subject
    living.begin_well()
    living.idle('idle')
    details = resources.details(subject.first)

    def again() -> list[_Run]:
        return living.unit.attach(subject.resource, details) + living.unit.upgrade()

    living.note(
        'again',
        'Attach the same image again, and refresh',
        f'juju attach-resource {subject.name} {subject.resource}={subject.first}; '
        f'juju refresh {subject.name}',
        again,
        subject.first,
    )
    second, third = subject.another(2), subject.another(3)
    living.attach('another', 'Attach another image', resources.details(second), second, second)
    living.idle('idle after another')
    for number, (name, title) in enumerate(
        (
            ('private', 'Attach a private image'),
            ('credentials', 'Attach the private image with a new password'),
        )
    ):
        content = resources.details(third, USERNAME, PASSWORDS[number])
        living.attach(name, title, content, './private.yaml', third)
    living.idle('idle after credentials')


def _bare(living: _Living) -> None:
    image = living.subject.first
    shown = './only-registrypath.yaml'
    if living.subject.older is None:
        living.begin(f'registrypath: {image}\n'.encode(), shown, image)
    else:  # which may know nothing of such details
        living.begin_well()
        image = living.subject.another(2)
        bare = f'registrypath: {image}\n'.encode()
        living.attach('bare', 'Attach details without credentials', bare, shown, image)
    content = resources.details(image)
    living.attach('full', 'Attach the image with empty credentials', content, image, image)


BROKEN = {
    'not YAML': f'registrypath: [{{\npassword: {PASSWORDS[2]}\n',
    'no registrypath': f'username: {USERNAME}\npassword: {PASSWORDS[2]}\n',
    'a URL as registrypath': (
        'registrypath: https://registry.example.com/team/web\n'
        f'username: {USERNAME}\npassword: {PASSWORDS[2]}\n'
    ),
}
"""Contents that no charm can use, by what is wrong with them."""


def _broken(living: _Living) -> None:
    living.begin_well()
    for what, content in BROKEN.items():
        living.attach(what, f'Attach a broken image: {what}', content.encode(), './broken.yaml')
    living.idle('idle')
    second = living.subject.another(2)
    living.attach('repaired', 'Attach a valid image', resources.details(second), second, second)
    living.idle('idle after repair')


def _store(living: _Living) -> None:
    subject, subject_unit = living.subject, living.unit
    living.begin_well()
    refresh = f'juju refresh {subject.name}'
    subject_unit.fail_resource_get(subject.resource)
    living.note(
        'refresh', 'Refresh while the store is down', refresh, lambda: subject_unit.upgrade()
    )
    subject_unit.repair_resource_get(subject.resource)
    living.idle('healed')
    second = subject.another(2)
    subject_unit.fail_resource_get(subject.resource)
    living.note(
        'another',
        'Refresh to another image while the store is down',
        f'{refresh} --resource {subject.resource}={second}',
        lambda: subject_unit.upgrade(images={subject.resource: second}),
        second,
    )
    subject_unit.repair_resource_get(subject.resource)
    living.idle('healed again')


def _follower(living: _Living) -> None:
    living.begin_well()
    third = living.subject.another(3)
    content = resources.details(third, USERNAME, PASSWORDS[0])
    living.attach('private', 'Attach another, private image', content, './private.yaml', third)
    living.note('lead', 'Elect this unit as leader', '', living.unit.lead)
    living.idle('idle')


_LIVES: dict[str, tuple[str, typing.Callable[[_Living], None]]] = {
    'missing': ('without the image', _missing),
    'attached': ('with one image after the other', _attached),
    'bare': ('with details that have no credentials', _bare),
    'broken': ('with broken details', _broken),
    'store': ('while the store is down', _store),
    'follower': ('as a unit that is not the leader', _follower),
}
NAMES = tuple(_LIVES)


def live(subject: Subject, name: str, heard: Heard = lambda life, step: None) -> Life:
    """Live the life of that name; `heard` is told each step as it ends.

    Raises CharmUnitError if it cannot be begun.
    """
    title, steps = _LIVES[name]
    if subject.older:
        title += ', upgraded from the older build'
    life = Life(name, f'{subject.resource} {title}')
    living = _Living(subject, life, heard, leader=name != 'follower')
    with living.unit, contextlib.suppress(_Over):
        steps(living)
    return life
