"""Top-up rules: "pay 200, get 30 bonus, valid 90 days". Owners set them, top-ups obey them."""

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid, NotFound
from mealquest.core.ids import new_id
from mealquest.core.money import Currency, Money
from mealquest.core.principal import Principal
from mealquest.core.wire import PositiveAmount, number
from mealquest.tenancy import service as tenancy
from mealquest.wallet.forms import PreviewForm, TopUpRuleForm
from mealquest.wallet.models import TopUpRule
from mealquest.wallet.replies import TopUpPreview, TopUpRulesView, TopUpRuleView, major

ACTION = "TOP_UP_RULE_SET"
MOST = 10  # rules of one merchant; more would be a price list, not a promise


def rules(merchant_id: str) -> TopUpRulesView:
    """The merchant's rules, smallest step first."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        found = [_view(rule, currency) for rule in _all(session, merchant_id)]
    return TopUpRulesView(merchant_id=merchant_id, currency=currency, items=found)


def add_rule(merchant_id: str, form: TopUpRuleForm, by: Principal) -> TopUpRuleView:
    """Promise a bonus from an amount on.

    Raises Conflict when there is a rule for that amount, or ten rules already; Invalid when the
    bonus is larger than the amount.
    """
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        rule = _rule(merchant_id, form, currency, by)
        if len(_all(session, merchant_id)) >= MOST:
            raise Conflict(f"at most {MOST} top-up rules", code="TOO_MANY_RULES")
        try:
            with session.begin_nested():
                session.execute(insert(TopUpRule).values(rule))
        except IntegrityError:
            raise Conflict("there is a rule for this amount", code="RULE_EXISTS") from None
        details = {
            "ruleId": rule["id"],
            "fromAmount": number(form.from_amount),
            "bonus": number(form.bonus),
            "validDays": form.valid_days,
        }
        audit.record(session, merchant_id, ACTION, by, details)
    return TopUpRuleView(
        rule_id=str(rule["id"]),
        from_amount=form.from_amount,
        bonus=form.bonus,
        valid_days=form.valid_days,
    )


def remove_rule(merchant_id: str, rule_id: str, by: Principal) -> TopUpRuleView:
    """Take a promise back; what was granted by it stays. NotFound: there is no such rule."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        rule = session.scalar(
            delete(TopUpRule)
            .where(TopUpRule.merchant_id == merchant_id, TopUpRule.id == rule_id)
            .returning(TopUpRule)
        )
        if rule is None:
            raise NotFound("top-up rule not found", code="RULE_NOT_FOUND")
        audit.record(session, merchant_id, ACTION, by, {"ruleId": rule_id, "removed": True})
        return _view(rule, currency)


def rule_for(session: Session, merchant_id: str, paid_minor: int) -> TopUpRule | None:
    """The rule a top-up of this much earns: the highest step that it reaches."""
    return session.scalar(
        select(TopUpRule)
        .where(TopUpRule.merchant_id == merchant_id, TopUpRule.from_minor <= paid_minor)
        .order_by(TopUpRule.from_minor.desc())
        .limit(1)
    )


def _all(session: Session, merchant_id: str) -> list[TopUpRule]:
    found = session.scalars(
        select(TopUpRule).where(TopUpRule.merchant_id == merchant_id).order_by(TopUpRule.from_minor)
    )
    return list(found)


def _rule(
    merchant_id: str, form: TopUpRuleForm, currency: Currency, by: Principal
) -> dict[str, str | int | None]:
    from_minor = Money.of_major(form.from_amount, currency).minor
    bonus_minor = Money.of_major(form.bonus, currency).minor
    if bonus_minor > from_minor:
        raise Invalid("bonus must not be larger than the amount paid in", code="BONUS_TOO_LARGE")
    return {
        "merchant_id": merchant_id,
        "id": new_id("rule"),
        "from_minor": from_minor,
        "bonus_minor": bonus_minor,
        "valid_days": form.valid_days,
        "created_by": by.subject,
    }


def _view(rule: TopUpRule, currency: Currency) -> TopUpRuleView:
    return TopUpRuleView(
        rule_id=rule.id,
        from_amount=major(rule.from_minor, currency),
        bonus=major(rule.bonus_minor, currency),
        valid_days=rule.valid_days,
    )


def preview(merchant_id: str, form: PreviewForm) -> TopUpPreview:
    """What a top-up of the amount typed so far would bring. Changes nothing."""
    try:
        paid = TypeAdapter(PositiveAmount).validate_python(form.amount)
    except ValidationError:
        return TopUpPreview()
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        rule = rule_for(session, merchant_id, Money.of_major(paid, currency).minor)
    if rule is None or form.bonus.strip():
        return TopUpPreview(paid=paid)
    bonus = major(rule.bonus_minor, currency)
    return TopUpPreview(paid=paid, bonus=bonus, valid_days=rule.valid_days)
