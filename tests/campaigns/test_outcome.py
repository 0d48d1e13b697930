"""What came of a campaign: its sums, its list of hits, who was held out, and what they bought."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from jobs.outbox import relay
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.domain import is_held_out
from mealquest.campaigns.forms import CampaignPathForm, CampaignsForm, HitsForm
from mealquest.campaigns.lift import WINDOW, LiftVerdict
from mealquest.campaigns.models import CampaignExposure, CampaignRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.core.principal import Role
from mealquest.identity.models import Customer
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.models import Payment
from mealquest.tenancy import service as tenancy
from tests.campaigns.shops import make_campaign, trigger
from tests.campaigns.test_events import tell
from tests.factories.http import bearer, client_of, signed_in
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask
from tests.factories.refunds import give_back
from tests.factories.wallet import make_wallet
from tests.web.shops import open_shop

pytestmark = pytest.mark.usefixtures("app")
SOUP = {"type": "ITEM_WARRANT", "name": "Soup", "value": 8}
HALF = {"type": "DISCOUNT_CARD", "name": "Half", "discountRate": 0.5}


def detail_of(merchant_id: str, campaign_id: str):
    return campaigns.detail(merchant_id, CampaignPathForm(campaign_id=campaign_id))


def exposures_of(merchant_id: str) -> dict[tuple[str, str], bool]:
    with transaction(merchant_id) as session:
        mine = select(CampaignExposure).where(CampaignExposure.merchant_id == merchant_id)
        return {(row.campaign_id, row.customer_id): row.held_out for row in session.scalars(mine)}


def test_the_sums_are_those_of_the_hits_and_each_opens_rows(app) -> None:
    row = make_wallet(principal=20_000)
    action = {
        "type": "COMPOSITE",
        "actions": [
            {"type": "GRANT_BONUS", "amount": 12},
            {"type": "GRANT_VOUCHER", "voucher": SOUP},
            {"type": "GRANT_VOUCHER", "voucher": HALF},
        ],
    }
    campaign = make_campaign(
        row.merchant_id,
        action,
        ("orderCount", "eq", 0),
        cap=4,
        cap_minor=9_000,
        day_cap_minor=7_000,
    )
    paid = ask(row, 100).payment_txn_id
    relay(), relay()
    half = next(
        one["voucherId"]
        for one in campaigns.given_for(row.merchant_id, paid).hits[0].given
        if one.get("voucherType") == "DISCOUNT_CARD"
    )
    ask(row, 30, voucher_id=half)  # takes 15 off
    relay(), relay()

    done = detail_of(row.merchant_id, campaign).outcome

    assert (done.hits, done.customers, done.units) == (1, 1, 1)
    assert (done.cost, done.cards, done.cards_cost) == (Decimal(35), 1, Decimal(15))
    assert (done.left.units, done.left.hits) == (3, 3)
    assert (done.left.money, done.left.today) == (Decimal(55), Decimal(50))
    fates = done.vouchers
    assert (fates.given, fates.used, fates.live, fates.expired, fates.rate) == (2, 1, 1, 0, 0.5)
    assert (done.given.bonus, done.given.bonus_left) == (Decimal(12), Decimal(0))
    assert [(one.hits, one.cost) for one in done.points] == [(1, Decimal(35))]
    (hit,) = campaigns.hits(row.merchant_id, HitsForm(campaign_id=campaign)).items
    assert (hit.cost, hit.payment_txn_id, hit.by_hand) == (done.cost, paid, False)
    for state, shown in (("USED", 1), ("ACTIVE", 1), ("EXPIRED", 0), ("ALL", 1)):
        form = HitsForm(campaign_id=campaign, voucher=state)
        assert len(campaigns.hits(row.merchant_id, form).items) == shown, state

    give_back(row, paid, 100)

    done = detail_of(row.merchant_id, campaign).outcome
    assert done.vouchers.withdrawn == 1
    assert done.given.taken_back >= Decimal(12)


def test_who_was_held_out_is_noted_once_and_by_the_lot_alone(app) -> None:
    merchant_id = make_merchant()
    campaign = make_campaign(merchant_id, event="RECHARGE", holdout_percent=50)
    plain = make_campaign(merchant_id, event="RECHARGE")
    people = [make_wallet(merchant_id) for _ in range(8)]
    for row in people * 2:
        tell(row, "WALLET_TOPPED_UP", amount=5)
    relay()
    trigger(make_wallet(merchant_id), "RECHARGE")  # by hand: no lot

    seen = exposures_of(merchant_id)

    assert {key[0] for key in seen} == {campaign}
    assert seen == {
        (campaign, row.customer_id): is_held_out(campaign, row.customer_id, 50) for row in people
    }
    lift = detail_of(merchant_id, campaign).outcome.lift
    held = sum(seen.values())
    assert (lift.held_out.customers, lift.treated.customers) == (held, 8 - held)
    assert lift.verdict is LiftVerdict.TOO_EARLY
    assert (lift.held_out.lacks, lift.treated.lacks) == (30 - held, 22 + held)
    told = detail_of(merchant_id, plain).outcome.lift
    assert (told.verdict, told.spend) == (LiftVerdict.NO_HOLDOUT, None)


def seed(merchant_id: str, campaign_id: str, sides: dict[bool, list[int]]) -> None:
    """Customers who met the campaign twenty days ago, each with what they bought in the window,
    minor units; and for each an order before, one too late, and one given back whole."""
    met, rows = utc_now() - timedelta(days=20), {Customer: [], CampaignExposure: [], Payment: []}
    for held_out, spent in sides.items():
        for minor in spent:
            customer = new_id("u")
            rows[Customer].append({"id": customer, "tags": [], "fragments": {}})
            who = {"customer_id": customer}
            side = {"campaign_id": campaign_id, "held_out": held_out, "first_at": met}
            rows[CampaignExposure].append(who | side)
            orders = [(timedelta(hours=-1), 900_000, 0), (WINDOW * 1.1, 900_000, 0)]
            orders += [(timedelta(hours=2), 7_000, 7_000)]
            orders += [(timedelta(days=1), minor + 500, 500)] if minor else []
            rows[Payment] += [who | paid(met + at, *sums) for at, *sums in orders]
    with transaction(merchant_id) as session:
        for table, values in rows.items():
            session.execute(insert(table), [{"merchant_id": merchant_id} | one for one in values])


def paid(at: datetime, minor: int, refunded: int) -> dict[str, Any]:
    parts = dict.fromkeys(("voucher_minor", "bonus_minor", "silver_minor", "external_minor"), 0)
    order = {"order_minor": minor, "principal_minor": minor, "refunded_minor": refunded}
    about = {"id": new_id("pay"), "status": PaymentStatus.PAID, "currency": Currency.CNY}
    return parts | order | about | {"quote": {}, "taken_by": "fixture", "created_at": at}


def test_lift_counts_what_was_bought_in_the_window_refunds_taken_off(app) -> None:
    shop = make_merchant()
    campaign = make_campaign(shop, event="RECHARGE", holdout_percent=10)
    other = make_campaign(shop, event="RECHARGE", holdout_percent=10)
    spent = [4_000, 6_000] * 20
    seed(shop, campaign, {False: spent, True: [0, 1_000] * 15})
    seed(shop, other, {False: spent, True: spent})

    lift = detail_of(shop, campaign).outcome.lift

    assert (lift.treated.customers, lift.held_out.customers) == (40, 30)
    assert (lift.treated.mean_spend, lift.held_out.mean_spend) == (Decimal(50), Decimal(5))
    assert (lift.treated.share, lift.held_out.share) == (1.0, 0.5)
    assert (lift.verdict, lift.moves_until) == (LiftVerdict.MORE, None)
    assert 0 < lift.spend.low < lift.spend.value == 45 < lift.spend.high
    assert lift.incremental.value == Decimal(45 * 40)
    assert (lift.cost, lift.cost_per_unit) == (Decimal(0), 0.0)
    lift = detail_of(shop, other).outcome.lift
    assert (lift.verdict, lift.spend.value) == (LiftVerdict.NO_EFFECT_SEEN, Decimal(0))
    assert lift.cost_per_unit is None


def test_a_campaign_whose_time_is_over_is_no_running_one(app) -> None:
    shop = open_shop("Alpha", 6)
    over = make_campaign(shop.merchant_id, ttl_until=utc_now() - timedelta(seconds=1))
    empty = make_campaign(shop.merchant_id, cap=1, event="INVENTORY_ALERT")
    with transaction(shop.merchant_id) as session:
        session.execute(update(CampaignRow).where(CampaignRow.id == empty).values(used_units=1))

    listed = {one.id: one for one in campaigns.listed(shop.merchant_id, CampaignsForm()).items}

    assert (listed[over].status, listed[over].ended, listed[over].used_up) == (
        "ACTIVE",
        True,
        False,
    )
    assert (listed[empty].ended, listed[empty].used_up) == (False, True)
    for state, found in (("ACTIVE", empty), ("ENDED", over)):
        page = campaigns.listed(shop.merchant_id, CampaignsForm(status=state))
        assert [one.id for one in page.items] == [found]
    client, headers = client_of(app), bearer(shop.tokens[Role.OWNER])
    url = f"/api/state?merchantId={shop.merchant_id}"
    body = client.get(url, headers=headers).get_json()
    assert body["dashboard"]["activeCampaignCount"] == 1
    assert [one["id"] for one in body["activities"]] == [empty]
    chat = client.post("/api/merchant/strategy-chat/sessions", json={}, headers=headers).get_json()
    assert [one["id"] for one in chat["activeCampaigns"]] == [empty]
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    assert "Ended" in browser.get("/console/campaigns").text
    assert "It is used up." in browser.get(f"/console/campaigns/{empty}").text
    assert "It has ended." in browser.get(f"/console/campaigns/{over}").text


def test_the_page_says_what_it_knows_and_no_more(app) -> None:
    shop = open_shop("Alpha", 6)
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    told = {
        "Cannot be told": {},
        "Too early to tell": {False: [4_000] * 40, True: [4_000] * 28},
        "No effect seen": {False: [4_000] * 40, True: [3_999, 4_001] * 20},
        "Customers spent more": {False: [9_000, 8_000] * 20, True: [1_000] * 40},
    }
    for words, sides in told.items():
        percent = 10 if sides else 0
        campaign = make_campaign(shop.merchant_id, event="RECHARGE", holdout_percent=percent)
        if sides:
            seed(shop.merchant_id, campaign, sides)
        page = browser.get(f"/console/campaigns/{campaign}").text
        assert [said for said in told if said in page] == [words]
        assert ("2 more customers who get nothing by lot are needed." in page) == (
            words == "Too early to tell"
        )


def test_the_owner_says_how_many_get_nothing_and_new_campaigns_keep_to_it(app) -> None:
    shop = open_shop("Alpha", 6)
    client = client_of(app)

    def change(role: Role, percent: Any) -> int:
        body = {"campaignHoldoutPercent": percent}
        answer = client.patch(
            "/api/merchant/settings", json=body, headers=bearer(shop.tokens[role])
        )
        return answer.status_code

    assert tenancy.settings(shop.merchant_id).campaign_holdout_percent == 10  # as configured
    assert [change(Role.OWNER, percent) for percent in (51, -1, "many")] == [400, 400, 400]
    assert change(Role.MANAGER, 20) == 403
    assert change(Role.OWNER, 20) == 200
    assert tenancy.settings(shop.merchant_id).campaign_holdout_percent == 20
    with transaction(shop.merchant_id) as session:
        details = session.scalar(
            text(
                "SELECT details FROM audit_log WHERE merchant_id = :merchant"
                " AND action = 'MERCHANT_SETTINGS_SET' AND status = 'SUCCESS'"
            ),
            {"merchant": shop.merchant_id},
        )
    assert details == {"changed": {"campaignHoldoutPercent": {"from": 10, "to": 20}}}
