from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.alliance.domain import Act, Alliance, LinkState, WalletScope
from mealquest.alliance.models import AllianceAct, AllianceConfig, AllianceLink
from mealquest.core.ids import new_id
from mealquest.core.paging import Keyset, Span

# --- configurations -----------------------------------------------------------------------

_SCOPE = select(AllianceConfig.shares, AllianceConfig.wallet_merchant_id).where(
    AllianceConfig.merchant_id == bindparam("merchant")
)


def scope(session: Session, merchant_id: str) -> WalletScope:
    row = session.execute(_SCOPE, {"merchant": merchant_id}).one_or_none()
    if row is None:
        return WalletScope(wallet_shared=False, wallet_merchant_id=merchant_id)
    return WalletScope(row.shares, row.wallet_merchant_id)


def configs(session: Session, merchant_ids: Iterable[str]) -> dict[str, Alliance]:
    """What was stored, of those of these stores that ever set anything."""
    rows = session.scalars(
        select(AllianceConfig)
        .where(AllianceConfig.merchant_id.in_(sorted(merchant_ids)))
        .execution_options(populate_existing=True)
    )
    return {row.merchant_id: _alliance(row) for row in rows}


def holders(session: Session, merchant_ids: Iterable[str]) -> dict[str, str]:
    """Whose wallets these stores use, of those that ever set anything."""
    rows = session.execute(
        select(AllianceConfig.merchant_id, AllianceConfig.wallet_merchant_id).where(
            AllianceConfig.merchant_id.in_(sorted(merchant_ids))
        )
    )
    return {row.merchant_id: row.wallet_merchant_id for row in rows}


def keep_config(session: Session, config: Alliance, by: str) -> datetime:
    """Store what an owner has set; when that was. Who keeps the wallet is derived after it."""
    values = {
        "cluster_id": config.cluster_id,
        "stores": list(config.stores),
        "wallet_shared": config.wallet_shared,
        "tier_shared": config.tier_shared,
        "updated_at": func.now(),
        "updated_by": by,
    }
    return session.execute(
        insert(AllianceConfig)
        .values(merchant_id=config.merchant_id, wallet_merchant_id=config.merchant_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
        .returning(AllianceConfig.updated_at)
    ).scalar_one()


def keep_scope(session: Session, merchant_id: str, scope: WalletScope) -> None:
    session.execute(
        update(AllianceConfig)
        .where(AllianceConfig.merchant_id == merchant_id)
        .values(shares=scope.wallet_shared, wallet_merchant_id=scope.wallet_merchant_id)
        .execution_options(synchronize_session=False)
    )


def _alliance(row: AllianceConfig) -> Alliance:
    return Alliance(
        merchant_id=row.merchant_id,
        cluster_id=row.cluster_id,
        stores=tuple(row.stores),
        wallet_shared=row.wallet_shared,
        tier_shared=row.tier_shared,
        updated_at=row.updated_at,
    )


# --- links --------------------------------------------------------------------------------


def links(session: Session, merchant_id: str) -> dict[str, AllianceLink]:
    """A store's own rows, by partner."""
    rows = session.scalars(
        select(AllianceLink)
        .where(AllianceLink.merchant_id == merchant_id)
        .order_by(AllianceLink.partner_id)
        .execution_options(populate_existing=True)
    )
    return {row.partner_id: row for row in rows}


def sharing(session: Session, merchant_ids: Iterable[str]) -> dict[str, set[str]]:
    """With whom each of these stores shares in effect."""
    rows = session.execute(
        select(AllianceLink.merchant_id, AllianceLink.partner_id).where(
            AllianceLink.merchant_id.in_(sorted(merchant_ids)), AllianceLink.shares
        )
    )
    found: dict[str, set[str]] = {one: set() for one in merchant_ids}
    for row in rows:
        found[row.merchant_id].add(row.partner_id)
    return found


def agreed(
    session: Session, merchant_id: str, among: Collection[str], *, stays: bool = False
) -> set[str]:
    """Those of the stores that agreed with this one; `stays`: until the transaction ends."""
    query = (
        select(AllianceLink.partner_id)
        .where(
            AllianceLink.merchant_id == merchant_id,
            AllianceLink.partner_id.in_(sorted(among)),
            AllianceLink.state == LinkState.AGREED,
        )
        .order_by(AllianceLink.partner_id)
    )
    return set(session.scalars(query.with_for_update(read=True) if stays else query))


def has_agreed(session: Session, merchant_id: str) -> bool:
    found = select(AllianceLink.partner_id).where(
        AllianceLink.merchant_id == merchant_id, AllianceLink.state == LinkState.AGREED
    )
    return session.scalar(found.limit(1)) is not None


def invitations(session: Session, merchant_id: str) -> Sequence[AllianceLink]:
    """Whose owners wait for this store's, the longest first."""
    return session.scalars(
        select(AllianceLink)
        .where(AllianceLink.merchant_id == merchant_id, AllianceLink.state == LinkState.INVITES)
        .order_by(AllianceLink.invited_at, AllianceLink.partner_id)
    ).all()


def keep_link(
    session: Session, merchant_id: str, partner_id: str, values: Mapping[str, Any]
) -> None:
    session.execute(
        insert(AllianceLink)
        .values(merchant_id=merchant_id, partner_id=partner_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id", "partner_id"], set_=dict(values))
        .execution_options(populate_existing=True)
    )


# --- acts ---------------------------------------------------------------------------------


def add_act(session: Session, merchant_id: str, partner_id: str, act: Act, **more: Any) -> None:
    """`more`: by_merchant_id and terms, and where there is one by_subject, customer_id."""
    session.execute(
        insert(AllianceAct).values(
            merchant_id=merchant_id, partner_id=partner_id, id=new_id("act"), act=act, **more
        )
    )


def acted_since(
    session: Session, merchant_id: str, partner_id: str, act: Act, by: str, hours: int
) -> bool:
    """Whether `by` did the same towards this pair within the last hours."""
    found = session.scalar(
        select(AllianceAct.id)
        .where(
            AllianceAct.merchant_id == merchant_id,
            AllianceAct.partner_id == partner_id,
            AllianceAct.act == act,
            AllianceAct.by_merchant_id == by,
            AllianceAct.occurred_at > func.now() - func.make_interval(0, 0, 0, 0, hours),
        )
        .limit(1)
    )
    return found is not None


def invited_since(session: Session, merchant_id: str, hours: int) -> int:
    """How often the store invited anybody within the last hours."""
    found = select(func.count()).where(
        AllianceAct.merchant_id == merchant_id,
        AllianceAct.act == Act.INVITE,
        AllianceAct.by_merchant_id == merchant_id,
        AllianceAct.occurred_at > func.now() - func.make_interval(0, 0, 0, 0, hours),
    )
    return int(session.scalar(found.select_from(AllianceAct)) or 0)


def acts(
    session: Session,
    merchant_id: str,
    *,
    partner_id: str | None,
    act: Act | None,
    span: Span,
    after: Keyset | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """A page of the history, newest first."""
    wanted = select(
        AllianceAct.id,
        AllianceAct.partner_id,
        AllianceAct.act,
        AllianceAct.by_merchant_id,
        AllianceAct.by_subject,
        AllianceAct.customer_id,
        AllianceAct.terms,
        AllianceAct.occurred_at,
    ).where(AllianceAct.merchant_id == merchant_id)
    if partner_id:
        wanted = wanted.where(AllianceAct.partner_id == partner_id)
    if act:
        wanted = wanted.where(AllianceAct.act == act)
    if span.since:
        wanted = wanted.where(AllianceAct.occurred_at >= span.since)
    if span.until:
        wanted = wanted.where(AllianceAct.occurred_at < span.until)
    if after:
        place = tuple_(AllianceAct.occurred_at, AllianceAct.id)
        wanted = wanted.where(place < (after.moment, after.id))
    newest = wanted.order_by(AllianceAct.occurred_at.desc(), AllianceAct.id.desc())
    return session.execute(newest.limit(limit)).all()


def copies(session: Session, merchant_id: str, customer_id: str) -> list[tuple[str, datetime]]:
    """Which stores were sent a customer's profile, and when last."""
    last = func.max(AllianceAct.occurred_at)
    rows = session.execute(
        select(AllianceAct.partner_id, last.label("sent_at"))
        .where(
            AllianceAct.merchant_id == merchant_id,
            AllianceAct.customer_id == customer_id,
            AllianceAct.act == Act.PROFILE_SENT,
        )
        .group_by(AllianceAct.partner_id)
        .order_by(last.desc(), AllianceAct.partner_id)
    )
    return [(row.partner_id, row.sent_at) for row in rows]
