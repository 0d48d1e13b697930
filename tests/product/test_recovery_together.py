"""Recovery by two web servers, four workers and two schedulers at once, two of the workers killed.

Every event is told to both servers; what it leads to happens once, for its merchant alone.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from mealquest.core.db import Base, platform_transaction, transaction
from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant
from tests.fakes.mail import KEY as MAIL_KEY
from tests.fakes.mail import Behaviour, MailEdge
from tests.fakes.stripe import CLIENT_ID, KEY, SECRET, StripeFake
from tests.product.crew import Crew
from tests.product.payers import CURRENCIES, Shop, Story, copy, fail_all, fail_one
from tests.product.running import until

WORKERS = 4
FIRST = 20  # invoices whose reminders are under way when workers die
LATER = "status = 'pending' AND run_at > now() + interval '1 hour' AND last_error LIKE 'held by %'"


@pytest.fixture
def stripe() -> Iterator[StripeFake]:
    with StripeFake() as stripe:
        stripe.world.base_url = "https://invoice.example"  # mails carry links of that kind only
        yield stripe


@pytest.fixture
def shops(app, stripe) -> tuple[Shop, Shop]:
    def connected(name: str, domain: str, digit: str) -> Shop:
        merchant_id, account = make_merchant(name=name), stripe.connect(name)
        with transaction(merchant_id) as session:
            tenancy.set_account(session, merchant_id, stripe_connect_id=account)
        return Shop(merchant_id, account, name, domain, digit)

    return (
        connected("Noodle House", "noodles.example", "1"),
        connected("Taco Stand", "tacos.example", "2"),
    )


# --- the product --------------------------------------------------------------------------


@pytest.fixture
def edge() -> Iterator[MailEdge]:
    with MailEdge() as edge:
        yield edge


@pytest.fixture
def crew(app, stripe, edge, tmp_path) -> Iterator[Crew]:
    crew = Crew(
        app,
        notes=tmp_path,
        MQ_DATA_DIR=tmp_path / "data",
        MQ_DUNNING_DELAYS_S="1",
        STRIPE_API_BASE=stripe.url,
        STRIPE_CONNECT_BASE=stripe.url,
        STRIPE_SECRET_KEY=KEY,
        STRIPE_CLIENT_ID=CLIENT_ID,
        STRIPE_WEBHOOK_SECRET=SECRET,
        RESEND_API_KEY=MAIL_KEY,
        RESEND_API_BASE=edge.url,
    )
    try:
        crew.hire(WORKERS)
        yield crew
        crew.close()
    finally:
        crew.end()


# --- looking ------------------------------------------------------------------------------


def rows(query: str, **values: Any) -> list[Any]:
    with platform_transaction("a test looks at every merchant") as session:
        return list(session.execute(text(query), values).all())


def of_shop(shop: Shop, query: str) -> list[Any]:
    return rows(f"{query} WHERE merchant_id = :shop", shop=shop.merchant_id)


def left(but_later: bool) -> int:
    """Tasks that have not ended, without those that the gap holds until tomorrow."""
    later = f" AND NOT ({LATER})" if but_later else ""
    query = "SELECT count(*) FROM scheduled_tasks WHERE status IN ('pending', 'running')"
    return int(rows(query + later)[0][0])


def kill_two_while_they_send(crew: Crew, edge: MailEdge) -> set[str]:
    """The mail service has taken two mails and says nothing: their workers die. The keys of both.

    What the dead had claimed is free again when the lease is over, which is now.
    """
    until(lambda: len(edge.hanging) == 2, "two workers wait for the mail service")
    keys = {*edge.hanging}
    claims = rows("SELECT id, claimed_by FROM scheduled_tasks WHERE status = 'running'")
    pids = {int(who.rpartition(":")[2]) for task_id, who in claims if f"dunning/{task_id}" in keys}
    assert len(pids) == 2
    crew.kill(pids)
    statement = (
        "UPDATE scheduled_tasks SET lease_until = now() - interval '1 s'"
        " WHERE status = 'running' AND split_part(claimed_by, ':', 2) = ANY(:pids)"
    )
    with platform_transaction("a test lets the leases of the dead run out") as session:
        freed = session.execute(text(statement), {"pids": [str(pid) for pid in pids]}).rowcount
    assert freed >= 2
    return keys


# --- the test -----------------------------------------------------------------------------


@pytest.fixture
def story(stripe, shops, crew) -> Story:
    """Nothing of it is told yet."""
    one, other = shops
    invoices = fail_all(stripe, one.account)
    copy(stripe, one, other)
    alone = {fail_one(stripe, shop): shop.account for shop in shops for _ in range(2)}
    crew.until_ready()
    return Story(stripe, shops, invoices, alone, crew.urls)


def test_everything_happens_once_whoever_does_it_and_whoever_dies(story, crew, edge):
    stripe, rest = story.stripe, story.invoices[FIRST:]
    first = {("failed", one) for one in story.invoices[:FIRST]}
    paid_before, paid, void, again = (rest[start::8] for start in (1, 3, 5, 7))
    edge.will(Behaviour.HANGS, Behaviour.HANGS)

    story.of_both(stripe.is_paid, paid_before)
    story.tell(lambda word, name: word in ("paid", "succeeded") or (word, name) in first)
    hung = kill_two_while_they_send(crew, edge)
    crew.hire(len(hung))
    story.of_both(stripe.is_paid, paid)
    story.of_both(lambda account, name: stripe.closes(account, name, "void"), void)
    story.of_both(stripe.retries, again)
    story.tell()
    until(lambda: not left(but_later=True), "every reminder is sent or waits for its payer", 60)

    mailed = len(edge.sent)
    waiting = rows(f"SELECT merchant_id, invoice_id FROM scheduled_tasks WHERE {LATER}")
    assert waiting
    account_of = {shop.merchant_id: shop.account for shop in story.shops}
    for merchant_id, name in {*waiting}:
        stripe.is_paid(account_of[merchant_id], name)
    story.tell()
    until(lambda: not left(but_later=False), "what waited has ended", 60)
    assert len(edge.sent) == mailed

    every_event_counted_once(story)
    every_task_ended_once(waiting)
    mails_went_out_once(story, edge, hung)
    nobody_was_mailed_after_paying(paid_before)
    for shop in story.shops:
        money_is_what_was_paid(story, shop)
        days_are_the_sums_of_rows(shop)
        nothing_names_another(story, shop)
    calls_name_the_account(story)


def every_event_counted_once(story: Story) -> None:
    """Of the two deliveries of each the one took it in; no other one is there."""
    twice = Counter((at, name) for at, name, said in story.answers if "already" in said["reason"])
    assert twice == Counter(dict.fromkeys(story.told, 1))
    assert len(story.answers) == 2 * len(story.told)
    assert {said["action"] for _, _, said in story.answers} <= {"ignored", "enqueued", "processed"}
    assert {*rows("SELECT account, event_id FROM processed_events")} == story.told


def every_task_ended_once(waiting: list[Any]) -> None:
    ends = rows(
        "SELECT merchant_id, id, invoice_id, status, outcome, attempts FROM scheduled_tasks"
    )
    assert {one.status for one in ends} <= {"completed", "cancelled"}, Counter(
        (one.status, one.outcome) for one in ends
    )
    scheduled = rows(
        "SELECT task_id FROM usage_logs WHERE metric_type IN"
        " ('task_scheduled', 'action_required_notification')"
    )
    assert Counter(one.task_id for one in scheduled) == Counter(one.id for one in ends)
    outcomes = {(one.merchant_id, one.invoice_id, one.outcome) for one in ends}
    assert {(*one, "invoice_paid") for one in waiting} <= outcomes
    sent = rows("SELECT task_id FROM recovery_mails WHERE state = 'sent'")
    assert {one.id for one in ends if one.outcome == "sent"} <= {one.task_id for one in sent}


def mails_went_out_once(story: Story, edge: MailEdge, hung: set[str]) -> None:
    """One mail a payer, one key a mail, and each is billed, in the day and in the month."""
    mails = rows(
        "SELECT merchant_id, task_id, stripe_customer_id, idempotency_key, state"
        "  FROM recovery_mails WHERE state <> 'held'"
    )
    assert {one.state for one in mails} == {"sent"}
    assert {one.idempotency_key for one in mails} == {mail.key for mail in edge.sent}
    payers = Counter((one.merchant_id, one.stripe_customer_id) for one in mails)
    assert set(payers.values()) == {1}
    assert {
        key for key, times in Counter(one.key for one in edge.asked).items() if times > 1
    } == hung
    assert all(edge.take(asked) for asked in edge.asked)  # a key stands for one body

    billed = rows("SELECT merchant_id, task_id FROM usage_logs WHERE report_status IS NOT NULL")
    assert Counter(billed) == Counter((one.merchant_id, one.task_id) for one in mails)
    sent = rows(
        "SELECT merchant_id, details ->> 'mailId' FROM recovery_entries WHERE kind = 'mail_sent'"
    )
    assert len(sent) == len({*sent}) == len(mails)
    to = {mail.key: mail.body for mail in edge.sent}
    for shop in story.shops:
        own = [to[one.idempotency_key] for one in mails if one.merchant_id == shop.merchant_id]
        assert all(body["to"][0].endswith(f"@{shop.domain}") for body in own)
        assert all(shop.name in body["from"] for body in own)
        month = of_shop(shop, "SELECT sum(sent) FROM usage_months")
        assert month == [(len(own),)]


def nobody_was_mailed_after_paying(paid_before: list[str]) -> None:
    """Both numbers were drawn under the invoice's lock: the lower one was drawn first."""
    after = rows(
        "SELECT m.idempotency_key FROM recovery_mails AS m"
        "  JOIN recovery_entries AS e USING (merchant_id, invoice_id)"
        " WHERE e.kind = 'paid' AND m.id > e.id"
    )
    early = rows(
        "SELECT id FROM recovery_mails WHERE invoice_id = ANY(:paid)"
        " UNION ALL SELECT id FROM scheduled_tasks WHERE invoice_id = ANY(:paid)",
        paid=paid_before,
    )
    assert (after, early) == ([], [])


def money_is_what_was_paid(story: Story, shop: Shop) -> None:
    """By invoice, and so by currency; and each invoice stands as it does at Stripe."""
    there = story.at_stripe(shop)
    states = {"paid": "recovered", "void": "lost", "open": "open"}
    cases = of_shop(shop, "SELECT invoice_id, status FROM recovery_cases")
    assert Counter(cases) == Counter((name, states[one["status"]]) for name, one in there.items())
    counted = of_shop(shop, "SELECT invoice_id, currency, amount_minor FROM recoveries")
    came = [
        (name, one["currency"], one["amount_paid"])
        for name, one in there.items()
        if one["status"] == "paid"
    ]
    assert Counter(counted) == Counter(came)
    assert {str(amount)[0] for _, _, amount in came} == {shop.digit}
    assert {currency for _, currency, _ in came} == {*CURRENCIES}


def days_are_the_sums_of_rows(shop: Shop) -> None:
    of_days = of_shop(
        shop,
        "SELECT sum(emails_sent), sum(failures), sum(recoveries), sum(losses), sum(recovered_cents)"
        "  FROM daily_metrics",
    )
    (one,) = rows(
        "SELECT (SELECT sum(amount) FROM usage_logs AS u WHERE u.merchant_id = :shop"
        "           AND metric_type = 'dunning_email_sent'),"
        "       count(*), count(*) FILTER (WHERE status = 'recovered'),"
        "       count(*) FILTER (WHERE status = 'lost'),"
        "       (SELECT sum(amount_minor) FROM recoveries AS r WHERE r.merchant_id = :shop)"
        "  FROM recovery_cases WHERE merchant_id = :shop",
        shop=shop.merchant_id,
    )
    assert of_days == [one]
    kinds = "currency, brought_by, step, coalesce(decline_class, 'unknown')"
    of_rows = rows(
        f"SELECT (recovered_at AT TIME ZONE 'UTC')::date, {kinds}, sum(amount_minor), count(*)"
        "  FROM recoveries WHERE merchant_id = :shop GROUP BY 1, 2, 3, 4, 5",
        shop=shop.merchant_id,
    )
    days = of_shop(shop, f"SELECT metric_date, {kinds}, amount_minor, count FROM daily_recoveries")
    assert Counter(one for one in days if one.count) == Counter(of_rows)


def nothing_names_another(story: Story, shop: Shop) -> None:
    (other,) = [one for one in story.shops if one is not shop]
    for table in (name for name, table in Base.metadata.tables.items() if "merchant_id" in table.c):
        query = f"SELECT count(*) FROM {table} AS t WHERE merchant_id = :shop AND t::text ~ :other"
        words = f"{other.merchant_id}|{other.account}|{other.domain}"
        found = rows(query, shop=shop.merchant_id, other=words)
        assert found == [(0,)], table


def calls_name_the_account(story: Story) -> None:
    """Every call is for an account of ours, and found there what it asked for."""
    asked = story.stripe.asked
    assert {one.status for one in asked} == {200}
    assert {one.account for one in asked} == {shop.account for shop in story.shops}
    names = {(one.path.rpartition("/")[2], one.account) for one in asked}
    assert {*story.alone.items()} <= names
    assert not [(name, at) for name, at in names if story.alone.get(name, at) != at]
