"""Functions that return the images attached to a charm as resources.

Flags report the state of each resource NAME:

- ``layer.docker-resource.NAME.fetched``: the charm asked for it, with `fetch` or with
  ``auto-fetch: true`` in metadata.yaml.
- ``layer.docker-resource.NAME.available``: its image is valid, and `get_info` returns it.
- ``layer.docker-resource.NAME.failed``: it is missing or invalid; the unit's status says why.
- ``layer.docker-resource.NAME.changed``: the image or its credentials differ from what `get_info`
  last returned. It is cleared at the end of the hook in which `get_info` returns the new ones.
"""

import typing

import charms.reactive as reactive
from charmhelpers.core import hookenv, unitdata
from charms import layer as _layer

from image_resource import flags, memory

# Other modules are imported where they are used: an idle hook needs none of them.
if typing.TYPE_CHECKING:
    from image_resource import reading

# Its attributes are the modules of all layers, some of which are yet to be imported.
layer: typing.Any = _layer

__all__ = ['DockerImageInfo', 'fetch', 'get_info']  # for charms; the rest is for our handlers

_PENDING = flags.PREFIX + 'pending'  # as older releases of this layer have it

# For all of a hook's together.
_RESOURCE_GET_SECONDS = 30


class DockerImageInfo:
    """An image and the credentials for its registry.

    All properties but `image_details` are plain ``str``, as a pod spec needs them.
    Neither ``repr`` nor ``str`` shows the password.
    """

    def __init__(
        self, registry_path: str, username: str = '', password: str = '', digest: str = ''
    ) -> None:
        self._registry_path = registry_path
        self._username = username
        self._password = password
        self._digest = digest

    @property
    def registry_path(self) -> str:
        """The image reference, exactly as it was attached."""
        return self._registry_path

    @property
    def username(self) -> str:
        """The username for the registry, or ``''``."""
        return self._username

    @property
    def password(self) -> str:
        """The password for the registry, or ``''``."""
        return self._password

    @property
    def digest(self) -> str:
        """The digest that the registry returned, or ``''`` without the option ``verify-image``."""
        return self._digest

    @property
    def pinned_path(self) -> str:
        """The full reference with the digest instead of the tag; `registry_path` without a digest.

        Every node then runs the image that was verified, even if the tag moves.
        """
        if not self._digest:
            return self._registry_path
        from container_image import reference

        image = reference.Reference.parse(self._registry_path)
        return str(image.pinned(self._digest))

    @property
    def image_details(self) -> typing.Dict[str, str]:
        """The value for ``imageDetails`` in a pod spec of version 1, 2 or 3.

        A new mapping with the keys ``imagePath``, ``username`` and ``password``.
        """
        return {
            'imagePath': self._registry_path,
            'username': self._username,
            'password': self._password,
        }

    def __repr__(self) -> str:
        return f'<DockerImageInfo {self._registry_path!r}>'


class _Hook:
    """The state of one hook."""

    def __init__(self) -> None:
        self.read: typing.Set[str] = set()
        self.given: typing.Dict[str, memory.Image] = {}
        self.has_ended = False
        self.reader: typing.Optional['reading.Reader'] = None
        self._memory: typing.Optional[memory.Memory] = None

    @property
    def memory(self) -> memory.Memory:
        if self._memory is None:
            self._memory = memory.Memory()
        return self._memory


_hook = _Hook()


def fetch(resource_name: str) -> None:
    """Ask for the image resource `resource_name`.

    It is read in this hook, once, and again whenever it may have changed. Flags report the result.
    A resource with ``auto-fetch: true`` in metadata.yaml needs no call.

    Args:
        resource_name: the name of the resource in metadata.yaml, a ``str``
    """
    flags.toggle(resource_name, 'fetched', True)
    if resource_name not in _hook.memory.asked:
        _hook.memory.asked.append(resource_name)
        _hook.memory.save()
    if resource_name not in _hook.read:
        kv = unitdata.kv()
        kv.set(_PENDING, kv.get(_PENDING, []) + [resource_name])
        reactive.set_flag(_PENDING)


def get_info(resource_name: str) -> DockerImageInfo:
    """Return the `DockerImageInfo` of the resource `resource_name`.

    Args:
        resource_name: the name of the resource in metadata.yaml, a ``str``

    Raises:
        ValueError: the resource is not available. The message names the flag to wait for, or the
            resources that metadata.yaml has, if this is not one of them.
    """
    is_available = flags.is_set(resource_name, 'available')
    image = memory.last_good(resource_name) if is_available else None
    if image is None:
        from image_resource import declared

        flag = flags.flag(resource_name, 'available')
        reason = declared.absence(resource_name) or f'wait for the flag {flag}'
        raise ValueError(f'resource {resource_name} is not available: {reason}')
    _hook.given[resource_name] = image
    if _hook.has_ended:  # called by another callback at the end of the hook
        _note_given()
    return DockerImageInfo(*image)


def begin_hook() -> None:
    """Read what this hook has to read, before any handler runs."""
    global _hook
    _hook = _Hook()
    # Registered here, after all modules were imported: callbacks run last in, first out, and
    # layer:status has to send the status after this one asked for it.
    hookenv.atexit(end_hook)
    kept = _hook.memory
    is_upgrade = hookenv.hook_name() == 'upgrade-charm'  # for another charm and another image
    # Juju runs config-changed after upgrade-charm, even one that failed and is not to be retried.
    is_again = is_upgrade or hookenv.hook_name() == 'config-changed'
    is_adopted = kept.is_new or reactive.is_flag_set(flags.OLDER_AUTO_FETCHED)
    pending = _take_pending()
    wanted = _heed_charm(is_upgrade, is_adopted) if is_again or is_adopted else None
    fetched, available = flags.names('fetched'), flags.names('available')
    pending = [name for name in pending if name in fetched]
    # What there was no time for goes first.
    names = [name for name in kept.unread if name in fetched]
    names += [name for name in fetched if is_again or name not in available]
    _read(names + pending, () if is_upgrade else set(available).difference(pending))
    if wanted is not None:
        from image_resource import upgrades

        _hook.read -= upgrades.drop_unwanted(kept, wanted)  # a handler may still ask for them
    _take_back()
    kept.save()


def read_pending() -> None:
    """Read what handlers asked for in this hook."""
    _read(_take_pending())
    _take_back()
    _hook.memory.save()


def end_hook() -> None:
    """Set the status for resources with problems; clear ``changed`` for images that were taken."""
    _hook.has_ended = True
    kept = _hook.memory
    _note_given()
    if not kept.is_checked and hookenv.hook_name() == 'update-status':
        from image_resource import upgrades

        upgrades.warn_of_unasked(kept)
    if kept.problems:
        _drop_abandoned()
    if kept.problems and _option('set-status', True):
        kept.is_told = True
        for status, tell in (('waiting', layer.status.waiting), ('blocked', layer.status.blocked)):
            names = [name for name, problem in kept.problems.items() if problem.status == status]
            if names:
                tell(_sentence(names))
    _take_back()
    kept.save()


def _note_given() -> None:
    """Clear ``changed`` for the images that `get_info` returned."""
    for name, image in _hook.given.items():
        _hook.memory.given[name] = image
        last = memory.last_good(name)
        if last and not last.is_other_than(image):
            flags.toggle(name, 'changed', False)
    _hook.given.clear()
    _hook.memory.save()


def _take_back() -> None:
    """Replace the status that reported problems, once there are none."""
    if _hook.memory.is_told and not _hook.memory.problems:
        _hook.memory.is_told = False
        if _option('set-status', True):
            layer.status.maintenance('image resources have recovered')


def _option(name: str, default: bool) -> bool:
    value = layer.options.get('docker-resource', name)
    return default if value is None else bool(value)  # a charm put together by hand has none


def _heed_charm(is_upgrade: bool, is_adopted: bool) -> typing.Set[str]:
    """Apply the charm's metadata.yaml; return the names of the resources that the charm wants."""
    from image_resource import reading, upgrades

    kept = _hook.memory
    if is_adopted:
        upgrades.adopt_older_state(kept)
    wanted, wrong = upgrades.heed_metadata(kept, is_upgrade or is_adopted)
    for name, reason in wrong.items():
        _settle(name, reading.Unusable(reason, memory.REPORT))
    _log_problems(wrong)
    if is_upgrade or is_adopted:
        kept.is_checked = False
        upgrades.warn(kept, layer.options.get('docker-resource'))
    return wanted


def _drop_abandoned() -> None:
    """Forget the problems of resources whose flags the charm cleared: they are optional to it."""
    problems = _hook.memory.problems
    fetched, failed = flags.names('fetched'), flags.names('failed')
    for name, problem in list(problems.items()):
        is_of_author = name in failed and problem.remedy == memory.REPORT
        if name not in fetched and not is_of_author:
            del problems[name]


def _take_pending() -> typing.List[str]:
    """Return the names that `fetch` was called with since the last time."""
    kv = unitdata.kv()
    names: typing.List[str] = kv.get(_PENDING, [])
    if names:
        kv.unset(_PENDING)
    if reactive.is_flag_set(_PENDING):
        reactive.clear_flag(_PENDING)
    return names


def _read(names: typing.Iterable[str], may_stay: typing.Collection[str] = ()) -> None:
    """Read the resources `names` and set the flags of each.

    Those in `may_stay` stay available if their file can't be read.
    """
    names = [name for name in dict.fromkeys(names) if name not in _hook.read]
    if not names:
        return
    from image_resource import reading, statuses

    _hook.read.update(names)
    _hook.reader = _hook.reader or reading.Reader(_RESOURCE_GET_SECONDS)
    kept = _hook.memory
    new = [name for name in names if name not in kept.problems and not memory.last_good(name)]
    tell = layer.status.maintenance if new and _option('set-status', True) else _say_nothing
    with statuses.told_if_slow(statuses.listed('fetching', new), tell):
        outcomes = _hook.reader.read(names, _option('verify-image', False), kept)
    kept.unread = [name for name in kept.unread if name not in names]
    for name, outcome in outcomes.items():
        _conclude(name, outcome, name in may_stay)
    # What there was no time for goes before what took it.
    kept.unread.sort(key=lambda name: not getattr(outcomes.get(name), 'is_left_over', False))
    kept.save()
    _log_problems(names)
    fetched = [name for name in new if name not in kept.problems]
    if fetched:
        tell(statuses.listed('fetched', fetched))


def _say_nothing(_text: str) -> None:
    pass


def _conclude(name: str, outcome: 'reading.Outcome', may_stay: bool) -> None:
    """Settle `name`, unless its file could not be read and the last image may stay."""
    problem = None if isinstance(outcome, memory.Image) else outcome
    if problem and problem.is_left_over or problem and problem.is_unread and may_stay:
        _hook.memory.unread.append(name)
    if problem and problem.is_unread and may_stay:
        hookenv.log(f'resource {name} keeps its last image: {problem}', level=hookenv.WARNING)
    elif not (problem and problem.is_left_over and name in _hook.memory.problems):
        _settle(name, outcome)


def _settle(name: str, outcome: 'reading.Outcome') -> None:
    """Set flags and memory to the outcome for `name`."""
    kept = _hook.memory
    if isinstance(outcome, memory.Image):
        kept.problems.pop(name, None)
        kept.refused.pop(name, None)
        memory.keep(name, outcome)
        given = _hook.given.get(name) or kept.given.get(name)
        if given and not given.digest and not given.is_other_than(outcome):
            kept.given[name] = outcome  # now that it is verified, its digest counts
        flags.toggle(name, 'changed', given is not None and outcome.is_other_than(given))
        flags.toggle(name, 'failed', False)
        flags.toggle(name, 'available', True)
    else:
        kept.problems[name] = outcome.problem
        flags.toggle(name, 'changed', False)
        flags.toggle(name, 'available', False)
        flags.toggle(name, 'failed', outcome.problem.status == 'blocked')


def _log_problems(names: typing.Iterable[str]) -> None:
    names = [name for name in names if name in _hook.memory.problems]
    if names:
        hookenv.log(_sentence(names), level=hookenv.ERROR)


def _sentence(names: typing.Iterable[str]) -> str:
    from image_resource import statuses

    return statuses.sentence({name: _hook.memory.problems[name] for name in names})
