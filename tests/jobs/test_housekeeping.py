from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from jobs import housekeeping
from mealquest.core import outbox
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.idempotency import IdempotencyKey, KeyedRequest, claim
from mealquest.core.messages import OutboundMessage
from mealquest.core.outbox import OutboxEvent
from mealquest.core.wire import View
from mealquest.identity import service as identity
from mealquest.identity.forms import RequestCodeForm
from mealquest.identity.models import PhoneCode

TABLES = (IdempotencyKey, OutboxEvent, PhoneCode, OutboundMessage)


def counts() -> list[int]:
    with platform_transaction("a test counts for every merchant") as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in TABLES]


def grow_old(days: float) -> None:
    age = timedelta(days=days)
    with platform_transaction("a test moves time for every merchant") as session:
        session.execute(update(IdempotencyKey).values(created_at=func.now() - age))
        session.execute(update(OutboxEvent).values(delivered_at=func.now() - age))
        session.execute(update(PhoneCode).values(expires_at=func.now() - age))
        session.execute(update(OutboundMessage).values(created_at=func.now() - age))


@pytest.fixture
def one_of_each(app) -> None:
    with transaction("m_a") as session:
        claim(session, "m_a", KeyedRequest("staff:a", "route", "key", "hash"), View)
        outbox.publish(session, "m_a", "PAYMENT_VERIFIED", {})
    outbox.deliver_due({})
    identity.request_code(RequestCodeForm(phone="+8613900000000"))


def purged() -> dict[str, int]:
    """What housekeeping says it purged, without what it found nothing of."""
    said = housekeeping.purge().removeprefix("purged ").split(", ")
    counted = {kind: int(number) for number, kind in (part.split(" ", 1) for part in said)}
    return {kind: number for kind, number in counted.items() if number}


def test_what_is_young_stays(one_of_each):
    assert purged() == {}
    assert counts() == [1, 1, 1, 1]


def test_each_kind_has_its_own_time(one_of_each):
    grow_old(days=6)
    assert purged() == {"codes": 1}
    grow_old(days=8)
    assert purged() == {"events": 1, "messages": 1}
    grow_old(days=91)
    assert purged() == {"keys": 1}


def test_how_long_events_stay_is_a_setting(one_of_each, app, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"event_retention_days": 30})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    grow_old(days=29)
    housekeeping.purge()
    assert counts()[1] == 1


def test_a_code_that_has_just_expired_can_still_be_told_so(one_of_each):
    grow_old(days=0.01)
    housekeeping.purge()
    assert counts()[2] == 1
