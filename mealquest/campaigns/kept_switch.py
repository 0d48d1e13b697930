"""The kill switch of a merchant that is closed for a moment: kept, and turned later.

Whether somebody still is who their token says cannot be asked while the merchant is closed, so it
is asked when the switch is turned. Whoever turned it meanwhile was later, and counts; what was kept
as well is turned in the order in which it was asked for, so the last word holds.
"""

from dataclasses import asdict

import structlog

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.campaigns.forms import KillSwitchForm
from mealquest.campaigns.replies import KillSwitchKept
from mealquest.campaigns.switching import KEPT, set_kill_switch
from mealquest.core import waiting
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.principal import Principal, Role
from mealquest.core.waiting import Act
from mealquest.identity import service as identity
from mealquest.identity.service import Claims
from mealquest.tenancy.service import Operation

KIND = "campaigns.kill_switch"

log = structlog.get_logger(__name__)


def keep_kill_switch(merchant_id: str, form: KillSwitchForm, claims: Claims) -> KillSwitchKept:
    """Keep what the bearer of a token asks for. MerchantUnavailable: too much waits."""
    asked = {"enabled": form.enabled, "askedAt": utc_now().isoformat()}  # on, off, on: all three
    waiting.keep(merchant_id, KIND, asked | {"claims": asdict(claims)})
    return KillSwitchKept(merchant_id=merchant_id, kill_switch_enabled=form.enabled)


def take_kept_kill_switch(act: Act) -> None:
    """Turn a switch as it was asked for; may be called twice. Forbidden: by nobody who may."""
    said = act.content["claims"]
    claims = Claims(**{**said, "role": Role(said["role"])})
    by = Principal(claims.role, claims.subject, act.merchant_id)
    action = Operation.KILL_SWITCH_SET
    with transaction(act.merchant_id) as session:
        stands = claims in identity.standing(session, {claims})
        later = audit.done(session, act.merchant_id, action, act.received_at, utc_now())
        is_overtaken = any(KEPT not in row.details for row in later)
    if not stands:
        details = {"error": "permission denied"}
        audit.record_alone(act.merchant_id, action, by, details, AuditStatus.DENIED)
        raise Forbidden("permission denied")
    if is_overtaken:
        log.info("kill switch was turned since", merchant_id=act.merchant_id)
        return
    set_kill_switch(act.merchant_id, KillSwitchForm(enabled=act.content["enabled"]), by, kept=True)
