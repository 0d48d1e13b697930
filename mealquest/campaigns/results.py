"""What campaigns of the library's templates have done, for whoever drafts the next one."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.outcome import outcome
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts


@dataclass(frozen=True, slots=True)
class Result:
    """Amounts in major units. `lift`: what each customer spent more than those held out by lot
    spent; None while nothing can be said."""

    template_id: str
    branch_id: str
    currency: Currency
    hits: int
    customers: int
    cost: Decimal
    vouchers: int
    redeemed: int
    lift: Decimal | None


def results(merchant_id: str, limit: int) -> list[Result]:
    """The newest campaigns that took hold at all, one of each template and branch."""
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        newest: dict[tuple[str, str], CampaignRow] = {}
        for row in session.scalars(
            select(CampaignRow)
            .where(CampaignRow.merchant_id == merchant_id, CampaignRow.hits > 0)
            .order_by(CampaignRow.created_at.desc(), CampaignRow.id.desc())
            .limit(4 * limit)
        ):
            meta = row.strategy_meta or {}
            if meta.get("templateId") and meta.get("branchId"):
                newest.setdefault((meta["templateId"], meta["branchId"]), row)
        return [_result(session, row, merchant, *names) for names, row in [*newest.items()][:limit]]


def _result(
    session: Session, row: CampaignRow, merchant: MerchantFacts, template_id: str, branch_id: str
) -> Result:
    done = outcome(session, row, merchant)
    return Result(
        template_id=template_id,
        branch_id=branch_id,
        currency=merchant.currency,
        hits=done.hits,
        customers=done.customers,
        cost=done.cost,
        vouchers=done.vouchers.given,
        redeemed=done.vouchers.used,
        lift=done.lift.spend.value if done.lift.spend else None,
    )
