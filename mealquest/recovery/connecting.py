"""Connecting a merchant's Stripe account: there, and back.

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
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import SYSTEM, Principal
from mealquest.recovery import billing, cases, merchants, usage, webhooks
from mealquest.recovery.connect_domain import Reason, Refused
from mealquest.recovery.domain import OF_MERCHANTS, Metric, TaskType
from mealquest.recovery.errors import (
    NoSuchMerchant,
    StripeAway,
    StripeFailed,
    StripeNotSetUp,
)
from mealquest.recovery.gateway import Connected, StripeGateway
from mealquest.recovery.merchant_replies import AuthorizeView
from mealquest.recovery.models import OauthState
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantNotFound, Operation

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


def authorize(merchant_id: str, by: Principal, browser: str = "") -> AuthorizeView:
    """Begin a connection; the answer says where to send the merchant.

    `browser`: what only the browser that began knows; empty when an app did.

    Raises NoSuchMerchant and StripeNotSetUp.
    """
    if not current_app.config["STRIPE_CLIENT_ID"]:
        raise StripeNotSetUp
    state = f"{merchant_id}.{secrets.token_urlsafe(32)}"
    with transaction(merchant_id) as session:
        merchants.account(session, merchant_id)
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
    """Note the account, take in what it sent before it was known, and bill from now on.

    What is done after the commit is done again by connecting again.
    """
    try:
        with (
            tenancy.claimed(taken.merchant_id, stripe_connect_id=found.account_id),
            transaction(taken.merchant_id) as session,
        ):
            _note(session, taken, found)
    except IntegrityError:
        raise Refused(Reason.TAKEN) from None
    except (NoSuchMerchant, MerchantNotFound):
        raise Refused(Reason.LATE) from None
    webhooks.replay(found.account_id, taken.merchant_id)
    billing.ensure_customer(taken.merchant_id)


def _note(session: Session, taken: _Taken, found: Connected) -> None:
    merchant_id = taken.merchant_id
    account = tenancy.account_of(session, merchant_id, lock=True)
    if account.stripe_connect_id not in {None, found.account_id}:
        raise Refused(Reason.ANOTHER)
    tenancy.connect_account(
        session, merchant_id, found.account_id, found.access_token, found.refresh_token
    )
    if account.is_connected:
        return  # the same account once more: its tokens are newer, nothing else happens
    usage.log(session, merchant_id, Metric.MERCHANT_CONNECTED)
    details = {"accountId": found.account_id, "askedBy": taken.asked_by}
    audit.record(session, merchant_id, Operation.STRIPE_CONNECT, SYSTEM, details)
    _tell(session, merchant_id)


def _tell(session: Session, merchant_id: str) -> None:
    outbox.publish(session, merchant_id, cases.CHANGED, {"invoiceId": None, "what": "connected"})


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
