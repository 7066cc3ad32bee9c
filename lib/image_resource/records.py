"""What is known about an image resource, and what follows from it: pure functions, on values.

    record = next_record(record, outcome)    what a read makes of it
    flags_of(record), record.problem         what the charm and the operator see of it

docs/reference/layer.md has the same as two tables; a test reads both.
"""

import typing

STATES = ('fetched', 'available', 'failed', 'changed')

# What a read may find.
VALID = 'valid'
ABSENT = 'absent'  # Juju has no image for it
INVALID = 'invalid'  # its content names no image
UNDECLARED = 'undeclared'  # metadata.yaml does not declare it as an image
UNREAD = 'unread'  # resource-get or its file failed
LEFT_OVER = 'left over'  # there was no time in this hook
REJECTED = 'rejected'  # by the image's registry
UNREACHABLE = 'unreachable'  # the registry does not respond

ATTACH = 'juju attach-resource {application} {name}=IMAGE'
REPORT = "report it to the charm's author"
_RETRY = 'will be retried in the next hook'

# Who needs somebody is blocked, what mends itself is waiting: the status, and what to do.
_REMEDIES = {
    # Juju says the same of an image that it is still storing.
    ABSENT: ('blocked', f'{ATTACH}; if you already have, wait: Juju is still storing it'),
    INVALID: ('blocked', ATTACH),
    UNDECLARED: ('blocked', REPORT),
    UNREAD: ('waiting', _RETRY),
    LEFT_OVER: ('waiting', 'will be read in the next hook'),
    REJECTED: ('blocked', ATTACH),
    UNREACHABLE: ('waiting', _RETRY),
}


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

    def differs_from(self, other: 'Image') -> bool:
        """Return whether image or credentials differ, or the digest that a tag refers to."""
        digests = {self.digest, other.digest}
        return self.details != other.details or ('' not in digests and len(digests) > 1)


class Problem(typing.NamedTuple):
    """Why a resource can't be used, what to do about it, and the unit status to set."""

    status: str
    reason: str
    remedy: str

    @property
    def is_of_author(self) -> bool:
        """Return whether only a different charm helps."""
        return self.remedy == REPORT


class Outcome(typing.NamedTuple):
    """What a read found: its kind, the reason if that is not `VALID`, the image that it read."""

    kind: str
    reason: str = ''
    image: typing.Optional[Image] = None

    @property
    def is_unread(self) -> bool:
        """Return whether nothing is known about the content."""
        return self.kind in (ABSENT, UNREAD, LEFT_OVER)

    def is_of(self, image: typing.Optional[Image]) -> bool:
        """Return whether it is about what was attached as `image`."""
        return bool(self.image and image and self.image.details == image.details)


class Record(typing.NamedTuple):
    """A resource; one that nobody asked for is `Record()`."""

    image: typing.Optional[Image] = None  # the last valid one, available or not
    problem: typing.Optional[Problem] = None  # why it is not available
    acknowledged: typing.Optional[Image] = None  # what `get_info` last returned, before this hook
    returned: typing.Optional[Image] = None  # what `get_info` last returned in this hook
    rejection: typing.Optional[Outcome] = None  # since then, its registry confirmed nothing
    is_fetched: bool = False  # the charm asked for it, and did not give it up
    is_requested: bool = False  # a handler called `fetch`, ever
    is_auto_fetched: bool = False  # by the metadata.yaml that was applied last

    @property
    def available(self) -> typing.Optional[Image]:
        """Return the image that `get_info` returns, or None."""
        return None if self.problem else self.image

    @property
    def is_due(self) -> bool:
        """Return whether every hook has to read it."""
        return self.is_fetched and not self.available

    @property
    def is_settled(self) -> bool:
        """Return whether there is nothing to do for it until the charm or Juju does something."""
        return not (self.problem or self.is_due)

    @property
    def is_wanted(self) -> bool:
        """Return whether metadata.yaml or a handler asks for it."""
        return self.is_requested or self.is_auto_fetched


Records = typing.Dict[str, Record]


def flags_of(record: Record) -> typing.Set[str]:
    """Return which of `STATES` the flags of a resource say."""
    image, taken = record.available, record.acknowledged
    states = {
        'fetched': record.is_fetched,
        'available': image is not None,
        'failed': record.problem is not None and record.problem.status == 'blocked',
        'changed': image is not None and taken is not None and image.differs_from(taken),
    }
    return {state for state, is_set in states.items() if is_set}


def next_record(record: Record, outcome: Outcome, may_stay: bool = False) -> Record:
    """Return what the outcome of a read makes of a record.

    If it `may_stay`, an image that is available stays so if nothing could be read.
    """
    last, rejection = record.image, record.rejection
    if outcome.kind == UNREACHABLE:
        if rejection and outcome.is_of(rejection.image):
            outcome = rejection
        elif last and last.digest and outcome.is_of(last):
            return _with_image(record, last)  # confirmed before, and nothing speaks against it
    if outcome.kind == VALID and outcome.image:
        return _with_image(record, outcome.image)._replace(rejection=None)
    if outcome.is_unread and may_stay and record.available:
        return record
    if outcome.kind == LEFT_OVER and record.problem:
        return record
    if outcome.kind == REJECTED:
        record = record._replace(rejection=outcome)
        if last and outcome.is_of(last):  # it is confirmed no more
            record = record._replace(image=last._replace(digest=''))
    status, remedy = _REMEDIES[outcome.kind]
    return record._replace(problem=Problem(status, outcome.reason, remedy))


def _with_image(record: Record, image: Image) -> Record:
    taken = record.returned or record.acknowledged
    if taken and not taken.digest and not image.differs_from(taken):
        taken = image  # now that it is verified, its digest counts
    return record._replace(image=image, problem=None, acknowledged=taken)


def request(record: Record) -> Record:
    """Return the record of a resource that a handler calls `fetch` for."""
    return record._replace(is_fetched=True, is_requested=True)


def acknowledge(record: Record) -> Record:
    """Return the record at the end of a hook: what `get_info` returned in it has arrived."""
    taken = record.returned or record.acknowledged
    return record._replace(acknowledged=taken, returned=None)


def apply_flags(record: Record, states: typing.Container[str]) -> Record:
    """Return the record after what the charm itself did to flags; `states` are those still set."""
    record = record._replace(is_fetched='fetched' in states)
    if record.available and 'available' not in states:
        return record._replace(image=None)
    problem = record.problem
    is_over = 'failed' not in states if problem and problem.is_of_author else True
    if problem and not record.is_fetched and is_over:  # it does without
        return record._replace(image=None, problem=None)
    return record


def adopt(record: Record, states: typing.Container[str]) -> Record:
    """Return the record of what an older release left: its image counts as acknowledged.

    `states` are the flags that it left; it kept no problems, and what there is of them is old.
    """
    if 'fetched' not in states:
        return record
    problem = None if 'available' in states else record.problem
    return record._replace(acknowledged=record.image or record.acknowledged, problem=problem)


def apply_metadata(
    records: Records,
    images: typing.Container[str],
    auto_fetched: typing.Collection[str],
    errors: typing.Mapping[str, str],
    is_other_charm: bool,
    requested: typing.Container[str] = (),
) -> Records:
    """Return the records after metadata.yaml was read: without those that it does not declare.

    Args:
        records: the records by name
        images: the names of the images in it
        auto_fetched: those of them with auto-fetch
        errors: why entries can't be used, by name
        is_other_charm: it is that of an upgrade
        requested: the names that were fetched in this hook; nothing of them is over
    """
    applied = {}
    for name, record in records.items():
        is_of_author = record.problem is not None and record.problem.is_of_author
        if name in errors or name in requested:
            is_over = False
        elif name in images:
            is_over = is_of_author and not record.is_fetched
        else:  # what a handler asked for in vain, is as wrong as it was
            is_over = is_other_charm or not is_of_author
        if not is_over:
            applied[name] = record
    for name in auto_fetched:
        record = applied.get(name, Record())
        if is_other_charm or not record.is_auto_fetched:  # else the charm does without it
            applied[name] = record._replace(is_fetched=True)
    for name, record in applied.items():
        applied[name] = record._replace(is_auto_fetched=name in auto_fetched)
    for name, reason in errors.items():
        record = applied.get(name, Record())
        if not record.is_fetched:
            applied[name] = next_record(record, Outcome(UNDECLARED, reason))
    return applied


def drop_unwanted(records: Records) -> Records:
    """Return the records after a read for a charm, without failed ones that it does not want.

    A handler may still ask for them, and has then seen what it had seen.
    """
    return {
        name: Record(acknowledged=record.returned or record.acknowledged)
        if _is_unwanted(record)
        else record
        for name, record in records.items()
    }


def _is_unwanted(record: Record) -> bool:
    problem = record.problem
    return (
        problem is not None
        and problem.status == 'blocked'
        and not problem.is_of_author
        and not record.is_wanted
    )


def reading_order(
    queue: typing.Sequence[str], records: Records, is_again: bool
) -> typing.List[str]:
    """Return the names to read in a hook: those in `queue`, those due, and if `is_again` all."""
    names = [name for name in queue if name in records and records[name].is_fetched]
    names += sorted(
        name
        for name, record in records.items()
        if record.is_due or (is_again and record.is_fetched)
    )
    return list(dict.fromkeys(names))


def next_queue(
    queue: typing.Sequence[str], outcomes: typing.Mapping[str, Outcome], records: Records
) -> typing.List[str]:
    """Return what the next hook has to read first; `records` are those after the outcomes.

    What there was no time for goes before what took it.
    """
    left = [name for name in queue if name not in outcomes]
    left += [
        name
        for name, outcome in outcomes.items()
        if outcome.kind == LEFT_OVER or (outcome.is_unread and records[name].available)
    ]
    left_over = {name for name, outcome in outcomes.items() if outcome.kind == LEFT_OVER}
    return sorted(left, key=lambda name: name not in left_over)
