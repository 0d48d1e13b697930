"""The money of one shop: payments, refunds and wallets, and the ledger that tells how it came.

The old server wrote its balances down and no more. Here every balance is the sum of its postings,
so a customer begins with what they must have had: what there is, with all that was spent put back
and all that was given back taken off. That is the opening entry; what follows it is the history.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mealquest.core.ids import new_id
from mealquest.legacy.entities import LedgerRow, OldEntry, OldStatus, Outside, Payment, Shop
from mealquest.legacy.notes import Notes
from mealquest.legacy.old_ledger import OldLedger
from mealquest.legacy.people import People
from mealquest.legacy.vouchers import Vouchers
from mealquest.payments.service import ExternalStatus, PaymentStatus
from mealquest.payments.service import restoring as paying
from mealquest.wallet.service import Balances, Deduction
from mealquest.wallet.service import restoring as holding

SOURCE = "legacy"  # who did what the old server does not say
PROVIDER = "MOCK_GATEWAY"
NOTHING = Balances(0, 0, 0)
A_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """`hold_s`: how long a waiting payment holds its parts. `shared`: wallets are other stores'."""

    now: datetime
    hold_s: int
    shared: bool = False


@dataclass(slots=True)
class Money:
    """What will be written of one shop."""

    wallets: list[holding.OldWallet] = field(default_factory=list)
    vouchers: list[holding.OldVoucher] = field(default_factory=list)
    entries: list[holding.OldEntry] = field(default_factory=list)
    payments: list[paying.OldPayment] = field(default_factory=list)
    refunds: list[paying.OldRefund] = field(default_factory=list)


@dataclass(slots=True)
class _Account:
    """One customer while the history is gone through; minor units."""

    customer_id: str
    balances: Balances
    lot_id: str
    entry_id: str
    began: Balances
    held: Balances = NOTHING
    first: datetime | None = None

    def back(self, more: Balances, at: datetime) -> None:
        """Something left the wallet, or (below zero) came into it, at that time."""
        self.began = _sum(self.began, more)
        self.first = min(self.first or at, at)


def _sum(one: Balances, other: Balances) -> Balances:
    return Balances(
        one.principal + other.principal, one.bonus + other.bonus, one.silver + other.silver
    )


def money_of(shop: Shop, people: People, notes: Notes, terms: Terms) -> Money:
    """Everything of a shop that is money. Problems: payments and refunds that contradict."""
    return _History(shop, people, notes, terms).tell()


class _History:
    def __init__(self, shop: Shop, people: People, notes: Notes, terms: Terms) -> None:
        self.shop, self.people, self.notes, self.terms = shop, people, notes, terms
        self.where = f"payments of {shop.merchant.id}"
        self.vouchers = Vouchers(shop, people.gone, notes, terms.now)
        balances = {user.id: user.balances for user in shop.users}
        self.accounts = {
            one.id: _Account(one.id, kept, new_id("lot"), new_id("txn"), kept)
            for one in people.customers
            for kept in [balances.get(one.id, NOTHING)]
        }
        self.rows = OldLedger(shop)
        self.takers = _takers(shop)
        self.money = Money()

    def tell(self) -> Money:
        seen: set[str] = set()
        for payment in sorted(self.shop.payments, key=lambda one: (one.created_at, one.id)):
            if payment.id in seen:
                self.notes.problem(self.where, f"{payment.id} is there twice")
            seen.add(payment.id)
            self._take(payment)
        self._begin()
        self.money.vouchers = self.vouchers.rows
        for row in self.rows.left:
            told = f"{row.id} ({row.type.value}): no payment of that state is there"
            if row.type is OldEntry.REFUND:
                self.notes.problem(f"ledger of {self.shop.merchant.id}", told)
            else:
                self.notes.leave_out(f"ledger of {self.shop.merchant.id}", told)
        return self.money

    # --- payments -------------------------------------------------------------------------

    def _take(self, payment: Payment) -> None:
        account = self.accounts[self.people.ids[payment.user_id]]
        outside = self._outside(payment)
        if outside:
            self._note_waiting(payment, account, outside)
        if payment.status is OldStatus.PAID:
            self._paid(payment, account, outside)
        elif payment.status is OldStatus.PENDING_EXTERNAL:
            self._pending(payment, account, outside)
        else:
            failed = ExternalStatus.FAILED
            self._add(payment, account, PaymentStatus.EXTERNAL_FAILED, failed, outside)

    def _outside(self, payment: Payment) -> Outside | None:
        """How its outside part was asked for; of one that says nothing of it, made up."""
        if not payment.parts.external:
            return None
        known = payment.outside or Outside(PROVIDER, None, None, None)
        return replace(known, intent=known.intent or new_id("pi"))

    def _note_waiting(self, payment: Payment, account: _Account, outside: Outside) -> None:
        row = self.rows.waiting(payment, outside)
        details = (row.details if row else {}) | {"paymentTxnId": payment.id}
        self.money.entries.append(
            holding.waited(
                self.rows.id_of(row),
                payment.id,
                account.customer_id,
                payment.parts.order,
                details,
                (row and row.at) or payment.created_at,
            )
        )

    def _paid(self, payment: Payment, account: _Account, outside: Outside | None) -> None:
        parts = payment.parts
        row = self.rows.sale(payment)
        when = payment.created_at
        if outside:
            when = outside.confirmed_at or (row and row.at) or when
        entry_id = self.rows.id_of(row) if outside or row else payment.id
        told = row.details if row else {}
        if outside:
            told = told | {"paymentTxnId": payment.id, "externalTxnId": outside.txn_id}
        elif "quote" not in told:
            told = told | {"quote": payment.quote}
        self.money.entries.append(
            holding.sold(entry_id, payment.id, account.customer_id, parts, told, when)
        )
        account.back(Balances(parts.principal, parts.bonus, parts.silver), payment.created_at)
        voucher = self.vouchers.used(payment.user_id, payment.voucher_id, payment.id)
        status = ExternalStatus.CONFIRMED if outside else None
        if outside:
            outside = replace(outside, confirmed_at=when)
        self._add(payment, account, PaymentStatus.PAID, status, outside, voucher=voucher)
        self._refunds(payment, account)

    def _pending(self, payment: Payment, account: _Account, outside: Outside | None) -> None:
        """It had reserved nothing: it holds its parts now if they are there, else it is over."""
        why = self._against(payment, account)
        if why:
            failed, over = ExternalStatus.FAILED, PaymentStatus.EXTERNAL_EXPIRED
            self.notes.change(self.where, f"{payment.id} waited and has expired: {why}")
            self._add(payment, account, over, failed, outside)
            return
        parts, status = payment.parts, PaymentStatus.PENDING_EXTERNAL
        account.held = _sum(account.held, Balances(parts.principal, parts.bonus, parts.silver))
        voucher = self._wanted_voucher(payment)
        if voucher:
            self.vouchers.hold(voucher, payment.id)
        self.notes.change(self.where, f"{payment.id} waits on and holds its parts from now on")
        self._add(payment, account, status, ExternalStatus.PENDING, outside, voucher=voucher)

    def _wanted_voucher(self, payment: Payment) -> str | None:
        wanted = payment.voucher_id if payment.parts.voucher else None
        return self.vouchers.free(payment.user_id, wanted)

    def _against(self, payment: Payment, account: _Account) -> str:
        parts, free = payment.parts, account.balances
        if self.terms.shared:
            return "its wallet was shared between stores"
        if account.customer_id in self.people.gone:
            return "its customer has left"
        if (
            parts.principal > free.principal - account.held.principal
            or parts.bonus > free.bonus - account.held.bonus
            or parts.silver > free.silver - account.held.silver
        ):
            return "the wallet does not hold its parts any more"
        if parts.voucher and self._wanted_voucher(payment) is None:
            return "its voucher cannot be used any more"
        return ""

    def _add(
        self,
        payment: Payment,
        account: _Account,
        status: PaymentStatus,
        outside_status: ExternalStatus | None,
        outside: Outside | None,
        *,
        voucher: str | None = None,
    ) -> None:
        bonus = payment.parts.bonus
        moved = status in {PaymentStatus.PAID, PaymentStatus.PENDING_EXTERNAL}
        waits = status is PaymentStatus.PENDING_EXTERNAL
        until = self.terms.now + timedelta(seconds=self.terms.hold_s) if waits else None
        self.money.payments.append(
            paying.OldPayment(
                id=payment.id,
                customer_id=account.customer_id,
                status=status,
                parts=payment.parts,
                refunded_minor=payment.refunded,
                voucher_id=voucher,
                quote=payment.quote,
                taken_by=self.takers.get(payment.id, SOURCE),
                created_at=payment.created_at,
                lots={account.lot_id: bonus} if bonus and moved else {},
                hold_expires_at=until,
                provider=outside.provider if outside else None,
                payment_intent_id=outside.intent if outside else None,
                external_status=outside_status if outside else None,
                external_txn_id=outside.txn_id if outside else None,
                confirmed_at=outside.confirmed_at if outside else None,
            )
        )

    # --- refunds --------------------------------------------------------------------------

    def _refunds(self, payment: Payment, account: _Account) -> None:
        rows = self.rows.refunds(payment)
        missing = payment.refunded - sum(row.amount for row in rows)
        if missing < 0:
            self.notes.problem(
                self.where, f"{payment.id}: the ledger refunds more than refundedAmount says"
            )
            return
        if missing:
            self.notes.change(self.where, f"{payment.id}: a refund that no ledger row tells of")
            at = max([payment.created_at, *(row.at for row in rows if row.at)])
            rows = [*rows, _untold(payment, missing, at)]
        back = Deduction(0, 0, 0, 0, 0)
        for row in rows:
            parts = paying.spread(payment.parts, back, row.amount)
            back = _add_parts(back, parts)
            self._refund(payment, account, row, parts)

    def _refund(
        self, payment: Payment, account: _Account, row: LedgerRow, parts: Deduction
    ) -> None:
        from_bonus, from_principal = row.from_bonus or 0, row.from_principal or 0
        if row.from_bonus is None:
            from_bonus = parts.bonus
        if from_principal > row.amount:
            self.notes.problem(self.where, f"{row.id} takes back more than it gives")
            return
        at, refund_id = row.at or payment.created_at, self.rows.id_of(row)
        clawback = Balances(from_principal, from_bonus, 0)
        details = row.details | {"refundTxnId": refund_id, "paymentTxnId": payment.id}
        customer_id = account.customer_id
        self.money.entries.append(
            holding.refunded(refund_id, customer_id, row.amount, clawback, details, at)
        )
        account.back(Balances(from_principal - row.amount, from_bonus, 0), at)
        self.money.refunds.append(
            paying.OldRefund(
                id=refund_id,
                payment_id=payment.id,
                parts=parts,
                from_bonus=from_bonus,
                from_principal=from_principal,
                lots={account.lot_id: parts.bonus} if parts.bonus else {},
                refunded_by=self.takers.get(refund_id, SOURCE),
                created_at=at,
            )
        )

    # --- wallets --------------------------------------------------------------------------

    def _begin(self) -> None:
        for account in self.accounts.values():
            began = account.began
            at = account.first - A_MOMENT if account.first else self.terms.now
            entry = holding.opened(account.entry_id, account.customer_id, began, at, SOURCE)
            if entry.postings:
                self.money.entries.append(entry)
            left, held = account.balances.bonus, account.held.bonus
            lot = holding.OldLot(account.lot_id, began.bonus, left, held, account.entry_id)
            self.money.wallets.append(
                holding.OldWallet(
                    account.customer_id,
                    account.balances,
                    account.held,
                    lot if began.bonus else None,
                )
            )


def _untold(payment: Payment, amount: int, at: datetime) -> LedgerRow:
    kind = OldEntry.REFUND
    return LedgerRow(new_id("refund"), kind, payment.id, amount, None, None, {}, at)


def _add_parts(one: Deduction, other: Deduction) -> Deduction:
    names = one.__slots__
    return Deduction(**{name: getattr(one, name) + getattr(other, name) for name in names})


def _takers(shop: Shop) -> dict[str, str]:
    """Who took a payment or gave it back, as the old audit knows."""
    names = {"PAYMENT_VERIFY": "paymentTxnId", "PAYMENT_REFUND": "refundTxnId"}
    found: dict[str, str] = {}
    for row in shop.audit:
        about = row.details.get(names.get(row.action, ""))
        if isinstance(about, str) and row.operator_id != "unknown":
            found[about] = row.operator_id
    return found
