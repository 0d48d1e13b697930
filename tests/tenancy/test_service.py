import pytest
from pydantic import ValidationError

from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.forms import ExistsForm
from mealquest.tenancy.service import (
    Limit,
    MerchantExists,
    MerchantNotFound,
    Operation,
    RefundPolicy,
    TenantPolicy,
)
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")


def create(merchant_id: str, name: str = "A Shop", **rest):
    with transaction(merchant_id) as session:
        return tenancy.create_merchant(session, merchant_id, name=name, budget_cap=300, **rest)


def set_policy(merchant_id: str, policy: TenantPolicy) -> None:
    with transaction(merchant_id) as session:
        tenancy.set_policy(session, merchant_id, policy)


def policy_of(merchant_id: str) -> TenantPolicy:
    with transaction(merchant_id) as session:
        return tenancy.policy_of(session, merchant_id)


def test_a_new_merchant_has_the_settings_of_its_home_market():
    create("m_noise", "Noise")
    create("m_a")

    found = tenancy.settings("m_a")

    assert (found.merchant_id, found.name) == ("m_a", "A Shop")
    assert (found.currency, found.time_zone, found.locale) == (Currency.CNY, "Asia/Shanghai", "en")
    assert found.refund_policy is RefundPolicy.CLAWBACK
    assert found.budget_cap_minor == 30_000
    assert found.cluster_id == "cluster_m_a"
    assert not found.kill_switch_enabled
    assert found.onboarded_at.tzinfo is not None


def test_the_budget_cap_is_kept_in_minor_units_of_the_currency():
    assert create("m_jp", currency=Currency.JPY).budget_cap_minor == 300


def test_a_merchant_that_is_not_there_is_not_found():
    with pytest.raises(MerchantNotFound, match=r"^merchant not found$"):
        tenancy.settings("m_nobody")


def test_a_stranger_s_transaction_does_not_find_the_merchant():
    create("m_a")
    with transaction("m_b") as session, pytest.raises(MerchantNotFound):
        tenancy.settings_of(session, "m_a")


def test_an_id_is_given_once():
    create("m_a", "The First")
    with pytest.raises(MerchantExists, match=r"^merchant already exists$"):
        create("m_a", "The Second")
    assert tenancy.settings("m_a").name == "The First"


def test_of_many_who_want_one_id_one_gets_it(app):
    outcomes = at_once(app, *[lambda n=n: create("m_a", f"Shop {n}") for n in range(8)])

    winners = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, MerchantExists) for outcome in outcomes) == 7
    assert tenancy.settings("m_a").name == winners[0].name


def test_the_catalog_lists_every_merchant_by_id_and_says_no_more_than_its_name():
    for merchant_id, name in (("m_b", "Bee"), ("m_a", "Ay"), ("m-c", "Sea"), ("m_10", "Ten")):
        create(merchant_id, name)

    catalog = tenancy.catalog()

    assert [item.merchant_id for item in catalog.items] == ["m-c", "m_10", "m_a", "m_b"]
    assert catalog.total == 4
    assert catalog.items[2].name == "Ay"
    assert set(catalog.items[0].model_dump(by_alias=True)) == {"merchantId", "name", "onboardedAt"}


def test_whether_a_merchant_exists():
    create("m_a")
    assert tenancy.exists("m_a").as_json() == '{"merchantId":"m_a","exists":true}'
    assert tenancy.exists("m_b").as_json() == '{"merchantId":"m_b","exists":false}'


def test_an_id_is_taken_trimmed_and_in_lower_case():
    assert ExistsForm(merchant_id="  M_Store_001 ").merchant_id == "m_store_001"


@pytest.mark.parametrize(
    "bad", ["1m", "m", "m" * 65, "m a", "m,b", "mä", "m_a\nx", "m_a\x00", 7, ["m_a"]]
)
def test_an_id_of_another_form_is_refused(bad):
    with pytest.raises(ValidationError, match="merchantId format invalid"):
        ExistsForm.model_validate({"merchantId": bad})


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_no_id_is_asked_for(empty):
    with pytest.raises(ValidationError, match="merchantId is required"):
        ExistsForm.model_validate({"merchantId": empty})


def test_without_a_row_a_policy_allows_everything():
    create("m_a")
    assert policy_of("m_a") == TenantPolicy()


def test_a_policy_comes_back_as_it_was_set_and_is_the_merchant_s_own():
    policy = TenantPolicy(
        write_enabled=False,
        ws_enabled=False,
        limits={Operation.PAYMENT_VERIFY: Limit(5, 1_000), Operation.TCA_TRIGGER: Limit(2)},
    )
    set_policy("m_a", TenantPolicy(write_enabled=False))
    set_policy("m_a", policy)

    assert policy_of("m_a") == policy
    assert policy_of("m_b") == TenantPolicy()


def test_the_switches_say_why_they_hold_an_operation_back():
    frozen = TenantPolicy(write_enabled=False)
    silent = TenantPolicy(ws_enabled=False)

    assert tenancy.refusal(frozen, Operation.PAYMENT_VERIFY).code == "TENANT_WRITE_DISABLED"
    assert tenancy.refusal(frozen, Operation.KILL_SWITCH_SET) is None
    assert tenancy.refusal(silent, Operation.WS_CONNECT).code == "TENANT_REALTIME_DISABLED"
    assert tenancy.refusal(silent, Operation.PAYMENT_VERIFY) is None
