"""When a reminder goes out: properties of the rules, over whole stories."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.recovery import declines, schedule
from mealquest.recovery.declines import DECLINES, Ask, DeclineClass
from mealquest.recovery.schedule import Rules, Send, Situation, Skip, Step, Wait

START = datetime(2026, 3, 20, tzinfo=UTC)  # clocks change in these weeks
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]
HOURS = st.one_of(st.none(), st.integers(0, 23))
MOMENTS = st.integers(0, 30 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))

RULES = st.builds(
    Rules,
    steps=st.just((Step(1, 3_600), Step(2, 86_400), Step(3, 0))),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    quiet_from=HOURS,
    quiet_until=HOURS,
    gap=st.integers(0, 72).map(lambda hours: timedelta(hours=hours)),
    most_mails=st.integers(1, 4),
)
SITUATIONS = st.builds(
    Situation,
    attempt=st.integers(1, 9),
    failed_at=st.none() | MOMENTS,
    wait_s=st.sampled_from([0, 86_400]),
    next_attempt=st.none() | MOMENTS,
    mails_sent=st.integers(0, 5),
    had_last=st.booleans(),
    last_to_payer=st.none() | MOMENTS,
    asks_for_action=st.booleans(),
)


@settings(max_examples=300)
@given(SITUATIONS, RULES, MOMENTS)
def test_what_is_sent_breaks_no_rule(situation, rules, now):
    decision = schedule.decide(situation, rules, now)
    if isinstance(decision, Wait):
        assert decision.until > now
        decision = schedule.decide(situation, rules, decision.until)
        now = schedule.earliest(situation, rules, now)[0]
        assert isinstance(decision, Send), "a wait ends where nothing objects"
    if isinstance(decision, Skip):
        over = situation.mails_sent >= rules.most_mails
        assert situation.had_last or over
        return
    assert not schedule.is_quiet(rules, now)
    assert not situation.had_last
    assert decision.number <= rules.most_mails
    if situation.next_attempt:
        assert not situation.next_attempt - schedule.BEFORE_ATTEMPT <= now < situation.next_attempt
    if situation.last_to_payer:
        assert now - situation.last_to_payer >= max(rules.gap, timedelta(hours=24))
    if decision.is_last:
        assert situation.next_attempt is None or decision.number == rules.most_mails


@settings(max_examples=200)
@given(SITUATIONS, RULES, MOMENTS, st.integers(0, 10_000))
def test_who_asks_later_is_never_sent_earlier(situation, rules, now, minutes):
    later = now + timedelta(minutes=minutes)
    first = schedule.earliest(situation, rules, now)[0]
    second = schedule.earliest(situation, rules, later)[0]
    assert now <= first <= second
    if first >= later:
        assert first == second, "asking again on the way changes nothing"


@settings(max_examples=100)
@given(RULES, st.lists(st.integers(1, 400), min_size=1, max_size=9), MOMENTS)
def test_a_story_has_one_last_notice_at_most_and_nothing_after_it(rules, hours, now):
    """Attempt after attempt fails; after the last one Stripe has none left."""
    sent, last = [], 0
    for attempt, wait in enumerate(hours, start=1):
        now += timedelta(hours=wait)
        is_end = attempt == len(hours)
        coming = None if is_end else now + timedelta(days=3)
        situation = Situation(
            attempt=attempt,
            next_attempt=coming,
            mails_sent=len(sent),
            had_last=bool(last),
            last_to_payer=sent[-1] if sent else None,
        )
        at = schedule.earliest(situation, rules, now)[0]
        decision = schedule.decide(situation, rules, at)
        if isinstance(decision, Skip):
            assert last, "only a last notice ends it early"
            continue
        assert not last
        sent.append(at)
        last += decision.is_last
        now = at
    assert last == 1
    assert len(sent) <= rules.most_mails


def test_quiet_hours_end_by_the_shops_clock_also_on_the_night_that_clocks_change():
    rules = Rules((), ZoneInfo("Europe/Berlin"), quiet_from=21, quiet_until=2)
    night = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # 00:00, and 02:00 does not exist
    at, why = schedule.earliest(Situation(), rules, night)
    assert (at, why) == (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "quiet_hours")


@pytest.mark.parametrize(("count", "delay"), [(0, 10), (1, 10), (2, 20), (3, 30), (9, 30)])
def test_the_last_delay_holds_for_all_later_attempts(count, delay):
    assert schedule.first_delay(None, (10, 20, 30), count) == delay


def test_a_technical_failure_waits_a_day_but_never_more_than_the_step_again():
    now = START + timedelta(hours=2)
    technical = Situation(failed_at=START, wait_s=declines.decline_of("processing_error").wait_s)
    day, second = Rules((Step(1, 86_400),)), Rules((Step(1, 1),))
    assert schedule.decide(technical, day, now) == Wait(START + timedelta(days=1), "decline_code")
    assert isinstance(schedule.decide(technical, second, now), Send)


def test_a_step_that_is_switched_off_sends_nothing_but_a_request_to_authenticate_goes():
    rules = Rules((Step(1, 0, is_enabled=False),))
    assert schedule.decide(Situation(), rules, START) == Skip("step_disabled")
    assert schedule.decide(Situation(asks_for_action=True), rules, START) == Send(1, is_last=False)


def test_every_documented_code_has_a_class_and_fraud_is_never_told():
    secret = {"lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist"}
    assert {DECLINES[code].ask for code in secret} == {Ask.METHOD}
    assert not any(declines.may_charge(DECLINES[code].kind) for code in secret)
    assert len(DECLINES) >= 50
    assert declines.decline_of("nonsense", "expired_card").kind is DeclineClass.HARD
    assert declines.decline_of(None).kind is DeclineClass.UNKNOWN
