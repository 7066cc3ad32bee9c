"""Uploads the resources of a charm, several at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from charm_image import _concurrently, _errors, _progress, _texts
from charm_image._oci import remote_image
from charm_image._upload import charm_resources, checks, resource_upload, values

_AT_ONCE = 4
_TYPES = {'image': 'oci-image', 'source': 'oci-image', 'file': 'file'}

Result = resource_upload.Result


@dataclasses.dataclass(frozen=True)
class Choice:
    """How to upload one resource: its `kind` is file, image or source, with a `value`."""

    resource: str
    kind: str
    value: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to upload of a charm: the `resources` that are chosen, some of them with a choice."""

    charm: charm_resources.Charm
    resources: Sequence[charm_resources.Declared]
    choices: Mapping[str, Choice]

    @property
    def names(self) -> list[str]:
        """The names of the resources that an upload does not leave out."""
        return [
            declared.name
            for declared in self.resources
            if declared.name in self.choices or declared.upstream_source or declared.error
        ]


def make_plan(
    path: str,
    files: Mapping[str, str],
    images: Mapping[str, str],
    sources: Mapping[str, str],
    only: Collection[str],
    spell: values.Spell,
) -> Plan:
    """Return what to upload of the charm at `path`; all of its resources without `only`.

    Raises:
        ArgumentError: the charm has no such resource, or it is of a different type.
        CharmError: it is not a charm.
    """
    charm = charm_resources.read(path)
    choices = [
        Choice(resource, kind, value)
        for kind, chosen in (('image', images), ('source', sources), ('file', files))
        for resource, value in chosen.items()
    ]
    _check(charm, choices, only, spell)
    chosen = [declared for name, declared in charm.resources.items() if not only or name in only]
    return Plan(charm, chosen, {choice.resource: choice for choice in choices})


def _check(
    charm: charm_resources.Charm,
    choices: Collection[Choice],
    only: Collection[str],
    spell: values.Spell,
) -> None:
    names = _texts.listed(charm.resources)
    seen: set[str] = set()
    for choice in choices:
        way, name = spell(choice.kind), choice.resource
        if name not in charm.resources:
            raise _errors.ArgumentError(
                f'{way}: the charm declares no resource {_texts.quoted(name)}. It has: {names}'
            )
        if charm.resources[name].type != _TYPES[choice.kind]:
            raise _errors.ArgumentError(
                f'{way}: {_texts.quoted(name)} is of type {charm.resources[name].type!r}'
            )
        if name in seen:
            raise _errors.ArgumentError(f'{way}: {_texts.quoted(name)} is given twice')
        seen.add(name)
    for name in only:
        if name not in charm.resources:
            raise _errors.ArgumentError(
                f'{spell("only")}: the charm declares no resource {_texts.quoted(name)}. '
                f'It has: {names}'
            )
    if only and (left := sorted(seen.difference(only))):
        raise _errors.ArgumentError(
            f'{spell("only")} does not include {left[0]!r}, which another option names'
        )


def upload(
    plan: Plan, settings: resource_upload.Settings, report: _progress.Reporter
) -> list[Result]:
    """Upload the resources; return a result for each, in the charm's order.

    Raises:
        Error: for what concerns all of them.
    """
    charm = plan.charm
    with report.step(f'Checking the charm {_texts.quoted(charm.name)}'):
        types = checks.types(settings.store, charm.name, report.note)

    def upload_one(declared: charm_resources.Declared) -> Result:
        part = report.for_resource(declared.name)
        one = resource_upload.ResourceUpload(
            charm.name, declared.name, settings=settings, report=part, types=types
        )
        one.result = dataclasses.replace(one.result, type=declared.type)
        try:
            with _errors.translated():
                choice = plan.choices.get(declared.name)
                sent = _upload_one(one, declared, choice, settings.spell, part)
        except _errors.Error as error:
            part.note(f'failed: {error}')
            return dataclasses.replace(one.result, status='failed', error=error)
        if not sent:
            return dataclasses.replace(one.result, status='left-out')
        return dataclasses.replace(
            one.result, status='checked' if settings.dry_run else 'uploaded'
        )

    with _concurrently.Workers(_AT_ONCE, name='resource') as workers:
        return workers.map(upload_one, plan.resources)


def _upload_one(
    one: resource_upload.ResourceUpload,
    declared: charm_resources.Declared,
    choice: Choice | None,
    spell: values.Spell,
    report: _progress.Reporter,
) -> bool:
    """Upload a resource; return whether there is something to upload."""
    if choice and choice.kind == 'file':
        with resource_upload.open_file(choice.value) as file:
            one.send_file(file, choice.value.rpartition('/')[2], ['all'])
    elif choice and choice.kind == 'image':
        one.send_image([values.parse_image(choice.value, spell)])
    elif choice:
        one.copy_image(values.parse_source(choice.value, spell))
    elif declared.error:
        elsewhere = f'{spell("image")} or {spell("source", "…", declared.name)}'
        raise _errors.CharmError(declared.error, f'correct it, or use {elsewhere}')
    elif declared.upstream_source:
        reference = remote_image.resolve(declared.upstream_source)
        if not declared.upstream_source.digest:
            report.note(f'{declared.upstream_source} is {reference}')
        one.copy_image(reference)
    else:
        kind = 'file' if declared.type == 'file' else 'image'
        report.note(f'left out: to upload it, use {spell(kind, "…", declared.name)}')
        return False
    return True
