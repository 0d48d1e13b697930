"""What the dashboard's page is drawn from. Amounts are minor units of their currency."""

from datetime import date

from pydantic import Field

from mealquest.core.wire import View


class SumView(View):
    amount_minor: int
    currency: str


class ShareView(View):
    """A line of a table whose lines add up: `what`, and of a mail its number in the sequence."""

    what: str
    step: int = 0
    count: int = 0
    sums: list[SumView] = Field(default_factory=list)
    open_count: int = 0
    open_sums: list[SumView] = Field(default_factory=list)


class RecoveryPointView(View):
    """One day, or the week that begins with it."""

    day: date
    recovered: int  # minor units
    failures: int
    recoveries: int


class ChartView(View):
    currency: str
    points: list[RecoveryPointView]


class RecoveryLiftView(View):
    """What mails bring: the rate with them less the rate without, in points of per cent."""

    paid: int
    ended: int
    held_paid: int
    held_ended: int

    @property
    def rate(self) -> float:
        return 100 * self.paid / self.ended if self.ended else 0.0

    @property
    def held_rate(self) -> float:
        return 100 * self.held_paid / self.held_ended if self.held_ended else 0.0

    @property
    def points(self) -> float:
        return self.rate - self.held_rate

    @property
    def says_something(self) -> bool:
        """Fewer than twenty on either side are chance."""
        return min(self.ended, self.held_ended) >= 20


class OverviewView(View):
    """`rate` is per cent of the `ended` invoices that left recovery in these days."""

    days: int
    step_days: int  # of a point
    is_connected: bool
    is_sandbox: bool
    has_cases: bool
    at_risk: list[SumView]
    open_count: int
    recovered: list[SumView]
    recovered_count: int
    failures: int
    rate: int | None
    ended: int
    emails_sent: int
    opens: int
    open_rate: float
    brought: list[ShareView]
    steps: list[ShareView]
    declines: list[ShareView]
    chart: ChartView
    others: list[ChartView]
    lift: RecoveryLiftView | None
    used: int
    limit: int
