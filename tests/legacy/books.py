"""What the tables say of a merchant, and whether the doctor finds anything wrong with it."""

from typing import Any

import psycopg
from sqlalchemy import select

from mealquest.core.db import Base, transaction
from mealquest.legacy import writing
from mealquest.ops import doctor
from mealquest.payments.models import Payment
from mealquest.wallet.models import Voucher
from tests.factories.wallet import wallet_of


def is_sound(*merchant_ids: str) -> None:
    for merchant_id in merchant_ids:
        for check in doctor.EACH_MERCHANT:
            assert check.find(merchant_id) == [], check.name


def sums(merchant_id: str) -> writing.Sums:
    with transaction(merchant_id) as session:
        return writing.of_tables(session, merchant_id)


def held_by(state: dict[str, Any], merchant_id: str) -> writing.Sums:
    """The same out of the old document, cent by cent and by other means."""
    users = state["merchantUsers"][merchant_id].values()
    payments = state["paymentsByMerchant"][merchant_id].values()
    vouchers = [one for user in users for one in user["vouchers"]]
    return writing.Sums(
        **{
            name: sum(cents(user["wallet"][name]) for user in users)
            for name in ("principal", "bonus", "silver")
        },
        vouchers=len(vouchers),
        voucher_value=sum(cents(one["value"]) for one in vouchers),
        payments=len(payments),
        orders=sum(cents(one["orderAmount"]) for one in payments),
        refunded=sum(cents(one["refundedAmount"]) for one in payments),
    )


def cents(amount: float) -> int:
    return round(amount * 100)


def wallet(merchant_id: str, customer_id: str) -> tuple[int, int, int]:
    row = wallet_of(merchant_id, customer_id)
    return row.principal_minor, row.bonus_minor, row.silver_minor


def held(merchant_id: str, customer_id: str) -> tuple[int, int, int]:
    row = wallet_of(merchant_id, customer_id)
    return row.held_principal_minor, row.held_bonus_minor, row.held_silver_minor


def payment_row(merchant_id: str, payment_id: str) -> Payment:
    with transaction(merchant_id) as session:
        return session.get_one(Payment, (merchant_id, payment_id))


def voucher_rows(merchant_id: str, customer_id: str) -> list[Voucher]:
    mine = Voucher.merchant_id == merchant_id, Voucher.customer_id == customer_id
    with transaction(merchant_id) as session:
        return list(session.scalars(select(Voucher).where(*mine).order_by(Voucher.id)))


def everything(owner: psycopg.Connection) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a hash of what stands in them."""
    found = {}
    for table in Base.metadata.sorted_tables:
        query = "SELECT count(*), coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM"
        count, digest = owner.execute(f"{query} {table.name} t").fetchone() or (0, "")
        if count:
            found[table.name] = (count, digest)
    return found
