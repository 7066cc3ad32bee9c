"""What a hook does with the charm's image resources, in order."""

import typing

import charms.reactive as reactive
from charmhelpers.core import hookenv
from charms import layer as _layer

from container_image import messages
from image_resource import idle, records, store

# Other modules are imported where they are used: few hooks read.
if typing.TYPE_CHECKING:
    from image_resource import reading

# Its attributes are the modules of all layers, some of which are yet to be imported.
layer: typing.Any = _layer

# For all of a hook's together.
_RESOURCE_GET_SECONDS = 30


class _Hook:
    """The state of one hook, for which Juju starts one process."""

    def __init__(self) -> None:
        self.requested: typing.List[str] = []  # what `fetch` was called for, yet to be read
        self.read: typing.Set[str] = set()
        self.reader: typing.Optional['reading.Reader'] = None
        self._store: typing.Optional[store.Store] = None

    @property
    def store(self) -> store.Store:
        if self._store is None:
            self._store = store.Store()
        return self._store


_hook = _Hook()


def begin() -> None:
    """Read what this hook has to read, before any handler runs."""
    state = _hook.store
    is_upgrade = hookenv.hook_name() == 'upgrade-charm'  # for another charm and another image
    is_again = hookenv.hook_name() in idle.READING_HOOKS
    requested = _pop_requested()
    if is_again or state.is_adopted:
        _apply_charm(is_upgrade or state.is_adopted, requested)
    before = state.all()
    may_stay = {name for name, record in before.items() if record.available and not is_upgrade}
    names = records.reading_order(state.queue, before, is_again)
    fetched = _read(names + requested, may_stay.difference(requested))
    before = state.all()
    state.replace(records.drop_unwanted(before))
    # A handler may still ask for what was dropped.
    _hook.read = {name for name in _hook.read if state.get(name) == before[name]}
    _report(fetched)
    state.save()


def request(name: str) -> None:
    """Note that a handler asks for the resource `name`."""
    state = _hook.store
    state.put(name, records.request(state.get(name)), ('fetched',))
    if name not in _hook.read:
        names = state.queue if idle.has_ended else _hook.requested
        if name not in names:
            names.append(name)
        state.set_pending()
    state.save()


def read_requested() -> None:
    """Read what the charm's handlers asked for in this hook."""
    _report(_read(_pop_requested()))
    _hook.store.save()


reactive.when(store.PENDING)(read_requested)


def get_image(name: str) -> records.Image:
    """Return the available image of the resource `name`; raise ValueError if there is none."""
    state = _hook.store
    record = state.get(name)
    image = record.available
    if image is None:
        from image_resource import metadata

        flag = store.flag_of(name, 'available')
        reason = metadata.absence(name) or f'wait for the flag {flag}'
        raise ValueError(f'resource {name} is not available: {reason}')
    # Only the end of the hook clears `changed`; this may be called by another callback after ours.
    state.put(name, record._replace(returned=image), ())
    if idle.has_ended:
        state.put(name, records.acknowledge(state.get(name)))
        state.save()
    return image


def end() -> None:
    """Acknowledge what `get_info` returned, and set the status for resources with problems."""
    state = _hook.store
    for name, record in state.all().items():
        if record.returned:
            state.put(name, records.acknowledge(record))
    if not state.is_checked and hookenv.hook_name() == 'update-status':
        _warn_of_never_fetched()
    if _problems():
        state.apply_flags()  # those that the charm cleared in this hook
    problems = _problems()
    if problems and _option('set-status'):
        state.status_is_ours = True
        for status, set_status in (
            ('waiting', layer.status.waiting),
            ('blocked', layer.status.blocked),
        ):
            names = [name for name, problem in problems.items() if problem.status == status]
            if names:
                set_status(_sentence(names))
    _report()
    state.save()


def _apply_charm(is_other_charm: bool, requested: typing.Container[str]) -> None:
    """Apply the charm's metadata.yaml."""
    from image_resource import metadata

    state = _hook.store
    auto_fetched, errors = metadata.auto_fetched()
    if state.is_adopted:
        state.adopt(auto_fetched)
    state.replace(
        records.apply_metadata(
            state.all(), metadata.images(), auto_fetched, errors, is_other_charm, requested
        )
    )
    _log_problems([name for name in errors if not state.get(name).is_fetched])
    if is_other_charm:
        state.is_checked = False
        get = layer.options.get
        warnings = metadata.warnings(get('docker-resource'), get('docker_resource'))
        for warning in warnings:
            if warning not in state.warnings:
                hookenv.log(warning, level=hookenv.WARNING)
        state.warnings = warnings


def _warn_of_never_fetched() -> None:
    """Log, once, the images that the charm has not asked for until now."""
    from image_resource import metadata

    state = _hook.store
    state.is_checked = True
    before = state.never_fetched
    state.never_fetched = sorted(
        name
        for name in metadata.images()
        if not (state.get(name).is_requested or state.get(name).is_fetched)
    )
    for name in state.never_fetched:
        if name not in before:
            shown = messages.printable(name)
            hookenv.log(
                f'image resource {shown} was never fetched: add auto-fetch: true to its entry in'
                f" metadata.yaml, or call layer.docker_resource.fetch('{shown}')",
                level=hookenv.WARNING,
            )


def _pop_requested() -> typing.List[str]:
    names, _hook.requested = _hook.requested, []
    _hook.store.clear_pending()
    return names


def _read(names: typing.Iterable[str], may_stay: typing.Container[str] = ()) -> typing.List[str]:
    """Read the resources `names`; return those that are available for the first time.

    Those in `may_stay` stay available if their file can't be read.
    """
    names = [name for name in dict.fromkeys(names) if name not in _hook.read]
    if not names:
        return []
    from image_resource import reading, statuses

    state = _hook.store
    _hook.read.update(names)
    _hook.reader = _hook.reader or reading.Reader(_RESOURCE_GET_SECONDS)
    new = [name for name in names if not state.get(name).image]
    announced = [name for name in new if not state.get(name).problem and _option('set-status')]
    with statuses.if_slow(lambda: _set_maintenance('fetching', announced)):
        outcomes = _hook.reader.read(names, _option('verify-image'))
    for name, outcome in outcomes.items():
        record = records.next_record(state.get(name), outcome, name in may_stay)
        state.put(name, record)
        if outcome.is_unread and record.available:
            text = f'resource {messages.printable(name)} keeps its last image: {outcome.reason}'
            hookenv.log(text, level=hookenv.WARNING)
    state.queue = records.next_queue(state.queue, outcomes, state.all())
    state.save()
    _log_problems(names)
    return [name for name in new if state.get(name).available]


def _set_maintenance(verb: str, names: typing.Sequence[str]) -> None:
    from image_resource import statuses

    if names:
        _hook.store.status_is_ours = verb == 'fetching'  # which has to be followed by another
        layer.status.maintenance(statuses.listed(verb, names))


def _report(fetched: typing.Sequence[str] = ()) -> None:
    """Set the status for what was fetched, and replace one that reported problems."""
    state = _hook.store
    is_over = state.status_is_ours and not _problems()
    if fetched and (is_over or _option('set-status')):
        _set_maintenance('fetched', fetched)
    elif is_over:  # even if the option that set it is off by now
        state.status_is_ours = False
        layer.status.maintenance('image resources have recovered')


def _option(name: str) -> bool:
    from image_resource import metadata

    value = layer.options.get('docker-resource', name)
    truth = None if value is None else metadata.truth(value)
    return metadata.OPTIONS[name] if truth is None else truth


def _problems() -> typing.Dict[str, records.Problem]:
    return {name: record.problem for name, record in _hook.store.all().items() if record.problem}


def _log_problems(names: typing.Iterable[str]) -> None:
    names = [name for name in names if _hook.store.get(name).problem]
    if names:
        hookenv.log(_sentence(names), level=hookenv.ERROR)


def _sentence(names: typing.Iterable[str]) -> str:
    from image_resource import statuses

    problems = _problems()
    return statuses.sentence({name: problems[name] for name in names})
