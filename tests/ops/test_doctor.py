"""The doctor finds what is wrong, says which, and repairs only what needs no decision."""

import psycopg
import pytest

from mealquest.audit import service as audit
from mealquest.ops import doctor
from mealquest.recovery import service as recovery
from tests.factories.forging import as_owner_of
from tests.factories.outside import ask, held, let_time_pass
from tests.factories.wallet import make_fixture_customer, vouchers_of


@pytest.fixture
def shop(app):
    """A wallet with a paid order and one that waits."""
    row = make_fixture_customer()
    ask(row, 52)
    ask(row, 300)
    audit.seal(row.merchant_id)
    recovery.tend()
    return row


def run(app, *options: str):
    return app.test_cli_runner().invoke(args=["doctor", *options])


def behind_its_back(app, *statements: str) -> None:
    """Change rows as only the database's owner can, past rights and the rule that rows stay."""
    tables = {word for each in statements for word in each.split() if word in TABLES}
    with as_owner_of(app, *sorted(tables)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


TABLES = {
    "audit_log",
    "bonus_lots",
    "gateway_refunds",
    "ledger_entries",
    "ledger_postings",
    "outbox_events",
    "payments",
    "vouchers",
    "wallets",
}


def test_a_sound_installation_is_told_so(app, shop) -> None:
    done = run(app)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    checks = (*doctor.INSTALLATION, *doctor.EACH_MERCHANT)
    assert [line.split()[:2] for line in lines] == [["ok", f"{c.name}:"] for c in checks]


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ("UPDATE wallets SET principal_minor = principal_minor + 1", "wallet_balances"),
        ("UPDATE ledger_postings SET amount_minor = amount_minor + 1", "wallet_balances"),
        ("UPDATE bonus_lots SET held_minor = 0 WHERE held_minor > 0", "wallet_lots"),
        ("DELETE FROM ledger_postings WHERE destination = 'merchant:sales'", "ledger_postings"),
        ("DELETE FROM ledger_postings WHERE destination = 'merchant:sales'", "payments_sales"),
        ("UPDATE payments SET status = 'CANCELLED' WHERE status = 'PAID'", "payments_sales"),
        ("UPDATE audit_log SET operator_id = 'nobody'", "audit_chain"),
    ],
)
def test_what_needs_a_person_is_named_and_left_alone(app, shop, wrong, check) -> None:
    behind_its_back(app, wrong)
    first = run(app, "--fix")
    assert first.exit_code == 1
    assert f"WRONG  {check}:" in first.output
    assert "needs a person" in first.output
    assert f"WRONG  {check}:" in run(app, "--merchant-id", shop.merchant_id).output


def test_holds_that_nobody_waits_for_are_let_go_under_fix_only(app, shop) -> None:
    before = held(shop)
    behind_its_back(app, "UPDATE payments SET status = 'CANCELLED' WHERE status <> 'PAID'")
    told = run(app)
    assert told.exit_code == 1
    assert "`--fix` repairs it" in told.output
    assert held(shop) == before
    fixed = run(app, "--fix")
    assert fixed.exit_code == 0, fixed.output
    assert held(shop) == (0, 0, 0)
    assert "HELD" not in vouchers_of(shop.merchant_id, shop.customer_id).values()
    assert run(app).exit_code == 0


def test_a_hold_of_a_payment_that_waits_is_kept_when_another_is_let_go(app) -> None:
    row = make_fixture_customer()
    ask(row, 300)
    want = held(row)
    behind_its_back(app, "UPDATE wallets SET held_silver_minor = 0, held_principal_minor = 1")
    assert run(app, "--fix").exit_code == 0
    assert held(row) == want


def test_work_that_nobody_does_is_told(app, shop) -> None:
    behind_its_back(app, "UPDATE outbox_events SET created_at = now() - interval '1 hour'")
    told = run(app)
    assert told.exit_code == 1
    assert "WRONG  work:" in told.output


def test_an_overdue_hold_is_told_and_its_job_is_rung(app, shop) -> None:
    payment_id = ask(shop, 10).payment_txn_id
    let_time_pass(shop, payment_id)
    behind_its_back(
        app,
        "UPDATE payments SET hold_expires_at = now() - interval '1 hour'"
        " WHERE status = 'PENDING_EXTERNAL'",
    )
    assert "the job that ends holds was rung" in run(app, "--fix").output


def test_a_table_without_isolation_is_told(app) -> None:
    with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
        connection.execute("ALTER TABLE vouchers NO FORCE ROW LEVEL SECURITY")
        try:
            told = run(app)
        finally:
            connection.execute("ALTER TABLE vouchers FORCE ROW LEVEL SECURITY")
    assert "vouchers: row-level security is not forced" in told.output


def test_the_hourly_round_counts_what_disagrees(app, shop) -> None:
    make_fixture_customer()
    assert doctor.watch() == "2 merchants, 0 disagreements"
    behind_its_back(
        app,
        "UPDATE wallets SET silver_minor = silver_minor + 1"
        f" WHERE merchant_id = '{shop.merchant_id}'",
    )
    assert doctor.watch() == "2 merchants, 1 disagreements"
    gauge = doctor.disagreements.labels("wallet_balances")
    assert gauge._value.get() == 1
