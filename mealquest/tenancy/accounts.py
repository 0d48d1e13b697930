"""What Stripe knows a merchant as, whom the platform bills, and how the merchant's mails look."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from mealquest.core import directory
from mealquest.core.crypto import Keyring
from mealquest.core.db import directory_transaction, platform_transaction
from mealquest.tenancy.errors import MerchantNotFound
from mealquest.tenancy.models import Merchant

TOKENS = ("access_token", "refresh_token")
BATCH = 200  # rows whose tokens are sealed again in one transaction
EmailSet = Callable[[Session, str], None]
_hears_of_emails: list[EmailSet] = []


@dataclass(frozen=True, slots=True)
class MerchantAccount:
    """A merchant as recovery sees it. Never its tokens."""

    merchant_id: str
    name: str
    email: str | None
    created_at: datetime
    stripe_connect_id: str | None
    stripe_user_id: str | None
    connected_at: datetime | None
    stripe_customer_id: str | None
    subscription_plan_id: str | None
    plan_event_at: datetime | None
    tier: str
    billing_country: str | None
    billing_address: str | None
    brand_color: str
    logo_url: str | None
    from_name: str | None
    support_email: str | None

    @property
    def is_connected(self) -> bool:
        return self.stripe_connect_id is not None

    @classmethod
    def of(cls, row: Merchant) -> "MerchantAccount":
        return cls(
            merchant_id=row.id,
            name=row.name,
            email=row.email,
            created_at=row.created_at,
            stripe_connect_id=row.stripe_connect_id,
            stripe_user_id=row.stripe_user_id,
            connected_at=row.connected_at,
            stripe_customer_id=row.stripe_customer_id,
            subscription_plan_id=row.subscription_plan_id,
            plan_event_at=row.plan_event_at,
            tier=row.tier,
            billing_country=row.billing_country,
            billing_address=row.billing_address,
            brand_color=row.brand_color,
            logo_url=row.logo_url,
            from_name=row.from_name,
            support_email=row.support_email,
        )


def account_of(session: Session, merchant_id: str, *, lock: bool = False) -> MerchantAccount:
    """The merchant's account, locked until the end of the transaction on demand.

    MerchantNotFound.
    """
    query = select(Merchant).where(Merchant.id == merchant_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        raise MerchantNotFound
    return MerchantAccount.of(row)


def set_account(session: Session, merchant_id: str, **changes: Any) -> None:
    """Change columns of `merchants` by their names. The caller has proved what it sets."""
    session.execute(update(Merchant).where(Merchant.id == merchant_id).values(**changes))
    directory.changed(session, merchant_id)


def merchant_of_account(stripe_connect_id: str) -> str | None:
    """Who has connected this Stripe account; an event names nothing else."""
    with directory_transaction("an event of Stripe names an account, not a merchant") as session:
        return session.scalar(
            select(Merchant.id).where(Merchant.stripe_connect_id == stripe_connect_id)
        )


def merchant_billed_as(stripe_customer_id: str) -> str | None:
    """Whom the platform bills as this customer; a plan's event names nothing else."""
    with directory_transaction("an event of Stripe names a customer, not a merchant") as session:
        return session.scalar(
            select(Merchant.id).where(Merchant.stripe_customer_id == stripe_customer_id)
        )


def accounts(after: tuple[datetime, str] | None, limit: int) -> list[MerchantAccount]:
    """Merchants of the whole platform, newest first, those after a place in that order."""
    query = select(Merchant).order_by(Merchant.created_at.desc(), Merchant.id.desc()).limit(limit)
    if after:
        moment, merchant_id = after
        same_time = and_(Merchant.created_at == moment, Merchant.id < merchant_id)
        query = query.where(or_(Merchant.created_at < moment, same_time))
    with directory_transaction("the operator lists every merchant") as session:
        return [MerchantAccount.of(row) for row in session.scalars(query)]


def connect_account(
    session: Session, merchant_id: str, stripe_id: str, access_token: str, refresh_token: str
) -> None:
    """Note whom a merchant is at Stripe. IntegrityError: another merchant has that account."""
    set_account(
        session,
        merchant_id,
        stripe_connect_id=stripe_id,
        stripe_user_id=stripe_id,
        access_token=_sealed(merchant_id, "access_token", access_token),
        refresh_token=_sealed(merchant_id, "refresh_token", refresh_token),
        connected_at=func.now(),
    )


def disconnect_account(session: Session, merchant_id: str) -> None:
    """Forget whom a merchant was at Stripe, and what opened it."""
    gone = ("stripe_connect_id", "stripe_user_id", "connected_at", *TOKENS)
    set_account(session, merchant_id, **dict.fromkeys(gone))


def seal_tokens_again() -> int:
    """Seal tokens that lie under an older key of the ring under its first one; returns how many
    merchants had any. Part of the daily housekeeping: the ring is everybody's."""
    current = f"{_keyring().current}:"
    columns = [getattr(Merchant, name) for name in TOKENS]
    old = or_(*(~column.startswith(current, autoescape=True) for column in columns))
    with platform_transaction("the keyring turns for every merchant at once") as session:
        rows = session.scalars(
            select(Merchant).where(old).limit(BATCH).with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            for name in TOKENS:
                if token := getattr(row, name):
                    opened = _keyring().decrypt(token, place=_place(row.id, name))
                    setattr(row, name, _sealed(row.id, name, opened))
            directory.changed(session, row.id)
    return len(rows)


def tell_of_emails(hears: EmailSet) -> None:
    """Name who is told, in the transaction itself, that a merchant has an e-mail address now."""
    if hears not in _hears_of_emails:
        _hears_of_emails.append(hears)


def email_was_set(session: Session, merchant_id: str) -> None:
    for hears in _hears_of_emails:
        hears(session, merchant_id)


def _sealed(merchant_id: str, column: str, token: str) -> str | None:
    """None for a token that did not come."""
    return _keyring().encrypt(token, place=_place(merchant_id, column)) if token else None


def _place(merchant_id: str, column: str) -> str:
    return f"merchants.{column}:{merchant_id}"


def _keyring() -> Keyring:
    ring: Keyring = current_app.extensions["keyring"]
    return ring
