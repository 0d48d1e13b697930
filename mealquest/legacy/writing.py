"""Write a planned shop through each feature, and prove that it sums to what the snapshot held."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy.orm import Session

from mealquest.alliance import service as alliances
from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import idempotency
from mealquest.core.principal import BOOTSTRAP
from mealquest.identity import service as identity
from mealquest.invoices import service as invoices
from mealquest.legacy.entities import Shop
from mealquest.legacy.errors import TotalsDiffer
from mealquest.legacy.history import SOURCE
from mealquest.legacy.plan import CURRENCY, ShopPlan
from mealquest.legacy.report import rows_of
from mealquest.payments import service as payments
from mealquest.strategy import service as strategy
from mealquest.suppliers import service as suppliers
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets

ACTION = "LEGACY_IMPORT"


@dataclass(frozen=True, slots=True)
class Sums:
    """Minor units, and counts where it says so."""

    principal: int
    bonus: int
    silver: int
    vouchers: int  # how many
    voucher_value: int
    payments: int  # how many
    orders: int
    refunded: int


def write(session: Session, plan: ShopPlan) -> None:
    """Everything of one merchant, in the order in which one needs the other."""
    merchant_id, money = plan.merchant.id, plan.money
    tenancy.restoring.restore_merchant(session, plan.merchant)
    for member in plan.staff:
        identity.add_staff(
            session,
            merchant_id,
            staff_id=member.id,
            role=member.role,
            name=member.name,
            phone=member.phone,
        )
    people = plan.people
    now = plan.now
    identity.restoring.restore_customers(session, merchant_id, people.customers, now)
    identity.restoring.restore_identities(session, merchant_id, people.identities)
    wallets.restoring.restore(
        session,
        merchant_id,
        CURRENCY,
        wallets=money.wallets,
        vouchers=money.vouchers,
        entries=money.entries,
        granted_by=SOURCE,
    )
    payments.restoring.restore(session, merchant_id, CURRENCY, money.payments, money.refunds)
    audit.restoring.restore(session, merchant_id, plan.audit)
    _write_papers(session, plan)
    idempotency.bring_in(session, merchant_id, plan.keys)
    counts = rows_of(plan)
    details = {name: counts[name] for name in ("customers", "payments")}
    audit.record(session, merchant_id, ACTION, BOOTSTRAP, details)


def _write_papers(session: Session, plan: ShopPlan) -> None:
    merchant_id, name = plan.merchant.id, plan.merchant.name
    invoices.restoring.restore(session, merchant_id, name, CURRENCY, plan.invoices, SOURCE)
    suppliers.restoring.restore(session, merchant_id, plan.orders, CURRENCY, BOOTSTRAP)
    campaigns.restoring.restore(session, merchant_id, plan.campaigns, SOURCE)
    strategy.restoring.restore(
        session,
        merchant_id,
        proposals=plan.proposals,
        configs=plan.configs,
        chats=plan.chats,
    )
    if plan.contract:
        tenancy.restoring.restore_contract(session, merchant_id, plan.contract)
    if plan.policy:
        tenancy.set_policy(session, merchant_id, plan.policy)


def write_alliance(session: Session, plan: ShopPlan) -> None:
    """Once every merchant is written, for it names others."""
    old = plan.alliance
    if old:
        alliances.restoring.restore(
            session,
            plan.merchant.id,
            cluster_id=old.cluster_id,
            stores=old.stores,
            wallet_shared=old.wallet_shared,
            tier_shared=old.tier_shared,
            by=BOOTSTRAP,
        )


# --- proof ------------------------------------------------------------------------------------


def prove(session: Session, shop: Shop) -> None:
    """TotalsDiffer: what stands in the tables is not, to the cent, what the snapshot held."""
    held, kept = of_snapshot(shop), of_tables(session, shop.merchant.id)
    if held != kept:
        raise TotalsDiffer(f"{shop.merchant.id}: the snapshot held {held}, written is {kept}")


def of_snapshot(shop: Shop) -> Sums:
    """Vouchers of people who were erased do not come along, and do not count."""
    balances = [user.balances for user in shop.users]
    vouchers = [one for user in shop.users if not user.deleted for one in user.vouchers]
    return Sums(
        principal=sum(one.principal for one in balances),
        bonus=sum(one.bonus for one in balances),
        silver=sum(one.silver for one in balances),
        vouchers=len(vouchers),
        voucher_value=sum(one.value for one in vouchers),
        payments=len(shop.payments),
        orders=sum(one.parts.order for one in shop.payments),
        refunded=sum(one.refunded for one in shop.payments),
    )


def of_tables(session: Session, merchant_id: str) -> Sums:
    held = wallets.restoring.holdings(session, merchant_id)
    totals: Counter[str] = Counter()
    for count, orders, refunded in payments.restoring.sums(session, merchant_id).values():
        totals.update(count=count, orders=orders, refunded=refunded)
    vouchers = (held.vouchers or {}).values()
    return Sums(
        principal=held.principal,
        bonus=held.bonus,
        silver=held.silver,
        vouchers=sum(count for count, _ in vouchers),
        voucher_value=sum(value for _, value in vouchers),
        payments=totals["count"],
        orders=totals["orders"],
        refunded=totals["refunded"],
    )
