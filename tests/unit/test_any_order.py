"""Whatever happens to a resource, in whatever order: sequences that hypothesis finds."""

import hypothesis
import pytest
from charms.reactive import flags
from hypothesis import strategies

from image_resource import records
from image_resource.records import (
    ABSENT,
    INVALID,
    LEFT_OVER,
    REJECTED,
    UNREACHABLE,
    UNREAD,
    VALID,
    Outcome,
    Record,
    flags_of,
    next_record,
)
from support import image_records, simulated
from support.image_records import SECRET_A, A, B
from support.simulated import AVAILABLE, CHANGED, FAILED, IMAGE, OTHER_IMAGE, PRIVATE

pytestmark = pytest.mark.slow

IMAGES = strategies.sampled_from([A, B, SECRET_A])
STEPS = strategies.one_of(
    strategies.tuples(strategies.just('attach'), IMAGES),
    strategies.tuples(
        strategies.just('read'),
        strategies.sampled_from(
            sorted(
                {
                    VALID,
                    ABSENT,
                    INVALID,
                    UNREAD,
                    LEFT_OVER,
                    REJECTED,
                    UNREACHABLE,
                }
            )
        ),
        strategies.booleans(),
        strategies.sampled_from(['', 'sha256:1', 'sha256:2']),
    ),
    strategies.tuples(strategies.just('take')),
    strategies.tuples(strategies.just('end')),
    strategies.tuples(strategies.just('crash')),
    strategies.tuples(strategies.just('fetch')),
    strategies.tuples(strategies.just('give up')),
    strategies.tuples(strategies.just('upgrade'), strategies.sampled_from(['auto', 'no', 'gone'])),
)


class Model:
    """What must be true of one resource, told without the functions that are tested."""

    def __init__(self):
        self.record = self.saved = Record()
        self.attached = A
        self.taken = self.saved_taken = None  # in hooks that ended
        self.taking = None  # in this one
        self.confirmed = {}  # the digest by details, since they were last rejected
        self.saved_confirmed = {}

    def attach(self, image):
        self.attached = image

    def read(self, kind, is_upgrade, digest):
        if not self.record.is_fetched:
            return
        image = self.attached
        before = self.record
        if kind == VALID:
            outcome = image_records.read(image, digest)
        else:
            outcome = Outcome(kind, kind, image if kind in (REJECTED, UNREACHABLE) else None)
        self.record = next_record(before, outcome, may_stay=not is_upgrade)
        assert next_record(self.record, outcome, may_stay=not is_upgrade) == self.record
        if kind == VALID:
            assert self.record.available.details == image.details
        if kind in (INVALID, REJECTED) or (kind == ABSENT and is_upgrade):
            assert flags_of(self.record) == {'fetched', 'failed'}
        if kind in (UNREAD, LEFT_OVER) and is_upgrade:
            assert self.record.available is None
        if kind == UNREACHABLE:
            is_confirmed = self.confirmed.get(image.details)
            if self.record.available:
                assert is_confirmed
                assert self.record.available.details == image.details
        if kind == VALID and digest:
            self.confirmed[image.details] = digest
        elif kind in (VALID, REJECTED):
            self.confirmed.pop(image.details, None)

    def take(self):
        if self.record.available:
            self.taking = self.record.available
            self.record = self.record._replace(returned=self.taking)

    def end(self):
        self.record = self.saved = records.acknowledge(self.record)
        self.taken = self.taking or self.taken
        self.taking = None
        self.saved_taken, self.saved_confirmed = self.taken, dict(self.confirmed)

    def crash(self):
        """The next step is in a hook that begins with what the last good one saved."""
        self.record = self.saved
        self.taken, self.confirmed = self.saved_taken, dict(self.saved_confirmed)
        self.taking = None

    def fetch(self):
        self.record = records.request(self.record)

    def give_up(self):
        problem = self.record.problem
        if problem:
            self.record = records.apply_flags(self.record, ())
            assert flags_of(self.record) == set()
            assert not records.reading_order(['name'], {'name': self.record}, is_again=True)

    def upgrade(self, entry):
        images = [] if entry == 'gone' else ['name']
        auto_fetched = ['name'] if entry == 'auto' else []
        self.record = image_records.applied(self.record, images=images, auto_fetched=auto_fetched)
        if entry == 'gone':
            assert self.record == Record()
            self.taken = self.taking = None
            self.confirmed = {}
        if entry == 'auto':
            assert self.record.is_fetched

    def check(self):
        flags = flags_of(self.record)
        assert not flags & {'available'} or not flags & {'failed'}
        assert ('available' in flags) == (self.record.available is not None)
        assert 'fetched' in flags or 'failed' not in flags
        if 'changed' in flags:
            assert 'available' in flags
            assert (self.taken or self.taking) is not None
        if self.taken is None and self.taking is None:
            assert 'changed' not in flags
        if self.record.is_fetched:  # what is not available, some hook will read
            assert self.record.available or self.record.is_due


@hypothesis.settings(max_examples=3000)
@hypothesis.given(strategies.lists(STEPS, max_size=20))
def test_whatever_happens_in_whatever_order_the_rules_hold(steps):
    model = Model()
    model.fetch()
    for name, *arguments in steps:
        getattr(model, name.replace(' ', '_'))(*arguments)
        model.check()


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            strategies.sampled_from([IMAGE, OTHER_IMAGE, PRIVATE, b'', simulated.ABSENT]),
            strategies.sampled_from(['upgrade-charm', 'update-status', 'config-changed']),
            strategies.booleans(),
            strategies.booleans(),
        ),
        max_size=12,
    )
)
def test_whatever_is_attached_in_whatever_order_the_flags_tell_the_truth(unit, events):
    flags.clear_flag('layer.docker-resource.my-image.fetched')
    unit.attached.clear()
    unit.metadata['resources'], declared = {}, unit.metadata['resources']
    unit.during(lambda: None)
    unit.hook('upgrade-charm')
    unit.metadata['resources'] = declared
    unit.hook('upgrade-charm')
    available, taken, unread = None, None, False
    for data, hook, take, crash in events:
        unit.attached['my-image'] = data
        now, now_unread = available, unread
        if hook != 'update-status' or available is None or unread:
            now_unread = False
            # What can't be read takes away nothing, but in an upgrade.
            if data is simulated.ABSENT:
                now_unread = hook != 'upgrade-charm' and available is not None
                now = available if now_unread else None
            else:
                now = data or None
        changed = now is not None and taken is not None and now != taken
        seen = unit.seen(take=take)
        unit.hook(hook, crash=crash)
        assert seen == [FAILED if now is None else CHANGED if changed else AVAILABLE]
        if not crash:
            available, unread = now, now_unread
            taken = now if take and now is not None else taken
            changed = now is not None and taken is not None and now != taken
            assert unit.flags() == (FAILED if now is None else CHANGED if changed else AVAILABLE)
