"""What several judgements ask of the lives of a resource, and how they end."""

import re
import typing

from charm_unit._unit import runs
from charm_unit.check import in_pod_spec, lives

_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_PROGRAM = re.compile(r"FileNotFoundError: .* No such file or directory: '([\w.+-]+)'")
_KUBERNETES = re.compile(
    '/proc/1/environ|kubernetes.io/serviceaccount|KUBERNETES_SERVICE_|'
    r'kubernetes\.config\.config_exception|lightkube\.core\.exceptions'
)
"""What the last line has of a hook that looked for its cluster."""
_DENIED = re.compile(r"PermissionError: \[Errno 13\] Permission denied: '(/[^']+)'")
WAITING = ('blocked', 'waiting')


class Fails(Exception):
    """The sentence fails; says what was seen."""


class Unknown(Exception):
    """It could not be checked; says why."""


class Known:
    """The lives of a resource, and what several sentences ask of them."""

    def __init__(self, subject: lives.Subject, lived: typing.Mapping[str, lives.Life]) -> None:
        self.subject = subject
        self._lived = lived

    def __getitem__(self, name: str) -> lives.Life:
        return self._lived[name]

    @property
    def all(self) -> typing.Iterable[lives.Life]:
        """All of them."""
        return self._lived.values()

    @property
    def deployed(self) -> lives.Step:
        """The deployment with an image; after five minutes, if it took so long."""
        life = self['attached']
        step = life.step('deploy')
        if step.pod_spec is None and not step.failed and life.has('idle'):
            return life.step('idle')
        return step

    @property
    def asked_for(self) -> bool:
        """Whether any hook with the image attached asked for it."""
        return self['attached'].asked_for(self.subject.resource)

    def need_success(self) -> None:
        """Raise Unknown if the charm's hooks fail with a good image, too."""
        failed = self.deployed.failed
        if failed:
            raise Unknown(f'even with a valid image, {error(failed)}')

    def need_pod_spec(self) -> None:
        """Raise Unknown if not even a good image gets into a pod spec."""
        self.need_success()
        if self.deployed.pod_spec is None:
            raise Unknown(self.waits())
        if not in_pod_spec.has_image(self.deployed.pod_spec, self.deployed.image):
            raise Unknown('the image is not in the pod spec that the charm sends')

    def waits(self) -> str:
        """Return what the charm waits for, as far as it says."""
        state, message = self.deployed.status
        lacking = '; '.join(self.lacking())
        if state in WAITING and message:
            return f'it waits for: {message}' + (f' ({lacking})' if lacking else '')
        said = f'no pod spec was sent; {status(self.deployed)}'
        return said + (
            f' (it may wait for something that it was not given: {lacking})' if lacking else ''
        )

    def lacking(self) -> list[str]:
        """Return what the charm was not given, and may wait for."""
        built, given = self.subject.built, self.subject.given
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
    """Return how a hook failed, without the passwords that it may have let out."""
    printed = [line for line in run.output.splitlines() if line.strip()]
    if printed and 'CalledProcessError' in printed[-1]:  # what the program said tells more
        logged = [text for level, text in run.log if level == 'ERROR' and '\n' not in text]
        printed += [line for line in printed if line.startswith('ERROR ')] + logged
    printed = printed or [line for _level, text in run.log for line in text.splitlines()]
    last = masked(printed[-1].strip()) if printed else '(no output)'
    if run.ended:
        return f'{run.hook} timed out after {run.seconds:.0f} s; its last output: {last}'
    return f'{run.hook} ended in error: {last}'


def not_its_fault(run: runs.Run) -> str:
    """Return what a failed hook lacked here and may have in a real unit; '' if nothing."""
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
    """Return a text without the passwords that were attached."""
    for password in lives.PASSWORDS:
        text = text.replace(password, '***')
    return text


def must_succeed(step: lives.Step, when: str = '') -> None:
    """Raise Fails if a hook of the step ended in error."""
    if step.failed:
        raise Fails(f'{when or step.title}: {error(step.failed)}')


def must_have(step: lives.Step, image: str, when: str) -> None:
    """Raise Fails if the image is not in the pod spec after the step."""
    if in_pod_spec.has_image(step.pod_spec, image):
        return
    there = ', '.join(in_pod_spec.images(step.pod_spec)) or 'no image'
    raise Fails(f'{when}, the pod spec has {there}, not {image}')


def status(step: lives.Step) -> str:
    """Return the status after a step, as words."""
    state, message = step.status
    return f'status {state}{f": {message}" if message else " without a message"}'
