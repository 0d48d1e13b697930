"""What refunds took back of what campaigns gave for payments."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from mealquest.payments.domain import GiftKind
from mealquest.payments.models import PaymentGift


def taken_back(session: Session, merchant_id: str, givers: Select[Any]) -> Mapping[GiftKind, int]:
    """Claimed by refunds so far, by kind; `givers` selects a payment and who gave something for it.

    Whether it came from what was left of the gift or from elsewhere is the refund's business.
    """
    who = givers.subquery("givers")
    payment_id, giver = who.c
    gift = and_(
        PaymentGift.merchant_id == merchant_id,
        PaymentGift.payment_id == payment_id,
        PaymentGift.granted_by == giver,
    )
    rows = session.execute(
        select(PaymentGift.kind, func.sum(PaymentGift.claimed_minor))
        .join(who, gift)
        .group_by(PaymentGift.kind)
    )
    return {row[0]: int(row[1]) for row in rows}
