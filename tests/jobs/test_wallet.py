from jobs import wallet as job
from mealquest.core.bells import JOBS
from mealquest.core.clock import utc_now
from mealquest.wallet import service as wallets
from tests.factories.wallet import make_lot, make_voucher, make_wallet, wallet_of


def test_the_bell_rings_this_job():
    assert JOBS["wallet-expiry"] == f"{job.expire.__module__}.{job.expire.__name__}"


def test_the_job_settles_everything_due_and_says_how_much(app, monkeypatch):
    monkeypatch.setattr(job, "CUSTOMERS_AT_ONCE", 1)
    rows = [make_wallet() for _ in range(3)]
    for row in rows:
        make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
        make_voucher(row.merchant_id, row.customer_id, expires_at=utc_now())

    assert job.expire() == "6 expired"

    assert [wallet_of(row.merchant_id, row.customer_id).bonus_minor for row in rows] == [0, 0, 0]
    assert not wallets.has_due()
    assert job.expire() == "0 expired"


def test_one_run_ends_even_when_there_is_more(app, monkeypatch):
    monkeypatch.setattr(job, "CUSTOMERS_AT_ONCE", 1)
    monkeypatch.setattr(job, "MOST_ROUNDS", 2)
    for _ in range(3):
        row = make_wallet()
        make_voucher(row.merchant_id, row.customer_id, expires_at=utc_now())
    assert job.expire() == "2 expired"
    assert wallets.has_due()
