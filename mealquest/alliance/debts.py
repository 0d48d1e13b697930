"""What stores owe each other: how they stand, what every day brought, and settling it."""

from collections.abc import Collection, Iterator
from datetime import date

from sqlalchemy.orm import Session

from mealquest.alliance import queries
from mealquest.alliance.debt_forms import DaysForm, LimitForm, SettleForm
from mealquest.alliance.debt_replies import (
    DayView,
    DebtsView,
    LimitView,
    LineView,
    PartnerDebtView,
    PositionView,
    SettledView,
    SettlementView,
)
from mealquest.alliance.errors import StoresApart
from mealquest.alliance.models import AllianceLink
from mealquest.audit import service as audit
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction, widen
from mealquest.core.errors import Invalid
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.money import Currency, Money
from mealquest.core.paging import EXPORT_BATCH, batches
from mealquest.core.places import Elsewhere
from mealquest.core.principal import SYSTEM, Principal
from mealquest.core.wire import number
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet import service as wallets
from mealquest.wallet.service import major, settlement, settlement_days

EVENT = "ALLIANCE_SETTLED"
RECENT = 31  # days with a movement that stand on a partner's page


def debts(merchant_id: str, form: DaysForm) -> DebtsView:
    """How a store stands with every partner, and a page of its days, newest first.

    Days that are not closed yet stand on the first page only. Invalid: not a cursor of ours.
    """
    with transaction(merchant_id) as session:
        shop = tenancy.settings_of(session, merchant_id)
        found, following = _page(session, merchant_id, form, form.cursor, form.limit)
        positions = _positions(session, merchant_id)
    known = _named(positions, found)
    return DebtsView(
        merchant_id=merchant_id,
        currency=shop.currency,
        positions=[_position(one, known) for one in positions],
        items=[_day(one, known) for one in found],
        next_cursor=following,
    )


def every_day(merchant_id: str, form: DaysForm) -> Iterator[list[DayView]]:
    """All days of the filter, in batches that are read as they are asked for."""

    def read(cursor: str | None) -> tuple[list[settlement_days.Day], str | None]:
        with transaction(merchant_id) as session:
            return _page(session, merchant_id, form, cursor, EXPORT_BATCH)

    for found in batches(read):
        known = tenancy.public_names({one.partner_id for one in found})
        yield [_day(one, known) for one in found]


def with_partner(merchant_id: str, partner_id: str) -> PartnerDebtView:
    """Everything between two stores. PartnerNotFound: there never was anything."""
    of_partner = DaysForm(partner_id=partner_id)
    with transaction(merchant_id) as session:
        position = _one(session, merchant_id, partner_id)
        days, _more = _page(session, merchant_id, of_partner, None, RECENT)
        settled = wallets.settlements_with(session, merchant_id, partner_id)
    known = tenancy.public_names([partner_id])
    currency = position[0].currency
    return PartnerDebtView(
        merchant_id=merchant_id,
        position=_position(position, known),
        days=[_day(one, known) for one in days],
        settlements=[
            SettlementView(
                settlement_id=one.id,
                kind=one.kind,
                is_creditor=one.is_creditor,
                amount=major(one.amount_minor, currency),
                note=one.note,
                recorded_by=one.recorded_by,
                created_at=one.created_at,
            )
            for one in settled
        ],
    )


def settle(merchant_id: str, form: SettleForm, by: Principal, request: KeyedRequest) -> SettledView:
    """Note that a partner paid what it owes, or that it is given up; once per request key.

    Raises:
        PartnerNotFound, NothingOwed, OwedLess: see `wallet.settling`.
        StoresApart: they lie in two databases now.
        KeyReused, StillRunning.
    """
    try:
        with transaction(merchant_id) as session:
            stored = idempotency.claim(session, merchant_id, request, SettledView)
            if stored is not None:
                return stored
            view = _settle(session, merchant_id, form, by)
            idempotency.store(session, merchant_id, request, view)
    except Elsewhere as apart:
        raise StoresApart from apart
    return view


def set_limit(merchant_id: str, form: LimitForm, by: Principal) -> LimitView:
    """How much a partner may owe this store at most. PartnerNotFound: not one of its partners."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        before = _one(session, merchant_id, form.store_id)[0]
        minor = None if form.limit is None else Money.of_major(form.limit, currency).minor
        settlement.set_cap(session, merchant_id, form.store_id, currency, minor)
        details = {
            "partnerId": form.store_id,
            "from": None if before.cap_minor is None else number(major(before.cap_minor, currency)),
            "to": None if form.limit is None else number(form.limit),
        }
        audit.record(session, merchant_id, Operation.ALLIANCE_LIMIT_SET.value, by, details)
    return LimitView(partner_id=form.store_id, limit=form.limit)


def _settle(session: Session, merchant_id: str, form: SettleForm, by: Principal) -> SettledView:
    if settlement.position(session, merchant_id, form.store_id) is None:
        raise wallets.PartnerNotFound
    widen(session, form.store_id)  # only now, when it is known to be a partner
    currency = tenancy.settings_of(session, merchant_id).currency
    minor = None if form.amount is None else Money.of_major(form.amount, currency).minor
    done = wallets.settle_debt(session, merchant_id, form.store_id, form.kind, minor, form.note, by)
    amount = major(done.amount_minor, done.before.currency)
    told = {"settlementId": done.id, "kind": form.kind.value, "amount": number(amount)}
    action = Operation.ALLIANCE_SETTLE.value
    audit.record(session, merchant_id, action, by, told | {"partnerId": form.store_id})
    audit.record(session, form.store_id, action, SYSTEM, told | {"byMerchantId": merchant_id})
    outbox.publish(session, merchant_id, EVENT, told | {"partnerId": form.store_id})
    outbox.publish(session, form.store_id, EVENT, told | {"partnerId": merchant_id})
    owed = -done.before.position_minor - done.amount_minor
    return SettledView(
        settlement_id=done.id,
        partner_id=form.store_id,
        kind=form.kind,
        amount=amount,
        still_owed=major(owed, done.before.currency),
    )


# --- reading -------------------------------------------------------------------------------

_Stand = tuple[settlement.Position, AllianceLink | None]


def _positions(session: Session, merchant_id: str) -> list[_Stand]:
    """Every partner that shares, shared, or has a limit; those that owe or are owed first."""
    links = queries.links(session, merchant_id)
    kept = {one.partner_id: one for one in settlement.positions(session, merchant_id)}
    currency = tenancy.settings_of(session, merchant_id).currency
    new = {one for one, link in links.items() if link.shares} - kept.keys()
    kept |= {one: _nothing(merchant_id, one, currency) for one in new}
    found = [(one, links.get(partner_id)) for partner_id, one in sorted(kept.items())]
    return sorted(found, key=lambda stand: not stand[0].position_minor)


def _one(session: Session, merchant_id: str, partner_id: str) -> _Stand:
    for stand in _positions(session, merchant_id):
        if stand[0].partner_id == partner_id:
            return stand
    raise wallets.PartnerNotFound


def _nothing(merchant_id: str, partner_id: str, currency: Currency) -> settlement.Position:
    return settlement.Position(merchant_id, partner_id, currency, 0, 0, None)


def _page(
    session: Session, merchant_id: str, form: DaysForm, cursor: str | None, limit: int
) -> tuple[list[settlement_days.Day], str | None]:
    fresh = [] if cursor else _running(session, merchant_id, form)
    rows = settlement_days.closed(
        session,
        merchant_id,
        partner_id=form.partner_id,
        first=form.from_day,
        last=form.to_day,
        after=_decoded(cursor) if cursor else None,
        limit=limit + 1,
    )
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = f"{rows[-1].day.isoformat()}|{rows[-1].partner_id}"
    return [*fresh, *rows], following


def _running(session: Session, merchant_id: str, form: DaysForm) -> list[settlement_days.Day]:
    first, last = form.from_day or date.min, form.to_day or date.max
    return [
        one
        for one in settlement_days.running(session, merchant_id, utc_now())
        if first <= one.day <= last and form.partner_id in (None, one.partner_id)
    ]


def _decoded(cursor: str) -> tuple[date, str]:
    day, _, partner_id = cursor.partition("|")
    try:
        return date.fromisoformat(day), partner_id
    except ValueError:
        raise Invalid("cursor is not valid", code="CURSOR_INVALID") from None


def _named(positions: Collection[_Stand], days: Collection[settlement_days.Day]) -> dict[str, str]:
    partners = {stand[0].partner_id for stand in positions}
    return tenancy.public_names(partners | {one.partner_id for one in days})


def _position(stand: _Stand, names: dict[str, str]) -> PositionView:
    one, link = stand
    room = one.room_minor
    return PositionView(
        partner_id=one.partner_id,
        name=names.get(one.partner_id) or one.partner_id,
        currency=one.currency,
        state=link.state if link else None,
        shares=bool(link and link.shares),
        owes=major(max(0, one.position_minor), one.currency),
        owed=major(max(0, -one.position_minor), one.currency),
        waiting=major(one.held_minor, one.currency),
        limit=None if one.cap_minor is None else major(one.cap_minor, one.currency),
        room=None if room is None else major(room, one.currency),
    )


def _day(one: settlement_days.Day, names: dict[str, str]) -> DayView:
    return DayView(
        day=one.day,
        partner_id=one.partner_id,
        name=names.get(one.partner_id) or one.partner_id,
        currency=one.currency,
        opening=major(one.opening_minor, one.currency),
        owes=major(one.owes_minor, one.currency),
        owed=major(one.owed_minor, one.currency),
        closing=major(one.closing_minor, one.currency),
        is_closed=one.is_closed,
        lines=[
            LineView(
                kind=line.kind,
                count=line.count,
                owes=major(line.owes_minor, one.currency),
                owed=major(line.owed_minor, one.currency),
            )
            for line in one.lines
        ],
    )
