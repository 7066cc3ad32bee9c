"""An ordered collection of resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from charm_image import _errors, resources
from charm_image.resources._resource import caller, location


class ResourceBundle:
    """Resources in the order in which they are applied; each `typed_id` occurs once."""

    def __init__(self) -> None:
        self._resources: list[resources.Resource] = []
        self._by_id: dict[str, resources.Resource] = {}

    @classmethod
    def from_iterator(cls, iterator: Iterable[resources.Resource]) -> ResourceBundle:
        """Return a bundle of the resources in `iterator`; see extend."""
        bundle = cls()
        bundle.extend(iterator)
        return bundle

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[resources.Resource]:
        return iter(self._resources)

    def __getitem__(self, typed_id: str) -> resources.Resource:
        return self._by_id[typed_id]

    def add(self, resource: resources.Resource) -> resources.Resource:
        """Append `resource`.

        Raises:
            _errors.ResourceError: it is not a resource, is already in the bundle, or watches a
                resource that is not
        """
        return self._add(resource, caller())

    def _add(self, resource: resources.Resource, where: str) -> resources.Resource:
        if not isinstance(resource, resources.Resource):
            kind = getattr(resource, '__name__', type(resource).__name__)
            raise _errors.ResourceError(
                f'a bundle can contain only resources, not {kind}', line=where
            )
        there = self._by_id.get(resource.typed_id)
        if there is not None:
            raise _errors.ResourceError(
                f'{resource} is already in the bundle ({there.location})',
                'to keep both, give one its own id',
                line=resource.location,
            )
        for watched in resource.watches:
            if not self.named(watched):
                raise _errors.ResourceError(
                    f'{resource} watches {watched!r}, which is not the id of an earlier resource',
                    line=resource.location,
                )
        self._resources.append(resource)
        self._by_id[resource.typed_id] = resource
        return resource

    def extend(self, iterator: Iterable[resources.Resource]) -> None:
        """Append all resources in `iterator`.

        In a generator, the error is raised at the `yield` that caused it.

        Raises:
            _errors.ResourceError: see add
        """
        try:
            source = iter(iterator)
        except TypeError:
            raise _errors.ResourceError(
                'a bundle needs a generator or a list of resources, not '
                f'{type(iterator).__name__}',
                'does the function yield them?',
            ) from None
        throw = getattr(source, 'throw', None)
        error: Exception | None = None
        while True:
            try:
                resource = next(source) if error is None or throw is None else throw(error)
            except StopIteration:
                return
            error = None
            try:
                self._add(resource, _line_of(source))
            except _errors.ResourceError as refused:
                if throw is None:
                    raise
                error = refused

    def named(self, name: str) -> resources.Resource | None:
        """Return the resource with that id, with its type (`File[/etc/motd]`) or without."""
        if name in self._by_id:
            return self._by_id[name]
        return next((resource for resource in self._resources if resource.id == name), None)


def _line_of(source: object) -> str:
    """Return file and line of the `yield` of a generator; '' for other iterators."""
    while hasattr(inner := getattr(source, 'gi_yieldfrom', None), 'gi_frame'):
        source = inner
    frame = getattr(source, 'gi_frame', None)
    return location(frame) if frame else ''
