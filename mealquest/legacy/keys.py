"""Idempotency keys of the old server: what had its effect there has none here a second time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from mealquest.core.idempotency import ImportedKey
from mealquest.core.money import Currency
from mealquest.legacy.entities import KeptKey, Shop
from mealquest.legacy.history import Money
from mealquest.legacy.notes import Notes
from mealquest.legacy.people import People
from mealquest.payments.service import old_answers
from mealquest.payments.service import restoring as paying
from mealquest.wallet.service import Balances, WalletView

ROUTES = {"verify": "payments.verify", "refund": "payments.refund", "callback": "payments.callback"}


@dataclass(slots=True)
class _Known:
    """What the answers are about, by id."""

    merchant_id: str
    currency: Currency
    payments: Mapping[str, paying.OldPayment]
    refunds: Mapping[str, paying.OldRefund]
    totals: Mapping[str, int] = field(default_factory=dict)  # of a payment, up to each refund
    wallets: Mapping[str, WalletView] = field(default_factory=dict)


def keys_of(
    shop: Shop, money: Money, people: People, currency: Currency, notes: Notes
) -> list[ImportedKey]:
    """Every key, with its answer in today's shape where there is one to be told."""
    known = _Known(
        shop.merchant.id,
        currency,
        {one.id: one for one in money.payments},
        {one.id: one for one in money.refunds},
        _totals(money),
        _wallets(money, currency),
    )
    found: dict[tuple[str, str], ImportedKey] = {}
    untold = 0
    for old in shop.keys:
        key = _key(old, known, people.gone)
        untold += key.answer is None
        found[old.route, old.key] = key
    if untold:
        notes.leave_out(
            f"idempotencyRecords of {shop.merchant.id}",
            f"{untold} answers that cannot be told any more; their keys still do nothing twice",
        )
    return list(found.values())


def _key(old: KeptKey, known: _Known, gone: frozenset[str]) -> ImportedKey:
    said = old.answer or {}
    payment = known.payments.get(str(said.get("paymentTxnId")))
    customer_id = payment.customer_id if payment else None
    answer = None
    if payment and customer_id not in gone:
        answer = _answer(old, known, payment)
    return ImportedKey(ROUTES[old.route], old.key, answer, customer_id)


def _answer(old: KeptKey, known: _Known, payment: paying.OldPayment) -> str | None:
    said, merchant_id = old.answer or {}, known.merchant_id
    if old.route == "verify":
        return old_answers.verify_answer(merchant_id, said)
    if old.route == "callback":
        wallet = known.wallets[payment.customer_id]
        return old_answers.callback_answer(merchant_id, said, wallet)
    refund = known.refunds.get(str(said.get("refundTxnId")))
    if refund is None:
        return None
    total = known.totals[refund.id]
    return old_answers.refund_answer(merchant_id, said, refund, total, known.currency)


def _totals(money: Money) -> dict[str, int]:
    by_payment: dict[str, list[paying.OldRefund]] = {}
    for refund in money.refunds:
        by_payment.setdefault(refund.payment_id, []).append(refund)
    return {
        refund.id: total
        for refunds in by_payment.values()
        for refund, total in zip(
            refunds, accumulate(one.parts.order for one in refunds), strict=True
        )
    }


def _wallets(money: Money, currency: Currency) -> dict[str, WalletView]:
    """As they are now, for answers that told of none."""
    nothing = Balances(0, 0, 0)
    return {
        one.customer_id: WalletView.of(one.balances, currency, nothing) for one in money.wallets
    }
