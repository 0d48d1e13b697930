"""Reminders: one mail a task whatever breaks, billed once, and none once there is no reason."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import dunning, planning, resend_gateway, running, suppressions
from mealquest.recovery.case_models import DunningSettings, RecoveryCase
from mealquest.recovery.domain import MailState, TaskStatus, TaskType
from mealquest.recovery.gateway import StripeGateway
from mealquest.recovery.planning import LOST, Planned
from mealquest.recovery.suppressions import Why
from mealquest.recovery.tasks import claim
from mealquest.tenancy import service as tenancy
from tests.fakes.mail import KEY, Behaviour, MailEdge
from tests.fakes.stripe import StripeFake
from tests.recovery.dunned import Dunned, outbox, with_settings

TO = "payer@example.com"


@pytest.fixture
def dunned(app, monkeypatch):
    with StripeFake() as stripe, MailEdge() as edge:
        for name in ("STRIPE_API_BASE", "STRIPE_CONNECT_BASE", "STRIPE_SECRET_KEY"):
            monkeypatch.setitem(app.config, name, "")
        for name in ("STRIPE_CLIENT_ID", "STRIPE_WEBHOOK_SECRETS", "STRIPE_SANDBOX_URL"):
            monkeypatch.setitem(app.config, name, "")
        stripe.configure(app.config)
        with_settings(
            dunning_delays_s="0",
            resend_api_key=KEY,
            resend_api_base=edge.url,
            email_from="Citadel <mail@citadel.example>",
        )(monkeypatch)
        monkeypatch.setattr(resend_gateway, "TIMEOUT_S", (0.3, 0.3))
        yield Dunned.begin(
            stripe, edge, from_name="Noodle House", support_email="help@noodle.example"
        )


def begin(dunned: Dunned, kind: TaskType) -> str:
    if kind is TaskType.DUNNING_RETRY:
        return dunned.fails()
    invoice = str(dunned.stripe.fails(dunned.account, "authentication_required")["id"])
    dunned.tells("invoice.payment_action_required")
    return invoice


BOTH = [TaskType.DUNNING_RETRY, TaskType.NOTIFY_ACTION_REQUIRED]


@pytest.mark.parametrize("kind", BOTH)
def test_a_payer_is_mailed_once_with_the_merchants_name_and_billed_once(dunned, kind):
    invoice = begin(dunned, kind)

    dunned.works(2)

    task = dunned.task()
    assert (task.task_type, task.status, task.outcome) == (kind, TaskStatus.COMPLETED, "sent")
    (sent,) = dunned.edge.sent
    assert sent.key == f"dunning/{task.id}"
    body = sent.body
    assert body["from"] == '"Noodle House" <mail@citadel.example>'
    assert (body["to"], body["reply_to"]) == ([TO], "help@noodle.example")
    assert body["headers"] == {
        "X-Entity-Ref-ID": dunned.merchant_id,
        "X-Citadel-Task": str(task.id),
    }
    assert "Action Required" in body["subject"]
    assert "42.00" in body["subject"]
    hosted = dunned.stripe.invoice(dunned.account, invoice)["hosted_invoice_url"]
    assert "/api/track/click?" in body["html"]
    assert "/api/track/open/" in body["html"]
    assert "/pay/" in body["text"]
    for part in (body["html"], body["text"]):
        assert hosted in part
        assert invoice in part
    assert "<style" not in body["html"]
    assert "border-top" in body["html"]
    (log,) = dunned.billed()
    (mail,) = dunned.mails()
    assert (log.task_id, log.id) == (task.id, mail.usage_log_id)
    case = dunned.case(invoice)
    assert (mail.state, case.mails_sent, case.last_step) == (MailState.SENT, 1, 1)
    assert dunned.taken() == 1
    assert outbox()[0].to == TO


MAIL_FAULTS = [one for one in Behaviour if one not in {Behaviour.TAKES, Behaviour.ENDLESS}]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("fault", MAIL_FAULTS)
def test_whatever_the_mail_service_does_there_is_one_mail_and_one_end(dunned, kind, fault):
    begin(dunned, kind)
    dunned.edge.will(fault)

    dunned.works(3)

    task = dunned.task()
    keys = {asked.key for asked in dunned.edge.asked}
    assert keys == {f"dunning/{task.id}"}
    if fault is Behaviour.REFUSES:
        assert (task.status, dunned.mails()[0].state) == (TaskStatus.FAILED, MailState.FAILED)
        assert (dunned.billed(), dunned.taken()) == ([], 0)
        return
    assert (task.status, task.outcome) == (TaskStatus.COMPLETED, "sent")
    assert len(dunned.edge.sent) == len(dunned.billed()) == dunned.taken() == 1
    if fault not in {Behaviour.BUSY, Behaviour.BUSY_UNTIL, Behaviour.NO_KEY}:  # certainly not out
        assert len({str(asked.body) for asked in dunned.edge.asked}) == 1, "the same mail each time"


STRIPE_FAULTS = [
    "drop",
    "reset",
    "rate_limit",
    "broken",
    "unavailable",
    "unauthorized",
    "forbidden",
    "conflict",
]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("fault", STRIPE_FAULTS)
def test_whatever_stripe_does_there_is_one_mail_and_one_end(dunned, kind, fault):
    begin(dunned, kind)
    dunned.stripe.breaks(fault, "/v1/invoices/*")

    dunned.works()
    assert dunned.task().status is TaskStatus.PENDING
    assert dunned.edge.asked == []
    dunned.works()

    assert dunned.task().outcome == "sent"
    assert len(dunned.edge.sent) == len(dunned.billed()) == 1


@pytest.mark.parametrize("kind", BOTH)
def test_an_invoice_that_stripe_does_not_know_parks_its_task(dunned, kind):
    begin(dunned, kind)
    dunned.stripe.breaks("not_found", "/v1/invoices/*")
    dunned.works()
    assert dunned.task().status is TaskStatus.FAILED


def test_attempts_end_and_what_certainly_did_not_go_out_costs_nothing(dunned):
    begin(dunned, TaskType.DUNNING_RETRY)
    dunned.edge.will(*[Behaviour.BUSY] * running.MOST_ATTEMPTS)
    dunned.works(running.MOST_ATTEMPTS + 1)
    assert dunned.task().status is TaskStatus.FAILED
    assert "429" in str(dunned.task().last_error)
    assert (dunned.edge.sent, dunned.billed(), dunned.taken()) == ([], [], 0)


@pytest.mark.parametrize("kind", BOTH)
def test_a_worker_that_dies_after_the_send_sends_nothing_twice(dunned, kind):
    begin(dunned, kind)
    dunned.dies()
    dunned.dies()

    dunned.works()

    assert len(dunned.edge.asked) == 3
    assert len(dunned.edge.sent) == len(dunned.billed()) == dunned.taken() == 1
    assert len({str(asked.body) for asked in dunned.edge.asked}) == 1
    assert dunned.task().outcome == "sent"


def test_a_mail_that_may_be_out_is_not_sent_again_once_its_key_is_forgotten(dunned):
    begin(dunned, TaskType.DUNNING_RETRY)
    dunned.dies()
    (mail,) = dunned.mails()
    with transaction(dunned.merchant_id) as session:
        session.merge(mail).created_at = utc_now() - timedelta(days=2)

    dunned.works()

    assert len(dunned.edge.asked) == 1
    assert dunned.task().status is TaskStatus.FAILED


def test_a_changed_mail_under_a_used_key_counts_as_the_one_that_went_out(dunned):
    begin(dunned, TaskType.DUNNING_RETRY)
    dunned.dies()
    with transaction(dunned.merchant_id) as session:
        tenancy.set_account(session, dunned.merchant_id, from_name="Another name")

    dunned.works()

    assert dunned.task().outcome == "sent"
    assert len(dunned.edge.sent) == len(dunned.billed()) == 1


def planned(dunned: Dunned, invoice: str) -> tuple:
    """A worker that has decided to send, and is about to."""
    one = dunned.claim()
    shop = planning.shop_of(dunned.merchant_id)
    found = StripeGateway.for_account(dunned.account).invoice(invoice)
    with transaction(dunned.merchant_id) as session:
        plan = planning.plan(session, one, shop, found)
    assert isinstance(plan, Planned)
    return one, shop, found, plan


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("stop", ["paid", "disconnected", "deleted", "new_method"])
def test_what_arrives_right_before_the_send_stops_it(dunned, kind, stop):
    invoice = begin(dunned, kind)
    about = planned(dunned, invoice)
    assert dunned.taken() == 1

    if stop == "paid":
        dunned.is_paid(invoice)
    elif stop == "disconnected":
        dunned.stripe.withdraw(dunned.account)
        dunned.tells_of("account.application.deauthorized", {"id": "ca_fixture"})
    elif stop == "new_method":
        payer = dunned.stripe.invoice(dunned.account, invoice)["customer"]
        dunned.tells_of("payment_method.attached", {"id": "pm_new", "customer": payer})
    else:
        dunned.stripe.ends(dunned.account, dunned.subscription(invoice))
        dunned.tells("customer.subscription.deleted")
    outcome = dunning.send(*about)

    assert outcome is LOST
    assert not running.settle(about[0], outcome)
    assert dunned.edge.asked == []
    assert (dunned.billed(), dunned.taken()) == ([], 0)
    assert dunned.mails()[0].state is MailState.HELD
    expected = TaskStatus.COMPLETED if stop == "paid" else TaskStatus.CANCELLED
    assert dunned.task().status is expected


@pytest.mark.parametrize("end", ["paid", "rescued"])
def test_a_mail_that_left_is_billed_once_though_its_task_was_lost_meanwhile(dunned, end):
    invoice = begin(dunned, TaskType.DUNNING_RETRY)
    one, *about = planned(dunned, invoice)
    outcome = dunning.send(one, *about)
    assert outcome.outcome == "sent"
    if end == "paid":
        dunned.is_paid(invoice)
    else:
        dunned.lets_go()

    assert not running.settle(one, outcome)
    dunned.works(2)

    assert len(dunned.edge.asked) == len(dunned.billed()) == dunned.taken() == 1
    assert (dunned.mails()[0].state, dunned.case(invoice).mails_sent) == (MailState.SENT, 1)
    assert dunned.task().status is TaskStatus.COMPLETED


def test_a_payer_hears_nothing_for_a_day_of_any_invoice(dunned):
    first = dunned.fails()
    payer = dunned.stripe.invoice(dunned.account, first)["customer"]
    dunned.works()
    dunned.fails(customer=payer)

    dunned.works()

    second = dunned.tasks()[1]
    assert (second.status, second.attempts) == (TaskStatus.PENDING, 0)
    wait = second.run_at - utc_now()
    # A day after the first mail Stripe tries by itself; an hour later it is known how that went.
    assert timedelta(hours=24) < wait <= timedelta(hours=25)
    assert len(dunned.edge.sent) == 1


def test_two_workers_at_once_do_not_both_mail_one_payer(dunned, app):
    first = dunned.fails()
    dunned.fails(customer=dunned.stripe.invoice(dunned.account, first)["customer"])
    dunned.now()
    both = claim("me", most=2, lease_s=60)[0]

    def work(one) -> bool:
        with app.app_context():
            return running.settle(one, running.outcome_of(one))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, both)) == [True, True]

    assert len(dunned.edge.sent) == len(dunned.billed()) == dunned.taken() == 1
    assert sorted(one.status for one in dunned.tasks()) == ["completed", "pending"]


def test_the_month_is_the_limit_and_the_merchant_hears_of_it_once(dunned, monkeypatch):
    with_settings(monthly_limit=1)(monkeypatch)
    with transaction(dunned.merchant_id) as session:
        tenancy.set_account(session, dunned.merchant_id, email="owner@noodle.example")
    for _ in range(3):
        dunned.fails()

    dunned.works()

    ends = sorted((one.status.value, one.last_error) for one in dunned.tasks())
    assert ends == [("completed", None)] + [("failed", "quota_exceeded")] * 2
    assert len(dunned.edge.sent) == dunned.taken() == 1
    told = [one for one in outbox() if one.to == "owner@noodle.example"]
    assert len(told) == 1


def test_reasons_for_no_mail_at_all(dunned):
    nobody = dunned.fails(email="")
    refused = dunned.fails(email="no@example.com")
    held = dunned.fails(email="lot@example.com")
    paid = dunned.fails(email="paid@example.com")
    dunned.stripe.is_paid(dunned.account, paid)
    with transaction(dunned.merchant_id) as session:
        suppressions.suppress(session, dunned.merchant_id, "no@example.com", Why.BOUNCED)
        session.get_one(RecoveryCase, (dunned.merchant_id, held)).holdout = True

    dunned.works()

    outcomes = {one.invoice_id: one.outcome for one in dunned.tasks()}
    assert outcomes == {
        nobody: "no_customer_email",
        refused: "suppressed",
        held: "held_out",
        paid: "invoice_paid",
    }
    assert (dunned.edge.asked, dunned.billed(), dunned.taken()) == ([], [], 0)


def test_a_paused_sequence_waits_and_counts_no_attempt(dunned):
    dunned.fails()
    with transaction(dunned.merchant_id) as session:
        session.add(DunningSettings(merchant_id=dunned.merchant_id, steps=[], is_paused=True))
    dunned.works()
    task = dunned.task()
    assert (task.status, task.attempts, task.last_error) == (TaskStatus.PENDING, 0, "paused")


def test_no_mail_close_to_stripes_own_attempt(dunned):
    dunned.fails()
    dunned.stripe.breaks(
        "patch",
        "/v1/invoices/*",
        patch={"next_payment_attempt": int((utc_now() + timedelta(hours=5)).timestamp())},
    )
    dunned.works()
    task = dunned.task()
    assert task.last_error == "held by next_payment_attempt"
    assert timedelta(hours=5) < task.run_at - utc_now() < timedelta(hours=7)


def test_a_hard_decline_asks_for_another_method_and_is_the_last_notice(dunned):
    dunned.fails("stolen_card")
    dunned.works()
    (sent,) = dunned.edge.sent
    for part in (sent.body["html"], sent.body["text"]):
        assert "another payment method" in part
        assert "last notice" in part
        assert "stolen" not in part.lower()
    assert dunned.mails()[0].is_last


def test_without_a_mail_service_in_development_the_outbox_has_the_mail(dunned, monkeypatch):
    with_settings(resend_api_key="")(monkeypatch)
    dunned.fails()
    dunned.dies()
    dunned.works()
    (kept,) = outbox()
    assert kept.to == TO
    assert kept.headers["Reply-To"] == "help@noodle.example"
    assert len(dunned.billed()) == 1
    assert dunned.edge.asked == []
