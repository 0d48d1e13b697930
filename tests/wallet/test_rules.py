"""Top-up rules: what an owner promises is what a top-up brings."""

import pytest

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid, NotFound
from mealquest.wallet import service as wallet
from mealquest.wallet.forms import PreviewForm, TopUpForm, TopUpRuleForm
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, MANAGER, OWNER, keyed


@pytest.fixture
def shop(app):
    merchant_id = make_merchant()
    return merchant_id, make_customer(merchant_id)


def promise(merchant_id, from_amount, bonus, days=None):
    form = TopUpRuleForm.model_validate(
        {"fromAmount": from_amount, "bonus": bonus, "validDays": days}
    )
    return wallet.add_rule(merchant_id, form, OWNER)


def top_up(shop, amount, key="k", by=CLERK, **more):
    merchant_id, customer_id = shop
    form = TopUpForm.model_validate(
        {"userId": customer_id, "amount": amount, "method": "CASH", **more}
    )
    return wallet.top_up(merchant_id, form, by, keyed(form, key, by))


@pytest.mark.parametrize(
    ("amount", "bonus"), [("99.99", 0), ("100", 10), ("199", 10), ("200", 30), ("900", 30)]
)
def test_the_highest_step_that_is_reached_counts(shop, amount, bonus):
    promise(shop[0], "100", "10")
    promise(shop[0], "200", "30", days=90)
    promise(make_merchant(), "1", "1")  # another shop's promise

    assert top_up(shop, amount).bonus_granted == bonus


def test_a_bonus_of_a_rule_lives_as_long_as_it_says(shop):
    promise(shop[0], "200", "30", days=90)

    top_up(shop, "200")

    (lot,) = wallet.customer_detail(*shop).bonus_lots
    assert lot.amount == 30
    assert lot.expires_at is not None


def test_what_a_manager_gives_stands_in_for_the_rule(shop):
    promise(shop[0], "200", "30")

    assert top_up(shop, "200", by=MANAGER, bonus="5").bonus_granted == 5


def test_a_rule_that_is_gone_gives_nothing_and_what_it_gave_stays(shop):
    rule = promise(shop[0], "200", "30")
    top_up(shop, "200", key="before")

    wallet.remove_rule(shop[0], rule.rule_id, OWNER)

    view = top_up(shop, "200", key="after")
    assert view.bonus_granted == 0
    assert view.wallet.bonus == 30


def test_a_rule_is_not_promised_twice_or_beyond_reason(shop):
    promise(shop[0], "200", "30")

    with pytest.raises(Conflict):
        promise(shop[0], "200", "31")
    with pytest.raises(Invalid):
        promise(shop[0], "10", "11")
    for step in range(1, 10):
        promise(shop[0], str(step), "1")
    with pytest.raises(Conflict):
        promise(shop[0], "500", "50")
    assert len(wallet.rules(shop[0]).items) == 10


def test_another_merchants_rule_cannot_be_removed(shop):
    rule = promise(shop[0], "200", "30")

    with pytest.raises(NotFound):
        wallet.remove_rule(make_merchant(), rule.rule_id, OWNER)

    assert len(wallet.rules(shop[0]).items) == 1


def test_the_preview_tells_what_the_top_up_will_bring(shop):
    promise(shop[0], "200", "30", days=90)

    def preview(amount, bonus=""):
        form = PreviewForm(user_id=shop[1], amount=amount, bonus=bonus)
        return wallet.preview(shop[0], form)

    assert (preview("200").bonus, preview("200").valid_days) == (30, 90)
    assert preview("199").bonus is None
    assert preview("2x").paid is None
    assert preview("200", bonus="5").bonus is None


def test_changes_of_rules_are_audited(shop):
    rule = promise(shop[0], "200", "30")
    wallet.remove_rule(shop[0], rule.rule_id, OWNER)

    with transaction(shop[0]) as session:
        actions = [row.action for row in session.query(AuditRow).all()]
    assert actions == ["TOP_UP_RULE_SET", "TOP_UP_RULE_SET"]
