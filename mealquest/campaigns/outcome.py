"""What a campaign has done so far: its sums, its days, what came of its gifts, and its lift."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.campaigns import list_queries, outcome_queries, queries
from mealquest.campaigns.actions import ActionType
from mealquest.campaigns.domain import MANUAL
from mealquest.campaigns.errors import CampaignNotFound
from mealquest.campaigns.forms import HitsForm
from mealquest.campaigns.lift import WINDOW, Side, compare
from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.outcome_queries import Day, HitRow, Totals
from mealquest.campaigns.outcome_replies import (
    FatesView,
    HitsPage,
    HitView,
    LeftView,
    LiftView,
    MoneyGiven,
    OutcomeView,
    PointView,
)
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.identity import service as identity
from mealquest.identity.service import ShownCustomer
from mealquest.payments import service as payments
from mealquest.payments.service import GiftKind, Spending
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet import service as wallets
from mealquest.wallet.service import major

MOST_DAYS: Final = 45  # shown one by one; a longer time by weeks
WEEK: Final = 7


def outcome(session: Session, row: CampaignRow, merchant: MerchantFacts) -> OutcomeView:
    """In a number of statements that does not grow; each reads what the campaign gave, or what its
    own customers bought."""
    found, currency = outcome_queries.totals(session, row), merchant.currency
    keepers = wallets.keepers(session, row.merchant_id)
    by_day = outcome_queries.days(session, row, merchant.time_zone)
    last = utc_now().astimezone(ZoneInfo(merchant.time_zone)).date()
    step = 1 if not by_day or (last - by_day[0].day).days < MOST_DAYS else WEEK
    return OutcomeView(
        hits=found.hits,
        customers=found.customers,
        units=found.units,
        cost=major(found.cost_minor, currency),
        cards=found.cards,
        cards_cost=major(found.cards_minor, currency),
        left=_left(session, row, merchant),
        vouchers=FatesView.of(
            wallets.voucher_fates(session, keepers, outcome_queries.hit_ids(row))
        ),
        given=_given(session, row, found, keepers, currency),
        step=step,
        points=[_point(day, currency) for day in in_steps(by_day, step)],
        lift=_lift(session, row, currency),
    )


def in_steps(by_day: Sequence[Day], step: int) -> list[Day]:
    """Days, or weeks of so many, from the first to the last on which anything was given."""
    if not by_day:
        return []
    first, sums = by_day[0].day, {}
    for at in range((by_day[-1].day - first).days // step + 1):
        sums[at] = [0, 0]
    for one in by_day:
        place = sums[(one.day - first).days // step]
        place[0] += one.hits
        place[1] += one.cost_minor
    return [Day(first + timedelta(days=at * step), *place) for at, place in sums.items()]


def _point(day: Day, currency: Currency) -> PointView:
    return PointView(since=day.day, hits=day.hits, cost=major(day.cost_minor, currency))


def _left(session: Session, row: CampaignRow, merchant: MerchantFacts) -> LeftView:
    now, currency = utc_now(), merchant.currency
    month = queries.month_of(now, merchant.time_zone)
    spent = list_queries.month_cost(session, row.merchant_id, month)
    units = row.cap_units - row.used_units
    today = None
    if row.day_cap_minor is not None:
        zone = ZoneInfo(merchant.time_zone)
        midnight = datetime.combine(now.astimezone(zone).date(), time.min, zone)
        today = row.day_cap_minor - outcome_queries.cost_since(session, row, midnight)
    money = None if row.cap_minor is None else row.cap_minor - row.spent_minor
    return LeftView(
        units=units,
        hits=units // row.cost_units if row.cost_units else None,
        money=_not_below(money, currency),
        today=_not_below(today, currency),
        month=major(max(0, merchant.budget_cap_minor - spent), currency),
    )


def _not_below(minor: int | None, currency: Currency) -> Decimal | None:
    """A card may have brought a campaign over its cap by what it took off."""
    return None if minor is None else major(max(0, minor), currency)


def _given(
    session: Session, row: CampaignRow, found: Totals, keepers: Sequence[str], currency: Currency
) -> MoneyGiven:
    by_kind = outcome_queries.given(session, row) if found.hits else {}

    def sum_of(kind: ActionType) -> Decimal:
        return by_kind[kind][1] or Decimal(0) if kind in by_kind else Decimal(0)

    left, back = 0, 0
    if ActionType.GRANT_BONUS in by_kind:
        who = outcome_queries.hits_and_customers(row)
        left = wallets.bonus_left(session, row.merchant_id, keepers, who)
    if found.hits:
        givers = outcome_queries.payments_and_hits(row)
        claimed = payments.taken_back(session, row.merchant_id, givers)
        back = sum(minor for kind, minor in claimed.items() if kind is not GiftKind.FRAGMENT)
    return MoneyGiven(
        bonus=sum_of(ActionType.GRANT_BONUS),
        bonus_left=major(left, currency),
        silver=sum_of(ActionType.GRANT_SILVER),
        principal=sum_of(ActionType.GRANT_PRINCIPAL),
        fragments=int(sum_of(ActionType.GRANT_FRAGMENT)),
        taken_back=major(back, currency),
    )


def _lift(session: Session, row: CampaignRow, currency: Currency) -> LiftView:
    sides: Mapping[bool, Spending] = payments.spending(
        session, row.merchant_id, outcome_queries.exposed(row), WINDOW
    )
    cost = outcome_queries.cost_of_treated(session, row, WINDOW) if sides else 0
    still = [side.last_until for side in sides.values() if side.open]
    found = compare(_side(sides.get(False)), _side(sides.get(True)))
    until = max(still, default=None)
    return LiftView.of(found, row.holdout_percent, currency, cost, until)


def _side(found: Spending | None) -> Side:
    if found is None:
        return Side()
    return Side(found.customers, found.mean, found.variance, found.bought)


# --- hits -------------------------------------------------------------------------------------


def hits(merchant_id: str, form: HitsForm) -> HitsPage:
    """Hits of one campaign, newest first. CampaignNotFound, Invalid."""
    items, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    return HitsPage(
        merchant_id=merchant_id,
        campaign_id=form.campaign_id,
        currency=tenancy.settings(merchant_id).currency,
        items=items,
        next_cursor=next_cursor,
    )


def every_hit(merchant_id: str, form: HitsForm) -> Iterator[Sequence[HitView]]:
    """All hits of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))


def _page(
    merchant_id: str, form: HitsForm, cursor: str | None, limit: int
) -> tuple[list[HitView], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        row = queries.one(session, merchant_id, form.campaign_id)
        if row is None:
            raise CampaignNotFound
        found = outcome_queries.hits(
            session,
            row,
            customer_id=form.user_id,
            by_hand=None if form.by is None else form.by == "HAND",
            voucher=form.voucher,
            span=span_of_days(form.from_day, form.to_day, ZoneInfo(merchant.time_zone)),
            after=after,
            limit=limit + 1,
        )
        kept, following = cut(found, limit, _place)
        people = identity.shown_customers(
            session, merchant_id, sorted({hit.customer_id for hit, _ in kept})
        )
    return [_hit(pair, people[pair[0].customer_id], merchant.currency) for pair in kept], following


def _place(pair: HitRow) -> str:
    return Keyset(pair[0].created_at, pair[0].id).encode()


def _hit(pair: HitRow, who: ShownCustomer, currency: Currency) -> HitView:
    hit, trigger = pair
    return HitView(
        hit_id=hit.id,
        user_id=who.user_id,
        display_name=who.display_name,
        event=trigger.event,
        by_hand=trigger.source == MANUAL,
        payment_txn_id=trigger.payment_id,
        units=hit.units,
        cost=major(hit.cost_minor + sum(hit.redeemed.values()), currency),
        given=hit.given,
        created_at=hit.created_at,
    )
