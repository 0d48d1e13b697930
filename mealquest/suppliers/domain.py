"""States of a partner's order, whether it counts, and how its three amounts agree."""

from dataclasses import dataclass
from enum import StrEnum


class OrderStatus(StrEnum):
    CREATED = "CREATED"  # known, not paid yet
    PAID = "PAID"  # the only one that counts at the counter
    CANCELLED = "CANCELLED"  # called off; a late payment may bring it back
    REFUNDED = "REFUNDED"  # final: the money went back


NEXT = {  # a status that is not listed is final
    OrderStatus.CREATED: {OrderStatus.PAID, OrderStatus.CANCELLED},
    OrderStatus.PAID: {OrderStatus.CANCELLED, OrderStatus.REFUNDED},
    OrderStatus.CANCELLED: {OrderStatus.PAID, OrderStatus.REFUNDED},
}


def may_become(current: OrderStatus, target: OrderStatus) -> bool:
    return current is target or target in NEXT.get(current, set())


class Reason(StrEnum):
    """Why an order is not verified."""

    NOT_FOUND = "NOT_FOUND"
    ALREADY_VERIFIED = "ALREADY_VERIFIED"  # an order counts once
    NOT_PAID = "NOT_PAID"
    BELOW_MIN_SPEND = "BELOW_MIN_SPEND"


class Match(StrEnum):
    """How the amounts of order, delivery and invoice agree, within the partner's tolerance."""

    MATCHED = "MATCHED"  # all three are known and agree
    DIFFERENCE = "DIFFERENCE"  # two that are known do not
    INCOMPLETE = "INCOMPLETE"  # those that are known agree, and one is not known yet


class HistoryKind(StrEnum):
    REGISTERED = "REGISTERED"
    CHANGED = "CHANGED"
    VERIFIED = "VERIFIED"
    REFUSED = "REFUSED"  # a verification that was not granted; the details say why


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units of one currency; None: not known yet."""

    ordered: int
    delivered: int | None = None
    invoiced: int | None = None

    @property
    def known(self) -> list[int]:
        return [n for n in (self.ordered, self.delivered, self.invoiced) if n is not None]

    @property
    def spread(self) -> int:
        """The largest difference between two of those that are known."""
        return max(self.known) - min(self.known)

    def match(self, tolerance: int) -> Match:
        if self.spread > tolerance:
            return Match.DIFFERENCE
        return Match.MATCHED if len(self.known) == 3 else Match.INCOMPLETE


def judge(
    status: OrderStatus, amount_minor: int, min_spend_minor: int, *, used: bool
) -> Reason | None:
    """Whether an order that is there counts; the first reason against it."""
    if used:
        return Reason.ALREADY_VERIFIED
    if status is not OrderStatus.PAID:
        return Reason.NOT_PAID
    return Reason.BELOW_MIN_SPEND if amount_minor < min_spend_minor else None
