"""When which reminder goes out, or why not. Pure: it knows no clock and no database.

A mail is never inside quiet hours, never close to Stripe's own attempt, at least a day after the
last one to the same payer, within the cap of its invoice. The last notice is one mail, sent when
no automatic attempt is left or the cap is reached, and nothing follows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

# Stripe may take the money by itself soon: a mail now would ask for what is about to happen.
BEFORE_ATTEMPT: Final = timedelta(hours=6)
AFTER_ATTEMPT: Final = timedelta(hours=1)  # until what became of the attempt is known
LEAST_GAP: Final = timedelta(hours=24)
MOST_MAILS: Final = 4
_ROUNDS: Final = 16  # one rule may move a mail into another one's way; a few turns settle it


@dataclass(frozen=True, slots=True)
class Step:
    """The reminder of one failed attempt: how long after it, and whether at all."""

    attempt: int
    delay_s: int
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """A merchant's settings. Quiet hours from and until (0 to 23) are hours of `zone`."""

    steps: tuple[Step, ...]
    zone: ZoneInfo = ZoneInfo("UTC")  # noqa: RUF009 - never changes
    quiet_from: int | None = None
    quiet_until: int | None = None
    gap: timedelta = LEAST_GAP
    most_mails: int = MOST_MAILS

    def step(self, attempt: int) -> Step:
        """The step of an attempt; the last one holds for all later ones."""
        known = sorted(self.steps, key=lambda one: one.attempt)
        upto = [one for one in known if one.attempt <= attempt]
        return (upto or known or [Step(1, 0)])[-1 if upto else 0]


@dataclass(frozen=True, slots=True)
class Situation:
    """An invoice as it is when its reminder falls due. Times are aware.

    `mails_sent` and `had_last` are of the invoice; `last_to_payer` is of whatever invoice.
    """

    attempt: int = 1
    failed_at: datetime | None = None
    wait_s: int = 0  # of the decline code
    next_attempt: datetime | None = None
    mails_sent: int = 0
    had_last: bool = False
    last_to_payer: datetime | None = None
    asks_for_action: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Now. `number` counts the invoice's mails; `is_last`: nothing follows."""

    number: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Wait:
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Never, for this task."""

    why: str


Decision = Send | Wait | Skip


@dataclass(frozen=True, slots=True)
class _Move:
    """Where a rule pushes a moment, when it does."""

    until: datetime
    why: str = field(compare=False)


def decide(situation: Situation, rules: Rules, now: datetime) -> Decision:
    """What is to be done with a reminder at this moment."""
    if why := _refusal(situation, rules):
        return Skip(why)
    at, why = earliest(situation, rules, now)
    if at > now:
        return Wait(at, why)
    number = situation.mails_sent + 1
    at_the_cap = number >= rules.most_mails
    none_left = situation.next_attempt is None and not situation.asks_for_action
    return Send(number, is_last=at_the_cap or none_left)


def earliest(situation: Situation, rules: Rules, now: datetime) -> tuple[datetime, str]:
    """The first moment from `now` on that no rule objects to, and the rule that moved it last."""
    at, why = now, ""
    for _ in range(_ROUNDS):
        moves = [_by_code(situation, rules, at), _by_gap(situation, rules, at)]
        moves += [_by_attempt(situation, at), _by_quiet_hours(rules, at)]
        later = [move for move in moves if move and move.until > at]
        if not later:
            break
        furthest = max(later, key=lambda move: move.until)
        at, why = furthest.until, furthest.why
    return at, why


def first_delay(steps: Sequence[Mapping[str, Any]] | None, usual: Sequence[int], count: int) -> int:
    """Seconds from the failure of an attempt to its reminder.

    `steps` as a merchant has set them, or None; `usual`: seconds by attempt, the last one holding
    for all later ones.
    """
    return Rules(steps_of(steps, usual)).step(max(1, count)).delay_s


def steps_of(steps: Sequence[Mapping[str, Any]] | None, usual: Sequence[int]) -> tuple[Step, ...]:
    """Of the rows of `dunning_settings.steps`, or the product's own sequence."""
    if steps:
        return tuple(
            Step(int(one["attempt"]), int(one["delayS"]), bool(one.get("isEnabled", True)))
            for one in steps
        )
    return tuple(Step(number, delay) for number, delay in enumerate(usual, start=1))


def _refusal(situation: Situation, rules: Rules) -> str:
    if situation.had_last:
        return "last_notice_sent"
    if situation.mails_sent >= rules.most_mails:
        return "cap_reached"
    if not situation.asks_for_action and not rules.step(situation.attempt).is_enabled:
        return "step_disabled"
    return ""


def _by_code(situation: Situation, rules: Rules, at: datetime) -> _Move | None:
    """A code's own wait, at most as long again as the step's delay."""
    if situation.failed_at is None or situation.asks_for_action or not situation.wait_s:
        return None
    delay = rules.step(situation.attempt).delay_s
    wait = timedelta(seconds=min(situation.wait_s, 2 * delay))
    until = situation.failed_at + wait
    return _Move(until, "decline_code") if until > at else None


def _by_gap(situation: Situation, rules: Rules, at: datetime) -> _Move | None:
    if situation.last_to_payer is None:
        return None
    until = situation.last_to_payer + max(rules.gap, LEAST_GAP)
    return _Move(until, "gap") if until > at else None


def _by_attempt(situation: Situation, at: datetime) -> _Move | None:
    attempt = situation.next_attempt
    if attempt is None or not attempt - BEFORE_ATTEMPT <= at < attempt + AFTER_ATTEMPT:
        return None
    return _Move(attempt + AFTER_ATTEMPT, "next_payment_attempt")


def _by_quiet_hours(rules: Rules, at: datetime) -> _Move | None:
    """Until the end of quiet hours by the merchant's clock; an hour that does not exist, or comes
    twice, as clocks change, is taken at its later end."""
    if not is_quiet(rules, at):
        return None
    local = at.astimezone(rules.zone)
    until = local.replace(hour=rules.quiet_until or 0, minute=0, second=0, microsecond=0, fold=1)
    if until.replace(tzinfo=None) <= local.replace(tzinfo=None):
        until = (until + timedelta(days=1)).replace(fold=1)
    moved = until.astimezone(UTC)
    while is_quiet(rules, moved):
        moved += timedelta(minutes=30)
    return _Move(moved, "quiet_hours")


def is_quiet(rules: Rules, at: datetime) -> bool:
    """From the first hour until the last one, over midnight when the first is the later one."""
    start, end = rules.quiet_from, rules.quiet_until
    if start is None or end is None or start == end:
        return False
    hour = at.astimezone(rules.zone).hour
    return start <= hour < end if start < end else hour >= start or hour < end
