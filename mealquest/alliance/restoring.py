"""What owners had set at another server: the same lists, with what follows from them here.

There one owner's word was enough to pay from another store's wallets. Here it takes both: wallets
are shared between those that had set it of each other.
"""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy.orm import Session

from mealquest.alliance.domain import Alliance
from mealquest.alliance.errors import AllianceBusy
from mealquest.alliance.setting import Table, change_in
from mealquest.core.principal import Principal


def restore(
    session: Session,
    merchant_id: str,
    *,
    cluster_id: str | None,
    stores: tuple[str, ...],
    wallet_shared: bool,
    tier_shared: bool,
    by: Principal,
) -> None:
    """Set a store's list. All stores that it names are there, and in this transaction."""

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        now = replace(
            table.own,
            cluster_id=cluster_id or table.own.cluster_id,
            stores=stores,
            wallet_shared=wallet_shared,
            tier_shared=tier_shared,
        )
        return now, ()

    if change_in(session, merchant_id, sorted({*stores} - {merchant_id}), wanted, by) is None:
        raise AllianceBusy
