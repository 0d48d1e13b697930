"""What the console's front page shows of a merchant's day."""

from datetime import date

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.wallet.service import OwedView


class DayView(View):
    """`net` is what was taken less what was refunded on that day, whenever it had been taken."""

    day: date
    count: int
    taken: Amount
    refunds: int
    refunded: Amount
    net: Amount


class SourcesView(View):
    """Where the day's takings came from; the parts sum to what was taken."""

    voucher: Amount
    bonus: Amount
    principal: Amount
    silver: Amount
    external: Amount


class HourView(View):
    """What was taken in one hour of the day, today and on the same weekday before."""

    hour: int
    taken: Amount
    before: Amount


class AttentionView(View):
    """How much of what waits for somebody: counts of rows that a list shows."""

    waiting: int  # payments that wait for outside money
    going_back: int  # payments whose outside money is not back at the customer yet
    paid_again: int  # payments that were paid outside twice, noticed within a week
    receivables: int  # sums that customers owe, after refunds
    failed: int  # payments that were refused outside, within a day
    expired: int  # payments that ran out of time, within a day
    expiring_vouchers: int  # active ones that expire within three days
    blocked: int  # acts that a policy held back, within a day


class DeskView(View):
    """`lately` and `soon` bound what is counted; `same_time` is where `before` ends."""

    currency: Currency
    lately: Timestamp
    soon: Timestamp
    same_time: Timestamp
    today: DayView
    before: DayView  # the same weekday, up to the same time of day
    sources: SourcesView
    hours: list[HourView]
    owed: OwedView
    attention: AttentionView
