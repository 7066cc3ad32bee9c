"""What several checks read from the recorded scenarios of a resource, and how a check ends."""

import re
import typing

from charm_unit._check import awaited_flags, charm_setup, in_pod_spec, scenarios
from charm_unit._unit import charm, runs

_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_PROGRAM = re.compile(r"FileNotFoundError: .* No such file or directory: '([\w.+-]+)'")
_KUBERNETES = re.compile(
    '/proc/1/environ|kubernetes.io/serviceaccount|KUBERNETES_SERVICE_|'
    r'kubernetes\.config\.config_exception|lightkube\.core\.exceptions'
)
"""Found in the last line of a hook that needs the API of Kubernetes."""
_DENIED = re.compile(r"PermissionError: \[Errno 13\] Permission denied: '(/[^']+)'")
_FRAME = re.compile(
    r'^ *File "[^"]*/agents/unit/charm/((?:reactive|lib|hooks/relations)/[^"]+)", '
    r'line (\d+), in (\S+)',
    re.MULTILINE,
)
_OF_OTHERS = ('lib/charms/reactive', 'lib/charmhelpers', 'lib/charms/layer/__init__')
_UNKNOWN_FIELD = re.compile('json: unknown field "[^"]*"')
WAITING = ('blocked', 'waiting')


class CheckFailedError(Exception):
    """The requirement is not met; the message says what was observed."""


class NotCheckedError(Exception):
    """The requirement could not be checked; the message says why."""


class Observations:
    """The recorded scenarios of a resource, by name."""

    def __init__(
        self, subject: scenarios.Subject, recorded: typing.Mapping[str, scenarios.Scenario]
    ) -> None:
        self.subject = subject
        self._recorded = recorded

    def __getitem__(self, name: str) -> scenarios.Scenario:
        return self._recorded[name]

    @property
    def all(self) -> typing.Iterable[scenarios.Scenario]:
        """All scenarios."""
        return self._recorded.values()

    @property
    def deployed(self) -> scenarios.Step:
        """The deployment with a valid image, or the update-status that first sent a pod spec."""
        scenario = self['attached']
        step = scenario.step('deploy')
        if step.pod_spec is None and not step.failed and scenario.has('idle'):
            return scenario.step('idle')
        return step

    @property
    def requested(self) -> bool:
        """Whether a hook called resource-get while a valid image was attached."""
        return self['attached'].requested(self.subject.resource)

    def skip_unless_deploys(self) -> None:
        """Raise NotCheckedError if hooks fail even with a valid image."""
        failed = self.deployed.failed
        if failed:
            raise NotCheckedError(f'even with a valid image, {error(failed)}')

    def skip_unless_image_sent(self) -> None:
        """Raise NotCheckedError if not even a valid image reaches the pod spec."""
        self.skip_unless_deploys()
        if self.deployed.pod_spec is None:
            raise NotCheckedError(self.waiting_for())
        if not in_pod_spec.has_image(self.deployed.pod_spec, self.deployed.image):
            raise NotCheckedError('the image is not in the pod spec that the charm sends')

    def waiting_for(self) -> str:
        """Return what the charm waits for, from its status and from what it was not given."""
        return waiting_for(self.deployed.status, self.missing_setup())

    def not_requested(self) -> str:
        """Return what to do if no hook asks for the image."""
        resource = self.subject.resource
        remedy = awaited_flags.how_to_fetch(self.subject.built, resource)
        return 'no hook calls resource-get for it' + (f': {remedy}' if remedy else '')

    def nothing_to_wait_for(self) -> str:
        """Return why no pod spec was sent if the charm has all that it may wait for, or ''.

        A charm that says itself that it waits for something has a reason, unless its handlers
        wait for a flag that is misspelt.
        """
        was_set = {
            flag
            for scenario in self.all
            for run in scenario.runs
            for flag in run.flags_set | run.flags_transient
        }
        flags = awaited_flags.never_set(self.subject.built, was_set)
        says_so = self.deployed.status[0] in WAITING and any(
            run.statuses for run in self['attached'].runs
        )
        if (self.missing_setup() or says_so) and not awaited_flags.has_misspelt(flags):
            return ''
        reasons = [
            'no pod spec was sent'
            + ('' if self.missing_setup() else ', and no relation or option is missing'),
            *([] if self.requested else [self.not_requested()]),
            *([f'handlers wait for flags that no hook sets: {", ".join(flags)}'] if flags else []),
            status(self.deployed),
        ]
        return '; '.join(reasons)

    def missing_setup(self) -> list[str]:
        """Return relations, options and files that the charm declares and was not given."""
        return missing_setup(self.subject.built, self.subject.setup)


def waiting_for(status: tuple[str, str], lacking: typing.Sequence[str]) -> str:
    """Return what a charm waits for, from its status and from what it was not given."""
    state, message = status
    words = '; '.join(lacking)
    if state in WAITING and message and message != 'installing agent':
        return f'it waits for: {message}' + (f' ({words})' if words else '')
    return f'no pod spec was sent; {status_words(status)}' + (
        f' (it may wait for something that it was not given: {words})' if words else ''
    )


def missing_setup(built: charm.BuiltCharm, given: charm_setup.Setup) -> list[str]:
    """Return relations, options and files that a charm declares and was not given."""
    unrelated = [
        endpoint
        for endpoint, role in built.endpoints.items()
        if role == 'requires' and endpoint not in given.relations
    ]
    empty = [
        name
        for name, option in built.options.items()
        if (option or {}).get('default') in (None, '') and name not in given.config
    ]
    files = [
        name
        for name in built.resources
        if name not in built.image_resources and name not in given.files
    ]
    return [
        f'{what}: {", ".join(names)}'
        for what, names in (
            ('not related', unrelated),
            ('options without a value', empty),
            ('files not attached', files),
        )
        if names
    ]


def error(run: runs.Run) -> str:
    """Return how a hook failed, with passwords masked."""
    printed = [line for line in run.output.splitlines() if line.strip()]
    if printed and 'CalledProcessError' in printed[-1]:  # what the program printed is more useful
        logged = [text for level, text in run.log if level == 'ERROR' and '\n' not in text]
        printed += [line for line in printed if line.startswith('ERROR ')] + logged
    printed = printed or [line for _level, text in run.log for line in text.splitlines()]
    last = masked(printed[-1].strip()) if printed else '(no output)'
    if run.timed_out:
        return f'{run.hook} timed out after {run.seconds:.0f} s; its last output: {last}'
    where = _where(run)
    place = f' ({where})' if where else ''
    return f'{run.hook} ended in error: {last}{_hint(last)}{place}'


def _where(run: runs.Run) -> str:
    """Return the file, the line and the function of the charm in which a hook failed, or ''."""
    text = '\n'.join([*(message for _level, message in run.log), run.output])
    frames = _FRAME.findall(text)
    own = [frame for frame in frames if not frame[0].startswith(_OF_OTHERS)]
    handlers = [frame for frame in own if frame[0].startswith('reactive/')]
    for file, line, function in (handlers or own)[-1:]:
        return f'{file}:{line}, in {function}'
    return ''


def _hint(text: str) -> str:
    """Return what to do about an error of a hook tool, or ''."""
    if _UNKNOWN_FIELD.search(text):
        return ' (Juju before 2.6 accepts it unchecked: --juju 2.5)'
    return ''


def not_its_fault(run: runs.Run) -> str:
    """Return what a failed hook needs that a real unit has and this machine lacks, or ''."""
    if run.not_simulated:
        return f'it calls {run.not_simulated[0]}, which is not simulated'
    last = (run.output.strip().splitlines() or [''])[-1]
    module = _NO_MODULE.fullmatch(last)
    if module and module[1].split('.')[0] not in ('charms', 'reactive', 'relations'):
        return (
            f'it imports the module {module[1]}, which is missing from the build and the '
            'interpreter: add it to wheelhouse.txt, or install it for an interpreter and pass '
            'that to --python'
        )
    program = _NO_PROGRAM.fullmatch(last)
    if program and '/subprocess.py"' in run.output:
        return f'it runs the program {program[1]}, which is missing on this machine: install it'
    if _KUBERNETES.search(last):
        return f'it uses the API of Kubernetes, which is not simulated ({masked(last)})'
    denied = _DENIED.fullmatch(last)
    if denied and '/agents/unit/' not in denied[1]:
        return f'it needs {denied[1]}, which root may use and you may not: run the check as root'
    return ''


def masked(text: str) -> str:
    """Return a text with the passwords of the scenarios masked."""
    for password in scenarios.PASSWORDS:
        text = text.replace(password, '***')
    return text


def require_success(step: scenarios.Step, when: str = '') -> None:
    """Raise CheckFailedError if a hook of the step ended in error."""
    if step.failed:
        raise CheckFailedError(f'{when or step.title}: {error(step.failed)}')


def require_image(step: scenarios.Step, image: str, when: str) -> None:
    """Raise CheckFailedError if the image is not in the pod spec after the step."""
    if in_pod_spec.has_image(step.pod_spec, image):
        return
    there = ', '.join(in_pod_spec.images(step.pod_spec)) or 'no image'
    raise CheckFailedError(f'{when}, the pod spec has {there}, not {image}')


def status(step: scenarios.Step) -> str:
    """Return the status after a step as a phrase."""
    return status_words(step.status)


def status_words(status: tuple[str, str]) -> str:
    """Return a status as a phrase."""
    state, message = status
    return f'status {state}{f": {message}" if message else " without a message"}'
