"""What partners say is written down once, whole batches or nothing, and never against the shop."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mealquest.core.errors import Conflict, Invalid
from mealquest.core.money import Currency
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.domain import Match
from mealquest.suppliers.errors import (
    OrderNotFound,
    OrderUsed,
    PartnerKeyInvalid,
    PartnerNotFound,
    PartnerScopeDenied,
    StatusRefused,
)
from mealquest.suppliers.forms import (
    DeliveryForm,
    InvoiceForm,
    OrdersForm,
    OrdersListForm,
    VerifyOrderForm,
)
from tests.factories.merchants import make_merchant
from tests.factories.requests import MANAGER, OWNER
from tests.factories.rows import digest
from tests.factories.threads import run_together
from tests.suppliers.shops import add_partner, by_key, paid, seen, set_tolerance, take, verify

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def merchant_id() -> str:
    found = make_merchant()
    add_partner(found)
    return found


def counts(taken) -> tuple[int, int, int]:
    return taken.created, taken.updated, taken.unchanged


def amount(form, merchant_id, sum_, by=MANAGER):
    write = suppliers.set_delivered if form is DeliveryForm else suppliers.set_invoiced
    return write(merchant_id, form(partner_id="coffee", order_id="o-1", amount=sum_), by)


def test_what_is_said_again_changes_nothing(merchant_id):
    orders = [paid(f"o-{n}", n + 1) for n in range(100)]

    assert counts(take(merchant_id, *orders)) == (100, 0, 0)
    before = digest(merchant_id)
    assert counts(take(merchant_id, *orders)) == (0, 0, 100)
    assert digest(merchant_id) == before
    assert counts(take(merchant_id, paid("o-5", 9), paid("o-6", 7))) == (0, 1, 1)


def test_the_same_new_order_from_two_at_once_is_one(app, merchant_id):
    calls = [lambda: take(merchant_id, paid(), paid("o-2"))] * 4

    taken = run_together(app, calls)

    assert sorted(map(counts, taken)) == [(0, 0, 2)] * 3 + [(2, 0, 0)]


def test_a_batch_with_one_bad_order_changes_nothing(merchant_id):
    take(merchant_id, paid())
    verify(merchant_id)
    before = digest(merchant_id)

    for orders, refusal in (
        ([paid("o-9"), paid(amount=39)], OrderUsed),
        ([paid("o-9"), paid(status="CREATED")], StatusRefused),
        ([paid("o-9"), paid("o-9")], Invalid),
        ([paid("o-9", currency="USD")], Invalid),
    ):
        with pytest.raises(refusal):
            take(merchant_id, *orders)
    assert digest(merchant_id) == before
    with pytest.raises(ValueError):
        OrdersForm.model_validate({"orders": [paid(f"o-{n}") for n in range(101)]})


def test_a_used_order_may_be_called_off_and_is_then_shown(merchant_id):
    take(merchant_id, paid())
    verify(merchant_id)

    take(merchant_id, paid(status="REFUNDED"))

    assert seen(merchant_id).attention
    with pytest.raises(StatusRefused):
        take(merchant_id, paid())


def test_a_partner_speaks_for_itself_only(merchant_id):
    add_partner(merchant_id, "tea")
    take(merchant_id, paid())

    named = OrdersForm.model_validate({"partnerId": "coffee", "orders": [paid()]})
    with pytest.raises(PartnerScopeDenied):
        suppliers.take(merchant_id, named, by_key(merchant_id, "tea"))
    with pytest.raises(PartnerScopeDenied):
        amount(InvoiceForm, merchant_id, 5, by=by_key(merchant_id, "tea"))
    assert amount(InvoiceForm, merchant_id, 5, by=by_key(merchant_id)).invoiced_amount == 5
    nobody = OrdersForm.model_validate({"partnerId": "milk", "orders": [paid()]})
    with pytest.raises(PartnerNotFound):
        suppliers.take(merchant_id, nobody, OWNER)
    take(merchant_id, paid(amount=7), partner_id="tea")
    assert (seen(merchant_id).amount, seen(merchant_id, partner_id="tea").amount) == (38, 7)


def test_order_delivery_and_invoice_are_compared_within_the_tolerance(merchant_id):
    take(merchant_id, paid(amount=40))
    assert seen(merchant_id).match is Match.INCOMPLETE

    amount(DeliveryForm, merchant_id, 38)
    found = amount(InvoiceForm, merchant_id, 39)

    assert (found.match, found.difference) == (Match.DIFFERENCE, 2)
    shown = [(d.of, d.to, d.amount, d.percent) for d in seen(merchant_id).differences]
    assert [(of, to, float(a), float(p)) for of, to, a, p in shown] == [
        ("delivery", "order", -2, -5),
        ("invoice", "order", -1, -2.5),
        ("invoice", "delivery", 1, 2.6),
    ]
    set_tolerance(merchant_id, 2)
    assert seen(merchant_id).match is Match.MATCHED
    amount(DeliveryForm, merchant_id, 0)
    assert seen(merchant_id).differences[-1].percent is None
    before = digest(merchant_id)
    amount(DeliveryForm, merchant_id, 0)
    assert digest(merchant_id) == before
    with pytest.raises(OrderNotFound):
        suppliers.set_delivered(
            merchant_id, DeliveryForm(partner_id="coffee", order_id="x", amount=1), MANAGER
        )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), *[st.none() | st.integers(0, 4)] * 2), min_size=1, max_size=6
    ),
    st.integers(0, 3),
)
def test_the_list_filters_by_match_as_each_order_says(app, sums, tolerance):
    merchant_id = make_merchant()
    add_partner(merchant_id)
    set_tolerance(merchant_id, tolerance)
    for n, (ordered, delivered, invoiced) in enumerate(sums):
        take(merchant_id, paid(f"o-{n}", ordered))
        about = {"partner_id": "coffee", "order_id": f"o-{n}"}
        if delivered is not None:
            suppliers.set_delivered(merchant_id, DeliveryForm(**about, amount=delivered), MANAGER)
        if invoiced is not None:
            suppliers.set_invoiced(merchant_id, InvoiceForm(**about, amount=invoiced), MANAGER)

    whole = suppliers.listed(merchant_id, OrdersListForm()).items

    for match in Match:
        page = suppliers.listed(merchant_id, OrdersListForm(match=match))
        assert page.items == [order for order in whole if order.match is match]
        assert page.differences == [order.match for order in whole].count(Match.DIFFERENCE)


def test_pages_go_through_every_order_once_in_either_order(merchant_id):
    add_partner(merchant_id, "tea")
    for n in range(5):
        take(merchant_id, paid(f"o-{n}"), paid(f"p-{n}"))
    take(merchant_id, paid("o-0"), partner_id="tea")
    verify(merchant_id, "o-3")

    def ids(**filters) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            form = OrdersListForm.model_validate({"limit": 2, "cursor": cursor, **filters})
            page = suppliers.listed(merchant_id, form)
            found += [f"{order.partner_id}/{order.order_id}" for order in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert len(ids()) == len(set(ids())) == 11
    assert ids(order="oldest") == ids()[::-1]
    assert ids(partnerId="tea") == ["tea/o-0"]
    assert ids(use="used") == ["coffee/o-3"]
    assert len(ids(query="p-", use="open")) == 5
    assert ids(query="%") == []
    assert ids(status="REFUNDED") == []


def test_a_key_is_kept_as_a_hash_and_ends_when_it_is_replaced_or_revoked(app, merchant_id):
    from mealquest.core.db import transaction
    from mealquest.suppliers.models import Partner

    def whose(text: str) -> str:
        with transaction(merchant_id) as session:
            key = suppliers.PartnerKey.parse(text)
            return suppliers.partner_of_key(session, key).subject

    first = add_partner(merchant_id, "tea")
    assert whose(first) == "tea"
    with transaction(merchant_id) as session:
        row = session.get(Partner, (merchant_id, "tea"))
    assert first.rsplit(".", 1)[1] not in str(vars(row))
    second = suppliers.new_key(merchant_id, "tea", OWNER).key
    with pytest.raises(PartnerKeyInvalid):
        whose(first)
    assert whose(second) == "tea"
    wrong = second[:-2] + ("AA" if second[-2:] != "AA" else "BB")
    for text in (wrong, first.replace("mqp.", "mqp"), "", "mqp.m.0.x"):
        with pytest.raises(PartnerKeyInvalid):
            whose(text)
    suppliers.revoke_key(merchant_id, "tea", OWNER)
    suppliers.revoke_key(merchant_id, "tea", OWNER)
    with pytest.raises(PartnerKeyInvalid):
        whose(second)
    with pytest.raises(Conflict):
        add_partner(merchant_id, "tea")


@pytest.mark.parametrize("sent", [-5, "abc", "NaN", None, [], True, "", {}])
def test_a_minimum_that_is_no_sum_is_none(sent):
    form = VerifyOrderForm.model_validate({"partnerId": "p", "orderId": "o", "minSpend": sent})
    assert form.min_spend == 0


def test_a_minimum_of_a_fraction_of_a_cent_is_refused():
    with pytest.raises(ValueError, match="minSpend must have at most 2 decimals"):
        VerifyOrderForm.model_validate({"partnerId": "p", "orderId": "o", "minSpend": 0.001})


@pytest.mark.parametrize("when", ["yesterday", "2026-03-01T08:00:00", "0001-01-01T00:00:00Z", 5])
def test_a_time_that_says_nothing_is_refused(when):
    with pytest.raises(ValueError):
        OrdersForm.model_validate({"orders": [paid(paidAt=when)]})


def test_a_time_of_payment_is_kept_as_it_was_first_said(merchant_id):
    take(merchant_id, paid(paidAt="2026-03-01T08:00:00+08:00"))
    take(merchant_id, paid())
    assert seen(merchant_id).paid_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_yen_has_no_cents():
    merchant_id = make_merchant(currency=Currency.JPY)
    add_partner(merchant_id)
    with pytest.raises(Invalid):
        take(merchant_id, paid(amount=38.5))
    take(merchant_id, paid(amount=3800))
    assert verify(merchant_id, least=3800).verified
