"""The checks, one for each requirement.

Each returns a remark, which may be empty, or raises CheckFailedError or NotCheckedError. A charm
that waits for a relation or an option that it was not given is not at fault.
"""

import itertools
import re
import typing

from charm_unit._check import in_pod_spec, observations, scenarios
from charm_unit._unit import runs


def missing(observed: observations.Observations) -> str:
    """Without the image, no hook fails and the status names the resource."""
    step = observed['missing'].step('deploy')
    deployed = observed.deployed
    name = re.compile(rf'(?<![\w-]){re.escape(observed.subject.resource)}(?![\w-])')
    if step.failed:
        observed.skip_unless_deploys()
        raise observations.CheckFailedError(observations.error(step.failed))
    if step.status[0] in observations.WAITING and name.search(step.status[1]):
        return observations.status(step)
    if not observed.requested:
        raise observations.NotCheckedError(
            f'{observed.not_requested()}; {observations.status(step)}'
        )
    if deployed.pod_spec is None and deployed.status == step.status:
        raise observations.NotCheckedError(observed.waiting_for())
    raise observations.CheckFailedError(observations.status(step))


def sends(observed: observations.Observations) -> str:
    """The image reaches the pod spec, attached at the deployment or later."""
    deployed, image = observed.deployed, observed.subject.first_image
    if deployed.failed:
        reason = observations.not_its_fault(deployed.failed)
        raise (
            observations.NotCheckedError(reason)
            if reason
            else observations.CheckFailedError(observations.error(deployed.failed))
        )
    if deployed.pod_spec is None:
        fault = observed.nothing_to_wait_for()
        if fault:
            raise observations.CheckFailedError(fault)
        raise observations.NotCheckedError(observed.waiting_for())
    if not observed.requested and not in_pod_spec.has_image(deployed.pod_spec, image):
        raise observations.NotCheckedError(
            f'the pod spec is sent without it, and {observed.not_requested()}'
        )
    observations.require_image(deployed, image, 'after the deployment with it')
    if observed['missing'].step('deploy').failed:
        return ''  # which `missing` reports
    later = observed['missing'].step('attach')
    observations.require_success(later)
    if later.pod_spec is None:
        raise observations.CheckFailedError(
            'when attached after the deployment, the image is not in a pod spec; '
            + observations.status(later)
        )
    observations.require_image(later, image, 'with the image attached after the deployment')
    return (
        '' if observed['attached'].step('deploy').pod_spec else 'only in the first update-status'
    )


def again(observed: observations.Observations) -> str:
    """The same image attached again changes neither the pod spec nor a good status."""
    observed.skip_unless_deploys()
    before, step = observed['attached'].step('idle'), observed['attached'].step('again')
    observations.require_success(step)
    observed.skip_unless_image_sent()
    differs = in_pod_spec.difference(before.pod_spec, step.pod_spec)
    if differs:
        raise observations.CheckFailedError(f'a different pod spec is sent: {differs} differs')
    if before.status[0] == 'active' and step.status[0] in ('error', *observations.WAITING):
        raise observations.CheckFailedError(observations.status(step))
    return 'the same pod spec is sent again' if step.sent else ''


def another(observed: observations.Observations) -> str:
    """A different image is in the pod spec after the hooks that follow its attachment."""
    observed.skip_unless_deploys()
    scenario = observed['attached']
    step = scenario.step('another')
    observations.require_success(step)
    observed.skip_unless_image_sent()
    if not in_pod_spec.has_image(step.pod_spec, step.image):
        late = scenario.step('idle after another')
        if in_pod_spec.has_image(late.pod_spec, step.image):
            raise observations.CheckFailedError(
                f'the pod spec has {step.image} only after the next update-status'
            )
    observations.require_image(step, step.image, 'after the hooks that follow')
    if in_pod_spec.has_image(step.pod_spec, observed.subject.first_image):
        raise observations.CheckFailedError(
            f'{observed.subject.first_image} is still in the pod spec as well'
        )
    return ''


def idle(observed: observations.Observations) -> str:
    """No update-status sends a pod spec, not even the same."""
    observed.skip_unless_deploys()
    if observed.deployed.pod_spec is None:
        raise observations.NotCheckedError(observed.waiting_for())
    steps = observed['attached'].steps
    for before, step in itertools.pairwise(steps):
        if not step.name.startswith('idle'):
            continue
        observations.require_success(step)
        late = in_pod_spec.has_image(step.pod_spec, step.image)
        late = late and not in_pod_spec.has_image(before.pod_spec, step.image)
        if step.sent and not late:
            after = before.title[0].lower() + before.title[1:]
            raise observations.CheckFailedError(
                f'update-status sends the pod spec (after: {after})'
            )
    observed['attached'].step('idle after credentials')
    return ''


def credentials(observed: observations.Observations) -> str:
    """Credentials reach the pod spec, and so does a new password for the same image."""
    observed.skip_unless_deploys()
    for name, password in zip(('private', 'credentials'), scenarios.PASSWORDS, strict=False):
        step = observed['attached'].step(name)
        observations.require_success(step)
        observed.skip_unless_image_sent()
        if not in_pod_spec.has_password(step.pod_spec, scenarios.USERNAME, password):
            raise observations.CheckFailedError(_which_credentials(step, name))
    return ''


def _which_credentials(step: scenarios.Step, name: str) -> str:
    when = 'a private image' if name == 'private' else 'a new password'
    if in_pod_spec.has_password(step.pod_spec, scenarios.USERNAME, scenarios.PASSWORDS[0]):
        return f'after {when}, the pod spec still has the old password'
    if not in_pod_spec.has_image(step.pod_spec, step.image):
        there = ', '.join(in_pod_spec.images(step.pod_spec))
        return f'after {when}, the pod spec still has {there}'
    return f'after {when}, the pod spec has no password for {step.image}'


def details_without_credentials(observed: observations.Observations) -> str:
    """Details with only a registrypath are accepted."""
    observed.skip_unless_deploys()
    scenario = observed['without credentials']
    step = (
        scenario.step('without credentials')
        if scenario.has('without credentials')
        else scenario.step('deploy')
    )
    observations.require_success(step, 'for details with only registrypath')
    observed.skip_unless_image_sent()
    full = scenario.step('full')
    if step.pod_spec is None:
        if full.pod_spec is None:
            raise observations.NotCheckedError(observed.waiting_for())
        raise observations.CheckFailedError(f'no pod spec was sent; {observations.status(step)}')
    observations.require_image(step, step.image, 'for details with only registrypath')
    return ''


def broken(observed: observations.Observations) -> str:
    """Invalid details, or a resource-get that fails, fail no hook and change no pod spec."""
    observed.skip_unless_deploys()
    for name, steps in (
        ('broken', (*scenarios.BROKEN, 'idle')),
        ('store', ('refresh', 'another')),
    ):
        scenario = observed[name]
        for before, step in itertools.pairwise(scenario.steps):
            if step.name in steps:
                observations.require_success(step)
                if before.pod_spec is not None:
                    _require_unchanged(before, step)
        scenario.step(steps[-1])
    observed.skip_unless_image_sent()
    return ''


def _require_unchanged(before: scenarios.Step, step: scenarios.Step) -> None:
    if in_pod_spec.images(before.pod_spec) != in_pod_spec.images(step.pod_spec):
        there = ', '.join(in_pod_spec.images(step.pod_spec))
        raise observations.CheckFailedError(f'{step.title}: a pod spec with {there} is sent')
    differs = in_pod_spec.difference(before.pod_spec, step.pod_spec)
    if differs:
        raise observations.CheckFailedError(
            f'{step.title}: a different pod spec is sent: {differs} differs'
        )


def recovers(observed: observations.Observations) -> str:
    """After the repair, the image attached last is in the pod spec and the status is good.

    For a charm that never sends a different image, only the status is checked.
    """
    observed.skip_unless_image_sent()
    observed['attached'].step('idle after another')
    takes_another = not all(
        in_pod_spec.has_image(step.pod_spec, observed.subject.first_image)
        for step in observed['attached'].steps
        if step.pod_spec is not None
    )
    for scenario, name, when in (
        ('store', 'repair', 'when the store is back'),
        ('store', 'second repair', 'when the store is back'),
        ('broken', 'idle after repair', 'with a valid image after broken ones'),
    ):
        step = observed[scenario].step(name)
        observations.require_success(step, when)
        observations.require_image(
            step, step.image if takes_another else observed.subject.first_image, when
        )
        worse = step.status[0] in ('error', *observations.WAITING)
        if worse and observed[scenario].step('deploy').status[0] not in observations.WAITING:
            raise observations.CheckFailedError(f'{when}: {observations.status(step)}')
    return (
        '' if takes_another else 'checked by status only: the charm never sends a different image'
    )


def no_password_shown(observed: observations.Observations) -> str:
    """No hook shows a password outside the pod spec."""
    for scenario in observed.all:
        for run in scenario.runs:
            shown = password_shown(run)
            if shown:
                raise observations.CheckFailedError(shown)
    observed.skip_unless_image_sent()
    observed['attached'].step('credentials')
    return ''


def password_shown(run: runs.Run) -> str:
    """Return where a hook shows a password outside the pod spec, or ''."""
    for where, texts in _public(run):
        for text in texts:
            if observations.masked(text) != text:
                return f'in {where} of {run.hook}: {_around(text)}'
    return ''


def _public(run: runs.Run) -> typing.Iterator[tuple[str, typing.Iterable[str]]]:
    yield 'a log line', (message for _level, message in run.log)
    yield 'the status', (message for _state, message in run.statuses)
    yield 'a flag', run.flags_set | run.flags_cleared | run.flags_transient
    yield 'an argument', (' '.join(command) for command in run.processes)
    yield 'the output', run.output.splitlines()
    if run.action:
        told = (run.action.message, *run.action.log, str(run.action.results))
        yield 'what the action returns', told


def _around(text: str) -> str:
    """Return the part of the line around the password, which is masked."""
    line = next(line for line in text.splitlines() if observations.masked(line) != line)
    masked = observations.masked(line.strip())
    begin = max(masked.index('***') - 60, 0)
    return masked[begin : begin + 100]


def leads(observed: observations.Observations) -> str:
    """A follower fails no hook; once elected, it sends the image attached last."""
    scenario = observed['follower']
    observed.skip_unless_deploys()
    follows = 'on a unit that is not the leader'
    for name, when in (('deploy', follows), ('private', follows), ('lead', 'after the election')):
        observations.require_success(scenario.step(name), when)
    observed.skip_unless_image_sent()
    lead, idle = scenario.step('lead'), scenario.step('idle')
    if in_pod_spec.has_image(lead.pod_spec, lead.image):
        return ''
    observations.require_success(idle)
    if idle.pod_spec is None:
        raise observations.CheckFailedError(
            f'on the leader, no pod spec is sent; {observations.status(idle)}'
        )
    observations.require_image(idle, idle.image, 'on the leader')
    return 'only in the update-status after the election'
