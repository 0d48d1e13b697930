"""A customer's data for themselves: everything there is, as the database has it."""

import csv
import io
import json
import zipfile
import zlib

import psycopg
import pytest
from sqlalchemy import text, update

from jobs.outbox import relay
from jobs.privacy import make
from mealquest.core.clock import iso_millis
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.privacy import making
from mealquest.privacy import service as privacy
from mealquest.privacy.domain import ExportState
from mealquest.privacy.errors import ExportNotFound, ExportNotReady
from mealquest.privacy.forms import ExportsForm
from mealquest.privacy.models import PrivacyExport
from mealquest.privacy.register import SHARES, table
from tests.factories.http import bearer, client_of, staff_token
from tests.factories.wallet import make_wallet
from tests.privacy.conftest import EMAIL, NAME, OWNER, PHONE, TAX_NO, TITLE


def archive_of(guest, export_id: str) -> dict[str, str]:
    content = b"".join(privacy.take(guest.merchant_id, export_id, OWNER))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}


def rows_of(app, guest, name: str) -> list[dict]:
    """What a look at the whole table finds that has the customer's or one of their ids in it."""
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        owner.execute("SET ROLE mealquest_platform")
        found = owner.execute(f"SELECT * FROM {name}")
        names = [column.name for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_file_has_every_row_and_every_column_as_the_database_has_them(app, guest):
    relay()
    stranger = make_wallet(guest.merchant_id, principal=100)
    export = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    assert (export.state, export.rows_done) == (ExportState.READY, export.rows_total)

    files = archive_of(guest, export.export_id)

    for name, share in SHARES.items():
        here = [c for c in table(name).columns if c.name not in share.hidden]
        kept = json.loads(files[f"records/{name}.json"])
        stored = [
            row
            for row in rows_of(app, guest, name)
            if stranger.customer_id not in json.dumps(row, default=str)
        ]
        if name == "audit_log":  # without the row that tells who took the file
            about = [row["details"] for row in stored]
            stored = [
                row
                for row, told in zip(stored, about, strict=True)
                if told.get("userId") == guest.customer_id and "taken" not in told
            ]
        if name == "privacy_exports":  # it was at work on itself
            continue
        assert kept, f"{name}: the customer of these tests has nothing there"
        assert len(kept) == len(stored), name
        key = [c.name for c in table(name).primary_key if c.name not in share.hidden]
        by_key = {tuple(str(row[k]) for k in key): row for row in stored}
        for record in kept:
            assert set(record) == {column.name for column in here}
            row = by_key[tuple(str(record[k]) for k in key)]
            for column in here:
                if column.name not in share.sealed:
                    assert record[column.name] == plain(row[column.name]), (name, column.name)
        lines = list(csv.DictReader(io.StringIO(files[f"records/{name}.csv"])))
        assert len(lines) == len(kept)
        assert set(lines[0]) == {column.name for column in here}


def plain(value):
    if hasattr(value, "isoformat"):
        return iso_millis(value)
    return value if isinstance(value, int | str | list | dict | type(None)) else float(value)


def test_what_is_sealed_stands_in_the_file_in_clear(guest):
    files = archive_of(guest, privacy.ask(guest.merchant_id, guest.customer_id, OWNER).export_id)
    [person] = json.loads(files["customer.json"])
    assert (person["displayName"], person["phone"]) == (NAME, PHONE)
    [customer] = json.loads(files["records/customers.json"])
    assert (customer["sealed_name"], customer["phone"]) == (NAME, PHONE)
    invoice = json.loads(files["records/invoices.json"])
    assert {row["title_sealed"] for row in invoice} >= {TITLE}
    assert {row["tax_no_sealed"] for row in invoice} >= {TAX_NO}
    mails = json.loads(files["records/invoice_mails.json"])
    assert {row["recipient_sealed"] for row in mails} == {EMAIL}
    assert "hash-of-the-openid" not in "".join(files.values())


def test_the_api_answers_the_same_as_one_object(app, guest):
    with transaction(guest.merchant_id) as session:
        identity.add_staff(
            session, guest.merchant_id, staff_id="staff_owner", role=Role.OWNER, name="Olga"
        )
    headers = bearer(staff_token(guest.merchant_id))
    asked = {"userId": guest.customer_id, "merchantId": "m_somebody_else"}
    answer = client_of(app).post("/api/privacy/export-user", json=asked, headers=headers)

    assert answer.status_code == 200
    known = answer.json
    assert list(known)[:7] == [
        "merchantId",
        "userId",
        "exportedAt",
        "user",
        "payments",
        "invoices",
        "ledger",
    ]
    assert known["merchantId"] == guest.merchant_id
    assert known["user"]["displayName"] == NAME
    assert len(known["payments"]) == len(known["records"]["payments"]) > 3
    assert len(known["invoices"]) == len(known["records"]["invoices"]) >= 1
    assert len(known["ledger"]) == len(known["records"]["ledger_entries"])
    assert known["records"].keys() == SHARES.keys()


def test_a_large_one_is_made_by_a_job_in_slices_that_another_worker_goes_on_with(
    guest, monkeypatch
):
    monkeypatch.setattr("mealquest.privacy.exports.AT_ONCE", 0)
    monkeypatch.setattr("mealquest.privacy.sections.BATCH", 2)
    monkeypatch.setattr("mealquest.privacy.making.SLICE_S", 0.0)
    asked = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    assert asked.state is ExportState.WAITING
    assert privacy.has_due()
    with pytest.raises(ExportNotReady):
        privacy.take(guest.merchant_id, asked.export_id, OWNER)

    monkeypatch.setattr("mealquest.privacy.making.SLICE_S", 0.05)
    done, runs = [], 0
    while make() != "nothing to make":
        runs += 1
        assert runs < 500
        done.append(privacy.export_of(guest.merchant_id, asked.export_id).rows_done)

    assert done == sorted(done)
    ready = privacy.export_of(guest.merchant_id, asked.export_id)
    assert ready.state is ExportState.READY
    files = archive_of(guest, asked.export_id)
    assert len(json.loads(files["records/ledger_entries.json"])) > 2
    assert files["records/ledger_entries.csv"].count("merchant_id") == 1


def test_two_workers_at_one_export_write_each_piece_once(guest, monkeypatch):
    monkeypatch.setattr("mealquest.privacy.exports.AT_ONCE", 0)
    asked = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    making.make(guest.merchant_id, asked.export_id, seconds=0)
    with transaction(guest.merchant_id) as session:
        from mealquest.privacy import queries

        export = queries.claim(session, guest.merchant_id, asked.export_id)
    assert making._piece(export) is not None
    assert making._piece(export) is None, "the slower of two writes nothing"
    with transaction(guest.merchant_id) as session:
        chunks = session.scalar(text("SELECT count(*) FROM privacy_export_chunks"))
    assert chunks == 1


def test_the_file_lies_sealed_and_goes_with_its_days_or_its_customer(app, guest):
    first = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    chunks = rows_of(app, guest, "privacy_export_chunks")
    assert chunks
    for chunk in chunks:
        assert NAME.encode() not in bytes(chunk["sealed"])
        with pytest.raises(zlib.error):
            zlib.decompress(bytes(chunk["sealed"]))
    with transaction(guest.merchant_id) as session:
        session.execute(update(PrivacyExport).values(expires_at=text("now()")))
    with pytest.raises(ExportNotFound):
        privacy.take(guest.merchant_id, first.export_id, OWNER)
    assert privacy.purge_expired() == 1
    assert rows_of(app, guest, "privacy_export_chunks") == []

    privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    privacy.delete_user(guest.merchant_id, guest.customer_id, OWNER)
    assert rows_of(app, guest, "privacy_export_chunks") == []
    assert privacy.exports(guest.merchant_id, ExportsForm()).items == []


def test_the_audit_tells_who_asked_and_who_took(app, guest):
    export = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    archive_of(guest, export.export_id)
    told = [r["details"] for r in rows_of(app, guest, "audit_log") if "PRIVACY" in r["action"]]
    about = {"userId": guest.customer_id, "exportId": export.export_id}
    assert told == [about, about | {"taken": True}]


def test_another_merchant_s_owner_finds_nothing(guest):
    export = privacy.ask(guest.merchant_id, guest.customer_id, OWNER)
    with pytest.raises(ExportNotFound):
        privacy.take("m_other", export.export_id, OWNER)
    assert privacy.exports("m_other", ExportsForm()).items == []
