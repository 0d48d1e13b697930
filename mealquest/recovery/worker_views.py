"""The queue for workers of somebody else's, who know one secret and speak HTTP."""

from flask import current_app, request
from sqlalchemy.orm import Session

from mealquest.core.crypto import same
from mealquest.core.errors import Forbidden
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import NoInput
from mealquest.recovery import worker_acts as acts
from mealquest.recovery.domain import PLATFORM
from mealquest.recovery.task_forms import CompleteForm
from mealquest.recovery.task_replies import Claimed, TaskDone
from mealquest.web import credentials
from mealquest.web.credentials import Credential, Machine
from mealquest.web.frame import Call, Feature

feature = Feature("workers")
WORKER = frozenset({Role.OPERATOR})
HEADER = "X-Worker-Secret"
WRONG_SECRETS = ("30/minute",)  # from one address


def _prove(_session: Session) -> Principal:
    return Principal(Role.OPERATOR, "worker")


def _worker() -> Credential | None:
    """The worker's secret, or the operator's key. Forbidden: another secret."""
    sent = request.headers.get(HEADER)
    if sent is None:
        return credentials.presented()
    secret = current_app.config["SETTINGS"].worker_secret
    if not (secret and same(sent, secret)):
        throttles = current_app.extensions["throttles"]
        if throttles.enabled:
            throttles.spend(WRONG_SECRETS, "wrong worker secrets", request.remote_addr or "unknown")
        raise Forbidden("invalid worker secret", code="WORKER_SECRET_INVALID")
    return Credential(machine=Machine(PLATFORM, "worker", _prove))


@feature.post(
    api="/api/worker/claim",
    roles=WORKER,
    ungated="a worker serves every merchant; what it does is gated where it is asked for",
    presented=_worker,
)
def claim(call: Call, form: NoInput) -> Claimed:
    """Claim one due task, or none."""
    return acts.claim(f"http:{request.remote_addr or 'unknown'}")


@feature.post(
    api="/api/worker/complete/<task_id>",
    roles=WORKER,
    ungated="a worker serves every merchant; what it does is gated where it is asked for",
    presented=_worker,
)
def complete(call: Call, form: CompleteForm) -> TaskDone:
    """End a claimed task; the same end told again changes nothing."""
    return acts.complete(form)
