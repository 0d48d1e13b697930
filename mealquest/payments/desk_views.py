"""Words of the owner's desk: its chart, its comparisons, and the rows behind each figure."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from flask import url_for

from mealquest.core.clock import iso_millis
from mealquest.payments.desk_replies import DeskView
from mealquest.payments.domain import PaymentStatus
from mealquest.web.frame import Feature
from mealquest.web.look import moment, zone
from mealquest.web.look import translate as _

feature = Feature("desk")
LIST = "payments.payments.page"


class HourBar(NamedTuple):
    hour: int
    taken: Decimal
    before: Decimal
    height: int
    height_before: int


@feature.word
def bars(view: DeskView) -> list[HourBar]:
    """The hours of the chart: heights in percent of the tallest, from the first to the last hour
    in which anything was taken, and at least from 9 to 21."""
    tallest = max((max(h.taken, h.before) for h in view.hours), default=0) or 1
    busy = [h.hour for h in view.hours if h.taken or h.before]
    first, last = min([9, *busy]), max([21, *busy])
    return [
        HourBar(
            h.hour, h.taken, h.before, int(h.taken * 100 / tallest), int(h.before * 100 / tallest)
        )
        for h in view.hours[first : last + 1]
    ]


@feature.word
def change_words(view: DeskView) -> str:
    """Today against the same weekday, in words."""
    taken, before = view.today.taken, view.before.taken
    if not before:
        return _("Nothing was taken by this time a week ago.")
    percent = int((taken - before) * 100 / before)
    if percent >= 0:
        return _("%(percent)s%% more than by this time a week ago.", percent=percent)
    return _("%(percent)s%% less than by this time a week ago.", percent=-percent)


@feature.word
def hour_url(day: date, hour: int) -> str:
    """The payments that sum to what was taken in one hour of a day of the shop."""
    begin = datetime.combine(day, time(hour), zone())
    end = datetime.combine(day, time.min, zone()) + timedelta(hours=hour + 1)  # on the clock
    return _paid(since=iso_millis(begin), until=iso_millis(end))


@feature.word
def before_url(view: DeskView) -> str:
    """The payments of the same weekday before, up to the same time."""
    day = view.before.day
    return _paid(fromDay=day, toDay=day, until=iso_millis(view.same_time))


@feature.word
def part_url(view: DeskView, part: str) -> str:
    """The payments of today with what one source gave to each."""
    return _paid(fromDay=view.today.day, toDay=view.today.day, part=part)


def _paid(**wanted: Any) -> str:
    return url_for(LIST, status=PaymentStatus.PAID, **wanted)


@feature.word
def payments_span(view: Any) -> str | None:
    """Which moments the list is bound by, when an address brought them along."""
    if view.since and view.until:
        span = {"since": moment(view.since), "until": moment(view.until)}
        return _("From %(since)s until %(until)s", **span)
    if view.since:
        return _("Since %(since)s", since=moment(view.since))
    return _("Until %(until)s", until=moment(view.until)) if view.until else None
