"""The rows of the old ledger, found by what they are about; each is used once."""

from collections import defaultdict
from datetime import UTC, datetime

from mealquest.core.ids import new_id
from mealquest.legacy.entities import LedgerRow, OldEntry, Outside, Payment, Shop

LAST = datetime.max.replace(tzinfo=UTC)


class OldLedger:
    def __init__(self, shop: Shop) -> None:
        self._left = {id(row): row for row in shop.ledger}
        self._ids: set[str] = {payment.id for payment in shop.payments}
        self._by: dict[tuple[OldEntry, str], list[LedgerRow]] = defaultdict(list)
        for row in shop.ledger:
            self._by[row.type, _about(row)].append(row)

    @property
    def left(self) -> list[LedgerRow]:
        return list(self._left.values())

    def waiting(self, payment: Payment, outside: Outside) -> LedgerRow | None:
        kind = OldEntry.PAYMENT_PENDING
        return self._one(kind, payment.id) or self._one(kind, outside.intent or "")

    def sale(self, payment: Payment) -> LedgerRow | None:
        outside = payment.parts.external
        kind = OldEntry.PAYMENT_EXTERNAL_CONFIRM if outside else OldEntry.PAYMENT
        return self._one(kind, payment.id)

    def refunds(self, payment: Payment) -> list[LedgerRow]:
        found = self._by.pop((OldEntry.REFUND, payment.id), [])
        for row in found:
            del self._left[id(row)]
        return sorted((row for row in found if row.amount), key=lambda row: row.at or LAST)

    def id_of(self, row: LedgerRow | None) -> str:
        """The row's own id, unless another entry has it by now."""
        if row is None or (row.id in self._ids and row.type is not OldEntry.PAYMENT):
            return new_id("refund" if row and row.type is OldEntry.REFUND else "txn")
        self._ids.add(row.id)
        return row.id

    def _one(self, kind: OldEntry, about: str) -> LedgerRow | None:
        found = self._by.get((kind, about))
        if not found:
            return None
        row = found.pop(0)
        del self._left[id(row)]
        return row


def _about(row: LedgerRow) -> str:
    """The payment it tells of; a pending row names only the intent that it asked for."""
    asked = row.details.get("externalPayment")
    if row.type is OldEntry.PAYMENT_PENDING and isinstance(asked, dict):
        return str(row.details.get("paymentTxnId") or asked.get("paymentIntentId") or row.id)
    return row.payment_id
