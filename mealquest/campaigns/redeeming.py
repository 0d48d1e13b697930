"""Discount cards: a hit gives them at no cost, and what one takes off counts when it pays."""

from psycopg.types.numeric import Int8
from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.campaigns import queries, switching
from mealquest.campaigns.domain import Stopped
from mealquest.core.db import transaction
from mealquest.core.outbox import Event
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import VoucherType


def count_card(event: Event) -> None:
    """Charge a campaign for the card that paid for an order, once; other payments are none.

    It may bring a campaign over its cap by this one card: an order that is paid stays paid.
    """
    if not _may_have_card(event):
        return
    merchant_id, payment_id = event.merchant_id, event.payload["paymentTxnId"]
    with transaction(merchant_id) as session:
        order = payments.order_facts(session, merchant_id, payment_id)
        if not (order and order.is_paid and order.voucher_id and order.voucher_minor):
            return
        keeper = payments.wallet_keeper(session, merchant_id, payment_id)
        wallets.enter_keeper(session, keeper)
        giver = wallets.giver_of_card(session, keeper, order.voucher_id)
        if giver is None:
            return
        minor = order.voucher_minor
        campaign_id = _redeem(session, merchant_id, giver, order.voucher_id, minor)
        if campaign_id is None:
            return
        zone = tenancy.settings_of(session, merchant_id).time_zone
        if _charge(session, merchant_id, campaign_id, minor):
            switching.stop(session, merchant_id, campaign_id, Stopped.MONEY_CAP)
        month = queries.month_of(event.created_at, zone)
        queries.add_to_month(session, merchant_id, month, minor)


def _may_have_card(event: Event) -> bool:
    """A payment that waited for outside money does not say in its event what it used."""
    if event.payload.get("status") != "PAID":
        return False
    quote = event.payload.get("quote")
    voucher = (quote.get("selectedVoucher") or {}) if quote else {"type": VoucherType.DISCOUNT_CARD}
    return bool(voucher.get("type") == VoucherType.DISCOUNT_CARD)


# A card that a refund brought back may pay again; it is counted by its first payment.
_CARD = text(
    """
    UPDATE campaign_hits
       SET redeemed = redeemed || jsonb_build_object(CAST(:voucher AS text), CAST(:minor AS bigint))
     WHERE merchant_id = :merchant AND id = :hit AND NOT redeemed ? CAST(:voucher AS text)
    RETURNING campaign_id
    """
)
_CHARGE = text(
    """
    UPDATE campaigns SET spent_minor = spent_minor + :cost
     WHERE merchant_id = :merchant AND id = :id
    RETURNING cap_minor IS NOT NULL AND spent_minor >= cap_minor
    """
)


def _redeem(
    session: Session, merchant_id: str, hit_id: str, voucher_id: str, minor: int
) -> str | None:
    """Note what a card took off; the campaign that gave it. None: no hit gave it, or it was noted
    before."""
    values = {"merchant": merchant_id, "hit": hit_id, "voucher": voucher_id, "minor": Int8(minor)}
    found: str | None = session.scalar(_CARD, values)
    return found


def _charge(session: Session, merchant_id: str, campaign_id: str, cost_minor: int) -> bool:
    """Add what a card took off; whether the campaign has reached its cap by that."""
    values = {"merchant": merchant_id, "id": campaign_id, "cost": Int8(cost_minor)}
    return bool(session.execute(_CHARGE, values).scalar_one())
