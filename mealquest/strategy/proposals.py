"""Proposals: stored as drafts, decided once by the owner, and only then a campaign."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut
from mealquest.core.principal import Principal
from mealquest.strategy import catalogue, queries, risk
from mealquest.strategy.becoming import campaign_of
from mealquest.strategy.domain import (
    BELL,
    ConfigStatus,
    ProposalStatus,
    content_hash,
    difference,
    may_become,
)
from mealquest.strategy.drafting import Shop
from mealquest.strategy.errors import (
    ProposalChanged,
    ProposalHandled,
    ProposalNotFound,
    ProposalUnsafe,
)
from mealquest.strategy.forms import ConfirmForm, ProposalsForm, RejectForm
from mealquest.strategy.models import ProposalRow
from mealquest.strategy.queries import Wanted
from mealquest.strategy.replays import drafted, looked_at
from mealquest.strategy.replies import ConfirmView, ProposalsPage, ProposalView, RejectView
from mealquest.strategy.words import in_shops_words
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import major

CONFIRMED = "PROPOSAL_CONFIRMED"
REVIEWED = "STRATEGY_CHAT_REVIEWED"
REVIEW = "STRATEGY_CHAT_REVIEW"  # the audit's action


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """What is stored of a draft. `campaign` is as it goes over the wire, with its id."""

    id: str
    title: str
    intent: str
    template_id: str
    branch_id: str
    strategy_meta: dict[str, Any]
    campaign: dict[str, Any]
    dropped_fields: list[str] = field(default_factory=list)
    session_id: str | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    refused_candidates: list[dict[str, Any]] = field(default_factory=list)


def shop_of(session: Session, merchant_id: str) -> Shop:
    merchant = tenancy.settings_of(session, merchant_id)
    cap = major(merchant.budget_cap_minor, merchant.currency)
    return Shop(merchant_id, merchant.currency, cap)


def add(session: Session, merchant_id: str, new: NewProposal, by: str) -> ProposalRow:
    """Store a draft that no risk rule stands against, with how it differs from the library.

    The caller asked the rules.
    """
    row = ProposalRow(
        merchant_id=merchant_id,
        id=new.id,
        status=ProposalStatus.PENDING,
        title=new.title,
        intent=new.intent,
        template_id=new.template_id,
        branch_id=new.branch_id,
        strategy_meta=new.strategy_meta,
        campaign=new.campaign,
        difference=_difference(session, merchant_id, new),
        dropped_fields=new.dropped_fields,
        candidates=new.candidates,
        refused_candidates=new.refused_candidates,
        content_hash=content_hash(new.id, new.title, new.campaign),
        session_id=new.session_id,
        created_by=by,
    )
    session.add(row)
    session.flush()
    queries.set_config(session, row, ConfigStatus.PENDING_APPROVAL)
    drafted(session, row)
    return row


def _difference(session: Session, merchant_id: str, new: NewProposal) -> list[dict[str, Any]]:
    template = catalogue.template(new.template_id)
    with in_shops_words(session, merchant_id):
        base = template.campaign(template.branch(new.branch_id))
    return [part for part in difference(base, new.campaign) if part["path"] != "id"]


def note_in_use(session: Session, merchant_id: str, new: NewProposal) -> None:
    """Note that the template of a stored proposal is in use, as the demo data has it."""
    row = queries.proposal(session, merchant_id, new.id)
    if row is None:
        raise ProposalNotFound
    queries.set_config(session, row, ConfigStatus.ACTIVE, new.campaign["id"])


# --- deciding ---------------------------------------------------------------------------------


def confirm(merchant_id: str, form: ConfirmForm, by: Principal) -> ConfirmView:
    """Approve a proposal out of the inbox.

    Raises:
        ProposalNotFound; ProposalHandled: it was decided before.
        ProposalChanged: it is not what was shown. ProposalUnsafe: the limits stand against it.
    """
    with transaction(merchant_id) as session:
        row = approve(session, merchant_id, form.proposal_id, form.hash, by)
        view = ConfirmView(proposal_id=row.id, status=row.status, campaign_id=row.campaign_id or "")
        details = {"proposalId": row.id, "campaignId": row.campaign_id}
        audit.record(session, merchant_id, Operation.PROPOSAL_CONFIRM, by, details)
        outbox.publish(session, merchant_id, CONFIRMED, view.model_dump(mode="json", by_alias=True))
    return view


def dismiss(merchant_id: str, form: RejectForm, by: Principal) -> RejectView:
    """Reject a proposal out of the inbox; why is kept. ProposalNotFound, ProposalHandled."""
    with transaction(merchant_id) as session:
        row = reject(session, merchant_id, form.proposal_id, form.reason, by)
        view = RejectView(proposal_id=row.id, status=row.status)
        audit.record(session, merchant_id, REVIEW, by, review_details(row))
        outbox.publish(session, merchant_id, REVIEWED, view.model_dump(mode="json", by_alias=True))
    return view


def review_details(row: ProposalRow) -> dict[str, Any]:
    return {
        "sessionId": row.session_id,
        "proposalId": row.id,
        "reviewStatus": row.status.value,
        "campaignId": row.campaign_id,
    }


def approve(
    session: Session, merchant_id: str, proposal_id: str, shown: str | None, by: Principal
) -> ProposalRow:
    """Turn a pending proposal into a campaign, once; its row's lock decides who does.

    `shown`: the hash of what the owner saw. It may be left out while there was only one thing to
    see; where another candidate was picked, nothing is approved without it.
    """
    row = pending(session, merchant_id, proposal_id, ProposalStatus.APPROVED)
    kept = content_hash(row.id, row.title, row.campaign)
    is_seen = shown == kept if shown is not None else row.picked_at is None
    if row.content_hash != kept or not is_seen:
        raise ProposalChanged
    shop = shop_of(session, merchant_id)
    held_out = tenancy.settings_of(session, merchant_id).campaign_holdout_percent
    if against := risk.reasons(row.campaign, shop.budget_cap):
        raise ProposalUnsafe(against)
    now = utc_now()
    campaigns.add(session, merchant_id, campaign_of(row, now, held_out), by.subject)
    _decided(session, row, ProposalStatus.APPROVED, by, now)
    row.campaign_id = row.campaign["id"]
    session.flush()
    queries.set_config(session, row, ConfigStatus.ACTIVE, row.campaign_id)
    return row


def reject(
    session: Session, merchant_id: str, proposal_id: str, reason: str | None, by: Principal
) -> ProposalRow:
    row = pending(session, merchant_id, proposal_id, ProposalStatus.REJECTED)
    _decided(session, row, ProposalStatus.REJECTED, by, utc_now())
    row.reject_reason = reason
    session.flush()
    queries.set_config(session, row, ConfigStatus.REJECTED)
    return row


def pending(
    session: Session, merchant_id: str, proposal_id: str, target: ProposalStatus
) -> ProposalRow:
    """The proposal, locked, that may move on to `target`. ProposalNotFound, ProposalHandled."""
    row = queries.proposal(session, merchant_id, proposal_id, lock=True)
    if row is None:
        raise ProposalNotFound
    if not may_become(row.status, target):
        raise ProposalHandled
    return row


def _decided(
    session: Session, row: ProposalRow, status: ProposalStatus, by: Principal, now: datetime
) -> None:
    """The agent, which waits in the chat for this, hears of it from its worker."""
    row.status, row.decided_by, row.decided_at = status, by.subject, now
    if row.session_id is not None:
        row.thread_due_at = now
        after_commit_ring(session, BELL)


# --- reading ----------------------------------------------------------------------------------


def detail(merchant_id: str, proposal_id: str) -> ProposalView:
    """One proposal. ProposalNotFound."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        row = queries.proposal(session, merchant_id, proposal_id)
        if row is None:
            raise ProposalNotFound
        return looked_at(session, row, currency)


def listed(merchant_id: str, form: ProposalsForm) -> ProposalsPage:
    """Proposals by state and template, newest first. Invalid: an unknown cursor."""
    shown, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    currency = tenancy.settings(merchant_id).currency
    return ProposalsPage(
        merchant_id=merchant_id,
        currency=currency,
        items=[ProposalView.of(row, currency) for row in shown],
        next_cursor=next_cursor,
    )


def every(merchant_id: str, form: ProposalsForm) -> Iterator[list[ProposalView]]:
    """All proposals of the filter, in batches that are read as they are asked for."""
    currency = tenancy.settings(merchant_id).currency
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([ProposalView.of(row, currency) for row in rows] for rows in read)


def _page(
    merchant_id: str, form: ProposalsForm, cursor: str | None, limit: int
) -> tuple[Sequence[ProposalRow], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    wanted = Wanted(form.status, form.template)
    with transaction(merchant_id) as session:
        found = queries.page(session, merchant_id, wanted, after, limit + 1)
    return cut(found, limit, lambda row: Keyset(row.created_at, row.id).encode())


def state_proposals(session: Session, merchant_id: str) -> list[dict[str, Any]]:
    """Every proposal, as the state shows it to staff: without what else could have been picked."""
    currency = tenancy.settings_of(session, merchant_id).currency
    rows = queries.all_proposals(session, merchant_id)
    left_out = {"candidates", "refused_candidates", "replay"}
    return [
        ProposalView.of(row, currency).model_dump(mode="json", by_alias=True, exclude=left_out)
        for row in rows
    ]
