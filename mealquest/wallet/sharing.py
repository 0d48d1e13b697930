"""Whose wallet a store's customers pay from: its own, or one that another store keeps.

Who shares with whom is decided by a feature that stands behind this one and is named by `share_by`.
A payment remembers whose wallet paid, and everything that follows goes there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from flask import Flask, current_app
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from mealquest.core.db import widen
from mealquest.core.places import Elsewhere
from mealquest.identity.service import UserNotFound
from mealquest.wallet import queries, settlement, shared_queries
from mealquest.wallet.balances import LOCK_NOT_AVAILABLE, lock_wallet, read_wallet
from mealquest.wallet.errors import CurrenciesDiffer, KeeperAway, KeeperFrozen, WalletBusy
from mealquest.wallet.queries import LockedWallet, WalletRow
from mealquest.wallet.shared_queries import SharedWallet


class Scope(Protocol):
    """Whether a store shares wallets with any other in effect, and who keeps those it uses."""

    @property
    def wallet_shared(self) -> bool: ...
    @property
    def wallet_merchant_id(self) -> str: ...


_EXTENSION = "wallet_scopes"


@dataclass(frozen=True, slots=True)
class Agreements:
    """What is asked of the feature that knows which stores agreed.

    Attributes:
        scope: whose wallets a store uses: one statement over the store's own rows.
        bring: copies the profile of a customer from one store to another, in the transaction of
            both. UserNotFound: the first one does not know them.
    """

    scope: Callable[[Session, str], Scope]
    bring: Callable[[Session, str, str, str], object]


def share_by(app: Flask, agreements: Agreements) -> None:
    app.extensions[_EXTENSION] = agreements


def _agreements() -> Agreements:
    found: Agreements = current_app.extensions[_EXTENSION]
    return found


def scope_of(session: Session, store_id: str) -> Scope:
    return _agreements().scope(session, store_id)


def enter(session: Session, holder: str) -> None:
    """Let the session see the store that keeps a wallet.

    KeeperAway: it lies in another database by now. MerchantUnavailable: it is closed for a moment,
    and with that the transaction is lost.
    """
    try:
        widen(session, holder)
    except Elsewhere as away:
        raise KeeperAway from away


def lock(
    session: Session,
    store_id: str,
    customer_id: str,
    *,
    holder: str | None = None,
    introduce: bool = False,
) -> LockedWallet:
    """The wallet that a customer of this store uses now, locked until the transaction ends.

    With `holder` the one kept there, whatever the stores have agreed by now. `introduce`: whom the
    keeper does not know yet gets a profile there; for what puts something into the wallet.
    Whom the store does not know yet, and the wallet's keeper does, gets a profile at the store.

    Raises:
        UserNotFound: no such customer at the store that keeps the wallet, or who left either.
        KeeperFrozen; MerchantUnavailable: that store cannot be reached.
        WalletBusy, CurrenciesDiffer.
    """
    scope = scope_of(session, store_id)
    holder = holder or scope.wallet_merchant_id
    if holder == store_id:
        own = lock_wallet(session, store_id, customer_id)
        return replace(own, in_alliance=scope.wallet_shared)
    enter(session, holder)
    found = _lock_shared(session, holder, store_id, customer_id, introduce=introduce)
    if found.own_currency is not found.wallet.currency:
        raise CurrenciesDiffer
    if not found.is_open:
        raise KeeperFrozen
    return replace(found.wallet, in_alliance=True)


def keepers(session: Session, store_id: str) -> list[str]:
    """Every store in whose wallets this one may have put something, itself first.

    The session sees them from now on; one that lies in another database by now is left out.
    """
    found = [store_id]
    others = {position.partner_id for position in settlement.positions(session, store_id)}
    others.add(scope_of(session, store_id).wallet_merchant_id)
    for other in sorted(others - {store_id}):
        try:
            enter(session, other)
        except KeeperAway:
            continue
        found.append(other)
    return found


def enter_keeper_of(session: Session, store_id: str) -> str:
    """The store whose wallets this one's customers use; the session sees it from now on."""
    holder = scope_of(session, store_id).wallet_merchant_id
    if holder != store_id:
        enter(session, holder)
    return holder


def meet_keeper(session: Session, wallet: LockedWallet) -> None:
    """Remember that something of this store lies with the keeper, for `keepers`."""
    settlement.meet(
        session, store=wallet.store_id, holder=wallet.merchant_id, currency=wallet.currency
    )


def require_open(session: Session, wallet: WalletRow) -> None:
    """KeeperFrozen: another store keeps the wallet, and is frozen."""
    if wallet.is_shared and not shared_queries.is_open(session, wallet.merchant_id):
        raise KeeperFrozen


def lock_to_leave(
    session: Session, store_id: str, customer_id: str, keepers: Iterable[str]
) -> LockedWallet:
    """The store's own wallet of a customer who leaves it; those they pay from elsewhere as well.

    All in the order of their keepers' ids. UserNotFound: not at this store, or left before.
    """
    own = None
    for keeper in sorted({store_id, *keepers}):
        if keeper == store_id:
            own = lock_wallet(session, store_id, customer_id)
        else:
            lock_kept(session, store_id, keeper, customer_id)
    if own is None:
        raise UserNotFound
    return own


def stores_that_hold(session: Session, keeper: str, customer_id: str) -> list[str]:
    """Other stores at which a payment waits that holds parts of this wallet; it is locked.

    The session sees them from now on.
    """
    stores = shared_queries.stores_that_hold(session, keeper, customer_id)
    for store_id in stores:
        enter(session, store_id)
    return stores


def lock_kept(
    session: Session, store_id: str, holder: str | None, customer_id: str
) -> LockedWallet:
    """The wallet that paid at this store, also of a customer who has left since.

    `holder` is what the payment remembers; None: the store itself. UserNotFound: there is none.
    """
    keeper = holder or store_id
    if keeper != store_id:
        enter(session, keeper)
    try:
        wallet = queries.lock_of_anybody(session, keeper, customer_id, store_id)
    except OperationalError as failure:
        raise _busy(failure) from failure
    if wallet is None:
        raise UserNotFound
    return wallet


def read(session: Session, store_id: str, customer_id: str) -> WalletRow:
    """As `lock`, without a lock; nobody gets a profile, and a frozen keeper may be read."""
    scope = scope_of(session, store_id)
    holder = scope.wallet_merchant_id
    if holder != store_id:
        enter(session, holder)
    wallet = queries.read(session, holder, customer_id, store_id)
    if wallet is None:
        raise UserNotFound
    return replace(wallet, in_alliance=scope.wallet_shared)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a customer has at a store: the wallet they use there, and what else lies in the store's.

    `own` is None where the store keeps the wallet itself. What lies there was paid in, or given,
    before the store began to share; it waits there, and is moved by hand or spent when sharing
    ends. `is_known`: the keeper of the wallet has a profile of the customer.
    """

    wallet: WalletRow
    own: WalletRow | None = None
    is_known: bool = True


def show(session: Session, store_id: str, customer_id: str) -> Shown:
    """For whoever looks: also a customer whom the owner erased, for what the store's wallet holds.

    Whom the wallet's keeper does not know has nothing there. UserNotFound: not at this store, or
    cancelled.
    """
    scope = scope_of(session, store_id)
    holder = scope.wallet_merchant_id
    own = queries.read(session, store_id, customer_id)
    if own is None:
        return Shown(read_wallet(session, store_id, customer_id, also_deleted=True))
    if holder == store_id:
        return Shown(replace(own, in_alliance=scope.wallet_shared))
    enter(session, holder)
    wallet = queries.read(session, holder, customer_id, store_id)
    kept = wallet or WalletRow(holder, customer_id, store_id, own.currency, 0, 0, 0)
    return Shown(replace(kept, in_alliance=True), own, wallet is not None)


def read_kept(session: Session, store_id: str, holder: str | None, customer_id: str) -> WalletRow:
    """As `lock_kept`, without a lock."""
    keeper = holder or store_id
    if keeper != store_id:
        enter(session, keeper)
    wallet = queries.read_of_anybody(session, keeper, customer_id, store_id)
    if wallet is None:
        raise UserNotFound
    return wallet


def _lock_shared(
    session: Session, holder: str, store_id: str, customer_id: str, *, introduce: bool
) -> SharedWallet:
    """One statement, unless the wallet, or the customer at one of the stores, has to be made."""
    try:
        found = shared_queries.lock_shared(session, holder, store_id, customer_id)
        if found is None:
            if introduce and not shared_queries.knows(session, holder, customer_id):
                _agreements().bring(session, store_id, holder, customer_id)
            _make_known(session, holder, store_id, customer_id)
            found = shared_queries.lock_shared(session, holder, store_id, customer_id)
    except OperationalError as failure:
        raise _busy(failure) from failure
    if found is None:
        raise UserNotFound
    return found


def _make_known(session: Session, holder: str, store_id: str, customer_id: str) -> None:
    """A wallet at its keeper, and a profile at the store for whom only the keeper knows.

    Under the keeper's lock, so that two first payments of a customer do not both bring it.
    """
    made = queries.create(session, holder, customer_id)
    if made is None and queries.lock(session, holder, customer_id) is None:
        raise UserNotFound
    if not shared_queries.knows(session, store_id, customer_id):
        _agreements().bring(session, holder, store_id, customer_id)


def _busy(failure: OperationalError) -> Exception:
    if getattr(failure.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
        return WalletBusy()
    return failure
