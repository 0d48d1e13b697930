"""Weekly digests: days that follow each other without a gap, one mail each."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import digest, figures, running, suppressions, tasks, usage
from mealquest.recovery.digest import Period
from mealquest.recovery.domain import BroughtBy
from mealquest.recovery.models import DailyRecovery
from mealquest.recovery.suppressions import Why
from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant

pytestmark = pytest.mark.usefixtures("app")

ADDRESS = "owner@example.org"


def merchant(**values) -> str:
    return make_merchant(**({"email": ADDRESS} | values))


def recovered(merchant_id: str, minor: int, currency: str, *, days_ago: int = 1) -> None:
    day = utc_now().date() - timedelta(days=days_ago)
    with transaction(merchant_id) as session:
        usage.add_to_day(session, merchant_id, day=day, recovered_cents=minor, recoveries=1)
        session.add(
            DailyRecovery(
                merchant_id=merchant_id,
                metric_date=day,
                currency=currency,
                brought_by=BroughtBy.MAIL,
                step=1,
                decline_class="soft",
                amount_minor=minor,
                count=1,
            )
        )


def run(merchant_id: str, period: Period | None = None) -> list[messages.StoredMessage]:
    """Begin the chain, do its first task now, as a worker would; the mails it left."""
    task = (period or Period.starting(utc_now() - timedelta(days=7))).task_of(merchant_id)
    with transaction(merchant_id) as session:
        tasks.add(session, task)
        session.execute(text("UPDATE scheduled_tasks SET run_at = now(), is_due = true"))
    ((one,), _) = tasks.claim("me", lease_s=60)
    assert running.settle(one, digest.send(one))
    assert not running.settle(one, digest.send(one))
    return messages.newest()


def live(merchant_id: str) -> list[dict]:
    query = (
        "SELECT payload, run_at FROM scheduled_tasks WHERE merchant_id = :m"
        " AND task_type = 'send_weekly_digest' AND status = 'pending'"
    )
    with transaction(merchant_id) as session:
        return [dict(row) for row in session.execute(text(query), {"m": merchant_id}).mappings()]


def test_a_digest_tells_each_currency_and_its_successor_begins_where_it_ends():
    shop = merchant(name="Noodle <House>")
    recovered(shop, 123_450, "usd")
    recovered(shop, 5_000, "jpy", days_ago=2)
    recovered(shop, 999_999, "eur", days_ago=8)
    recovered(shop, 888_888, "gbp", days_ago=0)
    with transaction(shop) as session:
        usage.add_to_day(
            session,
            shop,
            day=utc_now().date() - timedelta(days=1),
            emails_sent=8,
            total_opens=4,
            total_clicks=1,
        )
    (mail,) = run(shop)
    said = mail.message
    assert said.to == ADDRESS
    assert "Weekly Report" in said.subject
    for words in ("1,234.50", "5,000", "8 emails were sent.", "50.0%", "25.0%"):
        assert words in said.text, words
    assert "9,999.99" not in said.text
    assert "8,888.88" not in said.text
    assert "Noodle &lt;House&gt;" in said.html
    assert said.headers["X-Entity-Ref-ID"] == shop
    assert said.headers["List-Unsubscribe"].startswith("<http")
    (following,) = live(shop)
    today = utc_now().date()
    assert following["payload"]["from"] == today.isoformat()
    assert following["payload"]["until"] == (today + timedelta(days=7)).isoformat()


def test_money_that_a_worker_told_without_a_currency_is_not_lost():
    shop = merchant()
    with transaction(shop) as session:
        day = utc_now().date() - timedelta(days=3)
        usage.add_to_day(session, shop, day=day, recovered_cents=1_299)
    (mail,) = run(shop)
    assert "$12.99" in mail.message.subject


def test_the_chain_ends_without_an_address_and_goes_on_for_one_who_refused_it():
    nobody, refused = make_merchant(), merchant()
    with transaction(refused) as session:
        suppressions.suppress(session, refused, ADDRESS, Why.UNSUBSCRIBED)
    assert run(nobody) == []
    assert live(nobody) == []
    assert run(refused) == []
    assert len(live(refused)) == 1


def test_the_first_digest_is_due_an_interval_after_the_address_was_set():
    shop = make_merchant()
    with transaction(shop) as session:
        tenancy.set_account(session, shop, email=ADDRESS)
        tenancy.email_was_set(session, shop)
        tenancy.email_was_set(session, shop)
    (task,) = live(shop)
    assert timedelta(days=6, hours=23) < task["run_at"] - utc_now() <= timedelta(days=7)


def test_a_shop_reads_its_digest_in_its_own_language():
    shop = merchant(locale="zh-Hans")
    recovered(shop, 100, "cny")
    (mail,) = run(shop)
    assert 'lang="zh-Hans"' in mail.message.html


@given(st.lists(st.integers(0, 40 * 86_400), min_size=1, max_size=12), st.integers(0, 86_399))
def test_periods_follow_each_other_whenever_digests_are_sent(late, second):
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    period = Period.starting(now)
    for seconds in late:
        now = max(now, period.due_at) + timedelta(seconds=seconds)
        assert period.until - period.first == timedelta(days=7)
        following = period.following(now)
        assert following.first == period.until
        assert Period.of(following.task_of("m").payload, following.due_at) == following
        assert following.due_at.date() >= following.until
        period = following


def test_one_that_is_brought_forward_tells_of_the_week_behind_it_and_the_next_comes_a_week_on():
    shop = merchant()
    recovered(shop, 4_200, "usd", days_ago=0)
    (mail,) = run(shop, Period.starting(utc_now()))
    assert "US$42.00" in mail.message.subject
    (following,) = live(shop)
    assert timedelta(days=6, hours=23) < following["run_at"] - utc_now() <= timedelta(days=7)
    assert following["payload"]["from"] == (utc_now().date() + timedelta(days=1)).isoformat()


def test_days_are_half_open():
    shop = merchant()
    with transaction(shop) as session:
        for day in (1, 7, 8):
            usage.add_to_day(session, shop, day=date(2026, 5, day), emails_sent=1)
    with transaction(shop) as session:
        week = figures.of_days(session, shop, date(2026, 5, 1), date(2026, 5, 8))
    assert week.emails_sent == 2
