"""Erasing a customer: nothing personal is left anywhere, and the books still add up."""

import json
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import select, text

from jobs.outbox import relay
from mealquest import models
from mealquest.audit import service as audit
from mealquest.audit.models import AuditRow
from mealquest.core import messages
from mealquest.core.crypto import CannotDecrypt
from mealquest.core.db import transaction
from mealquest.core.idempotency import AnswerErased, KeyedRequest, request_hash
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomerForm, CustomersForm, RequestCodeForm
from mealquest.identity.service import UserNotFound
from mealquest.invoices import service as invoices
from mealquest.ops.doctor import EACH_MERCHANT
from mealquest.payments import service as payments
from mealquest.payments.forms import PaymentsForm, VerifyForm
from mealquest.payments.refund_forms import ReceivablesForm, RefundsForm
from mealquest.privacy import service as privacy
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.factories.http import bearer, client_of, customer_token, staff_token
from tests.factories.outside import balances, held, pay, told, triple
from tests.factories.requests import CLERK, keyed
from tests.factories.wallet import vouchers_of, wallet_of
from tests.privacy.conftest import EMAIL, NAME, OWNER, PHONE


def delete(guest):
    return privacy.delete_user(guest.merchant_id, guest.customer_id, OWNER)


def cancel(guest):
    by = Principal(Role.CUSTOMER, guest.customer_id, guest.merchant_id)
    return privacy.cancel_account(guest.merchant_id, guest.customer_id, by)


def everything(app) -> dict[str, list[str]]:
    """Every row of every table as text."""
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        owner.execute("SET ROLE mealquest_platform")
        return {
            name: [row[0] for row in owner.execute(f"SELECT CAST(t AS text) FROM {name} AS t")]
            for name in models.Base.metadata.tables
        }


def legible(app, rows: dict[str, list[str]]) -> str:
    """All of it, with whatever the keyring itself still opens, opened."""
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        owner.execute("SET ROLE mealquest_platform")
        sealed = owner.execute("SELECT content FROM outbound_messages WHERE content IS NOT NULL")
        kept = [row[0] for row in sealed]
    opened = [app.extensions["keyring"].decrypt(one, place=messages.PLACE) for one in kept]
    return json.dumps([rows, opened], ensure_ascii=False)


@pytest.mark.parametrize("erase", [delete, cancel])
def test_nothing_personal_is_left_in_any_table(app, guest, erase):
    identity.request_code(RequestCodeForm(phone=PHONE))
    relay()
    before = legible(app, everything(app))
    assert PHONE in before
    assert EMAIL in before
    assert "aunt Gundula" in before
    with transaction(guest.merchant_id) as session:
        key = identity.personal_key(session, guest.merchant_id, guest.customer_id)
        sealed = session.execute(
            text("SELECT sealed_name, phone FROM customers WHERE id = :id"),
            {"id": guest.customer_id},
        ).one()
        assert key.open(sealed.sealed_name, "customers.display_name") == NAME

    erase(guest)
    relay()

    rows = everything(app)
    left = legible(app, rows)
    assert [secret for secret in guest.secrets if secret in left] == []
    last4 = PHONE[-4:]
    assert [one for one in rows["customers"] if last4 in one and guest.customer_id in one] == []
    for emptied in ("social_identities", "customer_name_terms", "phone_codes"):
        assert rows[emptied] == [], emptied
    with transaction(guest.merchant_id) as session:
        key = identity.personal_key(session, guest.merchant_id, guest.customer_id)
        assert key.is_erased
        assert key.open(sealed.sealed_name, "customers.display_name") is None
        with pytest.raises(UserNotFound):
            key.seal("anything", "customers.display_name")


def test_the_owner_s_deletion_gives_up_what_waits_and_keeps_what_is_owed(guest):
    row = wallet_of(guest.merchant_id, guest.customer_id)
    owed = triple(row)
    assert any(held(row))

    first, again = delete(guest), delete(guest)

    assert again == first
    assert (triple(row), held(row)) == (owed, (0, 0, 0))
    kinds = set(vouchers_of(guest.merchant_id, guest.customer_id).values())
    assert not kinds & {wallets.VoucherStatus.ACTIVE, wallets.VoucherStatus.HELD}
    balances(guest.merchant_id)
    detail = wallets.customer_detail(guest.merchant_id, guest.customer_id)
    assert detail.display_name == f"ANONYMIZED_{guest.customer_id}"
    assert (detail.is_deleted, detail.tags, detail.fragments, detail.vouchers) == (True, [], {}, [])
    assert identity.customers(guest.merchant_id, CustomersForm()).items == []
    form = VerifyForm(user_id=guest.customer_id, order_amount=Decimal(1))
    with pytest.raises(UserNotFound):
        payments.verify(guest.merchant_id, form, CLERK, keyed(form, "k-too-late"))
    late = pay(row, guest.waiting, guest.payable)
    assert (late.status, triple(row), held(row)) == ("EXTERNAL_REFUND_DUE", owed, (0, 0, 0))


def test_who_cancelled_is_shown_by_the_contract_s_id_and_read_by_nobody(guest):
    done = cancel(guest)
    shown = f"DELETED_{guest.merchant_id}_{guest.customer_id}"

    assert done.anonymized_user_id == shown
    assert cancel(guest) == done
    listed = payments.listed(guest.merchant_id, PaymentsForm(), OWNER).items
    assert {row.user_id for row in listed} == {shown}
    found = invoices.listed(guest.merchant_id, invoices.InvoicesForm(), OWNER).items
    assert {row.user_id for row in found} == {shown}
    ledger = wallets.ledger_page(guest.merchant_id, wallets.LedgerForm(), OWNER).items
    assert {row.user_id for row in ledger} == {shown}
    seen = payments.payment(guest.merchant_id, listed[-1].payment_txn_id, OWNER).postings
    ends = {end for row in seen for end in (row.source, row.destination)}
    assert {end.split(":")[1] for end in ends if end.startswith("wallet:")} == {shown}
    made_out = invoices.IssueForm(payment_txn_id=found[-1].payment_txn_id)
    assert invoices.issue(guest.merchant_id, made_out, OWNER).user_id == shown
    refunds = payments.refund_listing.listed(guest.merchant_id, RefundsForm(user_id=shown)).items
    owed = payments.receivables.listed(guest.merchant_id, ReceivablesForm(user_id=shown)).items
    assert [{row.user_id for row in rows} for rows in (refunds, owed)] == [{shown}, {shown}]
    for reading in (wallets.customer_detail, privacy.what_goes):
        with pytest.raises(UserNotFound):
            reading(guest.merchant_id, guest.customer_id)
    with pytest.raises(UserNotFound):
        delete(guest)
    audit.seal(guest.merchant_id)
    assert [finding for check in EACH_MERCHANT for finding in check.find(guest.merchant_id)] == []


def test_the_same_phone_comes_back_as_a_new_customer_with_an_empty_wallet(guest):
    cancel(guest)

    form = CustomerForm(phone=PHONE, display_name="Somebody")
    again, created = identity.find_or_create_customer(guest.merchant_id, form, OWNER)

    assert created
    assert again.uid != guest.customer_id
    wallet = wallets.customer_detail(guest.merchant_id, again.uid).wallet
    assert (wallet.principal, wallet.bonus, wallet.silver) == (0, 0, 0)


def test_a_key_of_before_has_no_second_effect_and_tells_nothing(guest):
    paid_in = TopUpForm(user_id=guest.customer_id, amount=Decimal(50), method="CASH", note="")
    row = wallet_of(guest.merchant_id, guest.customer_id)
    form = VerifyForm(user_id=guest.customer_id, order_amount=Decimal(20))
    delete(guest)
    before = triple(row)

    with pytest.raises(AnswerErased):
        payments.verify(guest.merchant_id, form, CLERK, keyed(form, "k-paid"))
    assert triple(row) == before
    assert request_hash(paid_in)


def test_a_gateway_that_repeats_itself_hears_how_the_payment_stands(guest):
    row = wallet_of(guest.merchant_id, guest.customer_id)
    said = told(row, guest.waiting, guest.payable)
    first = payments.callback(said)
    delete(guest)
    before = balances(guest.merchant_id)

    again = payments.callback(said)

    assert (again.status, again.external_payment) == (first.status, first.external_payment)
    assert balances(guest.merchant_id) == before


def test_a_token_and_a_stranger_s_owner_are_refused_at_once(app, guest):
    token = customer_token(guest.merchant_id, guest.customer_id)
    client = client_of(app)
    ours = {"merchantId": guest.merchant_id, "userId": guest.customer_id}
    refused = client.post("/api/privacy/delete-user", json=ours, headers=bearer(token))
    assert refused.status_code == 403

    # The userId is the token's, whatever the body says.
    answer = client.post(
        "/api/privacy/cancel-account", json={"userId": "u_other"}, headers=bearer(token)
    )

    assert answer.status_code == 200, answer.text
    assert answer.json["userId"] == guest.customer_id
    repeated = client.post("/api/privacy/cancel-account", json={}, headers=bearer(token))
    assert repeated.status_code == 401
    with transaction(guest.merchant_id) as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "PRIVACY_CANCEL")).first()
    assert row.details == {"userId": guest.customer_id}


def test_the_page_deletes_in_two_steps_without_script(app, guest):
    with transaction(guest.merchant_id) as session:
        identity.add_staff(
            session,
            guest.merchant_id,
            staff_id="staff_owner",
            role=Role.OWNER,
            name="Olga",
            phone="+8613900000777",
        )
    from tests.factories.http import signed_in

    browser = signed_in(app, "+8613900000777", guest.merchant_id)
    here = f"/console/customers/{guest.customer_id}"
    page = browser.get(here)
    assert f"{here}/delete" in page.text
    confirm = browser.get(f"{here}/delete")
    assert NAME in confirm.text
    assert "is left in the wallet" in confirm.text

    unticked = browser.send_form(f"{here}/delete", {})
    assert unticked.status_code == 400
    assert NAME in unticked.text
    done = browser.send_form(f"{here}/delete", {"confirm": "1"})
    assert done.status_code == 303
    assert done.location.endswith(here)
    assert f"ANONYMIZED_{guest.customer_id}" in browser.get(here).text
    assert browser.get("/console/events").status_code == 200
    assert browser.get("/console/audit").status_code == 200


def test_what_is_missing_is_refused_in_the_contract_s_words(app, guest):
    with transaction(guest.merchant_id) as session:
        identity.add_staff(
            session, guest.merchant_id, staff_id="staff_owner", role=Role.OWNER, name="Olga"
        )
    client, headers = client_of(app), bearer(staff_token(guest.merchant_id))
    for route in ("export-user", "delete-user"):
        url = f"/api/privacy/{route}"
        missing = client.post(url, json={}, headers=headers)
        assert missing.status_code == 400
        assert missing.json["error"] == "merchantId and userId are required"
        unknown = client.post(url, json={"userId": "u_nobody"}, headers=headers)
        assert (unknown.status_code, unknown.json["error"]) == (404, "user not found")


def test_a_sealed_text_opens_at_its_place_only(guest):
    with transaction(guest.merchant_id) as session:
        key = identity.personal_key(session, guest.merchant_id, guest.customer_id)
        same = identity.personal_keys(session, guest.merchant_id, [guest.customer_id, "u_x"])
    sealed = key.seal("text", "here")
    assert same[guest.customer_id].open(sealed, "here") == "text"
    assert same["u_x"].is_erased
    with pytest.raises(CannotDecrypt):
        key.open(sealed, "there")


def test_an_answer_about_a_customer_is_found_by_the_request_that_names_them(guest):
    with transaction(guest.merchant_id) as session:
        kept = session.execute(
            text("SELECT key, customer_id FROM idempotency_keys WHERE route <> 'payments.callback'")
        ).all()
    named = {row.key: row.customer_id for row in kept}
    assert named["k-top-up"] == guest.customer_id
    assert isinstance(KeyedRequest("a", "b", "c", "d").customer_id, type(None))
