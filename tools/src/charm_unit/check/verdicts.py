"""The sentences that the lives of an image resource are judged by, and the verdicts."""

import dataclasses
import typing

from charm_unit.check import judgements, known, lives

HOLDS, FAILS, UNTOLD = 'holds', 'fails', 'untold'
MARKS = {HOLDS: '✓', FAILS: '✗', UNTOLD: '–'}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is to be said of a sentence."""

    id: str
    sentence: str
    outcome: str
    """HOLDS, FAILS or UNTOLD."""
    seen: str
    """What was seen, or why it can't be told; may be empty if it holds."""


_Judge = typing.Callable[[known.Known], str]
SENTENCES: dict[str, tuple[str, _Judge]] = {
    'missing': ('says which image is missing', judgements.missing),
    'sends': ('sends the pod spec with the image that is attached', judgements.sends),
    'again': ('nothing happens when the same is attached again', judgements.again),
    'another': ('another image reaches the pod spec without further ado', judgements.another),
    'idle': ('nothing is sent when idle', judgements.idle),
    'credentials': ('new credentials reach the pod spec', judgements.credentials),
    'bare': ('details without credentials work', judgements.bare),
    'broken': (
        'a broken image ends no hook in error and leaves the pod spec alone',
        judgements.broken,
    ),
    'recovers': ('it recovers by itself', judgements.recovers),
    'silent': ('no password in a log, status, flag or argument', judgements.silent),
    'leads': (
        'a unit that is not leader ends no hook in error, and sends the right image once it leads',
        judgements.leads,
    ),
}
UPGRADE = 'upgrade'
_UPGRADE_SENTENCE = 'an upgrade from {} keeps all of this'


def judge(subject: lives.Subject, lived: typing.Mapping[str, lives.Life]) -> list[Verdict]:
    """Return a verdict for each sentence that the lives of a resource are about."""
    ours = known.Known(subject, lived)
    judged = []
    for name, (sentence, judgement) in SENTENCES.items():
        try:
            outcome, seen = HOLDS, judgement(ours)
        except known.Fails as fails:
            outcome, seen = FAILS, str(fails)
        except known.Untold as untold:
            outcome, seen = UNTOLD, str(untold)
        except lives.NotLived as ended:
            outcome, seen = UNTOLD, _ended(ended.life)
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
        return verdict(UNTOLD, f'in the older build, {known.error(older.failed)}')
    lost = [
        f'{after.sentence}: {after.seen}'
        for before, after in zip(fresh, upgraded, strict=False)
        if after.outcome == FAILS and before.outcome != FAILS
    ]
    if lost:
        return verdict(FAILS, '; '.join(lost))
    sends = next(after for after in upgraded if after.id == 'sends')
    if sends.outcome == UNTOLD:
        return verdict(UNTOLD, sends.seen)
    return verdict(HOLDS, '')


def no_upgrade() -> Verdict:
    """Return the verdict without an older build."""
    sentence = _UPGRADE_SENTENCE.format('an older build')
    return Verdict(UPGRADE, sentence, UNTOLD, 'pass the older build to --from')
