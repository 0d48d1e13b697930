"""Honouring a partner's order, once."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest, claim, store
from mealquest.core.money import Money
from mealquest.core.principal import Principal
from mealquest.core.wire import number
from mealquest.suppliers import queries
from mealquest.suppliers.domain import HistoryKind, Reason, judge
from mealquest.suppliers.forms import VerifyOrderForm
from mealquest.suppliers.models import PartnerOrder
from mealquest.suppliers.orders import line, record
from mealquest.suppliers.replies import SeenOrder, VerifyOrderView, major
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

EVENT = "PARTNER_ORDER_VERIFIED"


def verify(
    merchant_id: str, form: VerifyOrderForm, by: Principal, request: KeyedRequest | None = None
) -> VerifyOrderView:
    """Use an order up when it is paid and large enough, or say why not. Both are answers.

    The order's row is locked: of several who ask at once one is told yes. Under a key the first
    answer comes again.
    """
    with transaction(merchant_id) as session:
        if request and (answer := claim(session, merchant_id, request, VerifyOrderView)):
            return answer
        currency = tenancy.settings_of(session, merchant_id).currency
        min_spend = Money.of_major(form.min_spend, currency).minor
        key = (form.partner_id, form.order_id)
        order = queries.orders_of(session, merchant_id, [key], lock=True).get(key)
        refusal = _judged(order, min_spend)
        if order and refusal is None:
            order.verified_at = order.updated_at = utc_now()
            order.verified_by = by.subject
            _tell(session, order, form.user_id, by)
        _write_down(session, merchant_id, form, refusal, by)
        view = _view(form, order, refusal)
        if request:
            store(session, merchant_id, request, view)
    return view


def _judged(order: PartnerOrder | None, min_spend_minor: int) -> Reason | None:
    if order is None:
        return Reason.NOT_FOUND
    used = order.verified_at is not None
    return judge(order.status, order.amount_minor, min_spend_minor, used=used)


def _tell(session: Session, order: PartnerOrder, user_id: str | None, by: Principal) -> None:
    """News for whoever rewards the order; `user_id`: the customer who showed it, if named."""
    amount = number(major(order.amount_minor, order.currency))
    payload = {
        "partnerId": order.partner_id,
        "orderId": order.order_id,
        "amount": amount,
        "currency": order.currency.value,
        "verifiedBy": by.subject,
    }
    if user_id:
        payload["userId"] = user_id
    outbox.publish(session, order.merchant_id, EVENT, payload)


def _write_down(
    session: Session,
    merchant_id: str,
    form: VerifyOrderForm,
    refusal: Reason | None,
    by: Principal,
) -> None:
    about = (form.partner_id, form.order_id)
    more: dict[str, Any] = {"reason": refusal.value} if refusal else {}
    asked = {"minSpend": number(form.min_spend)}
    kind = HistoryKind.REFUSED if refusal else HistoryKind.VERIFIED
    record(session, line(merchant_id, about, kind, asked | more, by))
    details = {"partnerId": form.partner_id, "orderId": form.order_id, **asked}
    status = AuditStatus.BLOCKED if refusal else AuditStatus.SUCCESS
    details |= {"verified": refusal is None} | more
    audit.record(session, merchant_id, Operation.SUPPLIER_VERIFY, by, details, status)


def _view(
    form: VerifyOrderForm, order: PartnerOrder | None, refusal: Reason | None
) -> VerifyOrderView:
    seen = None
    used_at: datetime | None = None
    if order:
        used_at = order.verified_at
        seen = SeenOrder(
            partner_id=order.partner_id,
            order_id=order.order_id,
            amount=major(order.amount_minor, order.currency),
            status=order.status,
            paid_at=order.paid_at,
            currency=order.currency,
        )
    return VerifyOrderView(
        partner_id=form.partner_id,
        order_id=form.order_id,
        min_spend=form.min_spend,
        verified=refusal is None,
        order=seen,
        reason=refusal,
        verified_at=used_at,
    )
