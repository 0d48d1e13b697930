"""Addresses that get no more mail of a merchant. Only a keyed hash of each is kept."""

from enum import StrEnum

from flask import current_app
from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.crypto import derive_key, keyed_hash
from mealquest.core.db import transaction
from mealquest.core.paging import Keyset, cut
from mealquest.core.principal import Principal
from mealquest.recovery import payer_links
from mealquest.recovery.case_models import Suppression
from mealquest.recovery.errors import NotSuppressed
from mealquest.recovery.payer_brand import brand_of
from mealquest.recovery.payer_replies import LeaveView
from mealquest.recovery.suppression_forms import SuppressForm, SuppressionsForm
from mealquest.recovery.suppression_replies import SuppressionsView, SuppressionView
from mealquest.tenancy.service import Operation


class Why(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BY_MERCHANT = "by_merchant"


def hashed(merchant_id: str, address: str) -> str:
    """What stands for an address in this merchant's list, and in no other's."""
    key = derive_key(current_app.config["SETTINGS"].jwt_secret, "mail suppression")
    return keyed_hash(key, f"{merchant_id}\n{address.strip().casefold()}")


def is_suppressed(session: Session, merchant_id: str, address: str) -> bool:
    return _has(session, merchant_id, hashed(merchant_id, address))


def suppress(session: Session, merchant_id: str, address: str, why: Why) -> bool:
    """False: it was there already, and stays there for its first reason."""
    return _add(session, merchant_id, hashed(merchant_id, address), why)


def suppressions(merchant_id: str, form: SuppressionsForm) -> SuppressionsView:
    """The list, newest first."""
    query = (
        select(Suppression)
        .where(Suppression.merchant_id == merchant_id)
        .order_by(Suppression.created_at.desc(), Suppression.address_hash.desc())
        .limit(form.limit + 1)
    )
    if form.cursor:
        place = Keyset.decode(form.cursor)
        last = tuple_(Suppression.created_at, Suppression.address_hash)
        query = query.where(last < (place.moment, place.id))
    with transaction(merchant_id) as session:
        rows, after = cut(session.scalars(query).all(), form.limit, _place)
    return SuppressionsView(items=[_shown(row) for row in rows], next_cursor=after)


def add(merchant_id: str, form: SuppressForm, by: Principal) -> SuppressionView:
    """Send an address nothing more, because the merchant says so; a repeat changes nothing."""
    with transaction(merchant_id) as session:
        if suppress(session, merchant_id, form.email, Why.BY_MERCHANT):
            address_hash = hashed(merchant_id, form.email)
            details = {"addressHash": address_hash[:12], "isSuppressed": True}
            audit.record(session, merchant_id, Operation.RECOVERY_SUPPRESSION_SET, by, details)
        return _shown(_row(session, merchant_id, hashed(merchant_id, form.email)))


def remove(merchant_id: str, address_hash: str, by: Principal) -> SuppressionView:
    """Let an address be written to again. NotSuppressed: it is not on the list."""
    with transaction(merchant_id) as session:
        view = _shown(_row(session, merchant_id, address_hash))
        session.execute(
            delete(Suppression).where(
                Suppression.merchant_id == merchant_id, Suppression.address_hash == address_hash
            )
        )
        details = {"addressHash": address_hash[:12], "isSuppressed": False, "why": view.why}
        audit.record(session, merchant_id, Operation.RECOVERY_SUPPRESSION_SET, by, details)
    return view


def leaving(token: str) -> LeaveView:
    """The page of an unsubscribe link; it changes nothing. LinkNotFound."""
    merchant_id, address_hash = payer_links.leaving(token)
    with transaction(merchant_id) as session:
        left = _has(session, merchant_id, address_hash)
        return _leave_view(session, merchant_id, token, has_left=left)


def leave(token: str) -> LeaveView:
    """Refuse further mails by the link of one; a repeat changes nothing. LinkNotFound."""
    merchant_id, address_hash = payer_links.leaving(token)
    with transaction(merchant_id) as session:
        view = _leave_view(session, merchant_id, token, has_left=True)
        _add(session, merchant_id, address_hash, Why.UNSUBSCRIBED)
    return view


def _leave_view(session: Session, merchant_id: str, token: str, *, has_left: bool) -> LeaveView:
    return LeaveView(has_left=has_left, **brand_of(session, merchant_id, token))


def _has(session: Session, merchant_id: str, address_hash: str) -> bool:
    found = select(Suppression.address_hash).where(
        Suppression.merchant_id == merchant_id, Suppression.address_hash == address_hash
    )
    return session.scalar(found) is not None


def _add(session: Session, merchant_id: str, address_hash: str, why: Why) -> bool:
    added = session.scalar(
        insert(Suppression)
        .values(merchant_id=merchant_id, address_hash=address_hash, why=why.value)
        .on_conflict_do_nothing(index_elements=["merchant_id", "address_hash"])
        .returning(Suppression.address_hash)
    )
    return added is not None


def _row(session: Session, merchant_id: str, address_hash: str) -> Suppression:
    found = session.get(Suppression, (merchant_id, address_hash))
    if found is None:
        raise NotSuppressed
    return found


def _place(row: Suppression) -> str:
    return Keyset(row.created_at, row.address_hash).encode()


def _shown(row: Suppression) -> SuppressionView:
    return SuppressionView(address_hash=row.address_hash, why=row.why, created_at=row.created_at)
