"""The ledger: what went in minus what went out, once per reference, and never changed."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.money import Currency
from mealquest.wallet import ledger
from mealquest.wallet.domain import Deduction
from mealquest.wallet.ledger import Bucket, Posting, balance_of, wallet_account
from mealquest.wallet.models import EntryKind, TopUpMethod
from tests.factories.statements import watching
from tests.factories.wallet import make_wallet

MONEY = ("ledger_entries", "ledger_postings", "audit_log")


def post(merchant_id: str, customer_id: str, *postings: Posting, reference: str = "ref") -> None:
    with transaction(merchant_id) as session:
        ledger.post(
            session,
            merchant_id,
            entry_id=f"txn_{reference}",
            kind=EntryKind.TOP_UP,
            reference=reference,
            customer_id=customer_id,
            amount_minor=sum(posting.minor for posting in postings),
            currency=Currency.CNY,
            details={"why": "test"},
            postings=postings,
        )


def balance(merchant_id: str, account: str) -> int:
    with transaction(merchant_id) as session:
        return balance_of(session, merchant_id, account)


def test_accounts_have_readable_names():
    assert wallet_account("u_1", Bucket.PRINCIPAL) == "wallet:u_1:principal"
    assert [ledger.outside_account(method) for method in TopUpMethod] == [
        "outside:cash",
        "outside:card",
        "outside:transfer",
        "outside:other",
    ]
    assert ledger.sale_postings("u_1", Deduction(3, 0, 2, 1, 0)) == [
        Posting("merchant:vouchers", "merchant:sales", 3),
        Posting("wallet:u_1:principal", "merchant:sales", 2),
        Posting("wallet:u_1:silver", "merchant:sales", 1),
    ]


def test_a_balance_is_what_came_in_minus_what_went_out(app):
    wallet = make_wallet()
    noise = make_wallet(principal=99)
    merchant_id, customer_id = wallet.merchant_id, wallet.customer_id

    with watching() as seen:
        post(merchant_id, customer_id, Posting("a", "b", 30), Posting("b", "c", 12))
    post(noise.merchant_id, noise.customer_id, Posting("a", "b", 500))

    assert len(seen.statements) == 2  # the scope, and one statement for entry and postings
    assert [balance(merchant_id, account) for account in "abcd"] == [-30, 18, 12, 0]
    with transaction(merchant_id) as session:
        entry = ledger.newest(session, merchant_id, customer_id, 5)[0]
        assert ledger.postings_of(session, merchant_id, "ref") == list(entry.postings)
    assert entry.postings == (Posting("a", "b", 30), Posting("b", "c", 12))
    assert (entry.kind, entry.amount_minor, entry.details) == (
        EntryKind.TOP_UP,
        42,
        {"why": "test"},
    )


def test_one_reference_is_posted_once_per_kind(app):
    wallet = make_wallet()
    post(wallet.merchant_id, wallet.customer_id, Posting("a", "b", 1))
    with pytest.raises(IntegrityError):
        post(wallet.merchant_id, wallet.customer_id, Posting("a", "b", 1))
    assert balance(wallet.merchant_id, "b") == 1


@pytest.mark.parametrize(
    "posting", [Posting("a", "b", 0), Posting("a", "b", -5), Posting("a", "a", 5)]
)
def test_a_posting_moves_something_between_two_accounts(app, posting):
    wallet = make_wallet()
    with pytest.raises(IntegrityError):
        post(wallet.merchant_id, wallet.customer_id, posting)


def test_an_entry_without_postings_is_refused(app):
    wallet = make_wallet()
    with pytest.raises(ValueError, match="moves no money"):
        post(wallet.merchant_id, wallet.customer_id)


@pytest.mark.parametrize("table", MONEY)
@pytest.mark.parametrize("change", ["UPDATE {} SET merchant_id = merchant_id", "DELETE FROM {}"])
def test_the_application_cannot_change_what_is_written(app, table, change):
    wallet = make_wallet(principal=5)
    for opened in (transaction(wallet.merchant_id), platform_transaction("a test of rights")):
        with pytest.raises(DBAPIError) as refused, opened as session:
            session.execute(text(change.format(table)))
        assert refused.value.orig.sqlstate == "42501"


@pytest.mark.parametrize("table", MONEY[:2])
@pytest.mark.parametrize("change", ["UPDATE {} SET merchant_id = merchant_id", "DELETE FROM {}"])
def test_not_even_the_owner_of_the_tables_changes_what_is_written(app, table, change):
    make_wallet(principal=5)
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
            owner.execute(change.format(table))
        owner.rollback()
