"""What a hit gives, worked out of a campaign's action. Pure; amounts in minor units."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from mealquest.core.errors import Invalid
from mealquest.core.money import Currency, Money
from mealquest.core.wire import MAX_AMOUNT
from mealquest.wallet.service import VoucherType

STORY_KEYS = ("templateId", "narrative", "assets", "triggers")
VOUCHER_DAYS = 30  # of a voucher that says nothing of its time
MOST_DAYS = 3650
MOST_FRAGMENTS = 1_000_000
DEEPEST = 5  # COMPOSITE inside COMPOSITE


class ActionType(StrEnum):
    STORY_CARD = "STORY_CARD"
    GRANT_SILVER = "GRANT_SILVER"
    GRANT_BONUS = "GRANT_BONUS"
    GRANT_PRINCIPAL = "GRANT_PRINCIPAL"
    GRANT_FRAGMENT = "GRANT_FRAGMENT"
    GRANT_VOUCHER = "GRANT_VOUCHER"
    COMPOSITE = "COMPOSITE"


MONEY = {ActionType.GRANT_SILVER, ActionType.GRANT_BONUS, ActionType.GRANT_PRINCIPAL}
LOGGED_AS = {
    ActionType.GRANT_SILVER: "silverGranted",
    ActionType.GRANT_BONUS: "bonusGranted",
    ActionType.GRANT_PRINCIPAL: "principalGranted",
}


class ActionFaulty(Invalid):
    """An action that cannot be carried out, in words for whoever wrote the campaign."""

    code = "CAMPAIGN_ACTION_INVALID"


@dataclass(frozen=True, slots=True)
class VoucherGift:
    type: VoucherType
    name: str
    value_minor: int
    min_spend_minor: int
    discount_rate: Decimal | None
    life: timedelta


@dataclass(frozen=True, slots=True)
class Give:
    """One thing that a hit gives. `path`: its place in nested actions.

    `minor`: of money; `count` and `fragment`: of fragments; `days`: until bonus expires.
    """

    type: ActionType
    path: tuple[int, ...] = ()
    minor: int = 0
    days: int | None = None
    fragment: str = ""
    count: int = 0
    voucher: VoucherGift | None = None
    story: Mapping[str, Any] | None = None

    @property
    def cost_minor(self) -> int:
        """What it costs the merchant at once: money and vouchers at their face value.

        A discount card has none; what it takes off counts when a payment uses it.
        """
        return self.voucher.value_minor if self.voucher else self.minor


def gives(action: Mapping[str, Any], currency: Currency) -> list[Give]:
    """What an action gives, in order. ActionFaulty: it cannot be carried out.

    A story inside a COMPOSITE is left out, as clients expect.
    """
    return list(_gives(action, currency, ()))


def cost_of(action: Mapping[str, Any], currency: Currency) -> int:
    """Minor units that each hit costs; of a faulty action nothing, because it gives nothing."""
    try:
        return sum(give.cost_minor for give in gives(action, currency))
    except Invalid:
        return 0


def _gives(action: Any, currency: Currency, path: tuple[int, ...]) -> Iterator[Give]:
    kind = _kind(action)
    if kind is ActionType.COMPOSITE:
        parts = action.get("actions")
        if not isinstance(parts, list) or len(path) >= DEEPEST:
            raise ActionFaulty("action.actions must be an array")
        for index, part in enumerate(parts):
            if _kind(part) is not ActionType.STORY_CARD:
                yield from _gives(part, currency, (*path, index))
    elif kind is ActionType.STORY_CARD:
        story = action.get("story")
        if fault := story_fault(story):
            raise ActionFaulty(fault)
        yield Give(kind, path, story=story)
    elif kind is ActionType.GRANT_VOUCHER:
        yield Give(kind, path, voucher=_voucher(action.get("voucher"), currency))
    elif kind is ActionType.GRANT_FRAGMENT:
        name = action.get("fragmentType", "common")
        if not isinstance(name, str) or not 0 < len(name) <= 40:
            raise ActionFaulty("action.fragmentType must be text")
        yield Give(kind, path, fragment=name, count=_whole(action, "amount", MOST_FRAGMENTS))
    else:
        days = _days(action) if kind is ActionType.GRANT_BONUS else None
        yield Give(kind, path, minor=_minor(action, "amount", currency), days=days)


def _kind(action: Any) -> ActionType:
    try:
        return ActionType(action["type"])
    except (KeyError, TypeError, ValueError):
        raise ActionFaulty("unsupported action type") from None


def story_fault(story: Any) -> str | None:
    """What is wrong with a story card, or None."""
    if not isinstance(story, dict):
        return "story must be an object"
    missing = [key for key in STORY_KEYS if key not in story]
    if missing:
        return f"story.{missing[0]} is required"
    wrong = [key for key in ("assets", "triggers") if not isinstance(story[key], list)]
    return f"story.{wrong[0]} must be an array" if wrong else None


def _voucher(said: Any, currency: Currency) -> VoucherGift:
    if not isinstance(said, dict):
        raise ActionFaulty("action.voucher must be an object")
    try:
        kind = VoucherType(str(said.get("type")))
    except ValueError:
        raise ActionFaulty("unsupported voucher type") from None
    rate = None
    if kind is VoucherType.DISCOUNT_CARD:
        rate = _number(said, "discountRate")
        if not 0 < rate < 1:
            raise ActionFaulty("discountRate must be between 0 and 1")
    name = said.get("name")
    return VoucherGift(
        type=kind,
        name=name if isinstance(name, str) and name.strip() else kind.value,
        value_minor=0 if rate else _minor(said, "value", currency),
        min_spend_minor=_minor(said, "minSpend", currency, default=0),
        discount_rate=rate,
        life=timedelta(days=_days(said) or VOUCHER_DAYS),
    )


def _days(said: Mapping[str, Any]) -> int | None:
    return _whole(said, "validDays", MOST_DAYS) if said.get("validDays") is not None else None


def _minor(
    said: Mapping[str, Any], name: str, currency: Currency, *, default: int | None = None
) -> int:
    amount = _number(said, name, default)
    if not 0 <= amount <= MAX_AMOUNT:
        raise ActionFaulty(f"{name} must be a positive number")
    return Money.of_major(amount, currency).minor


def _whole(said: Mapping[str, Any], name: str, most: int) -> int:
    found = _number(said, name)
    if found != found.to_integral_value() or not 0 <= found <= most:
        raise ActionFaulty(f"{name} must be a whole number")
    return int(found)


def _number(said: Mapping[str, Any], name: str, default: int | None = None) -> Decimal:
    value = said.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ActionFaulty(f"{name} must be a number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ActionFaulty(f"{name} must be a number") from None
    if not found.is_finite():
        raise ActionFaulty(f"{name} must be a number")
    return found
