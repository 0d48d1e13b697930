"""Birthdays reach the campaigns by themselves: once a year, where the shop is, after a stop too."""

import time
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from jobs.campaigns import birthdays as job
from mealquest.campaigns import birthdays
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.models import CampaignRow, CampaignTrigger
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.privacy import service as privacy
from mealquest.tenancy import service as tenancy
from tests.campaigns.shops import make_campaign, row_of, triggers_of
from tests.factories.merchants import make_merchant
from tests.factories.requests import MANAGER, OWNER
from tests.factories.statements import watching
from tests.factories.wallet import make_wallet

BOTH, MONTH_ONLY = (True, True), (False, True)


def born(merchant_id: str, birthday: str) -> str:
    customer_id = make_wallet(merchant_id).customer_id
    identity.set_birthday(merchant_id, customer_id, birthday, MANAGER)
    return customer_id


def on(merchant_id: str, day: str) -> int:
    """What the hourly look does at a shop where it is that day."""
    return birthdays._look(merchant_id, date.fromisoformat(day), time.monotonic() + 60)


def told(merchant_id: str) -> list[tuple[str, bool, bool]]:
    return [
        (t.customer_id, t.context["isBirthday"], t.context["isBirthdayMonth"])
        for t in triggers_of(merchant_id)
    ]


@pytest.fixture
def merchant_id(app) -> str:
    merchant_id = make_merchant()
    make_campaign(merchant_id, None, ("isBirthday", "eq", True), event="BIRTHDAY")
    return merchant_id


def test_the_month_and_the_day_come_once_a_year_each(merchant_id) -> None:
    may = born(merchant_id, "05-12")
    first = born(merchant_id, "05-01")
    born(merchant_id, "06-12")

    assert [on(merchant_id, day) for day in ("2026-04-30", "2026-05-01", "2026-05-01")] == [0, 2, 0]
    assert sorted(told(merchant_id)) == sorted([(first, *BOTH), (may, *MONTH_ONLY)])
    assert [on(merchant_id, day) for day in ("2026-05-12", "2026-05-13", "2026-05-15")] == [1, 0, 0]
    assert told(merchant_id)[-1] == (may, *BOTH)
    identity.set_birthday(merchant_id, first, "05-20", MANAGER)
    identity.set_birthday(merchant_id, may, "05-20", MANAGER)
    assert on(merchant_id, "2026-05-02") == on(merchant_id, "2026-05-20") == 0  # not twice a year
    assert on(merchant_id, "2027-05-20") == 2


def test_what_nobody_looked_for_comes_at_most_three_days_late(merchant_id) -> None:
    born(merchant_id, "12-31")
    on_time = [on(merchant_id, day) for day in ("2027-01-04", "2027-01-03", "2026-12-31")]
    assert on_time == [0, 1, 0]
    assert triggers_of(merchant_id)[0].source.endswith(":2026")


def test_a_freeze_puts_them_off_by_a_few_days(merchant_id) -> None:
    born(merchant_id, "05-12")
    for write_enabled, day, told in ((False, "2026-05-12", 0), (True, "2026-05-14", 1)):
        with transaction(merchant_id) as session:
            tenancy.set_switches(session, merchant_id, write_enabled=write_enabled)
        assert on(merchant_id, day) == told


def test_those_of_29_february_celebrate_on_the_28th_in_other_years(merchant_id) -> None:
    born(merchant_id, "02-29")
    on(merchant_id, "2026-02-01")
    assert [on(merchant_id, day) for day in ("2026-02-27", "2026-02-28", "2026-03-01")] == [0, 1, 0]
    on(merchant_id, "2028-02-01")
    assert [on(merchant_id, day) for day in ("2028-02-28", "2028-02-29")] == [0, 1]


def test_the_day_is_the_shop_s_and_the_gift_is_given(app) -> None:
    """Between these two places it is never the same day."""
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    shops = [make_merchant(time_zone=zone) for zone in zones]
    today = utc_now().astimezone(ZoneInfo(zones[0])).date()
    people = [born(shop, f"{today:%m-%d}") for shop in shops]
    for shop in shops:
        make_campaign(shop, None, ("isBirthday", "eq", True), event="BIRTHDAY")

    assert campaigns.has_birthdays()
    assert (job(), job()) == ("1 triggers", "0 triggers")

    assert told(shops[0]) == [(people[0], *BOTH)]
    assert told(shops[1]) == []
    assert triggers_of(shops[0])[0].decisions.popitem()[1][0] == "HIT"


def test_nobody_is_looked_for_where_no_campaign_waits(app) -> None:
    quiet, busy = make_merchant(), make_merchant()
    today = utc_now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    born(quiet, f"{today:%m-%d}")
    assert not campaigns.has_birthdays()
    make_campaign(busy, event="BIRTHDAY")
    assert job() == "0 triggers"
    assert triggers_of(quiet) == []


def test_a_job_that_is_killed_anywhere_goes_on_where_it_was(merchant_id) -> None:
    """The fourth of five is being given then: nobody is left out, and nobody has it twice."""
    people = sorted(born(merchant_id, "05-12") for _ in range(5))
    with transaction(merchant_id) as session:
        (campaign,) = [row.id for row in _of(session, CampaignRow, merchant_id)]

    class Killed(BaseException):
        pass

    def die(session: Session) -> None:
        if len(_of(session, CampaignTrigger, merchant_id)) == 4:
            raise Killed

    event.listen(Session, "before_commit", die)
    try:
        with pytest.raises(Killed):
            on(merchant_id, "2026-05-12")
    finally:
        event.remove(Session, "before_commit", die)
    assert row_of(merchant_id, campaign).hits == 3

    assert on(merchant_id, "2026-05-13") == 2
    assert sorted(who for who, *_ in told(merchant_id)) == people
    assert row_of(merchant_id, campaign).hits == 5


def test_who_is_erased_is_found_no_more_and_a_birthday_without_a_gift_is_forgotten(
    merchant_id,
) -> None:
    gone, ahead = born(merchant_id, "05-12"), born(merchant_id, "05-20")
    on(merchant_id, "2026-05-01")  # gives nothing
    on(merchant_id, "2026-05-12")  # gives

    for one in (gone, ahead):
        privacy.delete_user(merchant_id, one, OWNER)

    assert told(merchant_id) == [(gone, *BOTH)]  # what a gift was given for stays in the books
    with watching() as seen:
        assert on(merchant_id, "2026-05-20") == on(merchant_id, "2027-05-12") == 0
    assert not [one for one in seen.statements if "wrapped" in one]  # nobody's key is opened


def _of(session: Session, table: Any, merchant_id: str) -> list[Any]:
    return list(session.scalars(select(table).where(table.merchant_id == merchant_id)))
