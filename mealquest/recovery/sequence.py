"""How a merchant's payers are reminded: the settings of it, changed by its owner."""

from typing import Any

from flask import current_app
from pydantic.alias_generators import to_camel
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.errors import FieldError, Invalid
from mealquest.core.principal import Principal
from mealquest.recovery import schedule
from mealquest.recovery.case_models import DunningSettings
from mealquest.recovery.own_words import ATTEMPTS
from mealquest.recovery.sequence_forms import SequenceForm, SequencePageForm
from mealquest.recovery.sequence_replies import SequenceView, StepView
from mealquest.tenancy.service import Operation

_OWN = ("quiet_from", "quiet_until", "gap_hours", "most_mails", "holdout_percent", "is_paused")
_USUAL: dict[str, Any] = {
    "quiet_from": None,
    "quiet_until": None,
    "gap_hours": 24,
    "most_mails": schedule.MOST_MAILS,
    "holdout_percent": 0,
    "is_paused": False,
}


def sequence(merchant_id: str) -> SequenceView:
    with transaction(merchant_id) as session:
        return sequence_of(session, merchant_id)


def sequence_of(session: Session, merchant_id: str) -> SequenceView:
    return _view(_row(session, merchant_id))


def change(merchant_id: str, form: SequenceForm | SequencePageForm, by: Principal) -> SequenceView:
    """Set what the form names; reminders that wait already keep their time.

    Invalid: only one end of the quiet hours.
    """
    with transaction(merchant_id) as session:
        now = _values(_row(session, merchant_id, lock=True))
        wanted = now | form.changes()
        if (wanted["quiet_from"] is None) is not (wanted["quiet_until"] is None):
            message = "quiet hours need a beginning and an end"
            missing = "quietFrom" if wanted["quiet_from"] is None else "quietUntil"
            raise Invalid(message, fields=(FieldError(missing, message),))
        changed = {name: value for name, value in wanted.items() if value != now[name]}
        if changed:
            _write(session, merchant_id, wanted)
            difference = {to_camel(n): {"from": now[n], "to": v} for n, v in changed.items()}
            _note(session, merchant_id, by, {"changed": difference})
        return sequence_of(session, merchant_id)


def reset(merchant_id: str, by: Principal) -> SequenceView:
    """Go back to the product's own sequence."""
    with transaction(merchant_id) as session:
        gone = session.scalar(
            delete(DunningSettings)
            .where(DunningSettings.merchant_id == merchant_id)
            .returning(DunningSettings.merchant_id)
        )
        if gone is not None:
            _note(session, merchant_id, by, {"reset": True})
        return sequence_of(session, merchant_id)


def _note(session: Session, merchant_id: str, by: Principal, details: dict[str, Any]) -> None:
    audit.record(session, merchant_id, Operation.RECOVERY_SEQUENCE_SET, by, details)


def _row(session: Session, merchant_id: str, *, lock: bool = False) -> DunningSettings | None:
    query = select(DunningSettings).where(DunningSettings.merchant_id == merchant_id)
    if lock:
        query = query.with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def _write(session: Session, merchant_id: str, values: dict[str, Any]) -> None:
    session.execute(
        insert(DunningSettings)
        .values(merchant_id=merchant_id, **values)
        .on_conflict_do_update(
            index_elements=["merchant_id"], set_={**values, "updated_at": func.now()}
        )
    )


def _values(row: DunningSettings | None) -> dict[str, Any]:
    """The settings by column, as they hold now."""
    usual = current_app.config["SETTINGS"].dunning_delays
    rules = schedule.Rules(schedule.steps_of(row.steps if row else None, usual))
    steps = [rules.step(number) for number in ATTEMPTS]
    own = {name: getattr(row, name) for name in _OWN} if row else dict(_USUAL)
    own["steps"] = [
        {"attempt": number, "delayS": step.delay_s, "isEnabled": step.is_enabled}
        for number, step in zip(ATTEMPTS, steps, strict=True)
    ]
    return own


def _view(row: DunningSettings | None) -> SequenceView:
    values = _values(row)
    steps = [StepView.model_validate(one) for one in values.pop("steps")]
    return SequenceView(steps=steps, is_own=row is not None, **values)
