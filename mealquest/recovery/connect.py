"""Connecting a merchant's Stripe account, and letting go of it.

A connection begins with a state that is kept hashed, for ten minutes, for one merchant and, where a
browser began it, for that browser. Coming back takes the state first, so that it is good once
whatever happens then; only after that the code is exchanged, outside every transaction.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog
from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import SYSTEM, Principal
from mealquest.recovery import billing, cases, tasks, usage, webhooks
from mealquest.recovery.connect_domain import Reason, Refused
from mealquest.recovery.domain import OF_MERCHANTS, Metric, TaskType
from mealquest.recovery.errors import (
    NoSuchMerchant,
    NotConnected,
    StripeAway,
    StripeDidNot,
    StripeFailed,
    StripeNotSetUp,
)
from mealquest.recovery.gateway import Connected, StripeGateway
from mealquest.recovery.merchant_replies import AuthorizeView, ConnectionView, DisconnectedView
from mealquest.recovery.models import OauthState
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, MerchantNotFound, Operation

STATE_LIVES = timedelta(minutes=10)
SCOPE = "read_write"
NOT_CONNECTED = "invalid_client"  # also what Stripe says of an account that withdrew before
ENDED_WITH = OF_MERCHANTS | {TaskType.RECONCILE}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Back:
    """What Stripe sent a browser back with. `browser` names it, if it has begun anything."""

    code: str = ""
    state: str = ""
    error: str = ""
    browser: str = ""


@dataclass(frozen=True, slots=True)
class _Taken:
    merchant_id: str
    asked_by: str
    is_of_this_browser: bool


def connection(merchant_id: str) -> ConnectionView:
    """Whether and since when a merchant is connected. NoSuchMerchant: there is none of this id."""
    with transaction(merchant_id) as session:
        account = _account(session, merchant_id)
    return ConnectionView(
        merchant_id=merchant_id,
        account_id=account.stripe_connect_id,
        connected_at=account.connected_at,
        is_sandbox=bool(current_app.config["STRIPE_SANDBOX_URL"]),
        is_set_up=bool(current_app.config["STRIPE_CLIENT_ID"]),
    )


def authorize(merchant_id: str, by: Principal, browser: str = "") -> AuthorizeView:
    """Begin a connection; the answer says where to send the merchant.

    `browser`: what only the browser that began knows; empty when an app did.

    Raises NoSuchMerchant and StripeNotSetUp.
    """
    if not current_app.config["STRIPE_CLIENT_ID"]:
        raise StripeNotSetUp
    state = f"{merchant_id}.{secrets.token_urlsafe(32)}"
    with transaction(merchant_id) as session:
        _account(session, merchant_id)
        session.execute(
            insert(OauthState).values(
                merchant_id=merchant_id,
                state_hash=_hash(state),
                asked_by=by.actor,
                session_hash=_hash(browser) if browser else None,
                expires_at=func.now() + STATE_LIVES,
            )
        )
    url = StripeGateway.platform().authorize_url(state, redirect_uri())
    return AuthorizeView(url=url, state=state, merchant_id=merchant_id)


def redirect_uri() -> str:
    return f"{current_app.config['SETTINGS'].base_url}/api/stripe/connect/callback"


def come_back(back: Back, caller: Principal) -> str:
    """Finish a connection: the merchant that is connected now. Refused says why not.

    Whatever comes of it, the state is used up.
    """
    taken = _take(back) if back.state else None
    if back.error:
        raise Refused(Reason.DENIED if back.error == "access_denied" else Reason.BY_STRIPE)
    if not (back.code and back.state):
        raise Refused(Reason.INCOMPLETE)
    if taken is None:
        raise Refused(Reason.LATE)
    if not taken.is_of_this_browser or caller.merchant_id not in {None, taken.merchant_id}:
        raise Refused(Reason.LATE)
    _keep(taken, _exchanged(back.code))
    return taken.merchant_id


def _take(back: Back) -> _Taken | None:
    """Use up a state: one transaction of its own, over before anything else happens."""
    merchant_id = _named_in(back.state)
    if merchant_id is None:
        return None
    with transaction(merchant_id) as session:
        row = session.execute(
            update(OauthState)
            .where(
                OauthState.merchant_id == merchant_id,
                OauthState.state_hash == _hash(back.state),
                OauthState.used_at.is_(None),
                OauthState.expires_at > func.now(),
            )
            .values(used_at=func.now())
            .returning(OauthState.asked_by, OauthState.session_hash)
        ).one_or_none()
        policy = tenancy.policy_of(session, merchant_id)
    if row is None:
        return None
    if tenancy.refusal(policy, Operation.STRIPE_CONNECT):
        raise Refused(Reason.FROZEN)
    mine = row.session_hash is None or row.session_hash == _hash(back.browser)
    return _Taken(merchant_id, row.asked_by, mine)


def _named_in(state: str) -> str | None:
    """The merchant a state is for, if it can be one of ours."""
    try:
        return tenancy.require_merchant_id(state.rpartition(".")[0])
    except Invalid:
        return None


def _exchanged(code: str) -> Connected:
    try:
        found = StripeGateway.platform().oauth_token(code)
    except StripeAway as failure:
        log.warning("connect: no answer", why=str(failure))
        raise Refused(Reason.AWAY) from None
    except StripeFailed as failure:
        log.warning("connect: refused", why=str(failure))
        raise Refused(Reason.BY_STRIPE) from None
    if not found.account_id or found.scope != SCOPE:
        raise Refused(Reason.BY_STRIPE)
    if found.livemode != current_app.config["SETTINGS"].stripe_is_live:
        raise Refused(Reason.OTHER_MODE)
    return found


def _keep(taken: _Taken, found: Connected) -> None:
    """Note the account, take in what it sent before it was known, and bill from now on."""
    try:
        with transaction(taken.merchant_id) as session:
            is_new = _note(session, taken, found)
    except IntegrityError:
        raise Refused(Reason.TAKEN) from None
    except (NoSuchMerchant, MerchantNotFound):
        raise Refused(Reason.LATE) from None
    if not is_new:
        return
    webhooks.replay(found.account_id, taken.merchant_id)
    billing.ensure_customer(taken.merchant_id)


def _note(session: Session, taken: _Taken, found: Connected) -> bool:
    """Whether the merchant was not connected before."""
    merchant_id = taken.merchant_id
    account = tenancy.account_of(session, merchant_id, lock=True)
    if account.stripe_connect_id not in {None, found.account_id}:
        raise Refused(Reason.ANOTHER)
    tenancy.connect_account(
        session, merchant_id, found.account_id, found.access_token, found.refresh_token
    )
    if account.is_connected:
        return False
    usage.log(session, merchant_id, Metric.MERCHANT_CONNECTED)
    details = {"accountId": found.account_id, "askedBy": taken.asked_by}
    audit.record(session, merchant_id, Operation.STRIPE_CONNECT, SYSTEM, details)
    _tell(session, merchant_id, "connected")
    return True


# --- the other way ------------------------------------------------------------------------


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
        account_id = _account(session, merchant_id).stripe_connect_id
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
    tasks.end_all(session, merchant_id, ENDED_WITH, "disconnected")
    cases.end_all(session, merchant_id, session.scalars(select(func.now())).one())
    tenancy.disconnect_account(session, merchant_id)
    usage.log(session, merchant_id, Metric.MERCHANT_DISCONNECTED)
    details = {"accountId": account.stripe_connect_id, "why": why, "cancelledTasks": ended}
    audit.record(session, merchant_id, Operation.STRIPE_DISCONNECT, by, details)
    _tell(session, merchant_id, "disconnected")
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


def _account(session: Session, merchant_id: str) -> MerchantAccount:
    try:
        return tenancy.account_of(session, merchant_id)
    except MerchantNotFound:
        raise NoSuchMerchant from None


def _tell(session: Session, merchant_id: str, what: str) -> None:
    outbox.publish(session, merchant_id, cases.CHANGED, {"invoiceId": None, "what": what})


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
