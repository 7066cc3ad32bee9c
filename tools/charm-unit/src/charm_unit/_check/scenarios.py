"""What an operator does with an image resource, step by step, and the record of what followed.

Each scenario has a unit of its own, so that several can run at the same time. Nothing is checked
here.
"""

import collections.abc
import contextlib
import copy
import dataclasses
import pathlib
import typing

from charm_unit._check import charm_setup
from charm_unit._unit import charm, details, juju_version, runs, unit

USERNAME = 'charm-unit-user'
PASSWORDS = ('open-sesame-Zk4w', 'open-barley-Qm7x', 'open-millet-Vt2y')  # noqa: S105 (of no account)
"""The passwords that may be nowhere but in the pod spec."""

_Run = runs.Run


@dataclasses.dataclass
class Step:
    """One thing that an operator does, and the state of the unit afterwards."""

    name: str
    title: str
    command: str
    runs: list[_Run]
    pod_spec: 'dict[str, typing.Any] | None'
    """The last one that was sent, in this step or before."""
    status: tuple[str, str]
    image: str = ''
    """The reference of the last valid image that was attached, or ''."""

    @property
    def sent(self) -> bool:
        """Whether a hook sent a pod spec."""
        return any(run.pod_spec is not None for run in self.runs)

    @property
    def failed(self) -> '_Run | None':
        """The first hook that ended in error."""
        return next((run for run in self.runs if run.exit_code), None)


class StepNotReachedError(Exception):
    """The scenario was stopped before the requested step."""

    def __init__(self, scenario: 'Scenario') -> None:
        super().__init__(scenario.name)
        self.scenario = scenario


@dataclasses.dataclass
class Scenario:
    """The record of one unit: its steps, in order."""

    name: str
    title: str
    steps: list[Step] = dataclasses.field(default_factory=list)

    def step(self, name: str) -> Step:
        """Return the step of that name; raise StepNotReachedError if it was not reached."""
        for step in self.steps:
            if step.name == name:
                return step
        raise StepNotReachedError(self)

    def has(self, name: str) -> bool:
        """Return whether there is a step of that name."""
        return any(step.name == name for step in self.steps)

    @property
    def runs(self) -> list[_Run]:
        """All hooks that ran."""
        return [run for step in self.steps for run in step.runs]

    def requested(self, resource: str) -> bool:
        """Return whether a hook called resource-get for that resource."""
        return any(
            pathlib.PurePath(command[0]).name == 'resource-get' and resource in command
            for run in self.runs
            for command in run.processes
            if command
        )


@dataclasses.dataclass(frozen=True)
class Subject:
    """An image resource of a built charm, and what else the charm is given.

    With `older`, units are deployed from that build, and upgraded before the scenario continues.
    """

    built: charm.BuiltCharm
    resource: str
    setup: charm_setup.Setup
    keywords: typing.Mapping[str, typing.Any]
    """More arguments of Unit: python, juju, timeout."""
    older: 'charm.BuiltCharm | None' = None

    @property
    def name(self) -> str:
        """The application's name."""
        return self.built.name

    @property
    def first_image(self) -> str:
        """The reference that is attached first."""
        return self.setup.image(self.resource)

    def upgraded_from(self, older: charm.BuiltCharm) -> 'Subject':
        """Return the same subject with units that are deployed from an older build."""
        return dataclasses.replace(self, older=older)

    def other_image(self, number: int) -> str:
        """Return a different reference, by a number from 2 on."""
        return self.setup.other_image(self.resource, number)


OnStep = collections.abc.Callable[[Scenario, Step], None]


class _ScenarioStoppedError(Exception):
    """Ends a scenario: each further hook would fail or hang as well."""


class _Runner:
    """Does the steps of a scenario in its unit, and records them."""

    def __init__(
        self, subject: Subject, scenario: Scenario, on_step: OnStep, leader: bool = True
    ) -> None:
        self.subject = subject
        self.scenario = scenario
        self._on_step = on_step
        build = subject.older or subject.built
        self.unit = unit.Unit(
            build.folder, deploy=False, leader=leader, check=False, **subject.keywords
        )
        subject.setup.apply_to(self.unit, subject.resource)
        self._image = ''

    def do(
        self,
        name: str,
        title: str,
        command: str,
        action: typing.Callable[[], list[_Run]],
        image: str = '',
    ) -> Step:
        """Call `action` and record it as a step; `image` is the valid reference it attaches."""
        self._image = image or self._image
        hooks = action()
        spec = copy.deepcopy(self.unit.pod_spec)
        step = Step(name, title, command, hooks, spec, self.unit.status, self._image)
        self.scenario.steps.append(step)
        self._on_step(self.scenario, step)
        if any(run.timed_out for run in hooks):
            raise _ScenarioStoppedError
        return step

    def deploy(self, content: 'bytes | None', file: str, image: str = '') -> None:
        """Deploy the charm with `content` attached, or deploy the older build and upgrade it.

        The older build is deployed with a different image first, so that it has seen a change.
        """
        subject = self.subject
        option = f' --resource {subject.resource}={file}' if file else ''
        what = 'Deploy with the image' if file else 'Deploy without the image'
        if subject.older is None:
            if content is not None:
                self.unit.attach(subject.resource, content)
            command = f'juju deploy ./{subject.name}{option}'
            self.do('deploy', what, command, self.unit.deploy, image)
            return
        if content is not None:
            self.unit.attach(subject.resource, subject.other_image(9))
        command = f'juju deploy ./older/{subject.name}'
        self.do('older', f'{what}: the older build', command, self.unit.deploy)
        if content is not None:
            self.attach('older image', 'Attach another image', content, file, image)
        self.do(
            'deploy',
            'Upgrade to this build',
            f'juju refresh {subject.name} --path ./{subject.name}',
            self._upgrade,
        )

    def _upgrade(self) -> list[_Run]:
        hooks = self.unit.upgrade(self.subject.built.folder)
        older = self.subject.older
        return hooks + self.subject.setup.apply_to(self.unit, self.subject.resource, older)

    def deploy_with_image(self) -> None:
        """Deploy with the first image; stop the scenario if a hook fails."""
        first = self.subject.first_image
        self.deploy(details.write(first), first, first)
        if self.scenario.step('deploy').failed and self.scenario.name != 'follower':
            raise _ScenarioStoppedError

    def attach(self, name: str, title: str, content: bytes, file: str, image: str = '') -> Step:
        """Attach `content`, which the record shows as `file`."""

        def attach() -> list[_Run]:
            hooks = self.unit.attach(self.subject.resource, content)
            if hooks or juju_version.JujuVersion(self.unit.juju).attach_runs_hooks:
                return hooks
            return self.unit.upgrade()  # before Juju 2.6.9, an operator has to

        command = f'juju attach-resource {self.subject.name} {self.subject.resource}={file}'
        return self.do(name, title, command, attach, image)

    def idle(self, name: str) -> Step:
        """Run update-status."""
        return self.do(name, 'Let five minutes pass', 'sleep 300', self._idle)

    def _idle(self) -> list[_Run]:
        before = len(self.unit.runs)
        if self.unit.failed or (self.unit.charm / 'hooks' / 'update-status').exists():
            self.unit.idle()
        return self.unit.runs[before:]


def _missing(runner: _Runner) -> None:
    first = runner.subject.first_image
    runner.deploy(None, '')
    runner.attach('attach', 'Attach the image', details.write(first), first, first)


def _attached(runner: _Runner) -> None:
    subject = runner.subject
    runner.deploy_with_image()
    runner.idle('idle')
    attached = details.write(subject.first_image)

    def again() -> list[_Run]:
        return runner.unit.attach(subject.resource, attached) + runner.unit.upgrade()

    runner.do(
        'again',
        'Attach the same image again, and refresh',
        f'juju attach-resource {subject.name} {subject.resource}={subject.first_image}; '
        f'juju refresh {subject.name}',
        again,
        subject.first_image,
    )
    second, third = subject.other_image(2), subject.other_image(3)
    runner.attach('another', 'Attach another image', details.write(second), second, second)
    runner.idle('idle after another')
    for number, (name, title) in enumerate(
        (
            ('private', 'Attach a private image'),
            ('credentials', 'Attach the private image with a new password'),
        )
    ):
        content = details.write(third, USERNAME, PASSWORDS[number])
        runner.attach(name, title, content, './private.yaml', third)
    runner.idle('idle after credentials')


def _without_credentials(runner: _Runner) -> None:
    image = runner.subject.first_image
    file = './only-registrypath.yaml'
    if runner.subject.older is None:
        runner.deploy(f'registrypath: {image}\n'.encode(), file, image)
    else:  # which may not accept such details
        runner.deploy_with_image()
        image = runner.subject.other_image(2)
        bare = f'registrypath: {image}\n'.encode()
        runner.attach(
            'without credentials', 'Attach details without credentials', bare, file, image
        )
    content = details.write(image)
    runner.attach('full', 'Attach the image with empty credentials', content, image, image)


BROKEN = {
    'not YAML': f'registrypath: [{{\npassword: {PASSWORDS[2]}\n',
    'no registrypath': f'username: {USERNAME}\npassword: {PASSWORDS[2]}\n',
    'a URL as registrypath': (
        'registrypath: https://registry.example.com/team/web\n'
        f'username: {USERNAME}\npassword: {PASSWORDS[2]}\n'
    ),
}
"""Invalid details, by what is wrong with them."""


def _broken(runner: _Runner) -> None:
    runner.deploy_with_image()
    for what, content in BROKEN.items():
        runner.attach(what, f'Attach a broken image: {what}', content.encode(), './broken.yaml')
    runner.idle('idle')
    second = runner.subject.other_image(2)
    runner.attach('repaired', 'Attach a valid image', details.write(second), second, second)
    runner.idle('idle after repair')


def _store(runner: _Runner) -> None:
    subject, subject_unit = runner.subject, runner.unit
    runner.deploy_with_image()
    refresh = f'juju refresh {subject.name}'
    subject_unit.fail_resource_get(subject.resource)
    runner.do(
        'refresh', 'Refresh while the store is down', refresh, lambda: subject_unit.upgrade()
    )
    subject_unit.repair_resource_get(subject.resource)
    runner.idle('repair')
    second = subject.other_image(2)
    subject_unit.fail_resource_get(subject.resource)
    runner.do(
        'another',
        'Refresh to another image while the store is down',
        f'{refresh} --resource {subject.resource}={second}',
        lambda: subject_unit.upgrade(images={subject.resource: second}),
        second,
    )
    subject_unit.repair_resource_get(subject.resource)
    runner.idle('second repair')


def _follower(runner: _Runner) -> None:
    runner.deploy_with_image()
    third = runner.subject.other_image(3)
    content = details.write(third, USERNAME, PASSWORDS[0])
    runner.attach('private', 'Attach another, private image', content, './private.yaml', third)
    runner.do('lead', 'Elect this unit as leader', '', runner.unit.become_leader)
    runner.idle('idle')


_SCENARIOS: dict[str, tuple[str, typing.Callable[[_Runner], None]]] = {
    'missing': ('without the image', _missing),
    'attached': ('with one image after the other', _attached),
    'without credentials': ('with details that have no credentials', _without_credentials),
    'broken': ('with broken details', _broken),
    'store': ('while the store is down', _store),
    'follower': ('as a unit that is not the leader', _follower),
}
NAMES = tuple(_SCENARIOS)


def run(subject: Subject, name: str, on_step: OnStep = lambda scenario, step: None) -> Scenario:
    """Run the scenario of that name; call `on_step` after each step.

    Raises CharmUnitError if the unit cannot be made.
    """
    title, steps = _SCENARIOS[name]
    if subject.older:
        title += ', upgraded from the older build'
    scenario = Scenario(name, f'{subject.resource} {title}')
    runner = _Runner(subject, scenario, on_step, leader=name != 'follower')
    with runner.unit, contextlib.suppress(_ScenarioStoppedError):
        steps(runner)
    return scenario
