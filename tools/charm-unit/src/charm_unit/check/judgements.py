"""The judgements: each returns a remark, which may be empty, or raises Fails or Unknown.

Nothing is guessed: a charm that waits for a relation or an option is not at fault.
"""

import itertools
import re
import typing

from charm_unit._unit import runs
from charm_unit.check import in_pod_spec, known, lives


def missing(lived: known.Known) -> str:
    """Without the image, the status names it, and nothing fails."""
    step = lived['missing'].step('deploy')
    deployed = lived.deployed
    name = re.compile(rf'(?<![\w-]){re.escape(lived.subject.resource)}(?![\w-])')
    if step.failed:
        lived.need_success()
        raise known.Fails(known.error(step.failed))
    if step.status[0] in known.WAITING and name.search(step.status[1]):
        return known.status(step)
    if not lived.asked_for:
        raise known.Unknown(f'no hook calls resource-get for it; {known.status(step)}')
    if deployed.pod_spec is None and deployed.status == step.status:
        raise known.Unknown(lived.waits())
    raise known.Fails(known.status(step))


def sends(lived: known.Known) -> str:
    """The image that is attached, at the deployment or after it, is in a pod spec."""
    deployed, image = lived.deployed, lived.subject.first
    if deployed.failed:
        reason = known.not_its_fault(deployed.failed)
        raise known.Unknown(reason) if reason else known.Fails(known.error(deployed.failed))
    if deployed.pod_spec is None:
        if deployed.status[0] == 'active' and not lived.lacking():
            raise known.Fails(lived.waits())
        raise known.Unknown(lived.waits())
    if not lived.asked_for and not in_pod_spec.has_image(deployed.pod_spec, image):
        raise known.Unknown(
            'no hook calls resource-get for it, and the pod spec is sent without it'
        )
    known.must_have(deployed, image, 'after the deployment with it')
    if lived['missing'].step('deploy').failed:
        return ''  # which is said elsewhere
    later = lived['missing'].step('attach')
    known.must_succeed(later)
    if later.pod_spec is None:
        raise known.Fails(
            'when attached after the deployment, the image is not in a pod spec; '
            + known.status(later)
        )
    known.must_have(later, image, 'with the image attached after the deployment')
    return '' if lived['attached'].step('deploy').pod_spec else 'only in the first update-status'


def again(lived: known.Known) -> str:
    """The same image once more changes no pod spec, and no status for the worse."""
    lived.need_success()
    before, step = lived['attached'].step('idle'), lived['attached'].step('again')
    known.must_succeed(step)
    lived.need_pod_spec()
    differs = in_pod_spec.difference(before.pod_spec, step.pod_spec)
    if differs:
        raise known.Fails(f'a different pod spec is sent: {differs} differs')
    if before.status[0] == 'active' and step.status[0] in ('error', *known.WAITING):
        raise known.Fails(known.status(step))
    return 'the same pod spec is sent again' if step.sent else ''


def another(lived: known.Known) -> str:
    """The hooks that follow the attachment of another image send it."""
    lived.need_success()
    life = lived['attached']
    step = life.step('another')
    known.must_succeed(step)
    lived.need_pod_spec()
    if not in_pod_spec.has_image(step.pod_spec, step.image):
        late = life.step('idle after another')
        if in_pod_spec.has_image(late.pod_spec, step.image):
            raise known.Fails(f'the pod spec has {step.image} only after the next update-status')
    known.must_have(step, step.image, 'after the hooks that follow')
    if in_pod_spec.has_image(step.pod_spec, lived.subject.first):
        raise known.Fails(f'{lived.subject.first} is still in the pod spec as well')
    return ''


def idle(lived: known.Known) -> str:
    """No update-status sends a pod spec, whatever was attached before."""
    lived.need_success()
    if lived.deployed.pod_spec is None:
        raise known.Unknown(lived.waits())
    steps = lived['attached'].steps
    for before, step in itertools.pairwise(steps):
        if not step.name.startswith('idle'):
            continue
        known.must_succeed(step)
        late = in_pod_spec.has_image(step.pod_spec, step.image)
        late = late and not in_pod_spec.has_image(before.pod_spec, step.image)
        if step.sent and not late:
            after = before.title[0].lower() + before.title[1:]
            raise known.Fails(f'update-status sends the pod spec (after: {after})')
    lived['attached'].step('idle after credentials')
    return ''


def credentials(lived: known.Known) -> str:
    """Credentials, and then others for the same image, are sent."""
    lived.need_success()
    for name, password in zip(('private', 'credentials'), lives.PASSWORDS, strict=False):
        step = lived['attached'].step(name)
        known.must_succeed(step)
        lived.need_pod_spec()
        if not in_pod_spec.has_password(step.pod_spec, lives.USERNAME, password):
            raise known.Fails(_which_credentials(step, name))
    return ''


def _which_credentials(step: lives.Step, name: str) -> str:
    when = 'a private image' if name == 'private' else 'a new password'
    if in_pod_spec.has_password(step.pod_spec, lives.USERNAME, lives.PASSWORDS[0]):
        return f'after {when}, the pod spec still has the old password'
    if not in_pod_spec.has_image(step.pod_spec, step.image):
        there = ', '.join(in_pod_spec.images(step.pod_spec))
        return f'after {when}, the pod spec still has {there}'
    return f'after {when}, the pod spec has no password for {step.image}'


def bare(lived: known.Known) -> str:
    """Details with nothing but registrypath are as good as any."""
    lived.need_success()
    life = lived['bare']
    step = life.step('bare') if life.has('bare') else life.step('deploy')
    known.must_succeed(step, 'for details with only registrypath')
    lived.need_pod_spec()
    full = life.step('full')
    if step.pod_spec is None:
        if full.pod_spec is None:
            raise known.Unknown(lived.waits())
        raise known.Fails(f'no pod spec was sent; {known.status(step)}')
    known.must_have(step, step.image, 'for details with only registrypath')
    return ''


def broken(lived: known.Known) -> str:
    """Broken details, or a store that is down, fail no hook and change no pod spec."""
    lived.need_success()
    for name, steps in (('broken', (*lives.BROKEN, 'idle')), ('store', ('refresh', 'another'))):
        life = lived[name]
        for before, step in itertools.pairwise(life.steps):
            if step.name in steps:
                known.must_succeed(step)
                if before.pod_spec is not None:
                    _must_be_alone(before, step)
        life.step(steps[-1])
    lived.need_pod_spec()
    return ''


def _must_be_alone(before: lives.Step, step: lives.Step) -> None:
    if in_pod_spec.images(before.pod_spec) != in_pod_spec.images(step.pod_spec):
        there = ', '.join(in_pod_spec.images(step.pod_spec))
        raise known.Fails(f'{step.title}: a pod spec with {there} is sent')
    differs = in_pod_spec.difference(before.pod_spec, step.pod_spec)
    if differs:
        raise known.Fails(f'{step.title}: a different pod spec is sent: {differs} differs')


def recovers(lived: known.Known) -> str:
    """Once the store is back, or a right image attached, that is sent and the status good.

    Of a charm that never takes another image, only the status is asked.
    """
    lived.need_pod_spec()
    lived['attached'].step('idle after another')
    takes = not all(
        in_pod_spec.has_image(step.pod_spec, lived.subject.first)
        for step in lived['attached'].steps
        if step.pod_spec is not None
    )
    for life, name, when in (
        ('store', 'healed', 'when the store is back'),
        ('store', 'healed again', 'when the store is back'),
        ('broken', 'idle after repair', 'with a valid image after broken ones'),
    ):
        step = lived[life].step(name)
        known.must_succeed(step, when)
        known.must_have(step, step.image if takes else lived.subject.first, when)
        worse = step.status[0] in ('error', *known.WAITING)
        if worse and lived[life].step('deploy').status[0] not in known.WAITING:
            raise known.Fails(f'{when}: {known.status(step)}')
    return '' if takes else 'checked by status only: the charm never sends a different image'


def silent(lived: known.Known) -> str:
    """No hook showed a password anywhere but in the pod spec."""
    for life in lived.all:
        for run in life.runs:
            for where, texts in _public(run):
                for text in texts:
                    if known.masked(text) != text:
                        raise known.Fails(f'in {where} of {run.hook}: {_around(text)}')
    lived.need_pod_spec()
    lived['attached'].step('credentials')
    return ''


def _public(run: runs.Run) -> typing.Iterator[tuple[str, typing.Iterable[str]]]:
    yield 'a log line', (message for _level, message in run.log)
    yield 'the status', (message for _state, message in run.statuses)
    yield 'a flag', run.flags_set | run.flags_cleared | run.flags_passing
    yield 'an argument', (' '.join(command) for command in run.processes)
    yield 'the output', run.output.splitlines()


def _around(text: str) -> str:
    """Return the line with a password, which is masked."""
    line = next(line for line in text.splitlines() if known.masked(line) != line)
    masked = known.masked(line.strip())
    begin = max(masked.index('***') - 60, 0)
    return masked[begin : begin + 100]


def leads(lived: known.Known) -> str:
    """A unit that does not lead fails no hook; elected, it sends what was attached last."""
    life = lived['follower']
    lived.need_success()
    follows = 'on a unit that is not the leader'
    for name, when in (('deploy', follows), ('private', follows), ('lead', 'after the election')):
        known.must_succeed(life.step(name), when)
    lived.need_pod_spec()
    lead, idle = life.step('lead'), life.step('idle')
    if in_pod_spec.has_image(lead.pod_spec, lead.image):
        return ''
    known.must_succeed(idle)
    if idle.pod_spec is None:
        raise known.Fails(f'on the leader, no pod spec is sent; {known.status(idle)}')
    known.must_have(idle, idle.image, 'on the leader')
    return 'only in the update-status after the election'
