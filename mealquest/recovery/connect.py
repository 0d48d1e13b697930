"""Whether a merchant's Stripe account is connected, and letting go of it."""

import structlog
from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM, Principal
from mealquest.recovery import cases, merchants, tasks, usage
from mealquest.recovery.domain import OF_MERCHANTS, Metric, TaskType
from mealquest.recovery.errors import NotConnected, StripeDidNot, StripeFailed
from mealquest.recovery.gateway import StripeGateway
from mealquest.recovery.merchant_replies import ConnectionView, DisconnectedView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

NOT_CONNECTED = "invalid_client"  # also what Stripe says of an account that withdrew before

log = structlog.get_logger(__name__)


def connection(merchant_id: str) -> ConnectionView:
    """Whether and since when a merchant is connected. NoSuchMerchant: there is none of this id."""
    with transaction(merchant_id) as session:
        account = merchants.account(session, merchant_id)
    return ConnectionView(
        merchant_id=merchant_id,
        account_id=account.stripe_connect_id,
        connected_at=account.connected_at,
        is_sandbox=bool(current_app.config["STRIPE_SANDBOX_URL"]),
        is_set_up=bool(current_app.config["STRIPE_CLIENT_ID"]),
    )


def disconnect(
    merchant_id: str, by: Principal, *, cancel_subscriptions: bool = False
) -> DisconnectedView:
    """Let go of a merchant's account, here first and then at Stripe.

    `cancel_subscriptions` ends what the merchant's customers pay for, before anything else; only
    for somebody who has said so twice.

    Raises:
        NoSuchMerchant, NotConnected.
        StripeDidNot: the subscriptions could not be cancelled; the merchant stays connected.
    """
    with transaction(merchant_id) as session:
        account_id = merchants.account(session, merchant_id).stripe_connect_id
    if account_id is None:
        raise NotConnected
    cancelled = _cancel_subscriptions(account_id) if cancel_subscriptions else 0
    with transaction(merchant_id) as session:
        ended = disconnected(session, merchant_id, "asked", by=by, account_id=account_id)
    if ended is None:
        raise NotConnected
    return DisconnectedView(
        merchant_id=merchant_id,
        deleted_tasks=ended,
        cancelled_subscriptions=cancelled,
        deauthorized=deauthorized(account_id),
    )


def disconnected(
    session: Session,
    merchant_id: str,
    why: str,
    *,
    by: Principal = SYSTEM,
    account_id: str | None = None,
) -> int | None:
    """Note that a merchant is not connected any more: its reminders end, its digest goes on.

    Returns how many tasks ended; None when it is not connected, or not to `account_id`.
    """
    account = tenancy.account_of(session, merchant_id, lock=True)
    if account.stripe_connect_id is None or account_id not in {None, account.stripe_connect_id}:
        return None
    ended = tasks.end_all(session, merchant_id, OF_MERCHANTS, "disconnected")
    tasks.end_all(session, merchant_id, frozenset({TaskType.RECONCILE}), "disconnected")
    cases.end_all(session, merchant_id, session.scalars(select(func.now())).one())
    tenancy.disconnect_account(session, merchant_id)
    usage.log(session, merchant_id, Metric.MERCHANT_DISCONNECTED)
    details = {"accountId": account.stripe_connect_id, "why": why, "cancelledTasks": ended}
    audit.record(session, merchant_id, Operation.STRIPE_DISCONNECT, by, details)
    _tell(session, merchant_id)
    return ended


def deauthorized(account_id: str) -> bool:
    """Take the platform out of an account. False: Stripe did not do it.

    An account that the platform has no access to any more counts as done.
    """
    platform = StripeGateway.platform()
    try:
        platform.deauthorize(account_id)
    except StripeFailed as failure:
        log.warning("deauthorize failed", account=account_id, why=str(failure))
        return failure.code == NOT_CONNECTED and not _is_open(platform, account_id)
    return True


def _is_open(platform: StripeGateway, account_id: str) -> bool:
    """Also when nobody knows."""
    try:
        return platform.has_access(account_id)
    except StripeFailed as failure:
        log.warning("access not known", account=account_id, why=str(failure))
        return True


def _cancel_subscriptions(account_id: str) -> int:
    try:
        return StripeGateway.for_account(account_id).cancel_subscriptions()
    except StripeFailed as failure:
        log.warning("subscriptions not cancelled", account=account_id, why=str(failure))
        raise StripeDidNot("Stripe did not cancel the subscriptions, nothing was done") from None


def _tell(session: Session, merchant_id: str) -> None:
    what = {"invoiceId": None, "what": "disconnected"}
    outbox.publish(session, merchant_id, cases.CHANGED, what)
