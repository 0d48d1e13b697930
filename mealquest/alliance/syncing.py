"""A customer's profile is copied to the other stores of an alliance: never money, never vouchers.

Only to stores that agreed: each lists the other. Both books keep that a copy was made, because
erasing a customer at one store does not reach the other's.
"""

from collections.abc import Collection

from sqlalchemy.orm import Session

from mealquest.alliance import queries
from mealquest.alliance.domain import Act
from mealquest.alliance.forms import SyncForm
from mealquest.alliance.replies import LeftOut, LeftOutReason, SyncedView
from mealquest.alliance.setting import beside, together
from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM, Principal
from mealquest.identity import service as identity
from mealquest.identity.service import Brought
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

ACTION = Operation.ALLIANCE_SYNC_USER


def sync_user(merchant_id: str, form: SyncForm, by: Principal) -> SyncedView:
    """Copy a customer's profile to every store of the list that agreed, or to those named.

    UserNotFound: not at this store, or erased.
    """
    with transaction(merchant_id) as session:
        identity.customer_facts(session, merchant_id, form.user_id)
        listed = _listed(session, merchant_id)
        agreed = queries.agreed(session, merchant_id, listed)
    wanted = [one for one in listed if one != merchant_id]
    if form.stores:
        wanted = [one for one in wanted if one in form.stores]
    near = beside(merchant_id, agreed)
    with together(merchant_id, sorted(near)) as session:
        left_out = _copy_all(session, merchant_id, form.user_id, wanted, near, by)
        without = {one.merchant_id for one in left_out}
        synced = [one for one in listed if one == merchant_id or one in set(wanted) - without]
        if merchant_id not in synced:
            synced = [merchant_id, *synced]
        details = {"userId": form.user_id, "syncedStores": synced}
        audit.record(session, merchant_id, ACTION.value, by, details)
    return SyncedView(
        merchant_id=merchant_id, user_id=form.user_id, synced_stores=synced, left_out=left_out
    )


def bring_customer(session: Session, source: str, target: str, user_id: str) -> Brought:
    """Write a customer's profile into another store of the alliance, and note it in both books.

    For somebody who walks into a store and is known only to the one that keeps the wallets. The
    transaction names both stores, and the wallet is locked before. UserNotFound: not at the source.
    """
    return _copy(session, source, target, user_id, None)


def _copy_all(
    session: Session,
    merchant_id: str,
    user_id: str,
    wanted: Collection[str],
    near: Collection[str],
    by: Principal,
) -> list[LeftOut]:
    """Copy to those that may have one, in the order of their ids; the others, with the reason."""
    agreed = queries.agreed(session, merchant_id, near, stays=True)
    left_out = {}
    for target in sorted(wanted):
        if target not in agreed:
            left_out[target] = _why_not(merchant_id, target)
        elif tenancy.refusal(tenancy.policy_of(session, target), ACTION):
            left_out[target] = LeftOutReason.FROZEN
        elif _copy(session, merchant_id, target, user_id, by.subject) is Brought.HAS_LEFT:
            left_out[target] = LeftOutReason.HAS_LEFT
    return [LeftOut(merchant_id=one, reason=left_out[one]) for one in wanted if one in left_out]


def _why_not(merchant_id: str, target: str) -> LeftOutReason:
    near = beside(merchant_id, [target])
    return LeftOutReason.NOT_AGREED if near else LeftOutReason.ELSEWHERE


def _copy(
    session: Session, source: str, target: str, user_id: str, by_subject: str | None
) -> Brought:
    brought = identity.bring_profile(session, source, target, user_id)
    if brought is Brought.HAS_LEFT:
        return brought
    for book, other, act in (
        (source, target, Act.PROFILE_SENT),
        (target, source, Act.PROFILE_RECEIVED),
    ):
        queries.add_act(
            session,
            book,
            other,
            act,
            by_merchant_id=source,
            by_subject=by_subject if book == source else None,
            customer_id=user_id,
            terms={},
        )
    details = {"userId": user_id, "fromStore": source, "isNewUser": brought is Brought.CREATED}
    audit.record(session, target, ACTION.value, SYSTEM, details)
    return brought


def _listed(session: Session, merchant_id: str) -> list[str]:
    own = queries.configs(session, [merchant_id]).get(merchant_id)
    return list(own.stores) if own else [merchant_id]
