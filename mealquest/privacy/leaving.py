"""A customer who is erased, by the owner or by themselves: one transaction, one moment.

A wallet that another store keeps is not this store's to end: it stays as it is, for its owner and
its keeper. Who leaves the keeper ends it for every store that shares it.

The wallet's lock comes first, as for everything that moves money; so a payment, a callback or a
refund either is over before, or finds a customer who has left. The ledger, the payments, the
invoices and the audit stay as they are: they name a random id, which nothing leads to any more.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import idempotency, outbox
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM, Principal
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.invoices import service as invoices
from mealquest.payments import service as payments
from mealquest.privacy import queries
from mealquest.privacy.replies import CancelledView, DeletedView, LeavingView
from mealquest.realtime import service as realtime
from mealquest.strategy import service as strategy
from mealquest.tenancy.service import Operation
from mealquest.wallet import service as wallets
from mealquest.wallet.service import VoucherStatus

# Forget what else is kept of a customer: called in the erasing transaction, after identity.
FORGET: tuple[Callable[[Session, str, str], None], ...] = (
    invoices.forget,
    campaigns.forget_customer,
    strategy.forget_customer,
    realtime.forget_customer,
    outbox.forget_customer,
    idempotency.erase_answers,
    queries.forget_customer,
)


def delete_user(merchant_id: str, user_id: str, by: Principal) -> DeletedView:
    """Erase a customer for the owner. Repeated, it answers when that was.

    UserNotFound: not at this merchant, or cancelled by themselves.
    """
    since = _erase(merchant_id, user_id, by, Operation.PRIVACY_DELETE, cancelled=False)
    return DeletedView(merchant_id=merchant_id, user_id=user_id, deleted_at=since)


def cancel_account(merchant_id: str, user_id: str, by: Principal) -> CancelledView:
    """Erase the customer who asks; their token counts no more from this moment."""
    since = _erase(merchant_id, user_id, by, Operation.PRIVACY_CANCEL, cancelled=True)
    return CancelledView(
        merchant_id=merchant_id,
        user_id=user_id,
        deleted_at=since,
        anonymized_user_id=identity.anonymous_user_id(merchant_id, user_id),
    )


def what_goes(merchant_id: str, user_id: str) -> LeavingView:
    """What erasing this customer would mean. UserNotFound: not at this merchant, or cancelled."""
    usable = {VoucherStatus.ACTIVE, VoucherStatus.HELD}
    with transaction(merchant_id) as session:
        facts = identity.customer_facts(session, merchant_id, user_id, also_deleted=True)
        pocket = wallets.own_pocket(session, merchant_id, user_id)
        waiting = payments.waiting_of(session, merchant_id, user_id)
    vouchers = [] if facts.is_deleted else pocket.vouchers
    return LeavingView(
        user_id=user_id,
        display_name=facts.display_name,
        phone_masked=identity.masked(facts.phone_last4),
        principal=pocket.wallet.principal,
        bonus=pocket.wallet.bonus,
        silver=pocket.wallet.silver,
        vouchers=sum(voucher.status in usable for voucher in vouchers),
        waiting=len(waiting),
        is_deleted=facts.is_deleted,
    )


def _erase(
    merchant_id: str, user_id: str, by: Principal, action: Operation, *, cancelled: bool
) -> datetime:
    with transaction(merchant_id) as session:
        try:
            keepers = payments.waiting_of(session, merchant_id, user_id).values()
            wallet = wallets.lock_to_leave(session, merchant_id, user_id, keepers)
        except UserNotFound:
            since = identity.erased_since(session, merchant_id, user_id, cancelled=cancelled)
            if since is None:
                raise
            return since
        payments.cancel_all_of(session, merchant_id, user_id, by)
        for store_id in wallets.stores_that_hold(session, merchant_id, user_id):
            payments.cancel_all_of(session, store_id, user_id, SYSTEM, keeper=merchant_id)
        wallets.leave(session, wallet)
        since = identity.erase_customer(session, merchant_id, user_id, cancelled=cancelled)
        for forget in FORGET:
            forget(session, merchant_id, user_id)
        audit.record(session, merchant_id, action.value, by, {"userId": user_id})
    return since
