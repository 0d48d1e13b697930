"""An order counts once, whoever asks, however often and at the same moment."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyReused
from mealquest.core.outbox import OutboxEvent
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.domain import HistoryKind, Reason
from mealquest.suppliers.forms import VerifyOrderForm
from mealquest.suppliers.models import PartnerOrderHistory
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, keyed
from tests.factories.threads import run_together
from tests.suppliers.shops import add_partner, paid, seen, take, verify

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def merchant_id() -> str:
    found = make_merchant()
    add_partner(found)
    return found


def audited(merchant_id: str) -> list[tuple]:
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(AuditRow.status, AuditRow.details)
            .where(AuditRow.merchant_id == merchant_id, AuditRow.action == "SUPPLIER_VERIFY")
            .order_by(AuditRow.id)
        )
        return [(row.status.value, row.details) for row in rows]


def events(merchant_id: str) -> list[dict]:
    with transaction(merchant_id) as session:
        return list(
            session.scalars(
                select(OutboxEvent.payload).where(
                    OutboxEvent.merchant_id == merchant_id,
                    OutboxEvent.type == suppliers.EVENT,
                )
            )
        )


def test_a_yes_uses_the_order_up_and_tells(merchant_id):
    take(merchant_id, paid(amount="38.50"))
    before = utc_now()

    first = verify(merchant_id, least=38)

    assert first.verified
    assert first.reason is None
    assert first.order
    assert (first.order.amount, first.order.status) == (38.5, "PAID")
    assert first.verified_at
    assert before <= first.verified_at <= utc_now()
    again = verify(merchant_id, least=38)
    assert (again.verified, again.reason) == (False, Reason.ALREADY_VERIFIED)
    assert again.verified_at == first.verified_at
    assert again.order == first.order
    [told] = events(merchant_id)
    told.pop("occurredAt")
    assert told == {
        "partnerId": "coffee",
        "orderId": "o-1",
        "amount": 38.5,
        "currency": "CNY",
        "verifiedBy": "staff_clerk",
    }
    asked = {"partnerId": "coffee", "orderId": "o-1", "minSpend": 38}
    assert audited(merchant_id) == [
        ("SUCCESS", asked | {"verified": True}),
        ("BLOCKED", asked | {"verified": False, "reason": "ALREADY_VERIFIED"}),
    ]


@pytest.mark.parametrize(
    ("order", "least", "reason"),
    [
        (None, 0, Reason.NOT_FOUND),
        (paid(status="CREATED"), 0, Reason.NOT_PAID),
        (paid(status="cancelled"), 0, Reason.NOT_PAID),
        (paid(), 38.01, Reason.BELOW_MIN_SPEND),
    ],
)
def test_a_no_says_why_and_leaves_the_order_as_it_was(merchant_id, order, least, reason):
    if order:
        take(merchant_id, order)

    answer = verify(merchant_id, least=least)

    assert (answer.verified, answer.reason, answer.verified_at) == (False, reason, None)
    assert (answer.order is None) == (order is None)
    assert [status for status, _ in audited(merchant_id)] == ["BLOCKED"]
    assert events(merchant_id) == []
    with transaction(merchant_id) as session:
        kinds = session.scalars(
            select(PartnerOrderHistory.kind)
            .where(PartnerOrderHistory.merchant_id == merchant_id)
            .order_by(PartnerOrderHistory.id)
        ).all()
    assert kinds[-1] is HistoryKind.REFUSED
    if reason is Reason.BELOW_MIN_SPEND:
        assert verify(merchant_id, least=38).verified


def test_many_at_the_same_moment_get_one_yes(app, merchant_id):
    take(merchant_id, paid())

    answers = run_together(app, [lambda: verify(merchant_id)] * 6)

    assert sorted(answer.verified for answer in answers) == [False] * 5 + [True]
    assert len(events(merchant_id)) == 1
    kinds = [row.kind for row in seen(merchant_id).history]
    assert kinds.count(HistoryKind.VERIFIED) == 1
    assert kinds.count(HistoryKind.REFUSED) == 5


def test_a_partner_who_cancels_while_the_clerk_asks_never_blocks_or_doubles(app, merchant_id):
    take(merchant_id, paid())

    calls = [lambda: verify(merchant_id), lambda: take(merchant_id, paid(status="CANCELLED"))]
    answer, taken = run_together(app, calls)

    assert taken.updated == 1
    assert answer.reason in {None, Reason.NOT_PAID}
    order = seen(merchant_id)
    assert order.attention == answer.verified
    assert (order.verified_at is not None) == answer.verified


def test_a_key_brings_the_same_answer_again(merchant_id):
    take(merchant_id, paid())
    form = VerifyOrderForm(partner_id="coffee", order_id="o-1")
    request = keyed(form, "k1")

    first = suppliers.verify(merchant_id, form, CLERK, request)
    second = suppliers.verify(merchant_id, form, CLERK, request)

    assert first.verified
    assert second.verified
    assert second.replayed
    assert second.as_json() == first.as_json()
    assert len(events(merchant_id)) == 1
    other = VerifyOrderForm(partner_id="coffee", order_id="o-2")
    with pytest.raises(KeyReused):
        suppliers.verify(merchant_id, other, CLERK, keyed(other, "k1"))


def test_partners_of_the_same_name_at_two_merchants_are_two(merchant_id):
    other = make_merchant()
    add_partner(other)
    take(merchant_id, paid())

    assert verify(other).reason is Reason.NOT_FOUND
    assert verify(merchant_id).verified
    take(other, paid(amount=5))
    assert verify(other).order.amount == 5
    assert seen(merchant_id).amount == 38


def test_the_history_is_kept_in_order(merchant_id):
    take(merchant_id, paid(status="CREATED"))
    verify(merchant_id)
    take(merchant_id, paid(amount=40))
    verify(merchant_id)
    verify(merchant_id)

    rows = seen(merchant_id).history[::-1]
    assert [row.kind for row in rows] == [
        HistoryKind.REGISTERED,
        HistoryKind.REFUSED,
        HistoryKind.CHANGED,
        HistoryKind.VERIFIED,
        HistoryKind.REFUSED,
    ]
    assert rows[2].details["amount"] == {"from": 38, "to": 40}
    assert rows[2].details["status"] == {"from": "CREATED", "to": "PAID"}
    assert (rows[2].role, rows[2].operator_id) == ("PARTNER", "coffee")
    assert (rows[3].role, rows[3].operator_id) == ("CLERK", "staff_clerk")
    assert rows[4].details == {"minSpend": 0, "reason": "ALREADY_VERIFIED"}


def test_the_demo_order_is_there_as_the_contract_has_it():
    from mealquest.onboarding import demo

    demo.load()
    order = seen("m_store_001", "ext_order_1001", "partner_coffee")
    assert (order.amount, order.status, order.verified_at) == (38, "PAID", None)
    assert order.paid_at
    assert abs(utc_now() - order.paid_at - timedelta(minutes=30)) < timedelta(minutes=1)
    with transaction("m_store_001") as session:
        rows = select(func.count()).where(AuditRow.action != "ALLIANCE_CONFIG_SET")
        assert session.scalar(rows.where(AuditRow.merchant_id == "m_store_001")) == 0
    assert verify("m_store_001", "ext_order_1001", 38, "partner_coffee").verified
