"""A campaign run over what has happened decides as the engine decided."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from jobs.outbox import relay
from jobs.replays import make
from mealquest.audit import service as audit
from mealquest.campaigns import replay_sources
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.actions import gives
from mealquest.campaigns.domain import (
    Campaign,
    CampaignStatus,
    Condition,
    Limits,
    Stopped,
    is_held_out,
)
from mealquest.campaigns.forms import KillSwitchForm, StatusForm
from mealquest.campaigns.replay_domain import Happening, Order, Shop, Spending
from mealquest.campaigns.replay_fold import Replay
from mealquest.campaigns.replay_range import range_of, unused
from mealquest.campaigns.replay_replies import ReplayResult, ReplayView
from mealquest.campaigns.replay_sources import Heard, Known, Span
from mealquest.campaigns.writing import NewCampaign
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.tenancy.models import MerchantSettings
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.campaigns.shops import BONUS, hits_of, make_campaign, row_of, trigger, triggers_of
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask
from tests.factories.refunds import give_back
from tests.factories.requests import MANAGER, OWNER, keyed
from tests.factories.wallet import make_wallet

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
CARD = {"type": "GRANT_VOUCHER", "voucher": {"type": "DISCOUNT_CARD", "discountRate": 0.5}}
OF_A_SHOP = ("campaigns", "campaign_triggers", "campaign_hits", "payments")


def done(view: ReplayView) -> ReplayResult:
    assert view.state == "DONE", view
    assert view.result
    return view.result


def own(merchant_id: str, campaign_id: str) -> ReplayResult:
    campaigns.ask_own(merchant_id, campaign_id, MANAGER)
    make()
    return done(campaigns.own_replay(merchant_id, campaign_id))


def proposed(merchant_id: str, event: str, *conditions, action=BONUS, **limits) -> ReplayResult:
    asked = tuple({"field": f, "op": op, "value": value} for f, op, value in conditions)
    limits = {"cap_units": 1_000, "cost_units": 1} | limits
    new = NewCampaign(
        id="campaign_new",
        name="New",
        event=event,
        priority=50,
        conditions=asked,
        action=action,
        limits=Limits(**limits),
    )
    with transaction(merchant_id) as session:
        campaigns.ask_replay(session, merchant_id, "proposal:1", "hash", new, "owner")
    make()
    with transaction(merchant_id) as session:
        return done(campaigns.replay_of(session, merchant_id, "proposal:1", "hash"))


def let_days_pass(merchant_id: str, days: int) -> None:
    """All that has happened at this shop is so many days older."""
    with transaction(merchant_id) as session:
        for table in OF_A_SHOP:
            session.execute(
                text(
                    f"UPDATE {table} SET created_at = created_at - make_interval(days => :days)"
                    " WHERE merchant_id = :merchant"
                ),
                {"days": days, "merchant": merchant_id},
            )


# --- a campaign's own past ----------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), st.integers(0, 2), st.integers(5, 60)),
        st.tuples(st.just("pay"), st.integers(0, 2), st.integers(5, 60)),
        st.tuples(st.just("back"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("report"), st.integers(0, 2), st.integers(5, 60)),
        st.tuples(st.just("switch"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("kill"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("days"), st.integers(1, 2), st.just(0)),
    ),
    min_size=6,
    max_size=16,
)

PAY = ("pay", 0, 30)
SWITCHED = [PAY, ("kill", 1, 0), PAY, ("kill", 0, 0), ("switch", 1, 0), ("pay", 1, 55)]
SWITCHED += [("switch", 0, 0), ("pay", 1, 20), ("report", 2, 25), ("pay", 2, 10)]


@given(
    STEPS,
    st.integers(1, 6),
    st.sampled_from([None, 2_400, 4_000]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 2_400]),
    st.sampled_from([0, 50]),
    st.sampled_from([None, "group"]),
)
@example(SWITCHED, 6, None, None, None, 0, None)
@settings(max_examples=6, deadline=None)
def test_a_past_campaign_comes_to_the_same_cent(
    app, steps, units, cap, often, day_cap, holdout, group
) -> None:
    merchant_id = make_merchant(budget_cap_minor=10_000_000)
    rows = [
        make_wallet(merchant_id, make_customer(merchant_id), principal=100_000) for _ in range(3)
    ]
    rival = ("orderAmount", "gte", 50)
    make_campaign(merchant_id, BONUS, rival, priority=60, group=group)
    campaign_id = make_campaign(
        merchant_id,
        {"type": "COMPOSITE", "actions": [BONUS, CARD]},
        ("orderAmount", "gte", 20),
        cap=units,
        cap_minor=cap,
        customer_hits=often,
        customer_days=1 if often == 1 else None,
        day_cap_minor=day_cap,
        customer_cap_minor=day_cap,
        holdout_percent=holdout,
        group=group,
    )
    live(merchant_id, campaign_id, rows, steps)

    found = own(merchant_id, campaign_id)

    real = row_of(merchant_id, campaign_id)
    hit = [one for one in hits_of(merchant_id) if one.campaign_id == campaign_id]
    assert found.actual
    assert found.actual.same, (found, triggers_of(merchant_id))
    assert found.hits == real.hits == len(hit)
    assert found.customers == len({one.customer_id for one in hit})
    assert found.cost * 100 == real.spent_minor


def live(merchant_id: str, campaign_id: str, rows: list[Any], steps: list[Any]) -> None:
    paid: list[tuple[Any, str]] = []
    for what, number, amount in steps:
        if what == "pay":
            paid.append((rows[number], ask(rows[number], amount).payment_txn_id))
            relay()
        elif what == "back" and paid:
            row, payment = paid.pop()
            give_back(row, payment, left_of(merchant_id, payment))
            relay()
        elif what == "report":
            trigger(rows[number], orderAmount=amount)
        elif what == "switch":
            status = ("ACTIVE", "PAUSED")[number]
            form = StatusForm(campaign_id=campaign_id, status=status)
            campaigns.set_status(merchant_id, form, MANAGER)
        elif what == "kill":
            campaigns.set_kill_switch(merchant_id, KillSwitchForm(enabled=bool(number)), OWNER)
        elif what == "days":
            let_days_pass(merchant_id, number)


def left_of(merchant_id: str, payment_id: str) -> Decimal:
    with transaction(merchant_id) as session:
        query = text("SELECT order_minor FROM payments WHERE merchant_id = :m AND id = :id")
        minor = session.execute(query, {"m": merchant_id, "id": payment_id}).scalar_one()
    return Decimal(minor) / 100


def test_the_month_of_all_campaigns_and_cards_that_paid_count_as_they_did(app) -> None:
    row = make_wallet(principal=100_000)  # the shop's campaigns may cost 300 a month
    make_campaign(row.merchant_id, {"type": "GRANT_BONUS", "amount": 100}, priority=90)
    parts = [{"type": "GRANT_SILVER", "amount": 60}, CARD]
    mine = make_campaign(row.merchant_id, {"type": "COMPOSITE", "actions": parts})
    for _ in range(4):
        ask(row, 80)
        relay()

    found = own(row.merchant_id, mine)

    real = row_of(row.merchant_id, mine)
    assert real.spent_minor == 6_000 + 4_000  # the second order was paid by the first one's card
    assert (found.cards_used, found.cards, found.cost) == (1, Decimal(40), Decimal(100))
    assert found.actual
    assert found.actual.same
    assert found.stopped_why is Stopped.MERCHANT_CAP


def test_a_card_counts_when_it_was_heard_of_and_the_month_has_what_it_had_then(app) -> None:
    row = make_wallet(principal=100_000)  # the shop's campaigns may cost 300 a month
    make_campaign(row.merchant_id, CARD, event="GIFT")
    hundred = {"type": "GRANT_BONUS", "amount": 100}
    mine = make_campaign(row.merchant_id, hundred, ("orderAmount", "gte", 50))
    trigger(row, "GIFT")
    ask(row, 400)  # the card takes 200 off, of which campaigns hear late
    for _ in range(2):
        trigger(row, orderAmount=60)
    relay()
    trigger(row, orderAmount=60)
    with transaction(row.merchant_id) as session:
        session.execute(
            update(MerchantSettings)
            .where(MerchantSettings.merchant_id == row.merchant_id)
            .values(budget_cap_minor=90_000)
        )

    found = own(row.merchant_id, mine)

    assert found.actual
    assert found.actual.same, found
    assert (found.hits, found.stopped_why) == (3, Stopped.MERCHANT_CAP)
    assert "CAP_OF_TODAY" not in found.notes


# --- what nobody listened for -------------------------------------------------------------------


def test_what_is_built_again_is_what_campaigns_heard(app) -> None:
    row = make_wallet(principal=50_000)
    events = ("PAYMENT_SUCCESS", "RECHARGE", "REFUND", "USER_ENTER_SHOP")
    for event in events:
        make_campaign(row.merchant_id, event=event, cap=0)
    first = ask(row, "12.50").payment_txn_id
    ask(row, 20)
    give_back(row, first, 2)
    give_back(row, first, "3.50")
    form = TopUpForm(
        user_id=row.customer_id, amount=Decimal(30), bonus=Decimal("1.25"), method="CASH"
    )
    wallets.top_up(row.merchant_id, form, MANAGER, keyed(form, "k", MANAGER))
    by = Principal(Role.CUSTOMER, row.customer_id, row.merchant_id)
    with transaction(row.merchant_id) as session:
        said = {"provider": "WECHAT", "isNewUser": True}
        audit.record(session, row.merchant_id, "CUSTOMER_SIGN_IN", by, said)
        told = {"userId": row.customer_id, **said}
        outbox.publish(session, row.merchant_id, "USER_ENTER_SHOP", told)
    relay()

    kept = triggers_of(row.merchant_id)
    for event in events:
        heard = [one.context for one in kept if one.event == event]
        assert heard == [context for _, _, context in rebuilt(row, event, Known())], event
        span = span_of(row, event)
        with transaction(row.merchant_id) as session:
            tally = Heard()
            counted = list(replay_sources.happenings(session, span, tally, with_tags=False))
        assert (len(counted), tally.rebuilt) == (len(heard), 0), f"{event} counted twice"


def span_of(row: Any, event: str, *waits: int) -> Span:
    now = utc_now()
    day = timedelta(days=1)
    return Span(row.merchant_id, event, Currency.CNY, now - 89 * day, now + day, waits)


def rebuilt(row: Any, event: str, known: Known, *waits: int) -> list[Any]:
    """Contexts as they are built from rows, with today's tags."""
    with transaction(row.merchant_id) as session:
        tags = identity.tags_of_all(session, row.merchant_id)
        found = replay_sources._BUILDERS[event](session, span_of(row, event, *waits), known)
        return [(when, who, more | {"tags": tags.get(who, [])}) for when, who, more in found]


def test_who_stayed_away_is_told_once_for_each_absence_as_things_stood(app) -> None:
    row = make_wallet(principal=100_000)
    other = make_wallet(row.merchant_id, make_customer(row.merchant_id), principal=100_000)
    for amount, ago in ((10, 50), (90, 45), (5, 2)):
        payment = ask(row, amount).payment_txn_id
        move(row.merchant_id, payment, ago)
    move(row.merchant_id, ask(other, 20).payment_txn_id, 48)

    found = rebuilt(row, "USER_INACTIVE", Known(), 30)

    mine = [context for _, who, context in found if who == row.customer_id]
    assert [(c["inactiveDays"], c["orderCount"], c["isHighValueUser"]) for c in mine] == [
        (30, 2, False)
    ]  # 100 of 120 by two people on average 60 or, while 20 was all there was, 15
    assert len(found) == 2


def move(merchant_id: str, payment_id: str, days: int) -> None:
    with transaction(merchant_id) as session:
        session.execute(
            text(
                "UPDATE payments SET created_at = now() - make_interval(days => :days)"
                " WHERE merchant_id = :merchant AND id = :id"
            ),
            {"days": days, "merchant": merchant_id, "id": payment_id},
        )


def test_a_proposal_would_have_done_what_the_same_campaign_did(app) -> None:
    """The same purchases at a shop that listened and at one that did not."""
    asked = (("orderAmount", "gte", 20), ("orderCount", "lte", 2))
    costs = []
    for listens in (True, False):
        merchant_id = make_merchant()
        rows = [
            make_wallet(merchant_id, make_customer(merchant_id), principal=50_000) for _ in "ab"
        ]
        if listens:
            mine = make_campaign(merchant_id, BONUS, *asked, cap=4, cap_minor=4_800)
        for number, amount in enumerate((30, 10, 20, 25, 40, 50, 20, 60)):
            ask(rows[number % 2], amount, voucher_id="NONE")
            relay()
        if listens:
            costs.append((row_of(merchant_id, mine).hits, row_of(merchant_id, mine).spent_minor))
        else:
            found = proposed(merchant_id, "PAYMENT_SUCCESS", *asked, cap_units=4, cap_minor=4_800)
            costs.append((found.hits, int(found.cost * 100)))
            assert (found.events, found.nothing.orders) == (8, 8)
            assert found.nothing.turnover == 255
            assert found.worst_case == 48
    assert costs[0] == costs[1] == (4, 4_800)


def test_a_shop_without_a_past_has_nothing_to_replay(app) -> None:
    found = proposed(make_merchant(), "PAYMENT_SUCCESS", ("weather", "eq", "RAIN"))

    assert (found.events, found.hits, found.cost, found.cost_range) == (0, 0, 0, None)
    assert {"SHORT_PAST", "FEW_WEEKS", "FIELD_NEVER_TOLD"} <= set(found.notes)


def test_a_replay_that_breaks_ends_and_can_be_asked_for_again(app) -> None:
    merchant_id = make_merchant()
    new = NewCampaign(
        id="c", name="c", event="PAYMENT_SUCCESS", priority=1, action={}, limits=Limits(1, 1)
    )
    with transaction(merchant_id) as session:
        campaigns.ask_replay(session, merchant_id, "proposal:1", "hash", new, "owner")
        session.execute(text("UPDATE campaign_replays SET campaign = '{}'"))
    for _ in range(3):
        make()
        with transaction(merchant_id) as session:
            session.execute(text("UPDATE campaign_replays SET run_at = now()"))
            view = campaigns.replay_of(session, merchant_id, "proposal:1", "hash")
    assert (view.state, view.may_renew) == ("FAILED", True)
    with transaction(merchant_id) as session:
        other = campaigns.replay_of(session, merchant_id, "proposal:1", "another")
        assert other.state == "NONE"


# --- without a database -------------------------------------------------------------------------


def replay(
    action: dict[str, Any], shop: Shop | None = None, *, follow: bool = False, **limits: Any
) -> Replay:
    limits = {"cap_units": 100, "cost_units": 1} | limits
    asked = (Condition("orderAmount", "gte", 20),)
    mine = Campaign("mine", "m", CampaignStatus.ACTIVE, 50, "E", asked, action, Limits(**limits))
    since = NOW - timedelta(days=28)
    shop = shop or Shop("Asia/Shanghai", 1_000_000)
    return Replay(mine, gives(action, Currency.CNY), shop, since, NOW, follow=follow)


def at(day: float, who: str = "u", amount: int = 20, **more: Any) -> Happening:
    return Happening(NOW - timedelta(days=28 - day), who, {"orderAmount": amount}, **more)


def spent(day: float, minor: int, *, own: bool = False) -> Spending:
    return Spending(NOW - timedelta(days=28 - day), minor, own)


def test_every_rule_keeps_its_own_count() -> None:
    """Each fails alone when the fold forgets what it is about. A hit gives 12."""
    assert replay(BONUS, cap_units=2).run([at(1), at(2), at(3)]).hits == 2
    assert replay(BONUS, customer_cap_minor=1_200).run([at(1), at(2), at(2, "v")]).hits == 2
    assert replay(BONUS, cap_minor=2_000).run([at(1)]).stopped_why is Stopped.MONEY_CAP
    month = Shop("UTC", 2_000)  # March begins on day 14
    assert replay(BONUS, month).run([at(5), at(20)]).hits == 2
    assert replay(BONUS, month).run([at(5), at(6)]).hits == 1
    assert replay(BONUS, Shop("UTC", 2_400)).run([at(5), at(6)]).hits == 2
    assert replay(BONUS, month).run([at(5)], [spent(4, 1_000)]).hits == 0
    switched = replay(BONUS).run([at(1, kill_switch=True), at(2)])
    assert (switched.hits, switched.kill_switched, switched.events) == (1, 1, 2)
    assert sum(week.events for week in switched.weeks) == 2
    back = replay(BONUS).run([at(1, earns=False), at(2)])
    assert (back.hits, back.verdicts["REFUNDED"], back.cost_minor) == (1, 1, 1_200)


def test_who_is_drawn_gets_nothing_unless_it_is_reported_by_hand() -> None:
    drawn = {who for who in "abcdefgh" if is_held_out("mine", who, 50)}
    assert 0 < len(drawn) < 8
    found = replay(BONUS, holdout_percent=50).run([at(1, who) for who in "abcdefgh"])
    assert found.customers == set("abcdefgh") - drawn
    by_hand = [at(1, who, is_manual=True) for who in "abcdefgh"]
    assert replay(BONUS, holdout_percent=50).run(by_hand).hits == 8


def test_campaigns_that_are_asked_first_take_hold_and_money_first() -> None:
    said = {"rival": ["HIT", None, 500]}
    first = frozenset({"rival"})
    rivals = Shop("UTC", 1_000_000, first, first)
    assert replay(BONUS, rivals, group="g").run([at(1, said=said)]).verdicts["GROUP"] == 1
    assert replay(BONUS, Shop("UTC", 1_500, first)).run([at(1, said=said)]).hits == 0
    assert replay(BONUS, Shop("UTC", 1_500)).run([at(1, said=said)]).hits == 1


def test_its_own_past_takes_what_was_left_and_spent_as_it_was_kept() -> None:
    def own_past(kept: list[Any], **limits: Any) -> int:
        cards = [spent(0.5, 1_000, own=True)]
        month = Shop("UTC", 1_000_000 if limits else 2_000)
        followed = replay(BONUS, month, follow=True, **limits)
        return followed.run([at(1, said={"mine": ["HIT", None, 1_200, *kept]})], cards).hits

    assert own_past([]) == 0  # of older rows: the card had paid, so it counts
    assert own_past([], cap_minor=2_000) == 0
    assert own_past([2_000, None]) == 1
    assert own_past([2_000, 0], cap_minor=2_000) == 1
    assert own_past([2_000, 1_000], cap_minor=2_000) == 0
    assert own_past([1_000, None]) == 0


def test_limits_of_a_day_a_customer_and_a_month_begin_anew_with_each() -> None:
    found = replay(BONUS, day_cap_minor=1_200).run([at(1), at(1.1), at(2), at(3, amount=5)])
    assert (found.hits, found.cost_minor, found.verdicts["DAY_CAP"]) == (2, 2_400, 1)
    often = replay(BONUS, customer_hits=1, customer_days=3)
    assert often.run([at(1), at(2), at(2, "v"), at(4.5)]).hits == 3
    month = replay(BONUS, Shop("UTC", 2_000))
    found = month.run([at(5), at(9), at(20)], [spent(8, 1_000)])
    assert (found.hits, found.stopped_why) == (1, Stopped.MERCHANT_CAP)


def test_a_card_is_reckoned_on_the_next_order_and_only_while_it_lives() -> None:
    card = {"type": "GRANT_VOUCHER", "voucher": CARD["voucher"] | {"validDays": 5, "minSpend": 10}}
    bought = [(1, 2_000), (2, 900), (3, 3_001), (4, 5_000), (20, 4_000)]
    orders = [Order(NOW - timedelta(days=28 - day), "u", minor) for day, minor in bought]
    found = replay(card).run([at(1), at(14)], [], orders)
    assert (found.cards, found.cards_used, found.cards_minor) == (2, 1, 1_501)  # half of 30.01
    assert found.cost_minor == 0


@given(st.lists(st.integers(0, 10_000), max_size=13), st.text(max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_range_is_the_same_each_time_and_has_what_happened_in_it(weeks, seed) -> None:
    found = range_of(weeks, seed)
    assert found == range_of(weeks, seed)
    assert (found is None) == (len(weeks) < 4)
    if found:
        assert found.low <= found.likely == sum(weeks) <= found.high
        assert found.high <= max(weeks) * len(weeks)
        assert found.at_most(7).high <= 7


@given(st.integers(0, 10**6), st.integers(0, 500), st.integers(0, 10**6), st.integers(0, 100))
@settings(max_examples=50)
def test_what_is_open_later_is_a_part_of_what_was_given(face, gifts, total, percent) -> None:
    found = unused(face, gifts, total, total * percent // 100)
    assert 0 <= found.low <= found.likely <= found.high <= face
