"""The requirements that a charm must meet for an image resource, and the verdict on each."""

import dataclasses
import typing

from charm_unit._check import checks, observations, scenarios

HOLDS, FAILS, UNKNOWN = 'holds', 'fails', 'unknown'
MARKS = {HOLDS: '✓', FAILS: '✗', UNKNOWN: '–'}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a requirement is met."""

    id: str
    sentence: str
    outcome: str
    """`HOLDS`, `FAILS` or `UNKNOWN`."""
    seen: str
    """What was observed, or why it could not be checked; may be empty if it holds."""


_Check = typing.Callable[[observations.Observations], str]
REQUIREMENTS: dict[str, tuple[str, _Check]] = {
    'missing': ('says which image is missing', checks.missing),
    'sends': ('sends the pod spec with the image that is attached', checks.sends),
    'again': ('a refresh without a new image does not change the pod spec', checks.again),
    'another': (
        'a different image reaches the pod spec in the hooks that follow',
        checks.another,
    ),
    'idle': ('nothing is sent when idle', checks.idle),
    'credentials': ('new credentials reach the pod spec', checks.credentials),
    'details_without_credentials': (
        'details without credentials work',
        checks.details_without_credentials,
    ),
    'broken': (
        'a broken image makes no hook fail and does not change the pod spec',
        checks.broken,
    ),
    'recovers': ('it recovers by itself', checks.recovers),
    'no_password_shown': (
        'no password in a log, status, flag or argument',
        checks.no_password_shown,
    ),
    'leads': (
        'no hook fails on a unit that is not the leader, and it sends the right image once it is '
        'elected',
        checks.leads,
    ),
}
UPGRADE = 'upgrade'
_UPGRADE_SENTENCE = 'all of this also holds after an upgrade from {}'


def evaluate(
    subject: scenarios.Subject, recorded: typing.Mapping[str, scenarios.Scenario]
) -> list[Verdict]:
    """Return a verdict for each requirement, from the recorded scenarios of a resource."""
    observed = observations.Observations(subject, recorded)
    verdicts = []
    for name, (sentence, check) in REQUIREMENTS.items():
        try:
            outcome, seen = HOLDS, check(observed)
        except observations.CheckFailedError as failure:
            outcome, seen = FAILS, str(failure)
        except observations.NotCheckedError as reason:
            outcome, seen = UNKNOWN, str(reason)
        except scenarios.StepNotReachedError as missing:
            outcome, seen = UNKNOWN, _why_stopped(missing.scenario)
        verdicts.append(Verdict(name, sentence, outcome, seen))
    return verdicts


def _why_stopped(scenario: scenarios.Scenario) -> str:
    failed = next((step.failed for step in scenario.steps if step.failed), None)
    return observations.error(failed) if failed else 'its hooks were stopped earlier'


def evaluate_upgrade(
    fresh: typing.Sequence[Verdict],
    upgraded: typing.Sequence[Verdict],
    recorded: typing.Mapping[str, scenarios.Scenario],
) -> Verdict:
    """Return whether upgraded units meet every requirement that new units meet."""
    sentence = _UPGRADE_SENTENCE.format('the older build')

    def verdict(outcome: str, seen: str) -> Verdict:
        return Verdict(UPGRADE, sentence, outcome, seen)

    older = recorded['attached'].step('older')
    if older.failed:
        return verdict(UNKNOWN, f'in the older build, {observations.error(older.failed)}')
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
    """Return the verdict on upgrades if there is no older build."""
    sentence = _UPGRADE_SENTENCE.format('an older build')
    return Verdict(UPGRADE, sentence, UNKNOWN, 'pass the older build to --from')
