"""Resources in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from charm_image import errors, resources
from charm_image.resources.resource import caller, location


class ResourceBundle:
    """An ordered collection of resources, each of which is there once."""

    def __init__(self) -> None:
        self._resources: list[resources.Resource] = []
        self._by_id: dict[str, resources.Resource] = {}

    @classmethod
    def from_iterator(cls, iterator: Iterable[resources.Resource]) -> ResourceBundle:
        """Make a bundle of all that `iterator` yields; see extend."""
        bundle = cls()
        bundle.extend(iterator)
        return bundle

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[resources.Resource]:
        return iter(self._resources)

    def __getitem__(self, typed_id: str) -> resources.Resource:
        return self._by_id[typed_id]

    def get_resource_by_name(self, target: str) -> resources.Resource:
        """Give the first resource whose id is `target`; raise KeyError where there is none."""
        for resource in self._resources:
            if resource.id == target:
                return resource
        raise KeyError(f'there is no resource of the name {target!r}')

    def create(self, typename: str, **arguments: Any) -> resources.Resource:
        """Make a resource of the kind `typename`, such as 'File', and add it."""
        if typename not in resources.__all__:
            kinds = ', '.join(resources.__all__)
            raise errors.ResourceError(f'there is no kind {typename!r} of resource: {kinds}')
        made: resources.Resource = getattr(resources, typename)(**arguments)
        return self.add(made)

    def add(self, resource: resources.Resource) -> resources.Resource:
        """Add `resource` behind all others.

        Raises:
            errors.ResourceError: it is no resource, is there already, or watches what is not
        """
        return self._add(resource, caller())

    def _add(self, resource: resources.Resource, where: str) -> resources.Resource:
        if not isinstance(resource, resources.Resource):
            kind = getattr(resource, '__name__', type(resource).__name__)
            raise errors.ResourceError(f'a bundle holds resources, not {kind}', where)
        there = self._by_id.get(resource.typed_id)
        if there is not None:
            raise errors.ResourceError(
                f'{resource} is in the bundle already, '
                f'from {there.location}; if both are meant, give one an id of its own',
                resource.location,
            )
        for watched in resource.watches:
            if not self.named(watched):
                raise errors.ResourceError(
                    f'{resource} watches {watched!r}, which is not the id of an earlier resource',
                    resource.location,
                )
        self._resources.append(resource)
        self._by_id[resource.typed_id] = resource
        return resource

    def extend(self, iterator: Iterable[resources.Resource]) -> None:
        """Add all that `iterator` yields.

        An error is thrown into a generator, at the `yield` that caused it.

        Raises:
            errors.ResourceError: as add does
        """
        try:
            source = iter(iterator)
        except TypeError:
            raise errors.ResourceError(
                f'a bundle takes a generator or a list of resources, not '
                f'{type(iterator).__name__}; does the function yield?'
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
            except errors.ResourceError as refused:
                if throw is None:
                    raise
                error = refused

    def named(self, name: str) -> resources.Resource | None:
        """The resource with that id, typed (`File[/etc/motd]`) or not."""
        if name in self._by_id:
            return self._by_id[name]
        try:
            return self.get_resource_by_name(name)
        except KeyError:
            return None


def _line_of(source: object) -> str:
    """File and line at which a generator waits; '' for other iterators."""
    while hasattr(inner := getattr(source, 'gi_yieldfrom', None), 'gi_frame'):
        source = inner
    frame = getattr(source, 'gi_frame', None)
    return location(frame) if frame else ''
