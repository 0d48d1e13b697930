"""An event of a customer that reaches the campaigns: by hand, or brought by the outbox."""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.campaigns import engine
from mealquest.campaigns.forms import TriggerForm
from mealquest.campaigns.queries import Occasion
from mealquest.campaigns.replies import TriggerView
from mealquest.core import idempotency, outbox
from mealquest.core.db import transaction
from mealquest.core.errors import PolicyBlocked
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.principal import Principal
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

TRIGGERED = "TCA_TRIGGERED"


def trigger(
    merchant_id: str, form: TriggerForm, by: Principal, request: KeyedRequest | None = None
) -> TriggerView:
    """Let campaigns decide about an event that somebody reports, once per request key.

    What `engine.run` raises, KeyReused, StillRunning: in every case nothing has changed.
    """
    with transaction(merchant_id) as session:
        if request:
            stored = idempotency.claim(session, merchant_id, request, TriggerView)
            if stored is not None:
                return stored
        occasion = Occasion(form.user_id, form.event, by, form.context)
        view = engine.run(session, merchant_id, occasion)
        if view is None:
            raise RuntimeError("a trigger by hand has no event that could have come before")
        tell(session, merchant_id, occasion, view)
        if request:
            idempotency.store(session, merchant_id, request, view, customer_id=form.user_id)
    return view


def happen(merchant_id: str, occasion: Occasion) -> TriggerView | None:
    """Let campaigns decide about an event of the product; None: it came before.

    Only what gave something is told to the audit and to open sockets. Raises as `engine.run`, and
    PolicyBlocked while the merchant is frozen: the event has to wait.
    """
    with transaction(merchant_id) as session:
        if held := tenancy.refusal(tenancy.policy_of(session, merchant_id), Operation.TCA_TRIGGER):
            raise PolicyBlocked(held.message, code=held.code)
        view = engine.run(session, merchant_id, occasion)
        if view is not None and view.executed:
            tell(session, merchant_id, occasion, view)
    return view


def tell(session: Session, merchant_id: str, occasion: Occasion, view: TriggerView) -> None:
    """The audit row, and the event: the answer, and whose it is."""
    blocked = view.blocked_by_kill_switch
    details: dict[str, Any] = {
        "event": occasion.event,
        "executedCount": len(view.executed),
        "blockedByKillSwitch": blocked,
        "userId": occasion.customer_id,
    }
    status = AuditStatus.BLOCKED if blocked else AuditStatus.SUCCESS
    audit.record(session, merchant_id, Operation.TCA_TRIGGER, occasion.by, details, status)
    event = view.model_dump(mode="json", by_alias=True)
    event |= {"userId": occasion.customer_id, "event": occasion.event}
    event |= {"byHand": occasion.is_manual}
    if occasion.payment_id:
        event["paymentTxnId"] = occasion.payment_id
    outbox.publish(session, merchant_id, TRIGGERED, event)
