"""What a unit remembers about its image resources between hooks, in addition to their flags.

Like flags, it is saved only if the hook succeeds.
"""

import typing

from charmhelpers.core import unitdata

_PREFIX = 'layer.docker-resource.'
_KEY = _PREFIX + 'memory'

ATTACH = 'juju attach-resource {application} {name}=IMAGE'
REPORT = "report it to the charm's author"
RETRY = 'will be retried in the next hook'


class Image(typing.NamedTuple):
    """An image as it was attached, and its digest, or '' if it was not verified."""

    registry_path: str
    username: str
    password: str
    digest: str

    def __repr__(self) -> str:
        return f'Image({self.registry_path!r}, <hidden>)'

    @property
    def details(self) -> typing.Tuple[str, str, str]:
        """Return what was attached."""
        return self.registry_path, self.username, self.password

    def is_other_than(self, image: 'Image') -> bool:
        """Return whether image or credentials differ, or the digest that a tag refers to."""
        digests = {self.digest, image.digest}
        return self.details != image.details or ('' not in digests and len(digests) > 1)


class Problem(typing.NamedTuple):
    """Why a resource can't be used, what to do about it, and the unit status to set."""

    status: str
    reason: str
    remedy: str


class Memory:
    """Everything but the images themselves; loaded when it is created."""

    def __init__(self) -> None:
        kept = unitdata.kv().get(_KEY)
        self.is_new = kept is None
        kept = kept or {}
        self.problems: typing.Dict[str, Problem] = {
            name: Problem(*problem) for name, problem in kept.get('problems', {}).items()
        }
        # What `get_info` last returned.
        self.given: typing.Dict[str, Image] = {
            name: Image(*image) for name, image in kept.get('given', {}).items()
        }
        # What a registry refused, and why; since then, nobody has confirmed anything.
        self.refused: typing.Dict[str, typing.List[str]] = kept.get('refused', {})
        # What handlers called `fetch` for, ever.
        self.asked: typing.List[str] = kept.get('asked', [])
        # What `auto-fetch` marked as fetched.
        self.marked: typing.List[str] = kept.get('marked', [])
        # What could not be read when it should have been.
        self.unread: typing.List[str] = kept.get('unread', [])
        self.warned: typing.List[str] = kept.get('warned', [])
        # Which images nobody had asked for by the first update-status after an upgrade.
        self.unasked: typing.List[str] = kept.get('unasked', [])
        self.is_checked: bool = kept.get('is_checked', False)
        # The unit's status is about `problems`.
        self.is_told: bool = kept.get('is_told', False)
        self._kept = '' if self.is_new else repr(self._content())

    def save(self) -> None:
        """Write it to the unit's key-value store if it changed."""
        content = repr(self._content())
        if content != self._kept:
            unitdata.kv().set(_KEY, self._content())
            self._kept = content

    def forget(self, name: str) -> None:
        """Drop everything about the resource `name`."""
        for by_name in (self.problems, self.given, self.refused):
            by_name.pop(name, None)
        for names in (self.asked, self.unread, self.unasked):
            if name in names:
                names.remove(name)
        unitdata.kv().unset(_image_key(name))

    def names(self) -> typing.Set[str]:
        """Return the names of all resources in it."""
        return {*self.problems, *self.given, *self.refused, *self.asked, *self.unread}

    def _content(self) -> typing.Dict[str, typing.Any]:
        return {
            name: {key: list(each) for key, each in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in vars(self).items()
            if name not in ('is_new', '_kept')
        }


def _image_key(name: str) -> str:
    return f'{_PREFIX}{name}.image-info'  # as in older releases of this layer


def last_good(name: str) -> typing.Optional[Image]:
    """Return the last valid image of `name`, available or not, or None."""
    stored = unitdata.kv().get(_image_key(name))
    # Older releases kept whatever the file had: null, 83 for the password 0123, even a list.
    if not isinstance(stored, dict) or not stored.get('registrypath'):
        return None
    if not isinstance(stored['registrypath'], str):
        return None
    values = [stored.get(key) for key in ('registrypath', 'username', 'password', 'digest')]
    return Image(*('' if value is None else str(value) for value in values))


def keep(name: str, image: Image) -> None:
    """Store a valid image as the last good one of `name`."""
    keys = ('registrypath', 'username', 'password', 'digest')
    unitdata.kv().set(_image_key(name), dict(zip(keys, image)))
