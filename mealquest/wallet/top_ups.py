"""Money paid in at the counter, and the bonus given on it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.principal import MANAGEMENT, Principal
from mealquest.core.wire import number
from mealquest.wallet import booking, ledger, queries, sharing
from mealquest.wallet.balances import add_lot, shown
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import EntryKind, TopUp
from mealquest.wallet.queries import LockedWallet
from mealquest.wallet.replies import TopUpView, WalletView, major
from mealquest.wallet.rules import rule_for


@dataclass(frozen=True, slots=True)
class Gift:
    """Bonus on a top-up, minor units; `days` None never expires; `rule_id` of the promise."""

    minor: int
    days: int | None
    rule_id: str | None


def top_up(merchant_id: str, form: TopUpForm, by: Principal, request: KeyedRequest) -> TopUpView:
    """Credit money paid in, and the bonus given on it, once per request key.

    Raises Forbidden when somebody gives a bonus who is neither manager nor owner, and what
    `idempotency.claim` and `sharing.lock` raise; ExposureExceeded.
    """
    if form.bonus and by.role not in MANAGEMENT:
        raise Forbidden("permission denied")
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, TopUpView)
        if stored is not None:
            return stored
        wallet = sharing.lock(session, merchant_id, form.user_id, introduce=True)
        view = _credit(session, wallet, form, by)
        _tell(session, wallet, form, view, by)
        idempotency.store(session, merchant_id, request, view, customer_id=form.user_id)
    return view


def _credit(session: Session, wallet: LockedWallet, form: TopUpForm, by: Principal) -> TopUpView:
    paid = Money.of_major(form.amount, wallet.currency).minor
    gift = _gift(session, wallet, form, paid)
    row: dict[str, Any] = {
        "merchant_id": wallet.store_id,
        "id": new_id("topup"),
        "customer_id": wallet.customer_id,
        "entry_id": new_id("txn"),
        "amount_minor": paid,
        "bonus_minor": gift.minor,
        "method": form.method,
        "note": form.note,
        "taken_by": by.subject,
    }
    queries.move(session, wallet, principal=paid, bonus=gift.minor)
    if gift.minor:
        expires_at = utc_now() + timedelta(days=gift.days) if gift.days else None
        add_lot(session, wallet, gift.minor, expires_at=expires_at, granted_by=row["entry_id"])
    session.execute(insert(TopUp).values(row))
    _post(session, wallet, form, row, gift)
    return TopUpView(
        top_up_id=row["id"],
        txn_id=row["entry_id"],
        wallet=_balances(session, replace(wallet, principal=wallet.principal + paid)),
        bonus_granted=major(gift.minor, wallet.currency),
    )


def _gift(session: Session, wallet: LockedWallet, form: TopUpForm, paid: int) -> Gift:
    """The bonus that somebody gives, else what the merchant's rule promises for this much."""
    if form.bonus:
        minor = Money.of_major(form.bonus, wallet.currency).minor
        return Gift(minor, form.bonus_valid_days, None)
    rule = rule_for(session, wallet.store_id, paid)
    return Gift(rule.bonus_minor, rule.valid_days, rule.id) if rule else Gift(0, None, None)


def _post(
    session: Session, wallet: LockedWallet, form: TopUpForm, row: dict[str, Any], gift: Gift
) -> None:
    booking.book(
        session,
        wallet,
        entry_id=row["entry_id"],
        kind=EntryKind.TOP_UP,
        reference=row["id"],
        amount_minor=row["amount_minor"],
        details=_details(form, row["id"], major(gift.minor, wallet.currency))
        | ({"ruleId": gift.rule_id} if gift.rule_id else {}),
        postings=ledger.top_up_postings(
            wallet.customer_id, form.method, row["amount_minor"], row["bonus_minor"]
        ),
    )


def _details(form: TopUpForm, top_up_id: str, bonus: Decimal) -> dict[str, Any]:
    return {
        "topUpId": top_up_id,
        "amount": number(form.amount),
        "bonus": number(bonus),
        "method": form.method.value,
    }


def _balances(session: Session, wallet: LockedWallet) -> WalletView:
    lots = queries.purse(session, wallet.merchant_id, wallet.customer_id).lots
    return WalletView.of(shown(wallet, lots, utc_now()), wallet.currency, wallet.held)


def _tell(
    session: Session, wallet: LockedWallet, form: TopUpForm, view: TopUpView, by: Principal
) -> None:
    """The audit row, and the event: the answer, whose wallet it is, and how much was paid in."""
    details = _details(form, view.top_up_id, view.bonus_granted)
    audit.record(session, wallet.store_id, "WALLET_TOP_UP", by, details | {"userId": form.user_id})
    event = view.model_dump(mode="json", by_alias=True)
    event |= {"userId": form.user_id, "amount": details["amount"]}
    event["walletScope"] = {
        "walletShared": wallet.in_alliance,
        "walletMerchantId": wallet.merchant_id,
    }
    outbox.publish(session, wallet.store_id, "WALLET_TOPPED_UP", event)
