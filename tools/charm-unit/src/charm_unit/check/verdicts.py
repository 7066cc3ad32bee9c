"""The sentences that the lives of an image resource are judged by, and the verdicts."""

import dataclasses
import typing

from charm_unit.check import judgements, known, lives

HOLDS, FAILS, UNKNOWN = 'holds', 'fails', 'unknown'
MARKS = {HOLDS: '✓', FAILS: '✗', UNKNOWN: '–'}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is to be said of a sentence."""

    id: str
    sentence: str
    outcome: str
    """HOLDS, FAILS or UNKNOWN."""
    seen: str
    """What was seen, or why it could not be checked; may be empty if it holds."""


_Judge = typing.Callable[[known.Known], str]
SENTENCES: dict[str, tuple[str, _Judge]] = {
    'missing': ('says which image is missing', judgements.missing),
    'sends': ('sends the pod spec with the image that is attached', judgements.sends),
    'again': ('attaching the same image again changes nothing', judgements.again),
    'another': (
        'a different image reaches the pod spec in the hooks that follow',
        judgements.another,
    ),
    'idle': ('nothing is sent when idle', judgements.idle),
    'credentials': ('new credentials reach the pod spec', judgements.credentials),
    'bare': ('details without credentials work', judgements.bare),
    'broken': (
        'a broken image makes no hook fail and does not change the pod spec',
        judgements.broken,
    ),
    'recovers': ('it recovers by itself', judgements.recovers),
    'silent': ('no password in a log, status, flag or argument', judgements.silent),
    'leads': (
        'no hook fails on a unit that is not the leader, and it sends the right image once it is '
        'elected',
        judgements.leads,
    ),
}
UPGRADE = 'upgrade'
_UPGRADE_SENTENCE = 'all of this also holds after an upgrade from {}'


def judge(subject: lives.Subject, lived: typing.Mapping[str, lives.Life]) -> list[Verdict]:
    """Return a verdict for each sentence that the lives of a resource are about."""
    ours = known.Known(subject, lived)
    judged = []
    for name, (sentence, judgement) in SENTENCES.items():
        try:
            outcome, seen = HOLDS, judgement(ours)
        except known.Fails as fails:
            outcome, seen = FAILS, str(fails)
        except known.Unknown as unknown:
            outcome, seen = UNKNOWN, str(unknown)
        except lives.NotLived as ended:
            outcome, seen = UNKNOWN, _ended(ended.life)
        judged.append(Verdict(name, sentence, outcome, seen))
    return judged


def _ended(life: lives.Life) -> str:
    failed = next((step.failed for step in life.steps if step.failed), None)
    return known.error(failed) if failed else 'its hooks were stopped earlier'


def judge_upgrade(
    fresh: typing.Sequence[Verdict],
    upgraded: typing.Sequence[Verdict],
    lived: typing.Mapping[str, lives.Life],
) -> Verdict:
    """Return whether units that were upgraded are judged as those that were not."""
    sentence = _UPGRADE_SENTENCE.format('the older build')

    def verdict(outcome: str, seen: str) -> Verdict:
        return Verdict(UPGRADE, sentence, outcome, seen)

    older = lived['attached'].step('older')
    if older.failed:
        return verdict(UNKNOWN, f'in the older build, {known.error(older.failed)}')
    lost = [
        f'{after.sentence}: {after.seen}'
        for before, after in zip(fresh, upgraded, strict=False)
        if after.outcome == FAILS and before.outcome != FAILS
    ]
    if lost:
        return verdict(FAILS, '; '.join(lost))
    sends = next(after for after in upgraded if after.id == 'sends')
    if sends.outcome == UNKNOWN:
        return verdict(UNKNOWN, sends.seen)
    return verdict(HOLDS, '')


def no_upgrade() -> Verdict:
    """Return the verdict without an older build."""
    sentence = _UPGRADE_SENTENCE.format('an older build')
    return Verdict(UPGRADE, sentence, UNKNOWN, 'pass the older build to --from')
