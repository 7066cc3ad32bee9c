"""The flags and the key-value store, which only this module changes.

Both are an interface: units that run older releases are upgraded in place. What is set here is
saved only if the hook succeeds.
"""

import contextlib
import typing

import charms.reactive as reactive
from charmhelpers.core import hookenv, unitdata

from image_resource import idle, records

PREFIX = idle.PREFIX
PENDING = PREFIX + 'pending'  # set while `fetch` waits for the handler that reads

_IMAGE = '.image-info'  # as in the older public layer of this name
_IMAGE_KEYS = ('registrypath', 'username', 'password', 'digest')
# What older releases left.
_OLDER_FLAG = PREFIX + 'auto-fetched'
_OLDER_PROBLEMS = PREFIX + 'problems'
_OLDER_KEYS = (_OLDER_PROBLEMS, PREFIX + 'auto-fetch-done', PENDING)
_OLDER_STATUSES = ('unable to fetch resource', 'fetching resource')


class Store:
    """What a unit remembers between hooks, loaded when it is created.

    Attributes:
        is_adopted: an older release left this state
        queue: the names that the next hook reads first
        warnings: the warnings that were logged after the last upgrade
        never_fetched: the images of which the log says that nobody asked for them
        is_checked: whether that was looked at since the last upgrade
        status_is_ours: the unit's status is about these resources, and about a problem
    """

    def __init__(self) -> None:
        values = unitdata.kv().getrange(PREFIX)
        self._memory = memory = values.get(idle.MEMORY)
        self._settled_before = values.get(idle.SETTLED)
        self._images = {
            key[len(PREFIX) : -len(_IMAGE)]: value
            for key, value in values.items()
            if key.endswith(_IMAGE)
        }
        flags = reactive.get_flags()
        self._is_pending = PENDING in flags
        self.is_adopted = memory is None or _OLDER_FLAG in flags
        memory = memory or {}
        self.queue: typing.List[str] = list(memory.get('unread', []))
        self.warnings: typing.List[str] = memory.get('warned', [])
        self.never_fetched: typing.List[str] = memory.get('unasked', [])
        self.is_checked: bool = memory.get('is_checked', False)
        self.status_is_ours: bool = memory.get('is_told', False)
        states = _states(flags)
        self._records = self._load(memory, states)
        if self.is_adopted:
            for name in states:
                self._records[name] = records.adopt(self._records[name], states[name])
            self.queue += [name for name in values.get(PENDING) or () if name not in self.queue]
        self._apply(states)

    def all(self) -> records.Records:
        """Return the records by name."""
        return dict(self._records)

    def get(self, name: str) -> records.Record:
        """Return the record of the resource `name`."""
        return self._records.get(name, records.Record())

    def put(
        self, name: str, record: records.Record, states: typing.Iterable[str] = records.STATES
    ) -> None:
        """Set the record of the resource `name`, and of its flags those for `states`."""
        self._records[name] = record
        wanted = records.flags_of(record)
        flags = set(reactive.get_flags()) if states else ()
        for state in states:
            flag = flag_of(name, state)
            # Only if it changes: after a clear, all handlers are tested again.
            if (flag in flags) != (state in wanted):
                reactive.toggle_flag(flag, state in wanted)

    def replace(self, replacement: records.Records) -> None:
        """Set all records, and forget those that are not among them."""
        for name in [name for name in self._records if name not in replacement]:
            self.put(name, records.Record())
            del self._records[name]
        for name, record in replacement.items():
            if record != self._records.get(name):
                self.put(name, record)

    def apply_flags(self) -> None:
        """Apply to the records what the charm did to flags."""
        self._apply(_states(reactive.get_flags()))

    def set_pending(self) -> None:
        """Have the handler called that reads what `fetch` was called for."""
        self._is_pending = True
        reactive.set_flag(PENDING)

    def clear_pending(self) -> None:
        """Take that back."""
        if self._is_pending:
            self._is_pending = False
            reactive.clear_flag(PENDING)

    def adopt(self, auto_fetched: typing.Container[str]) -> None:
        """Replace what an older release of this layer left behind, if any."""
        self.is_adopted = False
        kv = unitdata.kv()
        left = {key: kv.get(key) for key in _OLDER_KEYS}
        names = [name for name, record in self._records.items() if record.is_fetched]
        self.status_is_ours = bool(left[_OLDER_PROBLEMS] or (names and _is_older_status()))
        for name in names:
            record = self._records[name]
            # Nobody wrote down what handlers called `fetch` for: what was there, somebody wanted.
            is_requested = bool(record.acknowledged) and name not in auto_fetched
            self.put(name, record._replace(is_requested=record.is_requested or is_requested))
            kv.unset(f'reactive.data_changed.{PREFIX}{name}')
        for key in left:
            kv.unset(key)
        if reactive.is_flag_set(_OLDER_FLAG):
            reactive.clear_flag(_OLDER_FLAG)

    def save(self) -> None:
        """Write what changed to the unit's key-value store."""
        images = {
            name: dict(zip(_IMAGE_KEYS, record.image))
            for name, record in self._records.items()
            if record.image
        }
        for name in set(self._images) - set(images):
            unitdata.kv().unset(f'{PREFIX}{name}{_IMAGE}')
        for name, image in images.items():
            if image != self._images.get(name):
                unitdata.kv().set(f'{PREFIX}{name}{_IMAGE}', image)
        self._images = images
        memory = self._content()
        if memory != self._memory:
            unitdata.kv().set(idle.MEMORY, memory)
            self._memory = memory
        settled = self._settled()
        if settled != self._settled_before:
            unitdata.kv().set(idle.SETTLED, settled)
            self._settled_before = settled

    def _apply(self, states: typing.Mapping[str, typing.Set[str]]) -> None:
        for name, record in self._records.items():
            self._records[name] = records.apply_flags(record, states.get(name, ()))

    def _load(
        self, memory: typing.Dict[str, typing.Any], states: typing.Dict[str, typing.Set[str]]
    ) -> records.Records:
        problems = memory.get('problems', {})
        acknowledged = memory.get('given', {})
        rejections = memory.get('refused', {})
        requested, auto_fetched = memory.get('asked', ()), memory.get('marked', ())
        names = {*problems, *acknowledged, *rejections, *requested, *auto_fetched}
        loaded = {}
        for name in names.union(self._images, states):
            rejection = rejections.get(name)
            loaded[name] = records.Record(
                image=_image(self._images.get(name)),
                problem=records.Problem(*problems[name]) if name in problems else None,
                acknowledged=records.Image(*acknowledged[name]) if name in acknowledged else None,
                rejection=rejection and _rejection(*rejection),
                is_requested=name in requested,
                is_auto_fetched=name in auto_fetched,
            )
        return loaded

    def _content(self) -> typing.Dict[str, typing.Any]:
        """Return the memory, in the form that older releases have."""
        problems, acknowledged, rejections = {}, {}, {}
        for name, record in self._records.items():
            if record.problem:
                problems[name] = list(record.problem)
            if record.acknowledged:
                acknowledged[name] = list(record.acknowledged)
            if record.rejection and record.rejection.image:
                rejections[name] = [*record.rejection.image.details, record.rejection.reason]
        return {
            'problems': problems,
            'given': acknowledged,
            'refused': rejections,
            'asked': sorted(name for name, each in self._records.items() if each.is_requested),
            'marked': sorted(name for name, each in self._records.items() if each.is_auto_fetched),
            'unread': [name for name in self.queue if self.get(name).is_fetched],
            'warned': self.warnings,
            'unasked': self.never_fetched,
            'is_checked': self.is_checked,
            'is_told': self.status_is_ours,
        }

    def _settled(self) -> typing.Optional[str]:
        """Return the flags that follow from the records, if nothing is left to do.

        Those that are set may be others.
        """
        is_settled = all(record.is_settled for record in self._records.values())
        if self.queue or not (self.is_checked and is_settled):
            return None
        flags = [
            flag_of(name, state)
            for name, record in self._records.items()
            for state in records.flags_of(record)
        ]
        return '\n'.join(sorted(flags))


def flag_of(name: str, state: str) -> str:
    """Return the flag of the resource `name` for a state, one of `records.STATES`."""
    return f'{PREFIX}{name}.{state}'


def _rejection(registry_path: str, username: str, password: str, reason: str) -> records.Outcome:
    image = records.Image(registry_path, username, password, '')
    return records.Outcome(records.REJECTED, reason, image)


def _is_older_status() -> bool:
    """Return whether an older release set the unit's status; those never replaced it."""
    with contextlib.suppress(Exception):
        return str(hookenv.status_get()[1]).startswith(_OLDER_STATUSES)
    return False


def _states(flags: typing.Iterable[str]) -> typing.Dict[str, typing.Set[str]]:
    """Return the states that `flags` say, by name."""
    states: typing.Dict[str, typing.Set[str]] = {}
    for flag in flags:
        if flag.startswith(PREFIX):
            name, _, state = flag[len(PREFIX) :].rpartition('.')
            if name and state in records.STATES:
                states.setdefault(name, set()).add(state)
    return states


def _image(stored: object) -> typing.Optional[records.Image]:
    """Return the image in what this or an older release stored, None if there is none."""
    # Older releases stored whatever the file had: null, 83 for the password 0123, even a list.
    if not isinstance(stored, dict) or not isinstance(stored.get('registrypath'), str):
        return None
    values = ['' if stored.get(key) is None else str(stored[key]) for key in _IMAGE_KEYS]
    return records.Image(*values) if values[0] else None
