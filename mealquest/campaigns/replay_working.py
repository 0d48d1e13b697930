"""Replays worked out: claimed, the past read in one transaction, stored in the next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.campaigns import inactivity, queries, replay_queries, replay_sources
from mealquest.campaigns.actions import Give, gives
from mealquest.campaigns.domain import Campaign, CampaignStatus, Condition, Limits, in_order
from mealquest.campaigns.models import CampaignReplay, CampaignRow
from mealquest.campaigns.replay_domain import Outcome, ReplayState, Shop
from mealquest.campaigns.replay_fold import Replay
from mealquest.campaigns.replay_result import Past, result_of
from mealquest.campaigns.replay_sources import Heard, Span
from mealquest.core.clock import utc_now
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import Invalid
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet import service as wallets

DAYS = 90
LEASE_S = 100  # a worker that died with a replay costs so long; a job has 120 s
MOST_TRIES = 3
GIFTS_FROM, GIFTS_UNTIL = timedelta(days=365), timedelta(days=30)  # ago: how gifts were used

log = structlog.get_logger(__name__)

_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT merchant_id, subject FROM campaign_replays
         WHERE state = 'WAITING' AND run_at <= now()
         ORDER BY run_at, subject LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE campaign_replays AS r
       SET attempts = attempts + 1, run_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE r.merchant_id = due.merchant_id AND r.subject = due.subject
    RETURNING r.merchant_id, r.subject, r.attempts
    """
)
_DUE = text(
    "SELECT EXISTS (SELECT FROM campaign_replays WHERE state = 'WAITING' AND run_at <= now())"
)
_STORE = text(
    """
    UPDATE campaign_replays
       SET state = :state, failure = :failure, done_at = now(),
           result = CAST(:result AS jsonb)
     WHERE merchant_id = :merchant AND subject = :subject AND state = 'WAITING'
       AND created_at = :asked
    """
)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(session.scalar(_DUE))


def work_due() -> bool:
    """Work out one replay that waits, of whichever merchant. False: none does.

    One that breaks is tried again when its lease is over; the third time ends it as FAILED.
    """
    with platform_transaction("replays of every merchant are made by one job") as session:
        found = session.execute(_CLAIM, {"lease": float(LEASE_S)}).one_or_none()
    if found is None:
        return False
    merchant_id, subject, attempts = found
    try:
        work(merchant_id, subject)
    except Exception as failure:
        log.error("replay failed", merchant_id=merchant_id, subject=subject, exc_info=failure)
        if attempts >= MOST_TRIES:
            with transaction(merchant_id) as session:
                row = session.get_one(CampaignReplay, (merchant_id, subject))
                _store(session, row, None, type(failure).__name__)
    return True


def work(merchant_id: str, subject: str) -> None:
    """Make one replay. Safe to run twice: one that was asked for anew meanwhile is not stored."""
    with transaction(merchant_id) as session:
        row = session.get(CampaignReplay, (merchant_id, subject))
        if row is None or row.state is not ReplayState.WAITING:
            return
        merchant = tenancy.settings_of(session, merchant_id)
        result = _own(session, merchant, subject) if row.campaign is None else None
        if row.campaign is not None:
            result = _proposed(session, merchant, row.campaign)
    with transaction(merchant_id) as session:
        _store(session, row, result, None if result else "GONE")


def _store(
    session: Session, row: CampaignReplay, result: dict[str, Any] | None, failure: str | None
) -> None:
    values = {
        "state": ReplayState.DONE if result else ReplayState.FAILED,
        "failure": failure,
        "result": json.dumps(result) if result else None,
        "merchant": row.merchant_id,
        "subject": row.subject,
        "asked": row.created_at,
    }
    session.execute(_STORE, values)


# --- what is replayed -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """`own`: the row of a campaign whose own past it is; `hours`: how long a proposal would run."""

    campaign: Campaign
    span: Span
    own: CampaignRow | None = None
    hours: int | None = None


def _proposed(session: Session, merchant: MerchantFacts, said: Mapping[str, Any]) -> dict[str, Any]:
    """A proposal over the last 90 days and today, as if it had run all of that time."""
    until = utc_now()
    zone = ZoneInfo(merchant.time_zone)
    first = until.astimezone(zone).date() - timedelta(days=DAYS)
    campaign = Campaign(
        said["id"],
        said["name"],
        CampaignStatus.ACTIVE,
        said["priority"],
        said["event"],
        tuple(Condition(c["field"], c["op"], c["value"]) for c in said["conditions"]),
        said["action"],
        Limits(**said["limits"]),
    )
    others = queries.listening(session, merchant.merchant_id, inactivity.EVENT, until)
    waits = inactivity.waits_of(said["conditions"]) | set(inactivity.days_of(others))
    span = Span(
        merchant.merchant_id,
        campaign.event,
        merchant.currency,
        datetime.combine(first, time.min, zone),
        until,
        tuple(sorted(waits)),
    )
    return _replayed(session, merchant, Subject(campaign, span, hours=said["hours"]))


def _own(session: Session, merchant: MerchantFacts, subject: str) -> dict[str, Any] | None:
    """A campaign over its own life, at the events that it heard."""
    row = queries.one(session, merchant.merchant_id, subject.partition(":")[2])
    if row is None:
        return None
    campaign = replace(queries.campaign_of(row), status=CampaignStatus.ACTIVE)
    span = Span(merchant.merchant_id, row.event, merchant.currency, row.created_at, utc_now())
    return _replayed(session, merchant, Subject(campaign, span, own=row))


def _replayed(session: Session, merchant: MerchantFacts, about: Subject) -> dict[str, Any]:
    campaign, span, heard = about.campaign, about.span, Heard()
    given, faulty = _gives(campaign, merchant)
    outcome = (
        _run(session, merchant, about, given, heard)
        if not faulty
        else Replay(campaign, (), _shop(merchant), span.since, span.until).outcome
    )
    now = utc_now()
    use = wallets.gift_use(session, span.merchant_id, now - GIFTS_FROM, now - GIFTS_UNTIL)
    return result_of(
        Past(
            campaign=campaign,
            outcome=outcome,
            since=span.since,
            until=span.until,
            cost_minor=sum(give.cost_minor for give in given),
            kept=heard.kept,
            rebuilt=heard.rebuilt,
            reported=heard.reported,
            is_rebuilt=replay_sources.is_rebuilt(span.event),
            taken=payments.taken_by_week(session, *span.bounds),
            use=use,
            hours=about.hours,
            has_cards=any(give.voucher and give.voucher.discount_rate for give in given),
            faulty=faulty,
            actual=_actual(session, about.own) if about.own else None,
        )
    )


def _gives(campaign: Campaign, merchant: MerchantFacts) -> tuple[list[Give], bool]:
    try:
        return gives(campaign.action, merchant.currency), False
    except Invalid:
        return [], True


def _run(
    session: Session, merchant: MerchantFacts, about: Subject, given: list[Give], heard: Heard
) -> Outcome:
    campaign, span, follow = about.campaign, about.span, about.own is not None
    shop = _shop(merchant, *_ahead(session, about))
    zone = ZoneInfo(merchant.time_zone)
    month = queries.month_of(span.since, merchant.time_zone)
    has_cards = any(give.voucher and give.voucher.discount_rate for give in given)
    replayed = Replay(campaign, given, shop, span.since, span.until, follow=follow)
    return replayed.run(
        replay_sources.happenings(
            session,
            span,
            heard,
            with_tags=any(condition.field == "tags" for condition in campaign.conditions),
            kept_only=follow,
        ),
        replay_sources.spendings(
            session, span, campaign.id, datetime.combine(month, time.min, zone)
        ),
        replay_sources.orders(session, span) if has_cards and not follow else (),
    )


def _shop(
    merchant: MerchantFacts,
    ahead: frozenset[str] = frozenset(),
    rivals: frozenset[str] = frozenset(),
) -> Shop:
    return Shop(merchant.time_zone, merchant.budget_cap_minor, ahead, rivals)


def _ahead(session: Session, about: Subject) -> tuple[frozenset[str], frozenset[str]]:
    """Campaigns of the same event that are asked before this one, and those of its group.

    A proposal would be the youngest, so that it comes after all of its priority.
    """
    span, mine = about.span, about.campaign
    rows = replay_queries.of_event(session, span.merchant_id, span.event)
    known = in_order([queries.campaign_of(row, at) for at, row in enumerate(rows)])
    before = [one for one in known if one.priority >= mine.priority]
    if about.own is not None:
        place = next(at for at, one in enumerate(known) if one.id == mine.id)
        before = known[:place]
    rivals = {one.id for one in before if mine.limits.group == one.limits.group}
    ids = frozenset(one.id for one in before)
    return ids, frozenset(rivals) if mine.limits.group else frozenset()


def _actual(session: Session, row: CampaignRow) -> dict[str, int]:
    customers = replay_queries.customers_hit(session, row.merchant_id, row.id)
    return {"hits": row.hits, "customers": customers, "costMinor": row.spent_minor}
