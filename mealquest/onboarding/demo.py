"""The demo data: two merchants of one brand, their staff, three customers."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from mealquest.alliance import service as alliances
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.service import Limits, NewCampaign
from mealquest.core.clock import utc_now
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.principal import BOOTSTRAP
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.identity.service import DEMO_NAMES, DEMO_PEOPLE, DEMO_STAFF
from mealquest.onboarding import service
from mealquest.onboarding.domain import Gift, Guest
from mealquest.onboarding.errors import DemoDataRefused
from mealquest.strategy import service as strategy
from mealquest.strategy.service import NewProposal
from mealquest.suppliers import service as suppliers
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantExists, MerchantFacts

__all__ = ["PEOPLE", "is_wanted", "load"]

log = structlog.get_logger(__name__)

PEOPLE = DEMO_PEOPLE
CLUSTER = "cluster_fixture_brand"
GRANTED_BY = "demo"


@dataclass(frozen=True, slots=True)
class Shop:
    merchant_id: str
    budget_cap: int
    guests: tuple[Guest, ...]
    orders: tuple["Order", ...] = ()
    welcomes: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order that was paid at a partner; `amount` in major units, `ago` before the load."""

    partner_id: str
    partner_name: str
    order_id: str
    amount: int
    ago: timedelta


_STORE = Shop(
    "m_store_001",
    300,
    (
        Guest(
            "u_fixture_001",
            "Fixture User",
            principal=120,
            bonus=36,
            silver=88,
            tags=("REGULAR", "SPICY_LOVER"),
            fragments={"spicy": 2, "noodle": 3},
            phone="+8613700000001",
            gifts=(
                Gift("voucher_soon", "ITEM_WARRANT", "Braised Beef", 18, 0, timedelta(hours=1)),
                Gift(
                    "voucher_big",
                    "NO_THRESHOLD_VOUCHER",
                    "Thirty Off",
                    30,
                    20,
                    timedelta(days=3),
                ),
            ),
        ),
        Guest(
            "u_fixture_002",
            "Fixture Friend",
            principal=40,
            bonus=8,
            silver=52,
            tags=("REGULAR",),
            fragments={"spicy": 0, "noodle": 1},
        ),
    ),
    (Order("partner_coffee", "Corner Coffee", "ext_order_1001", 38, timedelta(minutes=30)),),
    welcomes=True,
)
_BISTRO = Shop(
    "m_bistro",
    220,
    (
        Guest(
            "u_fixture_001",
            "Fixture User",
            principal=80,
            bonus=12,
            silver=36,
            tags=("REGULAR",),
            fragments={"spicy": 1, "noodle": 1},
            gifts=(
                Gift(
                    "bistro_voucher_soon",
                    "ITEM_WARRANT",
                    "Harbor Soup",
                    10,
                    0,
                    timedelta(hours=2),
                ),
            ),
        ),
    ),
)


def is_wanted() -> bool:
    """Whether there is no merchant yet."""
    return tenancy.catalog().total == 0


def load() -> list[str]:
    """Write what is missing of the demo merchants, each as a whole; returns the ids written.

    DemoDataRefused: this is production.
    """
    if current_app.config["SETTINGS"].profile is Profile.PROD:
        raise DemoDataRefused
    opened = [shop.merchant_id for shop in (_STORE, _BISTRO) if _open(shop)]
    stores = [_STORE.merchant_id, _BISTRO.merchant_id]
    for merchant_id in stores:
        with suppress(MerchantUnavailable):  # it waits for its database
            alliances.set_first(merchant_id, cluster_id=CLUSTER, stores=stores, by=BOOTSTRAP)
    return opened


def _open(shop: Shop) -> bool:
    try:
        with tenancy.opening(shop.merchant_id) as session:
            merchant = tenancy.create_merchant(
                session,
                shop.merchant_id,
                name=DEMO_NAMES[shop.merchant_id],
                budget_cap=shop.budget_cap,
                cluster_id=CLUSTER,
            )
            for person in DEMO_STAFF:
                if person.merchant_id == shop.merchant_id:
                    identity.add_staff(
                        session,
                        shop.merchant_id,
                        staff_id=person.staff_id,
                        role=person.role,
                        name=person.name,
                        phone=person.phone,
                    )
            for guest in shop.guests:
                service.add_guest(session, shop.merchant_id, guest, merchant.currency, GRANTED_BY)
            for order in shop.orders:
                _add_order(session, merchant, order)
            if shop.welcomes:
                _add_welcome(session, shop.merchant_id)
                _add_rainy_day(session, shop.merchant_id)
    except MerchantExists:
        return False
    except MerchantUnavailable:
        log.warning("demo merchant waits for its database", merchant_id=shop.merchant_id)
        return False
    return True


def _add_welcome(session: Session, merchant_id: str) -> None:
    """The campaign that greets whoever enters the shop for the first time."""
    story = {
        "templateId": "tpl_welcome",
        "narrative": "Welcome! The first soup tells you what this kitchen is about.",
        "assets": [],
        "triggers": [],
    }
    new = NewCampaign(
        id="campaign_welcome",
        name="Welcome",
        event="USER_ENTER_SHOP",
        priority=20,
        conditions=({"field": "isNewUser", "op": "eq", "value": True},),
        action={"type": "STORY_CARD", "story": story},
        limits=Limits(cap_units=80, cost_units=8),
    )
    campaigns.add(session, merchant_id, new, BOOTSTRAP.subject)


def _add_rainy_day(session: Session, merchant_id: str) -> None:
    """A proposal that waits for the owner, and the template it was made of, which is in use."""
    story = {
        "templateId": "tpl_rain",
        "narrative": "Rain outside, hot soup inside.",
        "assets": [],
        "triggers": [],
    }
    campaign = {
        "id": "campaign_rainy_hot_soup",
        "name": "Rainy Day Hot Soup",
        "priority": 90,
        "trigger": {"event": "WEATHER_CHANGE"},
        "conditions": [{"field": "weather", "op": "eq", "value": "RAIN"}],
        "budget": {"cap": 60, "used": 0, "costPerHit": 12},
        "action": {"type": "STORY_CARD", "story": story},
        "ttlHours": 4,
    }
    new = NewProposal(
        id="proposal_rainy",
        title="Rainy Day Promotion",
        intent="",
        template_id="activation_contextual_drop",
        branch_id="COMFORT",
        strategy_meta={"templateId": "activation_contextual_drop", "branchId": "COMFORT"},
        campaign=campaign,
    )
    strategy.add(session, merchant_id, new, BOOTSTRAP.subject)
    strategy.note_in_use(session, merchant_id, new)


def _add_order(session: Session, merchant: MerchantFacts, order: Order) -> None:
    merchant_id = merchant.merchant_id
    suppliers.new_partner(
        session, merchant_id, order.partner_id, order.partner_name, BOOTSTRAP.subject
    )
    suppliers.add_paid_order(
        session,
        merchant_id,
        partner_id=order.partner_id,
        order_id=order.order_id,
        amount=order.amount,
        currency=merchant.currency,
        paid_at=utc_now() - order.ago,
        by=BOOTSTRAP,
    )
