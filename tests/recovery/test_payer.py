"""The payer's page: what is due behind a signed link, and the way on to Stripe."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import cases, payer_links, usage
from mealquest.recovery.case_models import CaseEntry, RecoveryCase, RecoveryMail
from mealquest.recovery.domain import Closed, MailState, Metric, new_number
from mealquest.recovery.gateway import Invoice
from mealquest.recovery.models import DailyMetric, UsageLog
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, client_of
from tests.factories.merchants import make_merchant
from tests.fakes.stripe import StripeFake

EVIL = '<script>alert("x")</script>&{{7*7}}'


@pytest.fixture
def stripe(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in pointed.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


@dataclass
class Bill:
    """An invoice in recovery. `mail_id` is of a reminder that was sent about it."""

    merchant_id: str
    account: str
    invoice_id: str
    mail_id: int
    log_id: int
    since: datetime = field(default_factory=utc_now)

    @property
    def token(self) -> str:
        named = (self.merchant_id, self.invoice_id, self.mail_id)
        return payer_links.pay_token(*named, since=self.since)

    @property
    def page(self) -> str:
        return f"/pay/{self.token}"


@pytest.fixture
def bill(app: Flask, stripe: StripeFake) -> Bill:
    return make_bill(stripe)


def make_bill(stripe: StripeFake, *, name: str = "Noodle House", **wish: Any) -> Bill:
    account = stripe.connect(name)
    merchant_id = make_merchant(name=name)
    made = stripe.fails(account, **wish)
    bill = Bill(merchant_id, account, made["id"], new_number(), 0)
    with transaction(merchant_id) as session:
        tenancy.set_account(
            session, merchant_id, stripe_connect_id=account, support_email="help@noodle.example"
        )
        cases.failed(session, merchant_id, Invoice.of(made), utc_now(), event_id="evt_1")
        bill.log_id = usage.log(session, merchant_id, Metric.DUNNING_EMAIL_SENT, task_id=7)
        session.add(
            RecoveryMail(
                merchant_id=merchant_id,
                id=bill.mail_id,
                task_id=7,
                invoice_id=bill.invoice_id,
                kind="dunning",
                state=MailState.SENT,
                idempotency_key="dunning/7",
                usage_log_id=bill.log_id,
            )
        )
    return bill


def case_of(bill: Bill) -> RecoveryCase:
    with transaction(bill.merchant_id) as session:
        return session.scalars(
            select(RecoveryCase).where(RecoveryCase.merchant_id == bill.merchant_id)
        ).one()


def test_two_taps_lead_from_the_mail_to_stripe_without_a_session(
    app: Flask, stripe: StripeFake, bill: Bill
) -> None:
    client = Client(app, response_wrapper=app.response_class, use_cookies=False)
    page = client.get(bill.page)

    assert page.status_code == 200
    assert "US$42.00" in page.text
    assert "Noodle House" in page.text
    assert "help@noodle.example" in page.text
    assert f'action="{bill.page}/go"' in page.text
    assert case_of(bill).page_opened_at is None  # whoever only looks may be a program

    onward = client.post(f"{bill.page}/go")
    assert onward.status_code == 303
    assert onward.location == stripe.invoice(bill.account, bill.invoice_id)["hosted_invoice_url"]
    assert case_of(bill).page_opened_at is not None
    with transaction(bill.merchant_id) as session:
        assert session.get(UsageLog, (bill.merchant_id, bill.log_id)).clicked_at is not None


def test_an_address_that_is_a_credential_is_kept_private(app: Flask, bill: Bill) -> None:
    for answer in (client_of(app).get(bill.page), client_of(app).post(f"{bill.page}/go")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert "no-store" in answer.headers["Cache-Control"]
    policy = client_of(app).get(bill.page).headers["Content-Security-Policy"]
    assert "form-action 'self' https:" in policy
    assert "script-src 'self'" in policy


def test_a_second_visit_counts_anew_and_is_told_once(app: Flask, bill: Bill) -> None:
    client = client_of(app)
    client.post(f"{bill.page}/go")
    first = case_of(bill).page_opened_at
    client.post(f"{bill.page}/go")

    assert case_of(bill).page_opened_at > first
    with transaction(bill.merchant_id) as session:
        told = select(CaseEntry).where(CaseEntry.kind == "page_opened")
        assert len(session.scalars(told).all()) == 1
        day = session.scalars(select(DailyMetric)).one()
    assert day.total_clicks == 1


def test_stripe_is_asked_at_most_once_a_minute_to_look(
    app: Flask, stripe: StripeFake, bill: Bill
) -> None:
    client, path = client_of(app), f"/v1/invoices/{bill.invoice_id}"
    for _ in range(3):
        client.get(bill.page)
    assert len(stripe.asked_of("GET", path)) == 1

    age(bill, seconds=61)
    stripe.is_paid(bill.account, bill.invoice_id)
    assert "Paid. Thank you." in client.get(bill.page).text
    assert len(stripe.asked_of("GET", path)) == 2
    assert client.post(f"{bill.page}/go").location.startswith(bill.page)  # nothing to pay there


def test_what_was_seen_gives_way_to_an_event_that_came_later(app: Flask, bill: Bill) -> None:
    client = client_of(app)
    assert "Due now" in client.get(bill.page).text
    with transaction(bill.merchant_id) as session:
        later = utc_now() + timedelta(seconds=1)
        cases.end(session, bill.merchant_id, bill.invoice_id, Closed.PAID, later)
        tenancy.set_account(session, bill.merchant_id, stripe_connect_id=None)

    assert "Paid. Thank you." in client.get(bill.page).text


@pytest.mark.parametrize("status", ["void", "uncollectible"])
def test_a_closed_invoice_asks_for_nothing(
    app: Flask, stripe: StripeFake, bill: Bill, status: str
) -> None:
    stripe.closes(bill.account, bill.invoice_id, status)
    page = client_of(app).get(bill.page).text

    assert "There is nothing to pay by this link." in page
    assert "/go" not in page


def test_without_an_answer_the_last_known_state_is_shown_as_such(
    app: Flask, stripe: StripeFake, bill: Bill
) -> None:
    client = client_of(app)
    stripe.breaks("unavailable", times=None)
    page = client.get(bill.page)

    assert page.status_code == 200
    assert "Stripe does not answer at the moment." in page.text
    assert "US$42.00" in page.text
    back = client.post(f"{bill.page}/go")
    assert back.location == f"{bill.page}?later=1"
    assert "Nothing was charged." in client.get(back.location).text
    assert case_of(bill).page_opened_at is None


def test_a_merchant_that_left_stripe_tells_whom_to_write_to(app: Flask, bill: Bill) -> None:
    with transaction(bill.merchant_id) as session:
        tenancy.set_account(session, bill.merchant_id, stripe_connect_id=None)
    page = client_of(app).get(bill.page).text

    assert "It cannot be paid here at the moment." in page
    assert "mailto:help@noodle.example" in page
    assert "/go" not in page


def test_an_old_link_says_what_to_do(app: Flask, stripe: StripeFake, bill: Bill) -> None:
    since = utc_now() - timedelta(days=61)
    old = payer_links.pay_token(bill.merchant_id, bill.invoice_id, since=since)
    client = client_of(app)
    page = client.get(f"/pay/{old}")

    assert page.status_code == 200
    assert "This link has expired" in page.text
    assert "mailto:help@noodle.example" in page.text
    assert "US$42.00" not in page.text
    assert client.post(f"/pay/{old}/go").location == f"/pay/{old}?later=1"
    assert stripe.asked_of("GET", f"/v1/invoices/{bill.invoice_id}") == []


def test_forged_and_foreign_links_open_nothing(app: Flask, stripe: StripeFake, bill: Bill) -> None:
    other = make_bill(stripe, name="Other House")
    merchant, invoice, mail, ends, mark = bill.token.split(".")
    forged = [
        ".".join((merchant, invoice, mail, ends, "0" * 32)),
        ".".join((merchant, invoice, mail, ends, mark[:-1])),
        ".".join((merchant, invoice, mail, str(int(ends) + 9), mark)),
        ".".join((other.merchant_id, invoice, mail, ends, mark)),
        ".".join((merchant, other.invoice_id, mail, ends, mark)),
        payer_links.leave_token(bill.merchant_id, bill.invoice_id),
        payer_links.open_url(bill.merchant_id, bill.log_id).rpartition("/")[2],
        bill.invoice_id,
        "x" * 5000,
        "%00",
    ]
    for token in forged:
        answer = client_of(app).get(f"/pay/{token}")
        assert answer.status_code in {404, 400}, token
        assert "US$" not in answer.text
        assert client_of(app).post(f"/pay/{token}/go").status_code in {404, 400}


def test_an_invoice_of_another_merchant_is_not_shown_by_a_link_of_ours(
    app: Flask, stripe: StripeFake, bill: Bill
) -> None:
    """Signed for the wrong merchant, as a bug would: Stripe does not know it at that account."""
    other = make_bill(stripe, name="Other House", amount=9900)
    crossed = payer_links.pay_token(bill.merchant_id, other.invoice_id)
    page = client_of(app).get(f"/pay/{crossed}").text

    assert "99.00" not in page
    assert "Other House" not in page


def test_every_word_of_the_merchant_is_text(app: Flask, bill: Bill) -> None:
    with transaction(bill.merchant_id) as session:
        tenancy.set_account(
            session,
            bill.merchant_id,
            from_name=EVIL,
            support_email=f"{EVIL}@x.example",
            logo_url='https://logo.example/a.png"><script>1</script>;script-src *',
            brand_color='#fff"/><script>2</script>',
        )
    for path in (bill.page, f"/unsubscribe/{payer_links.leave_token(bill.merchant_id, 'ab')}"):
        answer = client_of(app).get(path)
        assert "<script>alert" not in answer.text
        assert "<script>1" not in answer.text
        assert "<script>2" not in answer.text
        assert "&lt;script&gt;alert" in answer.text
        assert "script-src *" not in answer.headers["Content-Security-Policy"]
        assert "49" not in answer.text.partition("<h1")[2].partition("</h1>")[0]


def test_the_page_speaks_the_reader_s_language(app: Flask, stripe: StripeFake) -> None:
    bill = make_bill(stripe, amount=1234, currency="jpy")
    client = client_of(app)
    chinese = client.get(bill.page, headers={"Accept-Language": "zh-CN,zh;q=0.9"})

    assert 'lang="zh-Hans"' in chinese.text
    assert "JP¥1,234" in chinese.text
    english = client.get(bill.page, headers={"Accept-Language": "de"})
    assert "¥1,234" in english.text
    client.send_form("/preferences", {"locale": "zh_Hans", "next": bill.page})
    assert 'lang="zh-Hans"' in client.get(bill.page, headers={"Accept-Language": "en"}).text


def age(bill: Bill, *, seconds: int) -> None:
    with transaction(bill.merchant_id) as session:
        session.execute(
            update(RecoveryCase)
            .where(RecoveryCase.merchant_id == bill.merchant_id)
            .values(seen_at=RecoveryCase.seen_at - timedelta(seconds=seconds))
        )
