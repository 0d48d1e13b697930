"""Proposals run over what has happened, before anybody decides about them.

A replay is bound to what was replayed by its hash: one of other content is none.
"""

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.service import ReplayView
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.principal import SYSTEM, Principal
from mealquest.strategy import queries
from mealquest.strategy.becoming import campaign_of
from mealquest.strategy.domain import ProposalStatus
from mealquest.strategy.errors import ProposalHandled, ProposalNotFound
from mealquest.strategy.forms import ProposalPathForm
from mealquest.strategy.models import ProposalRow
from mealquest.strategy.replies import ProposalView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation


def drafted(session: Session, row: ProposalRow) -> None:
    """Have content that a proposal has now replayed; once for each."""
    if _replay(session, row).asked_at is None:
        _ask(session, row, SYSTEM)


def looked_at(session: Session, row: ProposalRow, currency: Currency) -> ProposalView:
    """A proposal as one looks at it, with its replay."""
    return ProposalView.of(row, currency).model_copy(update={"replay": _replay(session, row)})


def replay(merchant_id: str, form: ProposalPathForm) -> ReplayView:
    """How a proposal's replay stands. ProposalNotFound."""
    with transaction(merchant_id) as session:
        return _replay(session, _row(session, merchant_id, form.proposal_id))


def replay_again(merchant_id: str, form: ProposalPathForm, by: Principal) -> ReplayView:
    """Have a pending proposal replayed anew; one that waits, or is fresh, stays as it is.

    ProposalNotFound, ProposalHandled.
    """
    with transaction(merchant_id) as session:
        row = _row(session, merchant_id, form.proposal_id)
        if row.status is not ProposalStatus.PENDING:
            raise ProposalHandled
        if _replay(session, row).may_renew:
            _ask(session, row, by)
            details = {"proposalId": row.id}
            audit.record(session, merchant_id, Operation.CAMPAIGN_REPLAY, by, details)
        return _replay(session, row)


def _row(session: Session, merchant_id: str, proposal_id: str) -> ProposalRow:
    row = queries.proposal(session, merchant_id, proposal_id)
    if row is None:
        raise ProposalNotFound
    return row


def _subject(row: ProposalRow) -> str:
    return f"proposal:{row.id}"


def _replay(session: Session, row: ProposalRow) -> ReplayView:
    return campaigns.replay_of(session, row.merchant_id, _subject(row), row.content_hash)


def _ask(session: Session, row: ProposalRow, by: Principal) -> None:
    held_out = tenancy.settings_of(session, row.merchant_id).campaign_holdout_percent
    new = campaign_of(row, utc_now(), held_out)
    campaigns.ask_replay(session, row.merchant_id, _subject(row), row.content_hash, new, by.subject)
