"""What follows from what: the tables of the documents, proven on the functions that decide."""

import pathlib

import pytest

from image_resource import records
from image_resource.records import (
    ABSENT,
    INVALID,
    LEFT_OVER,
    REJECTED,
    UNDECLARED,
    UNREACHABLE,
    UNREAD,
    Outcome,
    Record,
    flags_of,
    next_record,
)
from support.image_records import SECRET_A, A, B, applied, read

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'reference' / 'layer.md').read_text()

MISSING_OR_INVALID = [
    *(Outcome(kind, 'it is wrong') for kind in (ABSENT, INVALID, UNDECLARED)),
    Outcome(REJECTED, 'there is none', B),
]
NOT_NOW = [Outcome(UNREAD, 'it is away'), Outcome(UNREACHABLE, 'it is away', B)]
NO_TIME = Outcome(LEFT_OVER, 'later')

ASKED = Record(is_fetched=True)
GOOD = next_record(ASKED, read(A))
TAKEN = records.acknowledge(GOOD._replace(returned=A))
NEW = next_record(TAKEN, read(B))
BAD = next_record(ASKED, Outcome(ABSENT, 'there is none'))
TAKEN_BAD = next_record(TAKEN, Outcome(INVALID, 'it is wrong'))
TAKEN_ASKED = next_record(TAKEN, Outcome(UNREAD, 'it is away'))
# Those of each state in the table of states.
STARTS = {
    'nothing': [Record()],
    'fetched': [ASKED, TAKEN_ASKED, next_record(ASKED, NO_TIME)],
    'fetched, available': [GOOD, TAKEN],
    'fetched, available, changed': [NEW],
    'fetched, failed': [BAD, TAKEN_BAD],
}


def removed(record):
    kept = records.apply_metadata({'name': record}, (), (), {}, is_other_charm=True)
    return kept.get('name', Record())


def fetched(record):
    yield records.request(record)
    yield records.apply_metadata({'name': record}, ['name'], ['name'], {}, True)['name']
    yield records.apply_metadata({}, ['name'], ['name'], {}, False)['name']._replace(
        image=record.image, problem=record.problem, acknowledged=record.acknowledged
    )


def others(record):
    """Return the outcomes of reading something else than `get_info` last returned."""
    return [read(image) for image in (A, B, SECRET_A) if image != record.acknowledged]


def not_now(record):
    # One that has failed stays so until there is time to read it.
    return (
        NOT_NOW if record.problem and record.problem.status == 'blocked' else [*NOT_NOW, NO_TIME]
    )


# What happens to a record, in the page's words: the records that may follow.
EVENTS = {
    'fetch(NAME) or auto-fetch': fetched,
    'first valid image, or the one that get_info(NAME) last returned': lambda record: [
        next_record(record, read(record.acknowledged or A))
    ],
    'the one that get_info(NAME) last returned': lambda record: [
        next_record(record, read(image)) for image in [record.acknowledged] if image
    ],
    'different image or credentials': lambda record: [
        next_record(record, outcome) for outcome in others(record) if record.acknowledged
    ],
    'missing or invalid': lambda record: [
        next_record(record, outcome) for outcome in MISSING_OR_INVALID
    ],
    'cannot be read or checked now': lambda record: [
        next_record(record, outcome) for outcome in not_now(record)
    ],
    'end of the hook in which get_info(NAME) returned it': lambda record: [
        records.acknowledge(record._replace(returned=record.available))
    ],
    'fetched and failed are cleared': lambda record: [records.apply_flags(record, {'changed'})],
    'removed by an upgrade': lambda record: [removed(record)],
}


def rows_of(heading):
    """Return the cells of each row of the table with this heading, the heading's among them."""
    table = PAGE[PAGE.index(heading) :].partition('\n\n')[0]
    rows = [[cell.strip() for cell in line.strip('| ').split('|')] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


# The flags of each state: the table of states calls a state by its flags.
STATES = {
    'nothing': set(),
    'fetched': {'fetched'},
    'fetched, available': {'fetched', 'available'},
    'fetched, available, changed': {'fetched', 'available', 'changed'},
    'fetched, failed': {'fetched', 'failed'},
}
ARROWS = rows_of('| flags before | flags after |')[1:]


def test_the_states_of_the_table_are_those_that_are_tested():
    assert {state for row in ARROWS for state in row[:2]} == set(STATES) == set(STARTS)
    for name, starts in STARTS.items():
        assert [flags_of(record) for record in starts] == [STATES[name]] * len(starts)


@pytest.mark.parametrize(('start', 'end', 'event'), ARROWS)
def test_each_row_of_the_table_of_states_leads_where_it_says(start, end, event):
    after = [follow for record in STARTS[start] for follow in EVENTS[event](record)]
    assert after
    assert [flags_of(record) for record in after] == [STATES[end]] * len(after)


def test_the_table_of_states_has_a_row_for_all_that_leads_elsewhere():
    ends = {(start, event.split(', or ')[-1]): end for start, end, event in ARROWS}
    for start in set(STARTS) - {'nothing'}:
        for event, follow in EVENTS.items():
            end = ends.get((start, event.split(', or ')[-1]), start)
            if event != 'fetched and failed are cleared' or start == 'fetched, failed':
                for record in STARTS[start]:
                    assert {frozenset(flags_of(after)) for after in follow(record)} <= {
                        frozenset(STATES[end])
                    }


TABLE = rows_of('| what happens | fetched |')
ANY = [record for starts in STARTS.values() for record in starts]
FETCHED = [record for record in ANY if record.is_fetched]
# The beginning of each row's first cell: the records before, and what may become of one.
ROWS = {
    '`fetch(NAME)` is called': (ANY, EVENTS['fetch(NAME) or auto-fetch']),
    'its content is read and valid, first time': (
        [record for record in FETCHED if not record.acknowledged],
        lambda record: [next_record(record, read(image)) for image in (A, B, SECRET_A)],
    ),
    'read again, the same': (
        [record for record in FETCHED if record.acknowledged],
        EVENTS['the one that get_info(NAME) last returned'],
    ),
    'read again, image or credentials differ': (
        [record for record in FETCHED if record.acknowledged],
        EVENTS['different image or credentials'],
    ),
    'it is missing or invalid': (FETCHED, EVENTS['missing or invalid']),
    'it cannot be read or checked now': (FETCHED, EVENTS['cannot be read or checked now']),
    'an upgrade removes it': (ANY, EVENTS['removed by an upgrade']),
}


@pytest.mark.parametrize('row', TABLE[1:], ids=lambda row: row[0][:30])
def test_each_row_of_the_table_is_what_happens(row):
    assert tuple(TABLE[0][1:]) == records.STATES
    ((starts, follow),) = [ROWS[words] for words in ROWS if row[0].startswith(words)]
    assert starts
    for record in starts:
        for after in follow(record):
            for state, cell in zip(records.STATES, row[1:]):
                is_set = state in flags_of(after)
                word = cell.partition(',')[0]
                expected = {'set': True, 'clear': False, '': state in flags_of(record)}[word]
                assert is_set == expected, (state, record, after)


def test_each_row_has_its_test():
    assert len(TABLE) - 1 == len(ROWS)


# What blocks needs somebody, what waits does not


@pytest.mark.parametrize('outcome', [*MISSING_OR_INVALID, *NOT_NOW, NO_TIME])
def test_what_mends_itself_is_waiting_and_what_needs_somebody_says_who_does_what(outcome):
    problem = next_record(ASKED, outcome).problem
    assert (problem.status == 'waiting') == (' in the next hook' in problem.remedy)
    assert problem.reason == outcome.reason


# What stays


@pytest.mark.parametrize('outcome', [Outcome(ABSENT, 'x'), NOT_NOW[0], NO_TIME])
def test_what_cannot_be_read_takes_nothing_away_if_it_may_stay(outcome):
    assert next_record(TAKEN, outcome, may_stay=True) == TAKEN
    assert next_record(NEW, outcome, may_stay=True) == NEW
    assert next_record(TAKEN, outcome).available is None


@pytest.mark.parametrize('outcome', [Outcome(INVALID, 'x'), Outcome(REJECTED, 'x', A)])
def test_what_is_known_to_be_wrong_does_not_stay(outcome):
    assert next_record(TAKEN, outcome, may_stay=True).available is None


@pytest.mark.parametrize('outcome', [*MISSING_OR_INVALID, NOT_NOW[0], NO_TIME])
def test_what_there_was_no_time_for_keeps_the_problem_that_it_had(outcome):
    before = next_record(ASKED, outcome)
    for may_stay in (True, False):
        assert next_record(before, NO_TIME, may_stay) == before


def test_what_was_rejected_is_neither_confirmed_nor_forgotten_while_its_registry_is_away():
    away = [Outcome(UNREACHABLE, 'it is away', image) for image in (A, B)]
    confirmed = next_record(ASKED, read(A, 'sha256:1'))
    assert next_record(confirmed, away[0]) == confirmed
    rejected = next_record(confirmed, Outcome(REJECTED, 'there is none', A))
    assert next_record(rejected, away[0]).problem == rejected.problem
    other = next_record(rejected, Outcome(REJECTED, 'nor of that', B))
    assert next_record(other, away[1]).problem.reason == 'nor of that'
    again = next_record(other, away[0])  # A was rejected after it was confirmed
    assert again.available is None
    assert again.problem.status == 'waiting'
    confirmed = next_record(rejected, read(A, 'sha256:1'))
    assert next_record(confirmed, away[0]).available


def test_the_rejection_of_another_image_takes_no_confirmation_away():
    confirmed = next_record(ASKED, read(A, 'sha256:1'))
    other = next_record(confirmed, Outcome(REJECTED, 'there is none', B))
    assert next_record(other, Outcome(UNREACHABLE, 'it is away', A)).available.digest == 'sha256:1'


# Changed


def test_a_tag_that_moves_after_verification_was_switched_on_is_a_change():
    verified = next_record(TAKEN, read(A, 'sha256:1'))
    assert 'changed' not in flags_of(verified)
    assert 'changed' in flags_of(next_record(verified, read(A, 'sha256:2')))
    switched_off = next_record(verified, read(A))
    assert 'changed' not in flags_of(switched_off)
    assert 'changed' in flags_of(next_record(switched_off, read(A, 'sha256:2')))


def test_what_is_read_in_the_hook_in_which_get_info_returned_something_is_compared_with_that():
    returned = NEW._replace(returned=B)
    assert 'changed' in flags_of(returned)
    assert 'changed' not in flags_of(next_record(returned, read(B)))
    assert 'changed' in flags_of(next_record(returned, read(A)))
    assert 'changed' in flags_of(records.acknowledge(next_record(returned, read(A))))


# What the charm did to flags


def test_a_charm_that_clears_flags_does_without_the_image_and_keeps_what_it_had_seen():
    given_up = records.apply_flags(TAKEN_BAD, ())
    assert flags_of(given_up) == set()
    assert given_up.problem is None
    assert given_up.acknowledged == A
    again = next_record(records.request(given_up), read(B))
    assert 'changed' in flags_of(again)


def test_what_only_the_author_can_mend_is_given_up_with_its_flag():
    wrong = next_record(Record(), Outcome(UNDECLARED, 'x'))
    assert records.apply_flags(wrong, {'failed'}) == wrong
    assert records.apply_flags(wrong, ()).problem is None


def test_an_image_whose_flag_the_charm_cleared_is_read_again():
    assert records.apply_flags(TAKEN, {'fetched'}).is_due
    assert records.apply_flags(TAKEN, {'fetched', 'available'}) == TAKEN


def test_whose_fetched_was_cleared_stays_available_and_is_read_no_more():
    record = records.apply_flags(TAKEN, {'available'})
    assert record.available == A
    assert records.reading_order([], {'name': record}, is_again=True) == []


# metadata.yaml


def test_auto_fetch_asks_again_only_for_another_charm_once_the_charm_did_without():
    given_up = Record(is_auto_fetched=True)
    same = {'images': ['name'], 'auto_fetched': ['name']}
    assert not applied(given_up, **same, is_other=False).is_fetched
    assert applied(given_up, **same, is_other=True).is_fetched
    assert applied(Record(), **same, is_other=False).is_fetched


def test_what_a_handler_asked_for_in_vain_is_as_wrong_as_it_was_until_the_charm_is_another():
    wrong = next_record(records.request(Record()), Outcome(UNDECLARED, 'x'))
    assert applied(wrong, is_other=False) == wrong
    assert applied(wrong, is_other=True) == Record()
    assert applied(wrong, is_other=True, requested=['name']) == wrong


def test_another_image_of_a_charm_that_lost_it_is_forgotten_by_config_changed_too():
    assert applied(TAKEN, is_other=False) == Record()
    assert applied(TAKEN_BAD, is_other=False) == Record()


def test_an_entry_that_is_wrong_fails_unless_a_handler_has_it_fetched():
    error = {'name': 'its auto-fetch is wrong'}
    assert flags_of(applied(Record(), images=['name'], errors=error)) == {'failed'}
    assert applied(GOOD, images=['name'], errors=error) == GOOD
    assert applied(GOOD, errors=error) == GOOD  # reading it says why it is no image


def test_an_entry_that_was_mended_is_forgotten_or_fetched():
    wrong = next_record(Record(), Outcome(UNDECLARED, 'x'))
    assert applied(wrong, images=['name']) == Record()
    requested = records.request(wrong)
    assert applied(requested, images=['name']) == requested
    fetched = applied(wrong, images=['name'], auto_fetched=['name'])
    assert flags_of(fetched) == {'fetched'}


def test_what_nobody_wants_is_dropped_if_it_failed_and_waited_for_if_it_is_away():
    def dropped(record):
        return records.drop_unwanted({'name': record})['name']

    assert dropped(TAKEN_BAD) == Record(acknowledged=A)
    assert dropped(TAKEN_ASKED) == TAKEN_ASKED
    assert dropped(TAKEN) == TAKEN
    for record in (records.request(TAKEN_BAD), TAKEN_BAD._replace(is_auto_fetched=True)):
        assert dropped(record) == record
    wrong = next_record(Record(), Outcome(UNDECLARED, 'x'))
    assert dropped(wrong) == wrong


# What an older release left


def test_what_an_older_release_left_counts_as_taken():
    left = Record(image=A)
    assert records.adopt(left, {'fetched', 'available', 'changed'}).acknowledged == A
    assert records.adopt(left, {'fetched', 'failed'}).acknowledged == A
    assert records.adopt(left, ()) == left


def test_a_problem_that_this_release_had_before_an_older_one_is_over_if_that_has_the_image():
    old = TAKEN_BAD._replace(image=B)
    assert records.adopt(old, {'fetched', 'available'}).available == B
    assert records.adopt(old, {'fetched', 'available'}).acknowledged == B
    assert records.adopt(old, {'fetched', 'failed'}).problem == TAKEN_BAD.problem


# The order of reading


def test_what_is_due_is_read_in_each_hook_and_all_in_those_that_read_again():
    some = {'a': TAKEN, 'b': BAD, 'c': Record(), 'd': ASKED}
    assert records.reading_order([], some, is_again=False) == ['b', 'd']
    assert records.reading_order([], some, is_again=True) == ['a', 'b', 'd']
    assert records.reading_order(['d', 'c', 'gone'], some, is_again=True) == ['d', 'a', 'b']


def test_what_there_was_no_time_for_goes_before_what_took_it():
    outcomes = {'a': read(A), 'b': NOT_NOW[0], 'c': NO_TIME, 'd': NO_TIME}
    some = {'a': GOOD, 'b': TAKEN, 'c': ASKED, 'd': TAKEN}
    assert records.next_queue(['b', 'a'], outcomes, some) == ['c', 'd', 'b']
    assert records.next_queue(['x'], {'c': NO_TIME}, some) == ['c', 'x']


def test_what_was_read_is_in_no_queue():
    outcomes = {'a': read(A), 'b': NOT_NOW[0], 'c': Outcome(INVALID, 'x')}
    some = {'a': GOOD, 'b': BAD, 'c': BAD}
    assert records.next_queue(['a', 'b', 'c'], outcomes, some) == []
