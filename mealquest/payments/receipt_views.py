"""Receipts: printed at the counter, and opened by the customer without signing in."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from flask import current_app, request, url_for
from pydantic import Field

from mealquest.core.clock import utc_now
from mealquest.core.principal import CASHIER
from mealquest.core.wire import Input, Key
from mealquest.payments import service
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.replies import PaymentView
from mealquest.payments.service import ReceiptView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import principal

feature = Feature("receipts")


class Paper(StrEnum):
    ROLL = "80mm"
    SHEET = "a4"


class ReceiptForm(Input):
    payment_id: Key
    format: Paper = Paper.ROLL


class LinkForm(Input):
    token: str  # whatever it is, a wrong one is not found


class PaperView(ReceiptView):
    """The receipt and the paper it is for."""

    paper: Paper = Field(Paper.ROLL, exclude=True)


class ReceiptLink(NamedTuple):
    url: str
    ends: datetime


@feature.get(
    api="/api/payments/<payment_id>/receipt",
    page="/console/payments/<payment_id>/receipt",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="payments/receipt",
)
def receipt(call: Call, form: ReceiptForm) -> PaperView:
    """The receipt of a paid payment, with a link for the customer; customers get their own."""
    found = service.receipt(call.merchant_id, form.payment_id, call.principal)
    link = _link(call.merchant_id, form.payment_id, found.taken_at)
    more = {"url": link.url, "url_expires_at": link.ends} if link else {}
    return PaperView(**(dict(found) | more), paper=form.format)


@feature.get(page="/r/<token>", template="payments/receipt_shared")
def shared(call: Call, form: LinkForm) -> ReceiptView:
    """A receipt by its link: no sign-in, 90 days, nothing but what the receipt says."""
    return service.receipt_behind_link(form.token)


@feature.word
def receipt_link(view: PaymentView) -> ReceiptLink | None:
    """The link to a payment's receipt, while there is one."""
    who = principal()
    if view.status is not PaymentStatus.PAID or who is None or who.merchant_id is None:
        return None
    return _link(who.merchant_id, view.payment_txn_id, view.created_at)


def _link(merchant_id: str, payment_id: str, taken_at: datetime) -> ReceiptLink | None:
    ends = service.receipt_link_ends(taken_at)
    if ends <= utc_now():
        return None
    base = current_app.config["SETTINGS"].public_base_url or request.url_root
    path = url_for("receipts.shared.page", token=service.receipt_token(merchant_id, payment_id))
    return ReceiptLink(base.rstrip("/") + path, ends)
