"""What settling between stores answers. Amounts are seen from the store that asks."""

from datetime import date

from mealquest.alliance.domain import LinkState
from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.wallet.service import EntryKind, SettlementKind


class PositionView(View):
    """How a store stands with a partner; of `owes` and `owed` at least one is zero.

    `waiting`: what orders that wait for outside money will add to what the partner owes.
    `room`: what it may still come to owe; null without a limit.
    """

    partner_id: str
    name: str
    currency: Currency
    state: LinkState | None
    shares: bool
    owes: Amount
    owed: Amount
    waiting: Amount
    limit: Amount | None
    room: Amount | None


class LineView(View):
    """What entries of one kind brought that day."""

    kind: EntryKind
    count: int
    owes: Amount
    owed: Amount


class DayView(View):
    """One day with one partner. `opening` and `closing` above zero: this store owes it."""

    day: date
    partner_id: str
    name: str
    currency: Currency
    opening: Amount
    owes: Amount
    owed: Amount
    closing: Amount
    is_closed: bool
    lines: list[LineView]


class DebtsView(Page):
    """Positions with every partner, and the days, newest first."""

    merchant_id: str
    currency: Currency
    positions: list[PositionView]
    items: list[DayView]


class SettlementView(View):
    settlement_id: str
    kind: SettlementKind
    is_creditor: bool
    amount: Amount
    note: str
    recorded_by: str | None
    created_at: Timestamp


class PartnerDebtView(View):
    """Everything between a store and one partner."""

    merchant_id: str
    position: PositionView
    days: list[DayView]
    settlements: list[SettlementView]


class SettledView(View):
    settlement_id: str
    partner_id: str
    kind: SettlementKind
    amount: Amount
    still_owed: Amount


class LimitView(View):
    partner_id: str
    limit: Amount | None
