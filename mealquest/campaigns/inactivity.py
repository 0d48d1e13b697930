"""USER_INACTIVE: somebody has not ordered for as many days as a campaign waits for.

Looked for every hour; each customer reaches each number of days once after an order.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from mealquest.campaigns import queries, triggering
from mealquest.campaigns.domain import MANUAL, CampaignStatus, Operator, number_of
from mealquest.campaigns.models import CampaignRow, CampaignTrigger
from mealquest.campaigns.queries import Occasion
from mealquest.core.clock import utc_now
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import AppError
from mealquest.core.principal import SYSTEM
from mealquest.identity.service import UserNotFound
from mealquest.payments import service as payments
from mealquest.payments.service import Quiet
from mealquest.tenancy import service as tenancy

EVENT: Final = "USER_INACTIVE"
USUALLY = 30  # days, where a campaign names none
MOST_DAYS = 730
CAUGHT_UP = timedelta(days=3)  # what nobody looked for meanwhile, because nothing ran
AT_ONCE = 500
SPENDS = 2  # a customer of high value has spent so many times the average of a year

log = structlog.get_logger(__name__)


def has_due() -> bool:
    """Whether any merchant's campaign waits for somebody to stay away."""
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(session.scalar(select(_waiting().exists())))


def look(seconds: float = 60.0) -> int:
    """Trigger for whoever has been away long enough; how many. Safe to run twice.

    Ends after about so many seconds; the next hour goes on.
    """
    give_up = time.monotonic() + seconds
    with platform_transaction("who stays away is looked for at every merchant") as session:
        merchants = session.scalars(_waiting().distinct()).all()
    return sum(_look(merchant_id, give_up) for merchant_id in merchants)


def _waiting() -> Select[str]:
    return select(CampaignRow.merchant_id).where(
        CampaignRow.event == EVENT, CampaignRow.status == CampaignStatus.ACTIVE
    )


def _look(merchant_id: str, give_up: float) -> int:
    """Nothing at a merchant that is frozen: it is caught up with afterwards."""
    now = utc_now()
    with transaction(merchant_id) as session:
        if tenancy.freeze_of(session, merchant_id):
            return 0
        waits = days_of(queries.listening(session, merchant_id, EVENT, now))
    done = 0
    for days in waits:
        until, after = now - timedelta(days=days), ""
        while time.monotonic() < give_up:
            with transaction(merchant_id) as session:
                found = payments.quiet_customers(
                    session, merchant_id, until - CAUGHT_UP, until, after, AT_ONCE
                )
                occasions = _new(session, merchant_id, found, days, now)
            done += sum(_happen(merchant_id, occasion) for occasion in occasions)
            if len(found) < AT_ONCE:
                break
            after = found[-1].customer_id
    return done


def days_of(rows: Iterable[CampaignRow]) -> list[int]:
    """How many days the active campaigns wait for."""
    active = (row.conditions for row in rows if row.status is CampaignStatus.ACTIVE)
    return sorted({days for conditions in active for days in waits_of(conditions)})


def waits_of(conditions: Iterable[Mapping[str, Any]]) -> set[int]:
    """After how many days away a campaign with these conditions wants to hear of somebody."""
    named = {
        int(days)
        for condition in conditions
        if condition["field"] == "inactiveDays" and condition["op"] == Operator.GTE
        if (days := number_of(condition["value"])) and 1 <= days <= MOST_DAYS
    }
    return named or {USUALLY}


def _new(
    session: Session, merchant_id: str, found: Sequence[Quiet], days: int, now: datetime
) -> list[Occasion]:
    """Of those the ones that were not told of before."""
    sources = {source_of(quiet, days): quiet for quiet in found}
    known = session.scalars(
        select(CampaignTrigger.source).where(
            CampaignTrigger.merchant_id == merchant_id,
            CampaignTrigger.source != MANUAL,
            CampaignTrigger.source.in_(sources),
        )
    )
    fresh = {source: sources[source] for source in sources.keys() - set(known)}
    if not fresh:
        return []
    year = now - timedelta(days=365)
    average = payments.spent_on_average(session, merchant_id, year)
    return [_occasion(fresh[source], source, average, now) for source in sorted(fresh)]


def source_of(quiet: Quiet, days: int) -> str:
    """What tells this absence from every other."""
    return f"inactive:{quiet.customer_id}:{days}:{quiet.last_at.isoformat()}"


def context_of(quiet: Quiet, average_minor: int, at: datetime) -> dict[str, Any]:
    return {
        "inactiveDays": (at - quiet.last_at).days,
        "orderCount": quiet.orders,
        "isHighValueUser": quiet.spent_minor > 0 and quiet.spent_minor >= SPENDS * average_minor,
    }


def _occasion(quiet: Quiet, source: str, average_minor: int, now: datetime) -> Occasion:
    return Occasion(quiet.customer_id, EVENT, SYSTEM, context_of(quiet, average_minor, now), source)


def _happen(merchant_id: str, occasion: Occasion) -> bool:
    """One customer must not hold up the others; who failed is tried again in the next hour."""
    try:
        return triggering.happen(merchant_id, occasion) is not None
    except UserNotFound:
        return False
    except AppError as failure:
        log.warning("trigger put off", merchant_id=merchant_id, error=failure.message)
        return False
