"""BIRTHDAY: a customer's birthday, and the first of its month, where the shop is.

Looked for every hour, so it comes within the first hour of the shop's day; what nobody looked for,
because nothing ran, comes at most three days late. Each customer has one birthday and one month of
it a year, whatever is changed in between. Whoever was born on the first hears of both at once;
those of 29 February celebrate on the 28th in other years, so that it stays their month.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from mealquest.campaigns import triggering
from mealquest.campaigns.domain import MANUAL, CampaignStatus
from mealquest.campaigns.models import CampaignRow, CampaignTrigger
from mealquest.campaigns.queries import Occasion
from mealquest.core.clock import utc_now
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import AppError
from mealquest.core.principal import SYSTEM
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.tenancy import service as tenancy

EVENT: Final = "BIRTHDAY"
LATE_DAYS = 3
AT_ONCE = 500

log = structlog.get_logger(__name__)

Find = Callable[[Session, str], Sequence[str]]  # of customers behind an id


def has_due() -> bool:
    """Whether any merchant's campaign waits for birthdays."""
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(session.scalar(select(_waiting().exists())))


def look(seconds: float = 60.0) -> int:
    """Trigger for whoever celebrates; how many. Safe to run twice, and to be stopped anywhere.

    Ends after about so many seconds; the next hour goes on.
    """
    give_up = time.monotonic() + seconds
    with platform_transaction("birthdays are looked for at every merchant") as session:
        merchants = session.scalars(_waiting().distinct()).all()
    return sum(_look(merchant_id, _today(merchant_id), give_up) for merchant_id in merchants)


def _waiting() -> Select[str]:
    return select(CampaignRow.merchant_id).where(
        CampaignRow.event == EVENT, CampaignRow.status == CampaignStatus.ACTIVE
    )


def _today(merchant_id: str) -> date:
    with transaction(merchant_id) as session:
        zone = ZoneInfo(tenancy.settings_of(session, merchant_id).time_zone)
    return utc_now().astimezone(zone).date()


def _look(merchant_id: str, today: date, give_up: float) -> int:
    """Nothing at a merchant that is frozen: it is caught up with afterwards."""
    with transaction(merchant_id) as session:
        if tenancy.freeze_of(session, merchant_id):
            return 0
    done = 0
    for late in range(LATE_DAYS, -1, -1):
        day = today - timedelta(days=late)
        done += _all(merchant_id, day, _born_on(merchant_id, day), give_up, is_day=True)
        if day.day == 1:
            done += _all(merchant_id, day, _born_later(merchant_id, day), give_up, is_day=False)
    return done


def _born_on(merchant_id: str, day: date) -> Find:
    days = identity.birthdays_on(day)
    return lambda session, after: identity.born_on(session, merchant_id, days, after, AT_ONCE)


def _born_later(merchant_id: str, first: date) -> Find:
    """In the month, but not on its first day, which is told of both."""
    month, day = f"{first:%m}", identity.birthdays_on(first)
    return lambda session, after: identity.born_in(session, merchant_id, month, day, after, AT_ONCE)


def _all(merchant_id: str, day: date, find: Find, give_up: float, *, is_day: bool) -> int:
    """Trigger for all of them who were not told of this year."""
    done = 0
    for found in _pages(merchant_id, find, give_up):
        with transaction(merchant_id) as session:
            told = _told(session, merchant_id, found, day.year, is_day=is_day)
        fresh = [one for one in found if one not in told]
        done += sum(_happen(merchant_id, _occasion(one, day.year, is_day=is_day)) for one in fresh)
    return done


def _pages(merchant_id: str, find: Find, give_up: float) -> Iterator[Sequence[str]]:
    after = ""
    while time.monotonic() < give_up:
        with transaction(merchant_id) as session:
            found = find(session, after)
        yield found
        if len(found) < AT_ONCE:
            return
        after = found[-1]


def _told(
    session: Session, merchant_id: str, customer_ids: Sequence[str], year: int, *, is_day: bool
) -> set[str]:
    """Those who had it already; whoever had the birthday has had the month with it."""
    kinds = (True,) if is_day else (True, False)
    sources = {_source(one, year, is_day=kind): one for one in customer_ids for kind in kinds}
    known = session.scalars(
        select(CampaignTrigger.source).where(
            CampaignTrigger.merchant_id == merchant_id,
            CampaignTrigger.source != MANUAL,
            CampaignTrigger.source.in_(sources),
        )
    )
    return {sources[source] for source in known}


def _source(customer_id: str, year: int, *, is_day: bool) -> str:
    return f"{'birthday' if is_day else 'birthday-month'}:{customer_id}:{year}"


def _occasion(customer_id: str, year: int, *, is_day: bool) -> Occasion:
    context: dict[str, Any] = {"isBirthday": is_day, "isBirthdayMonth": True}
    return Occasion(customer_id, EVENT, SYSTEM, context, _source(customer_id, year, is_day=is_day))


def _happen(merchant_id: str, occasion: Occasion) -> bool:
    """One customer must not hold up the others; who failed is tried again in the next hour."""
    try:
        return triggering.happen(merchant_id, occasion) is not None
    except UserNotFound:
        return False
    except AppError as failure:
        log.warning("trigger put off", merchant_id=merchant_id, error=failure.message)
        return False
