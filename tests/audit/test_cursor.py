"""Whatever rows there are and however they are paged, each is seen once, in order."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from mealquest.audit import service as audit
from mealquest.audit.forms import AuditForm
from mealquest.audit.models import AuditRow
from mealquest.core.clock import iso_millis
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from tests.factories.merchants import make_merchant

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
# Microseconds after START: many rows share a millisecond, and some share all of their time.
MOMENTS = st.lists(st.integers(0, 4_000), min_size=1, max_size=60)


def write(merchant_id: str, moments: list[int]) -> None:
    rows = [
        {
            "merchant_id": merchant_id,
            "id": new_id("audit"),
            "occurred_at": START + timedelta(microseconds=moment),
            "action": "PAYMENT_VERIFY",
            "status": "SUCCESS",
            "role": "CLERK",
            "operator_id": "staff_clerk",
            "details": {},
            "request_id": "",
        }
        for moment in moments
    ]
    with transaction(merchant_id) as session:
        session.execute(insert(AuditRow), rows)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(moments=MOMENTS, noise=MOMENTS, limit=st.integers(1, 7))
def test_pages_neither_lose_nor_repeat_a_row(app, moments, noise, limit):
    merchant_id, neighbour = make_merchant(), make_merchant()
    write(merchant_id, moments)
    write(neighbour, noise)

    seen: list[tuple[str, str]] = []
    cursor: str | None = None
    for _ in range(len(moments) + 1):
        page = audit.logs(merchant_id, AuditForm(limit=limit, cursor=cursor))
        seen += [(iso_millis(entry.timestamp), entry.audit_id) for entry in page.items]
        cursor = page.page_info.next_cursor
        if cursor is None:
            break

    assert cursor is None
    assert len(seen) == len(set(seen)) == len(moments)
    assert seen == sorted(seen, reverse=True)  # also for whoever sorts by what they see


def test_an_export_reads_every_batch(app, monkeypatch):
    monkeypatch.setattr(audit, "EXPORT_BATCH", 7)
    merchant_id = make_merchant()
    write(merchant_id, [n // 3 * 400 for n in range(40)])
    batches = list(audit.every(merchant_id, AuditForm(limit=2)))
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 7, 5]
    assert len({entry.audit_id for batch in batches for entry in batch}) == 40
