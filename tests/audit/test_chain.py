"""The seal: every entry has its place, and whatever is done to one shows."""

import json
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mealquest.audit import chain, sealing
from mealquest.audit import service as audit
from mealquest.audit.chain import Fault, Link
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM
from tests.audit.conftest import MERCHANT, OTHER, seal_all, write
from tests.factories.forging import as_owner_of
from tests.factories.threads import run_together

T0 = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)


# --- the arithmetic -----------------------------------------------------------------------


def sealed(count: int) -> list[Link]:
    links, head = [], chain.NOTHING
    for seq in range(1, count + 1):
        entry = {"seq": seq, "merchantId": "m", "action": "A", "details": {"sum": 13.08, "n": seq}}
        head = chain.hash_after(head, entry)
        links.append(Link(entry, head))
    return links


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), st.data())
def test_whatever_is_done_to_one_entry_is_seen_there(count: int, data) -> None:
    links = sealed(count)
    at = data.draw(st.integers(0, count - 1))
    field = data.draw(st.sampled_from(["seq", "merchantId", "action", "details", "requestId"]))
    forged = links[at].entry | {field: "forged"}
    links[at] = Link(forged, links[at].hash)
    verdict = chain.walk("m", links)
    assert (verdict.holds, verdict.broken_seq, verdict.entries) == (False, at + 1, at)


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 12), st.data())
def test_entries_cannot_be_left_out_or_change_places(count: int, data) -> None:
    links = sealed(count)
    first, second = sorted(
        data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))
    )
    swapped = [*links]
    swapped[first], swapped[second] = links[second], links[first]
    assert not chain.walk("m", swapped).holds
    assert chain.walk("m", links[:first] + links[first + 1 :]).broken_seq == first + 1
    assert chain.walk("m", links).head == links[-1].hash


# --- rows ---------------------------------------------------------------------------------


def act(number: int) -> None:
    with transaction(MERCHANT) as session:
        audit.record(session, MERCHANT, "PAYMENT_VERIFY", SYSTEM, {"n": number})


def owner_does(app, *statements: str) -> None:
    """What somebody with the database's own keys can do, past the rule that rows stay."""
    with as_owner_of(app, "audit_log", "audit_seals") as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount == 1, statement


def seals() -> list[tuple[int, str]]:
    query = text("SELECT seq, audit_id FROM audit_seals WHERE merchant_id = :m ORDER BY seq")
    with transaction(MERCHANT) as session:
        return [tuple(row) for row in session.execute(query, {"m": MERCHANT})]


def test_rows_written_at_once_are_each_sealed_once(app, desk) -> None:
    writers = [lambda n=n: [act(n * 15 + k) for k in range(15)] for n in range(4)]
    sealers = [lambda: [audit.seal(MERCHANT) for _ in range(20)]] * 2
    done = run_together(app, [*writers, *sealers])
    assert not [result for result in done if isinstance(result, Exception)]
    seal_all()
    found = seals()
    assert [seq for seq, _id in found] == list(range(1, 61))
    assert len({audit_id for _seq, audit_id in found}) == 60
    verdict = audit.check_chain(MERCHANT)
    assert (verdict.holds, verdict.entries) == (True, 60)


def test_a_row_that_commits_late_is_waited_for_and_comes_first(app, desk) -> None:
    with psycopg.connect(app.config["MIGRATION_URL"]) as slow:
        slow.execute("SET ROLE mealquest_app")
        slow.execute("SELECT set_config('app.merchant_ids', %s, true)", [MERCHANT])
        slow.execute(
            "INSERT INTO audit_log (merchant_id, id, action, status, role, operator_id, details,"
            " request_id) VALUES (%s, 'audit_late', 'X', 'SUCCESS', 'OWNER', 'o', '{}', '')",
            [MERCHANT],
        )
        act(1)
        audit.seal(MERCHANT)
        assert seals() == []
        slow.commit()
    seal_all()
    found = seals()
    assert [seq for seq, _id in found] == [1, 2]
    assert found[0][1] == "audit_late"


@pytest.mark.parametrize(
    ("done", "fault", "at"),
    [
        ("UPDATE audit_log SET operator_id = 'somebody' WHERE id = 'audit_3'", Fault.CHANGED, 3),
        ("UPDATE audit_log SET details = '{\"sum\": 1}' WHERE id = 'audit_1'", Fault.CHANGED, 1),
        ("DELETE FROM audit_log WHERE id = 'audit_2'", Fault.MISSING, 2),
        ("DELETE FROM audit_seals WHERE seq = 5", Fault.CUT_SHORT, 5),
        (
            "INSERT INTO audit_log (merchant_id, id, action, status, role, operator_id, details,"
            f" request_id, xact) VALUES ('{MERCHANT}', 'audit_0', 'X', 'SUCCESS', 'OWNER', 'o',"
            " '{}', '', 1)",
            Fault.SLIPPED_IN,
            6,
        ),
    ],
)
def test_what_the_databases_owner_does_to_it_shows(app, client, desk, done, fault, at) -> None:
    for number in range(1, 6):
        write(MERCHANT, T0, audit_id=f"audit_{number}", details={"sum": 13.08})
    seal_all()
    assert audit.check_chain(MERCHANT).holds
    owner_does(app, done)
    verdict = audit.check_chain(MERCHANT)
    assert (verdict.why, verdict.broken_seq) == (fault, at)
    page = client.get("/console/audit", headers=desk.clerk).text
    assert "This audit does not hold" in page
    assert f"At entry {at}:" in page
    assert client.get("/api/audit/chain", headers=desk.owner).get_json()["brokenAt"] == at


def test_the_job_seals_checks_when_asked_and_counts_what_is_broken(app, client, desk) -> None:
    write(MERCHANT, T0, audit_id="audit_1")
    write(OTHER, T0, audit_id="audit_1")
    seal_all()
    seal_all(OTHER)
    assert not audit.has_due()
    page = client.get("/console/audit", headers=desk.owner).text
    assert "Not yet" in page
    owner_does(app, f"UPDATE audit_log SET role = 'OWNER' WHERE merchant_id = '{MERCHANT}'")
    asked = client.post("/api/audit/chain/check", json={}, headers=desk.manager)
    assert asked.get_json()["isChecking"] is True
    audit.tend_due()
    state = client.get("/api/audit/chain", headers=desk.clerk).get_json()
    assert (state["brokenWhy"], state["isChecking"]) == ("CHANGED", False)
    assert sealing.broken_chains._value.get() == 1
    assert client.get("/api/audit/chain", headers=desk.neighbour).get_json()["brokenAt"] is None


def test_a_check_is_repeated_when_it_is_a_day_old(desk) -> None:
    write(MERCHANT, T0)
    seal_all()
    audit.check_chain(MERCHANT)
    assert not audit.has_due()
    with transaction(MERCHANT) as session:
        session.execute(text("UPDATE audit_chains SET checked_at = now() - interval '25 hours'"))
    assert audit.has_due()


# --- an export ----------------------------------------------------------------------------


@pytest.fixture
def exported(client, desk) -> list[str]:
    for number in range(3):
        write(MERCHANT, T0, details={"note": f"晚饭 {number}", "sum": 13.08, "list": [1, None]})
    seal_all()
    answer = client.get("/api/audit/chain.jsonl", headers=desk.owner, buffered=True)
    assert answer.headers["Content-Disposition"].endswith('.jsonl"')
    return answer.text.splitlines(keepends=True)


def verify(app, tmp_path, lines: list[str], *options: str):
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(lines))
    return app.test_cli_runner().invoke(args=["audit", "verify", str(file), *options])


def test_an_export_is_proved_without_the_database(app, tmp_path, exported) -> None:
    run = verify(app, tmp_path, exported)
    head = json.loads(exported[-1])["hash"]
    assert run.exit_code == 0, run.output
    assert run.output == f"{MERCHANT}: 3 entries hold, newest seal {head}\n"
    assert verify(app, tmp_path, exported, "--head", head).exit_code == 0
    short = verify(app, tmp_path, exported[:-1], "--head", head)
    assert "no chain ends with that seal" in short.output
    assert short.exit_code == 1


def test_an_export_that_was_changed_is_refused(app, tmp_path, exported) -> None:
    run = verify(app, tmp_path, [exported[0], exported[1].replace("晚饭", "早饭"), exported[2]])
    assert (run.exit_code, run.output) == (1, f"{MERCHANT}: entry 2 is not what was sealed\n")
    for lines in ([], ["no json\n"], ["[1]\n"], ['{"seq": 1}\n']):
        refused = verify(app, tmp_path, lines)
        assert refused.exit_code == 1
        assert "export" in refused.output


def test_commands_check_and_export_what_is_stored(app, client, desk) -> None:
    write(MERCHANT, T0)
    seal_all()
    runner = app.test_cli_runner()
    written = runner.invoke(args=["audit", "export", MERCHANT])
    assert json.loads(written.output)["seq"] == 1
    held = runner.invoke(args=["audit", "verify"])
    assert (held.exit_code, held.output.count("hold")) == (0, 1)
    owner_does(app, "UPDATE audit_log SET action = 'Y'")
    assert runner.invoke(args=["audit", "verify", "--merchant-id", MERCHANT]).exit_code == 1


def test_a_clerk_takes_no_sealed_file_along(client, desk) -> None:
    assert client.get("/api/audit/chain.jsonl", headers=desk.clerk).status_code == 403
    assert client.post("/api/audit/chain/check", json={}, headers=desk.clerk).status_code == 403
