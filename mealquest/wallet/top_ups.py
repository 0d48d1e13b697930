"""Money paid in at the counter, and the bonus given on it."""

from dataclasses import replace
from datetime import timedelta
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
from mealquest.wallet import ledger, queries
from mealquest.wallet.balances import add_lot, lock_wallet, shown
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import EntryKind, TopUp
from mealquest.wallet.queries import LockedWallet
from mealquest.wallet.replies import TopUpView, WalletView


def top_up(merchant_id: str, form: TopUpForm, by: Principal, request: KeyedRequest) -> TopUpView:
    """Credit money paid in, and the bonus given on it, once per request key.

    Raises Forbidden when somebody gives a bonus who is neither manager nor owner, and what
    `idempotency.claim` and `lock_wallet` raise.
    """
    if form.bonus and by.role not in MANAGEMENT:
        raise Forbidden("permission denied")
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, TopUpView)
        if stored is not None:
            return stored
        wallet = lock_wallet(session, merchant_id, form.user_id)
        view = _credit(session, wallet, form, by)
        _tell(session, merchant_id, form, view, by)
        idempotency.store(session, merchant_id, request, view)
    return view


def _credit(session: Session, wallet: LockedWallet, form: TopUpForm, by: Principal) -> TopUpView:
    paid = Money.of_major(form.amount, wallet.currency).minor
    bonus = Money.of_major(form.bonus, wallet.currency).minor
    row: dict[str, Any] = {
        "merchant_id": wallet.merchant_id,
        "id": new_id("topup"),
        "customer_id": wallet.customer_id,
        "entry_id": new_id("txn"),
        "amount_minor": paid,
        "bonus_minor": bonus,
        "method": form.method,
        "note": form.note,
        "taken_by": by.subject,
    }
    queries.move(session, wallet, principal=paid, bonus=bonus)
    if bonus:
        days = form.bonus_valid_days
        expires_at = utc_now() + timedelta(days=days) if days else None
        add_lot(session, wallet, bonus, expires_at=expires_at, granted_by=row["entry_id"])
    session.execute(insert(TopUp).values(row))
    _post(session, wallet, form, row)
    return TopUpView(
        top_up_id=row["id"],
        txn_id=row["entry_id"],
        wallet=_balances(session, replace(wallet, principal=wallet.principal + paid)),
        bonus_granted=form.bonus,
    )


def _post(session: Session, wallet: LockedWallet, form: TopUpForm, row: dict[str, Any]) -> None:
    ledger.post(
        session,
        wallet.merchant_id,
        entry_id=row["entry_id"],
        kind=EntryKind.TOP_UP,
        reference=row["id"],
        customer_id=wallet.customer_id,
        amount_minor=row["amount_minor"],
        currency=wallet.currency,
        details=_details(form, row["id"]),
        postings=ledger.top_up_postings(
            wallet.customer_id, form.method, row["amount_minor"], row["bonus_minor"]
        ),
    )


def _details(form: TopUpForm, top_up_id: str) -> dict[str, Any]:
    return {
        "topUpId": top_up_id,
        "amount": number(form.amount),
        "bonus": number(form.bonus),
        "method": form.method.value,
    }


def _balances(session: Session, wallet: LockedWallet) -> WalletView:
    lots = queries.purse(session, wallet.merchant_id, wallet.customer_id).lots
    return WalletView.of(shown(wallet, lots, utc_now()), wallet.currency, wallet.held)


def _tell(
    session: Session, merchant_id: str, form: TopUpForm, view: TopUpView, by: Principal
) -> None:
    """The audit row, and the event: the answer, whose wallet it is, and how much was paid in."""
    details = _details(form, view.top_up_id)
    audit.record(session, merchant_id, "WALLET_TOP_UP", by, details | {"userId": form.user_id})
    event = view.model_dump(mode="json", by_alias=True)
    event |= {"userId": form.user_id, "amount": details["amount"]}
    outbox.publish(session, merchant_id, "WALLET_TOPPED_UP", event)
