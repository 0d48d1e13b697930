"""The library: 13 templates of campaigns, two branches each. Ids and figures are interface.

Amounts are major units, budgets are units. Names are lazy: they are read in the language of
whoever asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext

from mealquest.strategy.texts import BRANCH_TEXTS, STORIES, TEMPLATE_TEXTS, VOUCHER_NAMES

PHASE = "P1"


class Category(StrEnum):
    ACQUISITION = "ACQUISITION"
    ACTIVATION = "ACTIVATION"
    REVENUE = "REVENUE"
    RETENTION = "RETENTION"


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    op: str
    value: Any

    @property
    def wire(self) -> dict[str, Any]:
        return {"field": self.field, "op": self.op, "value": self.value}


@dataclass(frozen=True, slots=True)
class Branch:
    """`cap`, `cost`: units. `event`: where it is another than the template's."""

    template_id: str
    id: str
    conditions: tuple[Condition, ...]
    cap: int
    cost: int
    priority: int
    gift: Mapping[str, Any]
    event: str = ""
    ttl_hours: int | None = None

    @property
    def name(self) -> str:
        return str(BRANCH_TEXTS[self.template_id, self.id][0])

    @property
    def description(self) -> str:
        return str(BRANCH_TEXTS[self.template_id, self.id][1])

    @property
    def action(self) -> dict[str, Any]:
        """As it goes over the wire, with its words in the reader's language."""
        if self.gift["type"] == "STORY_CARD":
            story = {
                "templateId": f"tpl_{self.template_id}",
                "narrative": str(STORIES[self.template_id]),
                "assets": [],
                "triggers": [],
            }
            return {"type": "STORY_CARD", "story": story}
        if self.gift["type"] == "GRANT_VOUCHER":
            name = str(VOUCHER_NAMES[self.template_id])
            return {"type": "GRANT_VOUCHER", "voucher": {**self.gift["voucher"], "name": name}}
        return dict(self.gift)


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    category: Category
    event: str
    branches: tuple[Branch, ...]

    @property
    def name(self) -> str:
        return str(TEMPLATE_TEXTS[self.id][0])

    @property
    def description(self) -> str:
        return str(TEMPLATE_TEXTS[self.id][1])

    @property
    def default_branch(self) -> Branch:
        return self.branches[0]

    def branch(self, branch_id: Any) -> Branch:
        """The one of that id; the default where there is none."""
        return next((b for b in self.branches if b.id == branch_id), self.default_branch)

    def event_of(self, branch: Branch) -> str:
        return branch.event or self.event

    def campaign(self, branch: Branch) -> dict[str, Any]:
        """The campaign of a branch as it stands in the library."""
        return {
            "name": f"{self.name} - {branch.name}",
            "priority": branch.priority,
            "trigger": {"event": self.event_of(branch)},
            "conditions": [condition.wire for condition in branch.conditions],
            "budget": {"cap": branch.cap, "used": 0, "costPerHit": branch.cost},
            "action": branch.action,
            "ttlHours": branch.ttl_hours,
        }


def _voucher(kind: str, value: float = 0, least: float = 0, rate: float | None = None) -> Any:
    card = {"type": kind, "value": value, "minSpend": least}
    if rate is not None:
        card["discountRate"] = rate
    return {"type": "GRANT_VOUCHER", "voucher": card}


def _item(value: int) -> Any:
    return _voucher("ITEM_WARRANT", value)


def _free(value: int, least: int = 0) -> Any:
    return _voucher("NO_THRESHOLD_VOUCHER", value, least)


def _card(rate: float, least: int = 0) -> Any:
    return _voucher("DISCOUNT_CARD", 0, least, rate)


def _silver(amount: int) -> Any:
    return {"type": "GRANT_SILVER", "amount": amount}


def _bonus(amount: int) -> Any:
    return {"type": "GRANT_BONUS", "amount": amount}


_STORY = {"type": "STORY_CARD"}


def _if(*parts: tuple[str, str, Any]) -> tuple[Condition, ...]:
    return tuple(Condition(*part) for part in parts)


_FIRST_ORDER = _if(("orderCount", "eq", 0), ("orderAmount", "gte", 20))
_REFERRAL = _if(("isReferral", "eq", True))
_PARTNER = ("partnerOrderVerified", "eq", True)
_MEMBER_DAY = _if(("isMemberDay", "eq", True))
_RECHARGE = _if(("rechargeAmount", "gte", 100))
_PAYMENT = _if(("orderAmount", "gte", 30))
_LEFT_OVER = _if(("targetSku", "eq", "sku_hot_soup"), ("inventoryBacklog", "gte", 10))
_AWAY = ("inactiveDays", "gte", 30)

# template, category, event, then its branches: id, conditions, cap, cost, priority, gift, more.
_ROWS: tuple[Any, ...] = (
    (
        ("acquisition_welcome_gift", Category.ACQUISITION, "USER_ENTER_SHOP"),
        (
            "DEFAULT",
            _if(("isNewUser", "eq", True), ("hasReferral", "eq", False)),
            120,
            6,
            70,
            _item(18),
        ),
        (
            "CHANNEL",
            _if(("isNewUser", "eq", True), ("hasReferral", "eq", True)),
            140,
            8,
            72,
            _free(10, 20),
        ),
    ),
    (
        ("acquisition_first_buy", Category.ACQUISITION, "PAYMENT_PRECHECK"),
        ("DIRECT_DEDUCTION", _FIRST_ORDER, 180, 5, 75, _free(5, 20)),
        ("BALANCE_CASHBACK", _FIRST_ORDER, 220, 8, 74, _bonus(12), "PAYMENT_SUCCESS"),
    ),
    (
        ("acquisition_referral", Category.ACQUISITION, "REFERRAL_SCAN"),
        ("LOW_BARRIER", _REFERRAL, 90, 2, 68, _silver(30)),
        ("VALUE_DRIVEN", _REFERRAL, 160, 10, 76, _card(0.88, 30), "REFERRAL_FIRST_BUY"),
    ),
    (
        ("acquisition_cross_promo", Category.ACQUISITION, "PARTNER_ORDER_VERIFIED"),
        ("TRAFFIC", _if(_PARTNER), 70, 2, 64, _silver(25)),
        (
            "CONSUMPTION_RECIPROCITY",
            _if(_PARTNER, ("partnerOrderAmount", "gte", 30)),
            180,
            12,
            78,
            _item(28),
        ),
    ),
    (
        ("activation_member_day", Category.ACTIVATION, "MEMBER_DAY"),
        ("ASSET_BOOM", _MEMBER_DAY, 60, 1, 60, _silver(60)),
        ("DISCOUNT_DAY", _MEMBER_DAY, 260, 14, 73, _card(0.88, 20)),
    ),
    (
        ("activation_walk_to_earn", Category.ACTIVATION, "STEP_SYNC"),
        ("EXCHANGE", _if(("steps", "gte", 1000)), 40, 1, 55, _silver(10)),
        ("LOTTO", _if(("steps", "gte", 3000)), 120, 4, 69, _silver(80)),
    ),
    (
        ("activation_contextual_drop", Category.ACTIVATION, "APP_OPEN"),
        ("COMFORT", _if(("weather", "eq", "RAIN")), 120, 12, 90, _STORY, "", 2),
        ("COOLING", _if(("temperature", "gte", 32)), 120, 10, 86, _item(16), "", 2),
    ),
    (
        ("activation_streak_bonus", Category.ACTIVATION, "DAILY_CHECKIN"),
        ("CUMULATIVE", _if(("checkinCountInWindow", "gte", 5)), 70, 3, 58, _silver(50)),
        ("CHALLENGE", _if(("streakDays", "gte", 7)), 130, 9, 70, _item(22)),
    ),
    (
        ("revenue_recharge_bonus", Category.REVENUE, "RECHARGE"),
        ("TIERED_CASHBACK", _RECHARGE, 320, 20, 62, _bonus(10)),
        ("ASSET_BUNDLE", _RECHARGE, 260, 16, 66, _item(20)),
    ),
    (
        ("revenue_paybox", Category.REVENUE, "PAYMENT_SUCCESS"),
        ("REBATE", _PAYMENT, 100, 2, 57, _silver(20)),
        ("JACKPOT", _PAYMENT, 240, 15, 71, _bonus(30)),
    ),
    (
        ("revenue_dynamic_drop", Category.REVENUE, "INVENTORY_ALERT"),
        ("TARGETED_DROP", _LEFT_OVER, 150, 8, 92, _item(14), "", 1),
        ("BUNDLE_BINDING", _LEFT_OVER, 200, 9, 93, _card(0.5, 20), "", 1),
    ),
    (
        ("retention_birthday_gift", Category.RETENTION, "BIRTHDAY"),
        ("ASSET_GIFT", _if(("isBirthday", "eq", True)), 140, 8, 65, _item(20)),
        ("PRIVILEGE_UPGRADE", _if(("isBirthdayMonth", "eq", True)), 180, 10, 67, _card(0.85)),
    ),
    (
        ("retention_recall_injection", Category.RETENTION, "USER_INACTIVE"),
        ("LOSS_AVERSION", _if(_AWAY), 60, 1, 61, _STORY),
        ("FREE_GRANT", _if(_AWAY, ("isHighValueUser", "eq", True)), 220, 16, 77, _free(12)),
    ),
)

LIBRARY: Mapping[str, Template] = {
    head[0]: Template(head[0], head[1], head[2], tuple(Branch(head[0], *row) for row in rows))
    for head, *rows in _ROWS
}


def template(template_id: Any) -> Template:
    """The one of that id; the first of the library where there is none."""
    found = LIBRARY.get(template_id) if isinstance(template_id, str) else None
    return found or next(iter(LIBRARY.values()))


CATEGORY_NAMES: Mapping[Category, Any] = {
    Category.ACQUISITION: lazy_gettext("Win new guests"),
    Category.ACTIVATION: lazy_gettext("Bring them in"),
    Category.REVENUE: lazy_gettext("Sell more"),
    Category.RETENTION: lazy_gettext("Keep them"),
}
