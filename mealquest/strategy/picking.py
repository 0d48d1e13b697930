"""Another candidate in the place of the one that waits: one transaction, one new hash.

What is approved afterwards is what is shown afterwards; `proposals.approve` asks for its hash.
"""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.strategy import proposals, queries, replays
from mealquest.strategy.domain import ConfigStatus, ProposalStatus, content_hash
from mealquest.strategy.errors import CandidateNotFound, ProposalChanged
from mealquest.strategy.forms import PickForm
from mealquest.strategy.models import ProposalRow
from mealquest.strategy.replies import ProposalView
from mealquest.tenancy import service as tenancy

PICK = "PROPOSAL_CANDIDATE_PICK"  # the audit's action
PICKED = "PROPOSAL_CANDIDATE_PICKED"


def pick(merchant_id: str, form: PickForm, by: Principal) -> ProposalView:
    """Put a candidate in the place of the one that waits; the one that waits already stays.

    Raises:
        ProposalNotFound, ProposalHandled.
        CandidateNotFound: none of its candidates has this hash.
        ProposalChanged: the candidate is not what was shown under this hash.
    """
    with transaction(merchant_id) as session:
        row = proposals.pending(session, merchant_id, form.proposal_id, ProposalStatus.APPROVED)
        chosen = next((one for one in row.candidates if one["hash"] == form.hash), None)
        if chosen is None:
            raise CandidateNotFound
        if chosen["hash"] != content_hash(row.id, chosen["title"], chosen["campaign"]):
            raise ProposalChanged
        if chosen["hash"] != row.content_hash:
            _put(session, row, chosen, by)
        currency = tenancy.settings_of(session, merchant_id).currency
        return replays.looked_at(session, row, currency)


def _put(session: Session, row: ProposalRow, chosen: dict[str, Any], by: Principal) -> None:
    left, before = row.template_id, row.content_hash
    row.title, row.campaign = chosen["title"], chosen["campaign"]
    row.template_id, row.branch_id = chosen["templateId"], chosen["branchId"]
    row.strategy_meta = chosen["strategyMeta"]
    row.difference, row.dropped_fields = chosen["difference"], chosen["droppedFields"]
    row.content_hash = chosen["hash"]
    row.picked_by, row.picked_at = by.subject, utc_now()
    session.flush()
    if left != row.template_id:
        queries.leave_config(session, row, left)
    queries.set_config(session, row, ConfigStatus.PENDING_APPROVAL)
    details = {"proposalId": row.id, "from": before, "to": row.content_hash}
    audit.record(session, row.merchant_id, PICK, by, details)
    news = {"proposalId": row.id, "hash": row.content_hash, "sessionId": row.session_id}
    outbox.publish(session, row.merchant_id, PICKED, news)
    replays.drafted(session, row)
