"""What an invoice is: its kinds, how it is numbered, and the hash that proves it unchanged."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mealquest.core.clock import iso_millis

PARTS = ("voucher", "bonus", "principal", "silver", "external")
STATUS = "ISSUED"  # the only one there is: what was issued is corrected by another, never changed


class InvoiceKind(StrEnum):
    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class MailState(StrEnum):
    QUEUED = "queued"  # a job sends it, again and again if need be
    SENT = "sent"  # final: the mail service took it
    FAILED = "failed"  # final: given up, or refused; somebody may send it again
    KEPT = "kept"  # final: no mail service is configured


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh-Hans"


_PREFIX = {InvoiceKind.INVOICE: "INV", InvoiceKind.CREDIT_NOTE: "CRN"}
_DIGITS = 6  # at least


def number_of(kind: InvoiceKind, count: int) -> str:
    """`INV000001` is a merchant's first invoice; credit notes count by themselves."""
    return f"{_PREFIX[kind]}{count:0{_DIGITS}d}"


@dataclass(frozen=True, slots=True)
class Content:
    """What an invoice says of the sale, and of nobody's person. Minor units of `currency`.

    The parts sum to `gross`: the order of an invoice, the refund of a credit note. `refunded` is
    what had gone back before the invoice was issued; `amount` is what remains, and below zero on
    a credit note.
    """

    merchant_id: str
    number: str
    kind: InvoiceKind
    payment_id: str
    refund_id: str | None
    corrects: str | None
    shop_name: str
    currency: str
    gross: int
    voucher: int
    bonus: int
    principal: int
    silver: int
    external: int
    refunded: int
    amount: int
    paid_at: datetime
    issued_at: datetime

    @property
    def parts(self) -> dict[str, int]:
        return {part: getattr(self, part) for part in PARTS}

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over these values as JSON with sorted names and times to the millisecond.

        Nothing personal is in it, so it can be proved after the customer's data are erased.
        """
        moments = {"paid_at": iso_millis(self.paid_at), "issued_at": iso_millis(self.issued_at)}
        said = json.dumps(asdict(self) | moments, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()


def to_millis(moment: datetime) -> datetime:
    """As exactly as times are told on the wire and hashed."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
