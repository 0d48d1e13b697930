"""What comes, or came, of a snapshot: rows and sums by merchant, and everything that differs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mealquest.core.clock import iso_millis
from mealquest.core.money import Currency, Money
from mealquest.core.wire import number
from mealquest.legacy.notes import Notes
from mealquest.legacy.plan import CURRENCY, Plan, ShopPlan

SHOWN = 20  # lines of one kind on the screen; JSON has all


@dataclass(frozen=True, slots=True)
class MerchantReport:
    """`sums` in minor units, by names with dots."""

    merchant_id: str
    name: str
    rows: dict[str, int]
    sums: dict[str, int]


@dataclass(slots=True)
class Report:
    """`done`: it was brought in, by this very call."""

    table: str
    key: str
    saved_at: datetime | None
    dry_run: bool
    done: bool = False
    merchants: list[MerchantReport] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def headline(self) -> str:
        source = f"{self.table}, {self.key}"
        if not self.done and not self.dry_run:
            return f"nothing was brought in from {source}: there are merchants here already"
        verb = "would be brought" if self.dry_run else "were brought"
        rows = sum(sum(one.rows.values()) for one in self.merchants)
        return f"{len(self.merchants)} merchants, {rows} rows {verb} in from {source}"

    def as_json(self) -> dict[str, Any]:
        return {
            "source": {
                "table": self.table,
                "key": self.key,
                "savedAt": iso_millis(self.saved_at) if self.saved_at else None,
            },
            "dryRun": self.dry_run,
            "done": self.done,
            "currency": CURRENCY.value,
            "merchants": [
                {
                    "merchantId": one.merchant_id,
                    "name": one.name,
                    "rows": one.rows,
                    "sums": _majors(one.sums),
                }
                for one in self.merchants
            ],
            "totals": {
                "rows": _total(one.rows for one in self.merchants),
                "sums": _majors(_total(one.sums for one in self.merchants)),
            },
            "changed": self.changed,
            "leftOut": self.left_out,
            "warnings": self.warnings,
        }

    def lines(self) -> Iterator[str]:
        """For the screen."""
        yield self.headline
        for one in self.merchants:
            yield f"\n{one.merchant_id} ({one.name})"
            yield f"  rows  {_listed(one.rows)}"
            yield f"  {CURRENCY.value}   {_listed(_majors(one.sums))}"
        told = (
            ("changed", self.changed),
            ("left out", self.left_out),
            ("to look at", self.warnings),
        )
        for title, lines in told:
            if lines:
                yield f"\n{title}:"
                yield from (f"  - {line}" for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                yield f"  and {len(lines) - SHOWN} more; --json tells all"


def of_plan(plan: Plan, notes: Notes, report: Report) -> Report:
    """Fill in what is planned."""
    report.merchants = [
        MerchantReport(shop.merchant.id, shop.merchant.name, rows_of(shop), sums_of(shop))
        for shop in plan.shops
    ]
    report.changed = notes.changed
    report.left_out = [*notes.left_out, *notes.unread_lines()]
    report.warnings = notes.warnings
    return report


def rows_of(shop: ShopPlan) -> dict[str, int]:
    money, people = shop.money, shop.people
    return {
        "staff": len(shop.staff),
        "customers": len(people.customers),
        "identities": len(people.identities) + sum(bool(one.phone) for one in people.customers),
        "vouchers": len(money.vouchers),
        "payments": len(money.payments),
        "refunds": len(money.refunds),
        "ledger": len(money.entries),
        "invoices": len(shop.invoices),
        "partnerOrders": len(shop.orders),
        "campaigns": len(shop.campaigns),
        "proposals": len(shop.proposals),
        "strategyConfigs": len(shop.configs),
        "chats": len(shop.chats),
        "messages": sum(len(chat.messages) for chat in shop.chats),
        "contracts": int(shop.contract is not None),
        "policies": int(shop.policy is not None),
        "alliances": int(shop.alliance is not None),
        "audit": len(shop.audit),
        "keys": len(shop.keys),
    }


def sums_of(shop: ShopPlan) -> dict[str, int]:
    money = shop.money
    found: Counter[str] = Counter()
    for wallet in money.wallets:
        found["wallet.principal"] += wallet.balances.principal
        found["wallet.bonus"] += wallet.balances.bonus
        found["wallet.silver"] += wallet.balances.silver
    for voucher in money.vouchers:
        found[f"vouchers.{voucher.status.value}"] += voucher.value_minor
    for payment in money.payments:
        found[f"payments.{payment.status.value}"] += payment.parts.order
        found["refunded"] += payment.refunded_minor
    found["invoices"] += sum(one.parts.order for one in shop.invoices)
    found["partnerOrders"] += sum(one.amount_minor for one in shop.orders)
    return dict(sorted(found.items()))


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return dict(sorted(found.items()))


def _majors(sums: dict[str, int], currency: Currency = CURRENCY) -> dict[str, int | float]:
    return {name: number(Money(minor, currency).major) for name, minor in sums.items()}


def _listed(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing"
