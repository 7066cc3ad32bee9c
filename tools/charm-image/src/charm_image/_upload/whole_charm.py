"""The command `charm-upload-resources`, which uploads all resources of a charm."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from charm_image import _concurrently, _errors, programs, terminal
from charm_image._oci import remote_image
from charm_image._upload import (
    charm_resources,
    checks,
    resource_upload,
    summary,
    whole_charm_arguments,
)

_AT_ONCE = 4
_OPTIONS = {'image': 'oci-image', 'source': 'oci-image', 'filepath': 'file'}


class _Part:
    """Shows the lines and steps of one of several uploads, prefixed with its name."""

    def __init__(
        self,
        name: str,
        shown: terminal.Terminal,
        progress: Callable[[str, int, int | None], None],
        lock: threading.Lock,
    ) -> None:
        self._name, self._shown, self._progress, self._lock = name, shown, progress, lock

    def say(self, sentence: str) -> None:
        self.tell(sentence)

    def tell(self, sentence: str) -> None:
        with self._lock:
            self._shown.tell(f'{self._name}: {sentence}')

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        with self.steps() as show:
            show(name, 0, total)
            yield lambda done: show(name, done, total)

    @contextlib.contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int | None], None]]:
        totals: dict[str, int | None] = {}

        def show(name: str, done: int, total: int | None) -> None:
            totals[name] = total
            self._show(name, done, total)

        try:
            yield show
        finally:  # the other uploads continue: remove the steps of a failed one
            for name, total in list(totals.items()):
                self._show(name, total or 1, total or 1)

    def _show(self, name: str, done: int, total: int | None) -> None:
        with self._lock:
            self._progress(f'{self._name}: {name}', done, total)


class _Run:
    """One run of the command: `outcomes` are in the order of the charm's metadata."""

    def __init__(
        self, args: argparse.Namespace, charm: charm_resources.Charm, shown: terminal.Terminal
    ) -> None:
        self._args, self._charm, self._shown = args, charm, shown
        self._given = {
            name: (option, value) for option in _OPTIONS for name, value in getattr(args, option)
        }
        self._wanted = [
            declared
            for name, declared in charm.resources.items()
            if not args.only or name in args.only
        ]
        self.outcomes = [
            summary.Outcome(declared.name, declared.type) for declared in self._wanted
        ]

    def run(self) -> None:
        """Upload all, several in parallel. Raises errors that concern all of them."""
        hub = resource_upload.connect(self._shown.tell)
        with self._shown.step(f'Checking the charm {self._charm.name!r}'):
            types = checks.types(hub, self._charm.name, self._shown.tell)
        lock = threading.Lock()
        workers = _concurrently.Workers(_AT_ONCE, name='resource')
        with self._shown.steps() as progress, workers:
            pending = [
                workers.submit(
                    self._one,
                    declared,
                    outcome,
                    types,
                    _Part(declared.name, self._shown, progress, lock),
                )
                for declared, outcome in zip(self._wanted, self.outcomes, strict=True)
            ]
            workers.wait(pending)

    def _one(
        self,
        declared: charm_resources.Declared,
        outcome: summary.Outcome,
        types: Mapping[str, str] | None,
        shown: _Part,
    ) -> None:
        option, value = self._given.get(declared.name, ('', None))
        if not option and not declared.upstream and not declared.wrong:
            outcome.status = 'left-out'
            hint = '--filepath' if declared.type == 'file' else '--image'
            shown.tell(f'left out: to upload it, use {hint} {declared.name}=…')
            return
        try:
            if not option and declared.wrong:
                hint = f'correct it, or use --image or --from {declared.name}=…'
                raise _errors.CharmError(f'{declared.wrong}: {hint}')
            if not option and declared.upstream:
                option, value = 'source', remote_image.resolve(declared.upstream)
                if not declared.upstream.digest:
                    shown.say(f'{declared.upstream} is {value}')
            if option == 'source':
                outcome.reference = str(value)
            self._upload({option: value}, declared, outcome, types, shown)
        except _errors.Error as error:
            message, outcome.errors = resource_upload.described(error)
            shown.tell(f'failed: {message}')

    def _upload(
        self,
        given: Mapping[str, object],
        declared: charm_resources.Declared,
        outcome: summary.Outcome,
        types: Mapping[str, str] | None,
        shown: _Part,
    ) -> None:
        args = argparse.Namespace(
            **{
                **dict.fromkeys((*_OPTIONS, 'resume')),
                **given,
                'charm': self._charm.name,
                'resource': declared.name,
                'review_timeout': self._args.review_timeout,
            }
        )
        one = resource_upload.Upload(
            args, shown, types=types, sparing=True, dry_run=self._args.dry_run
        )
        outcome.facts = one.facts
        outcome.revision = one.run()
        outcome.status = 'checked' if self._args.dry_run else 'uploaded'


def _check(args: argparse.Namespace, charm: charm_resources.Charm) -> str:
    """Return an error message if the options do not fit this charm, else ''."""
    has = ', '.join(map(repr, charm.resources)) or 'none'
    seen: set[str] = set()
    for option, type_ in _OPTIONS.items():
        shown = f'--{"from" if option == "source" else option}'
        for name, _ in getattr(args, option):
            if name not in charm.resources:
                return f'{shown}: the charm declares no resource {name!r}. It has: {has}'
            if charm.resources[name].type != type_:
                return f'{shown}: {name!r} is of type {charm.resources[name].type!r}'
            if name in seen:
                return f'{shown}: {name!r} is given twice'
            seen.add(name)
    for name in args.only:
        if name not in charm.resources:
            return f'--only: the charm declares no resource {name!r}. It has: {has}'
    left = sorted(seen.difference(args.only)) if args.only else []
    return f'--only does not include {left[0]!r}, which another option names' if left else ''


def _print(
    args: argparse.Namespace, charm: charm_resources.Charm, run: _Run, shown: terminal.Terminal
) -> None:
    release = '' if args.dry_run else summary.release(charm.name, run.outcomes)
    lines = [summary.table(run.outcomes)]
    if release:
        lines += ['', release]
    document = {
        'charm': charm.name,
        'resources': [outcome.document for outcome in run.outcomes],
        'release': release or None,
    }
    failed = [outcome.name for outcome in run.outcomes if outcome.status == 'failed']
    if release and failed:
        shown.tell(f'Not in the release command, because the upload failed: {", ".join(failed)}')
    shown.result('\n'.join(lines), document)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = whole_charm_arguments.parse(sys.argv[1:] if argv is None else argv)
    programs.unwind_on_sigterm()
    program = whole_charm_arguments.PROGRAM
    shown = terminal.Terminal(program, quiet=args.quiet, as_json=args.format == 'json')
    status = 1
    try:
        charm = charm_resources.read(args.path)
        if wrong := _check(args, charm):
            whole_charm_arguments.parser().error(wrong)
        run = _Run(args, charm, shown)
        run.run()
        _print(args, charm, run, shown)
        return int(any(outcome.status == 'failed' for outcome in run.outcomes))
    except _errors.Error as error:
        message, listed = resource_upload.described(error)
        errors = [dict(each) for each in listed]
    except KeyboardInterrupt as stop:
        status, word = programs.ended_by(stop)
        message = f'{word}. The next run will not send again what was already uploaded.'
        errors = [{'code': word.lower(), 'message': message}]
    shown.error(message, errors)
    return status
