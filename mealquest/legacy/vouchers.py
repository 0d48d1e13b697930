"""Vouchers with ids of their own, and which payment used or holds which of them."""

from datetime import datetime, timedelta

from mealquest.core.ids import new_id
from mealquest.legacy.entities import OldVoucher, Shop, User, Voucher
from mealquest.legacy.notes import Notes
from mealquest.wallet.service import VoucherStatus, VoucherType, restoring

LIFE = timedelta(days=30)  # of a voucher that says nothing of its end


class Vouchers:
    """The vouchers of one shop while its payments are gone through, oldest first."""

    def __init__(self, shop: Shop, gone: frozenset[str], notes: Notes, now: datetime) -> None:
        self._now, self._where, self._notes = now, f"vouchers of {shop.merchant.id}", notes
        self._rows: dict[str, restoring.OldVoucher] = {}
        self._named: dict[tuple[str, str], list[str]] = {}  # customer and old id -> ids here
        renamed = undated = 0
        for user in shop.users:
            if user.id in gone:
                self._leave_out(user)
                continue
            for voucher in user.vouchers:
                renamed += voucher.id in self._rows
                undated += voucher.expires_at is None
                self._add(user.id, voucher)
        if renamed:
            notes.change(self._where, f"{renamed} had another one's id and get ids of their own")
        if undated:
            notes.change(self._where, f"{undated} had no expiry and are good for {LIFE.days} days")

    def _leave_out(self, user: User) -> None:
        if user.vouchers:
            what = f"{len(user.vouchers)} of {user.id}, who was erased"
            self._notes.leave_out(self._where, what)

    def _add(self, user_id: str, old: Voucher) -> None:
        voucher_id = new_id("voucher") if old.id in self._rows else old.id
        is_card = old.type is VoucherType.DISCOUNT_CARD
        if is_card and old.rate is None:
            self._notes.warn(self._where, f"{voucher_id} is a discount card without a rate")
        if is_card and old.value:
            self._notes.warn(self._where, f"{voucher_id} takes its rate, not its value, from now")
        self._rows[voucher_id] = restoring.OldVoucher(
            id=voucher_id,
            customer_id=user_id,
            type=old.type,
            name=old.name,
            value_minor=old.value,
            min_spend_minor=old.min_spend,
            discount_rate=old.rate if is_card else None,
            status=VoucherStatus(old.status.value),
            expires_at=old.expires_at or self._now + LIFE,
            used_by=None,
        )
        self._named.setdefault((user_id, old.id), []).append(voucher_id)

    @property
    def rows(self) -> list[restoring.OldVoucher]:
        return list(self._rows.values())

    def used(self, user_id: str, old_id: str | None, payment_id: str) -> str | None:
        """The voucher that a payment has used; None when it is not told apart any more."""
        found = self._first(user_id, old_id, OldVoucher.USED.value)
        if found:
            self._rows[found] = _of(self._rows[found], VoucherStatus.USED, payment_id)
        return found

    def free(self, user_id: str, old_id: str | None) -> str | None:
        """The voucher that a payment which waits could still use."""
        found = self._first(user_id, old_id, OldVoucher.ACTIVE.value)
        return found if found and self._rows[found].expires_at > self._now else None

    def hold(self, voucher_id: str, payment_id: str) -> None:
        self._rows[voucher_id] = _of(self._rows[voucher_id], VoucherStatus.HELD, payment_id)

    def _first(self, user_id: str, old_id: str | None, status: str) -> str | None:
        ids = self._named.get((user_id, old_id or ""), ())
        rows = (self._rows[one] for one in ids)
        return next((r.id for r in rows if r.status.value == status and r.used_by is None), None)


def _of(row: restoring.OldVoucher, status: VoucherStatus, payment_id: str) -> restoring.OldVoucher:
    values = {name: getattr(row, name) for name in row.__slots__}
    return restoring.OldVoucher(**values | {"status": status, "used_by": payment_id})
