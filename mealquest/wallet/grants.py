"""Vouchers that staff give by hand, inside limits and on the record."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Forbidden, Invalid
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.money import Money
from mealquest.core.principal import SYSTEM, Principal, Role
from mealquest.core.wire import number
from mealquest.wallet import queries, sharing
from mealquest.wallet.balances import grant_voucher
from mealquest.wallet.booking import STORE
from mealquest.wallet.domain import VoucherType
from mealquest.wallet.forms import GrantVoucherForm
from mealquest.wallet.models import Voucher
from mealquest.wallet.queries import LockedWallet
from mealquest.wallet.replies import VoucherView

ACTION = "VOUCHER_GRANT"
# What one voucher may be worth, in major units, by who gives it.
MOST_WORTH = {Role.MANAGER: Decimal(100), Role.OWNER: Decimal(500)}
A_DAY = 50  # vouchers one person may give within 24 hours
LEAST_RATE = Decimal("0.5")


def grant_by_hand(
    merchant_id: str, form: GrantVoucherForm, by: Principal, request: KeyedRequest
) -> VoucherView:
    """Give a customer a voucher, once per request key.

    Raises:
        Forbidden: this person may give less; Conflict: and not so many in a day.
        Invalid: a discount card without a rate, another voucher without a value.
        UserNotFound, KeyReused, StillRunning.
    """
    _require_sense(form)
    if form.value > MOST_WORTH.get(by.role, Decimal(0)):
        raise Forbidden(
            f"a voucher of {number(form.value)} is more than you may give", code="VOUCHER_LIMIT"
        )
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, VoucherView)
        if stored is not None:
            return stored
        wallet = sharing.lock(session, merchant_id, form.user_id, introduce=True)
        _require_few(session, wallet, by)
        view = _grant(session, wallet, form, by)
        details = {"voucherId": view.id, "userId": form.user_id, "type": form.type.value}
        worth = {"value": number(form.value), "reason": form.reason}
        audit.record(session, merchant_id, ACTION, by, details | worth)
        if wallet.is_shared:  # it is spent at the keeper's too, whose owner must see whence it came
            told = details | {"value": number(form.value), STORE: merchant_id}
            audit.record(session, wallet.merchant_id, ACTION, SYSTEM, told)
        outbox.publish(session, merchant_id, "VOUCHER_GRANTED", details | worth)
        idempotency.store(session, merchant_id, request, view, customer_id=form.user_id)
    return view


def _require_sense(form: GrantVoucherForm) -> None:
    card = form.type is VoucherType.DISCOUNT_CARD
    if card and (form.discount_rate is None or not LEAST_RATE <= form.discount_rate < 1):
        raise Invalid("discountRate must be at least 0.5 and below 1", code="RATE_OUT_OF_RANGE")
    if not card and form.value <= 0:
        raise Invalid("value must be a positive number", code="VALUE_MISSING")


def _require_few(session: Session, wallet: LockedWallet, by: Principal) -> None:
    given = session.scalar(
        select(func.count())
        .select_from(Voucher)
        .where(
            Voucher.merchant_id == wallet.merchant_id,
            Voucher.granted_by == _giver(wallet, by),
            Voucher.created_at > func.now() - timedelta(days=1),
        )
    )
    if (given or 0) >= A_DAY:
        raise Conflict(f"at most {A_DAY} vouchers a day by one person", code="VOUCHER_LIMIT")


def _grant(
    session: Session, wallet: LockedWallet, form: GrantVoucherForm, by: Principal
) -> VoucherView:
    """The voucher is a row of whoever keeps the wallet; no money moves."""
    currency = wallet.currency
    card = form.type is VoucherType.DISCOUNT_CARD
    values: dict[str, Any] = {
        "kind": form.type,
        "name": form.name,
        "granted_by": _giver(wallet, by),
        "only_at": wallet.store_id if wallet.is_shared else None,
        "value_minor": 0 if card else Money.of_major(form.value, currency).minor,
        "min_spend_minor": Money.of_major(form.min_spend, currency).minor,
        "discount_rate": form.discount_rate if card else None,
        "expires_at": utc_now() + timedelta(days=form.valid_days),
    }
    voucher_id = grant_voucher(session, wallet.merchant_id, wallet.customer_id, **values)
    found = queries.voucher(session, wallet.merchant_id, voucher_id)
    return VoucherView.of(found, currency, utc_now())


def _giver(wallet: LockedWallet, by: Principal) -> str:
    """Staff of two stores may have the same id: of another store than the keeper it is named."""
    return f"staff:{by.subject}@{wallet.store_id}" if wallet.is_shared else f"staff:{by.subject}"
