"""Usage on its way to Stripe's meter: every mail that was sent, once, each merchant in its turn.

A log is told under an identifier and an idempotency key of its own, so that a repeat counts
nothing. What the plan includes was looked at before the mail went out: here everything counts.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from flask import current_app

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.everywhere import everywhere
from mealquest.recovery import billing
from mealquest.recovery import metering_queries as queries
from mealquest.recovery.domain import BILLABLE, ReportStatus, TaskType, chain_key
from mealquest.recovery.errors import StripeAway, StripeRefused, StripeUnauthorized
from mealquest.recovery.gateway import StripeGateway
from mealquest.recovery.metering_queries import Fate, Waiting
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.running import Done, processor, still_mine
from mealquest.recovery.tasks import NewTask
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantNotFound

SHARE_S = 25.0  # of one run; what is left is the next one's, which then follows at once
AT_ONCE = 8  # calls to Stripe
MOST_FAILURES = 8  # more than that, and more than successes, and Stripe is left alone for now

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Run:
    """One run: how many logs are told, whose wait until the next one, and why it ended early."""

    platform: StripeGateway
    reported: int = 0
    failed: int = 0
    without: set[str] = field(default_factory=set)
    stopped: str = ""


@processor(TaskType.REPORT_USAGE)
def report(task: Task) -> Done:
    """Tell Stripe what waits, until nothing does or the time is up."""
    if not current_app.config["STRIPE_SECRET_KEY"]:
        return Done("stripe_not_configured", next=following(task))
    run, has_more, give_up = _Run(StripeGateway.platform()), True, time.monotonic() + SHARE_S
    while has_more and not run.stopped and time.monotonic() < give_up and still_mine(task):
        has_more = any(everywhere(lambda: _round(run)))
    goes_on = has_more and not run.stopped
    outcome = f"reported {run.reported}" + (f", stopped: {run.stopped}" if run.stopped else "")
    return Done(outcome, next=following(task, at_once=goes_on))


def following(task: Task, *, at_once: bool = False) -> NewTask:
    """The next link of the chain: written in the transaction that ends this one."""
    wait_s = 0.0 if at_once else float(current_app.config["SETTINGS"].report_interval_s)
    return NewTask(
        type=TaskType.REPORT_USAGE,
        payload={"after": task.id},
        delay_s=wait_s,
        dedupe_key=chain_key(TaskType.REPORT_USAGE),
    )


def late() -> int:
    """Mails that were sent more than a day ago and that Stripe's meter does not know of."""
    return sum(everywhere(_late))


def _late() -> int:
    with platform_transaction("the doctor asks for every merchant at once") as session:
        return queries.late(session)


def _round(run: _Run) -> bool:
    """Tell a few logs of each merchant of one database. False: nothing is left for this run."""
    if run.stopped:
        return False
    with platform_transaction("usage of every merchant is told in turn") as session:
        found = queries.waiting(session, sorted(run.without))
    of: dict[str, list[Waiting]] = defaultdict(list)
    for one in found:
        of[one.merchant_id].append(one)
    for merchant_id, logs in of.items():
        fates = _fates(run, merchant_id, logs)
        with transaction(merchant_id) as session:
            queries.settle(session, merchant_id, fates)
        told = sum(fate.status is ReportStatus.REPORTED for fate in fates)
        run.reported += told
        run.failed += sum(fate.why is not None for fate in fates if fate.is_open)
        if run.failed > max(MOST_FAILURES, run.reported):
            run.stopped = run.stopped or "Stripe takes nothing at the moment"
        if all(fate.is_open for fate in fates):
            run.without.add(merchant_id)
        if run.stopped:
            break
    return bool(found)


def _fates(run: _Run, merchant_id: str, logs: Sequence[Waiting]) -> list[Fate]:
    old = [one for one in logs if one.is_too_old]
    if old:
        log.error("usage older than the meter takes", merchant_id=merchant_id, logs=len(old))
    fates = [Fate(one.id, ReportStatus.FAILED, "older than 35 days") for one in old]
    fresh = [one for one in logs if not one.is_too_old]
    if not fresh:
        return fates
    customer_id, why = _billed_as(merchant_id)
    if customer_id is None:
        status = ReportStatus.PENDING if why == "no_customer_yet" else ReportStatus.SKIPPED
        return fates + [Fate(one.id, status, why) for one in fresh]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(lambda one: _tell(run, customer_id, one), fresh)
        return fates + list(told)


def _billed_as(merchant_id: str) -> tuple[str | None, str]:
    """The platform's customer that a merchant is; or None and why there is none."""
    try:
        with transaction(merchant_id) as session:
            account = tenancy.account_of(session, merchant_id)
    except MerchantNotFound:
        return None, "no_such_merchant"
    if account.stripe_customer_id:
        return account.stripe_customer_id, ""
    if not account.is_connected:
        return None, "never_connected"
    return billing.ensure_customer(merchant_id), "no_customer_yet"


def _tell(run: _Run, customer_id: str, one: Waiting) -> Fate:
    """Runs beside others: it touches no database."""
    if run.stopped:
        return Fate(one.id, ReportStatus.PENDING, run.stopped)
    try:
        run.platform.meter_event(
            customer_id=customer_id,
            value=one.amount,
            identifier=f"usage_log_{one.id}",
            at=one.created_at,
            name=BILLABLE.value,
        )
    except StripeRefused as refused:
        log.error("usage refused", merchant_id=one.merchant_id, log_id=one.id, why=str(refused))
        return Fate(one.id, ReportStatus.FAILED, str(refused))
    except StripeUnauthorized as refused:
        log.error("usage: the platform's key is refused", why=str(refused))
        run.stopped = str(refused)
        return Fate(one.id, ReportStatus.PENDING, run.stopped)
    except StripeAway as away:
        return Fate(one.id, ReportStatus.PENDING, str(away))
    return Fate(one.id, ReportStatus.REPORTED)
