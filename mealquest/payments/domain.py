"""States of a payment, of its outside part and of money that goes back, and their moves."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    PAID = "PAID"  # settled; refunds are rows of their own
    PENDING_EXTERNAL = "PENDING_EXTERNAL"  # assets held; the callback, staff or the job leave it
    EXTERNAL_FAILED = "EXTERNAL_FAILED"  # the gateway said no; the hold is released
    EXTERNAL_EXPIRED = "EXTERNAL_EXPIRED"  # nobody paid in time; the hold is released
    CANCELLED = "CANCELLED"  # staff gave it up; the hold is released
    EXTERNAL_REFUND_DUE = "EXTERNAL_REFUND_DUE"  # outside money came when it could not be used


class ExternalStatus(StrEnum):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"


class GatewayRefundState(StrEnum):
    PENDING = "PENDING"  # to be sent, or sent again
    DONE = "DONE"  # final: the gateway took it
    STUCK = "STUCK"  # given up after many tries: staff must look


class GiftKind(StrEnum):
    """What a payment can earn its customer."""

    BONUS = "BONUS"
    SILVER = "SILVER"
    VOUCHER = "VOUCHER"
    PRINCIPAL = "PRINCIPAL"
    FRAGMENT = "FRAGMENT"  # counted in pieces, which are worth no money


class ReceivableState(StrEnum):
    OPEN = "OPEN"  # something is still owed
    SETTLED = "SETTLED"  # final: all of it was paid
    WRITTEN_OFF = "WRITTEN_OFF"  # final: some of it was given up


class SettleMethod(StrEnum):
    """How a receivable is closed: paid, by the same means as a top-up, or given up."""

    CASH = "CASH"
    CARD = "CARD"
    TRANSFER = "TRANSFER"
    OTHER = "OTHER"
    WRITE_OFF = "WRITE_OFF"


class PaymentAction(StrEnum):
    """What somebody may do next about a payment."""

    PAY_OUTSIDE = "PAY_OUTSIDE"  # the customer, at `payUrl`
    CANCEL = "CANCEL"
    REFUND = "REFUND"  # something of it can still be given back
    RETRY_REFUND = "RETRY_REFUND"  # a refund through the gateway is stuck


# A state that is not listed is final. Money that comes late may still pay for an order that
# expired or failed, if what it needs from the wallet is still there.
NEXT = {
    PaymentStatus.PENDING_EXTERNAL: {
        PaymentStatus.PAID,
        PaymentStatus.EXTERNAL_FAILED,
        PaymentStatus.EXTERNAL_EXPIRED,
        PaymentStatus.CANCELLED,
        PaymentStatus.EXTERNAL_REFUND_DUE,
    },
    PaymentStatus.EXTERNAL_FAILED: {PaymentStatus.PAID, PaymentStatus.EXTERNAL_REFUND_DUE},
    PaymentStatus.EXTERNAL_EXPIRED: {PaymentStatus.PAID, PaymentStatus.EXTERNAL_REFUND_DUE},
    PaymentStatus.CANCELLED: {PaymentStatus.EXTERNAL_REFUND_DUE},
}


def may_become(current: PaymentStatus, target: PaymentStatus) -> bool:
    return target in NEXT.get(current, set())
