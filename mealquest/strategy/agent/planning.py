"""What an owner's sentence says of goal, money, time and people, and what it leaves open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mealquest.strategy.agent.domain import Note, Plan, PlanStatus

BUDGET_LEAST, BUDGET_MOST = 30, 5000
SHORT, BARE = 6, 10  # characters: too short to mean anything; too short without any detail
SLOTS_MOST = 3
KEYWORD = 2  # a goal's score for each of its words

_MONEY = r"(?:budget|cap|yuan|rmb|cny|预算|上限|不超过|控制在|元|块)"
_NUMBER = r"(?<!\d)(\d{2,5})(?!\d)"
_BUDGET = re.compile(rf"{_MONEY}\D{{0,8}}?{_NUMBER}|{_NUMBER}\s{{0,2}}{_MONEY}", re.IGNORECASE)
_WINDOWS = {
    "TODAY": ("today", "tonight", "今天", "今日", "今晚"),
    "TOMORROW": ("tomorrow", "明天", "明日"),
    "LUNCH": ("lunch", "noon", "午餐", "中午", "午市"),
    "DINNER": ("dinner", "evening", "晚餐", "晚市", "晚上"),
    "WEEKEND": ("weekend", "saturday", "sunday", "周末", "周六", "周日"),
}
_AUDIENCES = {
    "NEW_USER": ("new customer", "new user", "newcomer", "first-time", "新客", "新用户", "新顾客"),
    "HIGH_VALUE": ("high value", "high-value", "vip", "big spender", "高价值", "大客户"),
    "MEMBER": ("member", "会员"),
    "EXISTING_USER": ("existing", "regular", "old customer", "老客", "老用户", "老顾客", "熟客"),
}
_GOALS = {
    "acquisition": (
        "acqui",
        "new customer",
        "new user",
        "attract",
        "referral",
        "拉新",
        "新客",
        "引流",
    ),
    "activation": (
        "activat",
        "engage",
        "check-in",
        "visit",
        "promot",
        "激活",
        "活跃",
        "到店",
        "促活",
    ),
    "revenue": (
        "revenue",
        "sales",
        "recharge",
        "top up",
        "clear stock",
        "营业额",
        "销售",
        "充值",
        "客单",
    ),
    "retention": (
        "retain",
        "retention",
        "win back",
        "recall",
        "birthday",
        "loyal",
        "召回",
        "留存",
        "复购",
        "生日",
    ),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """`budget_cap` in budget units; a goal is ambiguous when no other is clearly behind it."""

    budget_cap: int | None
    time_window: str | None
    audience: str | None
    goals: Mapping[str, int]

    @property
    def goal(self) -> str | None:
        """The goal that stands out by more than one point; None when none does."""
        first, second, *_ = sorted(self.goals.values(), reverse=True)
        if first == 0 or first - second <= 1:
            return None
        return max(self.goals, key=lambda name: self.goals[name])

    @property
    def says_something(self) -> bool:
        return any((self.budget_cap, self.time_window, self.audience))

    def as_json(self) -> dict[str, Any]:
        return {
            "goal": self.goal,
            "scores": dict(self.goals),
            "budgetCap": self.budget_cap,
            "timeWindow": self.time_window,
            "audience": self.audience,
        }


def profile_of(intent: str) -> Profile:
    text = intent.lower()
    return Profile(
        budget_cap=_budget(text),
        time_window=_first(_WINDOWS, text),
        audience=_first(_AUDIENCES, text),
        goals={
            goal: KEYWORD * sum(word in text for word in words) for goal, words in _GOALS.items()
        },
    )


def clarification(intent: str, profile: Profile) -> Plan | None:
    """What has to be asked before a model is; None when enough was said."""
    words = intent.strip()
    is_bare = not profile.says_something and len(words) < BARE
    if len(words) >= SHORT and profile.goal and not is_bare:
        return None
    open_slots = {
        "goal": profile.goal,
        "budget_cap": profile.budget_cap,
        "time_window": profile.time_window,
        "audience": profile.audience,
    }
    missing = tuple(slot for slot, known in open_slots.items() if known is None)[:SLOTS_MOST]
    return Plan(
        PlanStatus.NEED_CLARIFICATION,
        missing_slots=missing,
        note=Note.OPEN,
        confidence=0.45 if profile.goal else 0.35,
        profile=profile.as_json(),
    )


def _budget(text: str) -> int | None:
    found = _BUDGET.search(text)
    if found is None:
        return None
    return min(BUDGET_MOST, max(BUDGET_LEAST, int(found.group(1) or found.group(2))))


def _first(words: Mapping[str, tuple[str, ...]], text: str) -> str | None:
    return next((name for name, some in words.items() if any(word in text for word in some)), None)
