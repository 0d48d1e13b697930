"""Payments as a list: a page of it, or all of it for a file."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from mealquest.core.db import transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.payments import list_queries
from mealquest.payments.forms import PaymentsForm
from mealquest.payments.list_queries import Wanted
from mealquest.payments.queries import PaymentFacts
from mealquest.payments.replies import DeductionView, PaymentRowView, PaymentsPage
from mealquest.tenancy import service as tenancy
from mealquest.wallet.service import major


def listed(merchant_id: str, form: PaymentsForm, by: Principal) -> PaymentsPage:
    """A page of payments; a customer sees own ones only. Days are the merchant's.

    Invalid: not a cursor of ours.
    """
    found, next_cursor = _page(merchant_id, form, by, form.cursor, form.limit)
    items = [PaymentRowView(**row_of(facts)) for facts in found]
    return PaymentsPage(items=items, next_cursor=next_cursor)


def every(merchant_id: str, form: PaymentsForm, by: Principal) -> Iterator[list[PaymentRowView]]:
    """All payments of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, by, cursor, EXPORT_BATCH))
    return ([PaymentRowView(**row_of(facts)) for facts in found] for found in read)


def own_of(by: Principal) -> str | None:
    """The one customer whose payments the caller may see; None for staff, who see all."""
    return by.subject if by.role is Role.CUSTOMER else None


def row_of(facts: PaymentFacts) -> dict[str, Any]:
    """The values of a payment's view."""

    def shown(minor: int) -> Any:
        return major(minor, facts.currency)

    return {
        "payment_txn_id": facts.id,
        "user_id": facts.customer.user_id,
        "display_name": facts.customer.display_name,
        "status": facts.status,
        "order_amount": shown(facts.parts.order),
        "currency": facts.currency,
        "deduction": DeductionView.of(facts.parts, facts.currency),
        "refunded_amount": shown(facts.refunded_minor),
        "voucher_name": facts.voucher_name,
        "taken_by": facts.taken_by,
        "created_at": facts.created_at,
    }


def _named(merchant_id: str, user_id: str | None) -> str | None:
    return identity.named_user_id(merchant_id, user_id) if user_id else None


def _page(
    merchant_id: str, form: PaymentsForm, by: Principal, cursor: str | None, limit: int
) -> tuple[Any, str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        zone = "UTC"
        if form.from_day or form.to_day:
            zone = tenancy.settings_of(session, merchant_id).time_zone
        days = span_of_days(form.from_day, form.to_day, ZoneInfo(zone))
        days = days.within(form.since, form.until)
        wanted = Wanted(
            customer_id=own_of(by) or _named(merchant_id, form.user_id),
            status=form.status,
            since=days.since,
            until=days.until,
            order=form.order,
            going_back=form.going_back,
            paid_again=form.paid_again,
        )
        found = list_queries.page(session, merchant_id, wanted, after, limit + 1)
    return cut(found, limit, lambda facts: Keyset(facts.created_at, facts.id).encode())
