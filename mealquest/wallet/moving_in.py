"""What lies in a store's own wallets since before it shared: moved into the shared ones, by hand.

Nothing moves by itself: until somebody does this it waits, and is there again when sharing ends.
Principal, change and bonus move, the bonus lot by lot with its expiry; vouchers stay. What orders
that wait have reserved stays too. Both books have an entry of it, and the store owes the keeper
what its customers now spend from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.tenancy.service import Operation
from mealquest.wallet import queries, settlement, sharing
from mealquest.wallet.balances import add_lot, lock_wallet, shown
from mealquest.wallet.booking import HOLDER, STORE
from mealquest.wallet.domain import Lot, LotUse, spendable
from mealquest.wallet.errors import NothingToMove, WalletNotShared
from mealquest.wallet.forms import MoveAllForm, MoveForm
from mealquest.wallet.ledger import Bucket, Posting, wallet_account
from mealquest.wallet.models import EntryKind, Wallet
from mealquest.wallet.queries import LockedWallet
from mealquest.wallet.replies import MovedAllView, MovedView, WalletView, major
from mealquest.wallet.two_books import Books, post_both

AT_ONCE = 100  # customers in one request


@dataclass(frozen=True, slots=True)
class Load:
    """What moves, minor units; the lots with all that is free of them."""

    principal: int
    silver: int
    lots: tuple[Lot, ...]

    @property
    def bonus(self) -> int:
        return sum(lot.left_minor for lot in self.lots)

    @property
    def total(self) -> int:
        return self.principal + self.bonus + self.silver

    def by_bucket(self) -> list[tuple[Bucket, int]]:
        found = (
            (Bucket.PRINCIPAL, self.principal),
            (Bucket.BONUS, self.bonus),
            (Bucket.SILVER, self.silver),
        )
        return [(bucket, minor) for bucket, minor in found if minor]


def move(merchant_id: str, form: MoveForm, by: Principal, request: KeyedRequest) -> MovedView:
    """Move all that is free of one customer, once per request key.

    Raises:
        WalletNotShared: the store keeps its wallets itself; NothingToMove.
        UserNotFound, KeeperFrozen, WalletBusy, ExposureExceeded, KeyReused, StillRunning.
    """
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, MovedView)
        if stored is not None:
            return stored
        view = _move(session, merchant_id, form.user_id, by)
        idempotency.store(session, merchant_id, request, view, customer_id=form.user_id)
    return view


def move_all(merchant_id: str, form: MoveAllForm, by: Principal) -> MovedAllView:
    """As `move`, for the next customers with something free, each in a transaction of their own.

    `left`: whether there are more. Asked again, it goes on behind those it has passed over.
    """
    with transaction(merchant_id) as session:
        if sharing.scope_of(session, merchant_id).wallet_merchant_id == merchant_id:
            raise WalletNotShared
        found = _who_has_something(session, merchant_id, form.after)
    moved = sum(_try(merchant_id, customer_id, by) for customer_id in found[:AT_ONCE])
    more = found[AT_ONCE - 1] if len(found) > AT_ONCE else None
    return MovedAllView(moved=moved, passed_over=len(found[:AT_ONCE]) - moved, next_after=more)


def _try(merchant_id: str, customer_id: str, by: Principal) -> bool:
    """False: they have left, or by now there is nothing to move."""
    try:
        with transaction(merchant_id) as session:
            _move(session, merchant_id, customer_id, by)
    except (UserNotFound, NothingToMove):
        return False
    return True


def _move(session: Session, store: str, customer_id: str, by: Principal) -> MovedView:
    own, kept = _lock_both(session, store, customer_id)
    lots = spendable(queries.purse(session, store, customer_id).lots, utc_now())
    load = Load(own.free_principal, own.free_silver, tuple(lots))
    if not load.total:
        raise NothingToMove
    entry_id = new_id("txn")
    queries.move(
        session,
        own,
        principal=-load.principal,
        bonus=-load.bonus,
        silver=-load.silver,
        lots=[LotUse(lot.id, lot.left_minor) for lot in lots],
    )
    queries.move(session, kept, principal=load.principal, bonus=load.bonus, silver=load.silver)
    for lot in lots:
        add_lot(session, kept, lot.left_minor, expires_at=lot.expires_at, granted_by=entry_id)
    _book(session, kept, load, entry_id)
    details = {
        "userId": customer_id,
        HOLDER: kept.merchant_id,
        "amount": number(major(load.total, own.currency)),
    }
    audit.record(session, store, Operation.WALLET_MOVE.value, by, details)
    return _view(session, kept, load, entry_id)


def _lock_both(session: Session, store: str, customer_id: str) -> tuple[LockedWallet, LockedWallet]:
    """The store's own wallet and the shared one, the wallets in the order of their keepers' ids."""
    identity.customer_facts(session, store, customer_id)
    holder = sharing.scope_of(session, store).wallet_merchant_id
    if holder == store:
        raise WalletNotShared
    sharing.enter(session, holder)
    for keeper in sorted((store, holder)):
        queries.lock_of_anybody(session, keeper, customer_id)
    own = lock_wallet(session, store, customer_id)
    return own, sharing.lock(session, store, customer_id, holder=holder, introduce=True)


def _book(session: Session, kept: LockedWallet, load: Load, entry_id: str) -> None:
    holder, store = kept.merchant_id, kept.store_id
    mine, theirs = settlement.account(holder), settlement.account(store)
    accounts = [(wallet_account(kept.customer_id, b), minor) for b, minor in load.by_bucket()]
    books = Books(
        holder=tuple(Posting(theirs, account, minor) for account, minor in accounts),
        store=tuple(Posting(account, mine, minor) for account, minor in accounts),
        owed=-load.total,
    )
    post_both(
        session,
        store,
        holder,
        books,
        entry_id=entry_id,
        kind=EntryKind.WALLET_MOVED,
        reference=entry_id,
        customer_id=kept.customer_id,
        amount_minor=load.total,
        currency=kept.currency,
        details={HOLDER: holder},
        told={STORE: store},
    )
    settlement.record(session, store=store, holder=holder, currency=kept.currency, minor=books.owed)


def _view(session: Session, kept: LockedWallet, load: Load, entry_id: str) -> MovedView:
    now, currency = utc_now(), kept.currency
    after = queries.lock_of_anybody(session, kept.merchant_id, kept.customer_id) or kept
    lots = queries.purse(session, kept.merchant_id, kept.customer_id).lots
    return MovedView(
        user_id=kept.customer_id,
        txn_id=entry_id,
        wallet_merchant_id=kept.merchant_id,
        principal=major(load.principal, currency),
        bonus=major(load.bonus, currency),
        silver=major(load.silver, currency),
        wallet=WalletView.of(shown(after, lots, now), currency, after.held),
    )


def _who_has_something(session: Session, merchant_id: str, after: str | None) -> Sequence[str]:
    held = Wallet.held_principal_minor + Wallet.held_bonus_minor + Wallet.held_silver_minor
    inside = Wallet.principal_minor + Wallet.bonus_minor + Wallet.silver_minor
    return session.scalars(
        select(Wallet.customer_id)
        .where(Wallet.merchant_id == merchant_id, inside > held, Wallet.customer_id > (after or ""))
        .order_by(Wallet.customer_id)
        .limit(AT_ONCE + 1)
    ).all()
