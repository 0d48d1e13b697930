"""Keeping events: numbered once, in the order of commits, shown to whom they concern."""

import pytest
from sqlalchemy import event as sql_events
from sqlalchemy import select

from jobs import housekeeping
from jobs import outbox as relay_job
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import db, transaction
from mealquest.core.outbox import Event
from mealquest.core.principal import Principal, Role
from mealquest.realtime import service
from mealquest.realtime.domain import AUDIENCE, Close, Reason
from mealquest.realtime.event_views import LINES, event_line
from mealquest.realtime.models import LiveEventRow
from mealquest.realtime.replies import LiveEventView
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.threads import run_together
from tests.realtime.conftest import publish, tell

pytestmark = pytest.mark.usefixtures("app")
STAFF = Principal(Role.OWNER, "staff_owner")


def kept(merchant_id: str) -> list[tuple[int, str]]:
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(LiveEventRow.seq, LiveEventRow.event_id)
            .where(LiveEventRow.merchant_id == merchant_id)
            .order_by(LiveEventRow.seq)
        )
        return [tuple(row) for row in rows]


def an_event(merchant_id: str, event_id: str) -> Event:
    return Event(merchant_id, event_id, "PAYMENT_VERIFIED", {}, utc_now())


def test_an_event_told_twice_is_numbered_once():
    merchant_id = make_merchant()
    for event_id in ("evt_1", "evt_2", "evt_1", "evt_2", "evt_3"):
        service.keep([an_event(merchant_id, event_id)])
    assert kept(merchant_id) == [(1, "evt_1"), (2, "evt_2"), (3, "evt_3")]


def test_told_twice_at_once_it_is_numbered_once_and_no_number_is_lost(app):
    merchant_id = make_merchant()
    events = [an_event(merchant_id, f"evt_{n % 5}") for n in range(20)]
    run_together(app, [lambda e=e: service.keep([e]) for e in events])
    rows = kept(merchant_id)
    assert [seq for seq, _ in rows] == [1, 2, 3, 4, 5]
    assert {event_id for _, event_id in rows} == {f"evt_{n}" for n in range(5)}


def test_batches_that_overlap_are_numbered_in_their_order_without_a_hole(app):
    merchant_id = make_merchant()
    events = [an_event(merchant_id, f"evt_{n:02}") for n in range(30)]
    batches = [events[first : first + 12] for first in range(0, 20, 3)]
    assert run_together(app, [lambda b=b: service.keep(b) for b in batches]) == [None] * 7
    rows = kept(merchant_id)
    assert [seq for seq, _ in rows] == list(range(1, 31))
    assert sorted(event_id for _, event_id in rows) == [event.id for event in events]


def test_a_merchants_batch_is_numbered_in_one_transaction(app):
    merchants = [make_merchant() for _ in range(2)]
    for n in range(10):
        publish(merchants[n % 2], {"n": n})
    commits = []

    def committed(connection):
        commits.append(connection)

    sql_events.listen(db.engine, "commit", committed)
    try:
        outbox.deliver_due(service.SUBSCRIPTIONS)
    finally:
        sql_events.remove(db.engine, "commit", committed)
    assert len(commits) == 4  # the claim, each merchant, the delivery
    for merchant_id in merchants:
        assert [seq for seq, _ in kept(merchant_id)] == [1, 2, 3, 4, 5]
    shown = service.recent_events(merchants[1], STAFF).items
    assert [line.payload["n"] for line in shown] == [9, 7, 5, 3, 1]


def test_an_event_that_cannot_be_kept_holds_up_nothing_else(owner_sql):
    bad, good = make_merchant(), make_merchant()
    publish(bad, *({"n": n} for n in range(5)))
    publish(good, {}, {})
    owner_sql(
        'UPDATE outbox_events SET payload = payload || \'{"occurredAt": "no date"}\''
        f" WHERE merchant_id = '{bad}' AND payload ->> 'n' = '2'"
    )
    outbox.deliver_due(service.SUBSCRIPTIONS)
    shown = service.recent_events(bad, STAFF).items
    assert [(line.seq, line.payload["n"]) for line in shown] == [(4, 4), (3, 3), (2, 1), (1, 0)]
    assert [seq for seq, _ in kept(good)] == [1, 2]
    waiting = "SELECT payload ->> 'n', last_error FROM outbox_events WHERE delivered_at IS NULL"
    ((number, said),) = owner_sql(waiting)
    assert (number, "no date" in said) == ("2", True)


def test_relays_that_run_together_leave_no_hole(app):
    merchants = [make_merchant() for _ in range(3)]
    for merchant_id in merchants:
        publish(merchant_id, *({"n": n} for n in range(30)))
    run_together(app, [relay_job.relay] * 4)
    for merchant_id in merchants:
        assert [seq for seq, _ in kept(merchant_id)] == list(range(1, 31))


def test_an_event_that_concerns_nobody_is_not_kept():
    merchant_id = make_merchant()
    tell(merchant_id, {}, kind="SOMETHING_INTERNAL")
    assert kept(merchant_id) == []


def test_when_it_happened_is_the_timestamp_and_not_part_of_the_payload():
    merchant_id = make_merchant()
    before = utc_now()
    tell(merchant_id, {"a": 1})
    (event,) = service.recent_events(merchant_id, STAFF).items
    assert event.payload == {"a": 1}
    assert -1 < (event.timestamp - before).total_seconds() < 10


def test_a_redis_that_is_away_keeps_no_event_from_being_numbered(app, monkeypatch):
    from mealquest.realtime.gateway import Rings

    monkeypatch.setitem(app.extensions, "rings", Rings("redis://127.0.0.1:1/0"))
    merchant_id = make_merchant()
    tell(merchant_id, {}, {})
    assert [seq for seq, _ in kept(merchant_id)] == [1, 2]
    assert not outbox.has_due()


# --- the list -----------------------------------------------------------------------------


def test_staff_see_names_and_page_through_what_happened():
    merchant_id = make_merchant()
    lin = make_customer(merchant_id, display_name="Lin")
    tell(merchant_id, {"userId": lin}, {"userId": "u_gone"}, {})
    first = service.recent_events(merchant_id, STAFF, 2)
    assert [(e.seq, e.user_name) for e in first.items] == [(3, None), (2, None)]
    assert (first.last_seq, first.next_before, first.is_newest) == (3, 2, True)
    second = service.recent_events(merchant_id, STAFF, 2, first.next_before)
    assert [(e.seq, e.user_name) for e in second.items] == [(1, "Lin")]
    assert (second.next_before, second.is_newest) == (None, False)


def test_the_list_shows_what_a_socket_would():
    merchant_id = make_merchant()
    lin = make_customer(merchant_id)
    tell(merchant_id, {"userId": lin}, {"userId": "u_other"})
    tell(merchant_id, {"userId": lin}, kind="VOUCHER_GRANTED")
    tell(merchant_id, {}, kind="STRATEGY_CHAT_MESSAGE")

    def seen(role: Role, subject: str = "x") -> list[int]:
        view = service.recent_events(merchant_id, Principal(role, subject))
        return [event.seq for event in view.items]

    assert seen(Role.OWNER) == [4, 3, 2, 1]
    assert seen(Role.CLERK) == [3, 2, 1]
    assert seen(Role.CUSTOMER, lin) == [1]
    assert seen(Role.CUSTOMER, "u_nobody") == []


def test_every_live_event_has_words(app):
    assert set(LINES) == set(AUDIENCE)
    statuses = ["PAID", "PENDING_EXTERNAL", "EXTERNAL_FAILED", "EXTERNAL_REFUND_DUE", None]
    with app.test_request_context():
        for kind in AUDIENCE:
            for status in statuses:
                view = LiveEventView(
                    seq=1, type=kind, merchant_id="m", payload={"status": status},
                    timestamp=utc_now(), user_id="u_1", user_name="Lin",
                )  # fmt: skip
                line = event_line(view)
                assert line.words, kind
                assert kind not in line.words, kind


def test_amounts_in_words_come_from_the_payload(app):
    quote = {"status": "PAID", "quote": {"orderAmount": 13.08}}
    with app.test_request_context():
        view = LiveEventView(
            seq=1, type="PAYMENT_VERIFIED", merchant_id="m", payload=quote, timestamp=utc_now()
        )
        assert event_line(view).words.replace("\u00a0", " ") == "A customer paid CNY 13.08"


def test_every_reason_has_a_code():
    assert {reason.code for reason in Reason} == set(Close) - {Close.NORMAL}


# --- housekeeping ---------------------------------------------------------------------------


def test_old_events_are_forgotten_and_numbers_go_on(app, owner_sql):
    old, young = make_merchant(), make_merchant()
    for merchant_id in (old, young):
        tell(merchant_id, {}, {}, {})
    owner_sql(
        "UPDATE live_events SET created_at = now() - interval '8 days'"
        f" WHERE merchant_id = '{old}' AND seq < 3"
    )
    owner_sql(
        "INSERT INTO live_presence (merchant_id, process_id, sockets, seen_at)"
        f" VALUES ('{old}', 'gone', 3, now() - interval '2 hours')"
    )
    assert "3 live events" in housekeeping.purge()  # two events and one process
    assert [seq for seq, _ in kept(old)] == [3]
    assert [seq for seq, _ in kept(young)] == [1, 2, 3]
    tell(old, {})
    assert [seq for seq, _ in kept(old)] == [3, 4]
