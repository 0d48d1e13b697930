"""What the pages of recovery call things, in the reader's language."""

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

from babel.dates import format_date, format_skeleton
from flask_babel import get_locale

from mealquest.recovery import money_words
from mealquest.recovery.case_replies import CaseRowView, EntryView
from mealquest.recovery.domain import Metric
from mealquest.recovery.overview_replies import ChartView, ShareView, SumView
from mealquest.recovery.usage_page import UsageView
from mealquest.web.frame import Feature
from mealquest.web.look import language
from mealquest.web.look import translate as _

feature = Feature("recovery_words")


@feature.word
def minor_words(amount_minor: int, currency: str) -> str:
    """A sum in minor units, as people read it."""
    return money_words.money(amount_minor, currency, language())


@feature.word
def sum_words(sums: Iterable[SumView]) -> str:
    """Sums of several currencies; nothing is added across them."""
    said = [minor_words(one.amount_minor, one.currency) for one in sums]
    return " + ".join(said) or "—"


@feature.word
def case_state(row: CaseRowView) -> tuple[str, str]:
    """What an invoice's state is called, and the tone of its badge."""
    ends = {
        "paid": (_("Paid"), "success"),
        "paid_out_of_band": (_("Paid elsewhere"), "success"),
        "voided": (_("Voided"), "neutral"),
        "uncollectible": (_("Written off"), "neutral"),
        "subscription_ended": (_("Subscription ended"), "neutral"),
        "disconnected": (_("Disconnected"), "neutral"),
    }
    return ends.get(row.closed_why or "", (_("Unpaid"), "warning"))


@feature.word
def case_statuses() -> list[tuple[str, str]]:
    return [("open", _("Unpaid")), ("recovered", _("Paid")), ("lost", _("Lost"))]


@feature.word
def decline_kinds() -> list[tuple[str, str]]:
    kinds = ("soft", "hard", "authentication", "unknown")
    return [(kind, decline_kind(kind)) for kind in kinds]


@feature.word
def decline_kind(kind: str | None) -> str:
    words = {
        "soft": _("May pass later"),
        "hard": _("Needs another card"),
        "authentication": _("Has to be confirmed"),
        "worker": _("Told by a worker"),
    }
    return words.get(kind or "", _("Reason not known"))


@feature.word
def brought_words(line: ShareView) -> str:
    """What brought money back."""
    return _brought(line.what)


@feature.word
def brought_by_words(what: str) -> str:
    return _brought(what)


def _brought(what: str) -> str:
    words = {
        "stripe_retry": _("Stripe’s own retry"),
        "mail": _("A reminder"),
        "page": _("The link in a reminder"),
        "merchant": _("Charged again by hand"),
        "holdout": _("Came by itself (never reminded)"),
        "out_of_band": _("Paid elsewhere"),
        "worker": _("Told by a worker"),
    }
    return words.get(what, what)


@feature.word
def step_words(line: ShareView) -> str:
    """After how many reminders it came."""
    if line.what == "worker":
        return _brought(line.what)
    if line.step == 0:
        return _("Without a reminder")
    return _("Reminder %(number)s", number=line.step)


@feature.word
def metric_names() -> list[tuple[str, str]]:
    return [(metric.value, metric_words(metric.value)) for metric in Metric]


@feature.word
def metric_words(metric: str) -> str:
    words: dict[Metric, str] = {
        Metric.TASK_SCHEDULED: _("Reminder planned"),
        Metric.ACTION_REQUIRED_NOTIFICATION: _("Confirmation asked for"),
        Metric.SUBSCRIPTION_CHURNED: _("Subscription ended"),
        Metric.DUNNING_EMAIL_SENT: _("Reminder sent"),
        Metric.TASK_RETRY: _("Task tried again"),
        Metric.RECOVERY_SUCCESS: _("Money came back"),
        Metric.RECOVERY_FAILED: _("Invoice lost"),
        Metric.MERCHANT_CONNECTED: _("Stripe connected"),
        Metric.MERCHANT_DISCONNECTED: _("Stripe disconnected"),
        Metric.QUOTA_EXCEEDED: _("Month’s limit reached"),
    }
    return next((text for one, text in words.items() if one.value == metric), metric)


@feature.word
def task_words(task_type: str) -> str:
    words = {
        "dunning_retry": _("Reminder"),
        "notify_action_required": _("Ask to confirm"),
    }
    return words.get(task_type, task_type)


@feature.word
def entry_words(entry: EntryView) -> tuple[str, str]:
    """A line of a timeline, and its icon."""
    says: dict[str, tuple[str, str]] = {
        "failed": (_("The payment failed"), "circle-x"),
        "action_required": (_("The bank wants a confirmation"), "shield"),
        "paid": (_("The invoice was paid"), "circle-check"),
        "paid_out_of_band": (_("Marked as paid at Stripe"), "circle-check"),
        "recovered": (_("Counted as recovered"), "coins"),
        "voided": (_("The invoice was voided"), "x"),
        "uncollectible": (_("The invoice was given up"), "x"),
        "subscription_ended": (_("The subscription ended"), "x"),
        "disconnected": (_("Stripe was disconnected"), "x"),
        "page_opened": (_("The payer went to Stripe’s page"), "user"),
        "mail_sent": (_("A reminder was sent"), "mail"),
        "new_method": (_("The payer added another method"), "credit-card"),
        "mail_failed": (_("A reminder could not be sent"), "alert-triangle"),
        "charged_by_hand": (_("Charged again by hand"), "credit-card"),
        "reminders_stopped": (_("Reminders were stopped"), "x"),
        "reminder_hurried": (_("The next reminder was asked for now"), "clock"),
    }
    return says.get(entry.kind, (entry.kind.replace("_", " ").capitalize(), "info-circle"))


@feature.word
def timeline_details(entry: EntryView) -> str:
    """What a line adds: attempt, amount, reason."""
    said, details = [], entry.details
    if details.get("attempt"):
        said.append(_("attempt %(number)s", number=details["attempt"]))
    amount = details.get("amount", details.get("amountDue"))
    if isinstance(amount, int) and details.get("currency"):
        said.append(minor_words(amount, str(details["currency"])))
    if details.get("by"):
        said.append(brought_by_words(str(details["by"])))
    if details.get("declineCode"):
        said.append(str(details["declineCode"]))
    if details.get("step"):
        said.append(_("Reminder %(number)s", number=details["step"]))
    return " · ".join(said)


@feature.word
def money_points(chart: ChartView) -> list[dict[str, Any]]:
    """The chart of recovered money: bars."""
    return [
        {
            "label": _short(point.day),
            "bar": float(money_words.major(point.recovered, chart.currency)),
            "bar_text": minor_words(point.recovered, chart.currency),
        }
        for point in chart.points
    ]


@feature.word
def count_points(chart: ChartView) -> list[dict[str, Any]]:
    """The chart of invoices: those that failed as bars, those that were paid as a line."""
    return [
        {
            "label": _short(point.day),
            "bar": point.failures,
            "bar_text": str(point.failures),
            "line": point.recoveries,
            "line_text": str(point.recoveries),
        }
        for point in chart.points
    ]


@feature.word
def usage_points(view: UsageView) -> list[dict[str, Any]]:
    return [
        {"label": _short(day.day), "bar": day.emails_sent, "bar_text": str(day.emails_sent)}
        for day in view.days
    ]


@feature.word
def utc_day(day: date) -> str:
    return str(format_date(day, "medium", locale=get_locale() or "en"))


@feature.word
def plan_words(plan: str | None) -> str:
    words = {"free": _("Free"), "growth": _("Growth"), "pro": _("Pro")}
    return words.get(plan or "", _("This installation’s own"))


def _short(day: date) -> str:
    locale = get_locale() or "en"
    return str(format_skeleton("MMMd", datetime.combine(day, time.min), locale=locale))
