"""A wallet that one store keeps and another one's customers pay from."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from jobs.outbox import relay
from mealquest.audit.models import AuditRow
from mealquest.campaigns import service as campaigns
from mealquest.campaigns import triggering
from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.outcome import outcome
from mealquest.campaigns.queries import Occasion
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import PolicyBlocked
from mealquest.core.money import Currency
from mealquest.core.principal import SYSTEM, Role
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.payments import service as payments
from mealquest.payments.forms import CallbackForm, VerifyForm
from mealquest.payments.models import Payment
from mealquest.payments.partings import partings
from mealquest.payments.refund_forms import RefundForm
from mealquest.privacy import service as privacy
from mealquest.realtime import service as realtime
from mealquest.state import service as states
from mealquest.state.forms import StateForm
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.domain import RefundPolicy
from mealquest.tenancy.models import TenantPolicyRow
from mealquest.wallet import service as wallets
from mealquest.wallet.errors import ExposureExceeded, VoucherNotFound, WalletNotShared
from mealquest.wallet.forms import (
    GrantVoucherForm,
    MoveAllForm,
    MoveForm,
    TopUpForm,
    VouchersForm,
)
from mealquest.wallet.service import settlement
from mealquest.wallet.views import wallet_change
from tests.campaigns.shops import make_campaign
from tests.factories.alliances import leave, list_stores, share
from tests.factories.customers import make_customer
from tests.factories.http import bearer, client_of, staff_token
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, OWNER, customer, keyed
from tests.factories.statements import watching
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_wallet,
    vouchers_of,
    wallet_of,
)


@pytest.fixture
def keeper(app):
    """The customer of 120/36/88 and two vouchers, whose wallet the store `m_keeper` keeps."""
    make_customer(make_merchant("m_keeper", name="Bistro Harbor"), "u_guest")
    return make_fixture_customer("m_keeper", "u_guest")


@pytest.fixture
def store(keeper):
    """Another store, which shares it, and knows the customer as well."""
    make_merchant("m_store")
    make_customer("m_store", "u_guest")
    share("m_keeper", "m_store")
    return "m_store"


def verify(store, amount, key="k", customer="u_guest", by=CLERK, voucher_id=None):
    order = {"userId": customer, "orderAmount": amount, "voucherId": voucher_id}
    form = VerifyForm.model_validate(order)
    return payments.verify(store, form, by, keyed(form, key, by))


def refund(store, payment_id, amount, key="r"):
    form = RefundForm.model_validate({"paymentTxnId": payment_id, "refundAmount": amount})
    return payments.refund(store, form, OWNER, keyed(form, key, OWNER))


def balances(merchant="m_keeper", customer="u_guest"):
    row = wallet_of(merchant, customer)
    return tuple(Decimal(n) / 100 for n in (row.principal_minor, row.bonus_minor, row.silver_minor))


def owed(store="m_store", keeper="m_keeper"):
    """What the keeper owes the store by each book, which must agree."""
    found = []
    for merchant, partner in ((keeper, store), (store, keeper)):
        with transaction(merchant) as session:
            kept = settlement.position(session, merchant, partner)
            account = settlement.account(partner)
            assert (kept.position_minor if kept else 0) == wallets.balance_of(
                session, merchant, account
            )
        found.append(kept.position_minor if kept else 0)
    assert sum(found) == 0
    return Decimal(found[0]) / 100


def owner_of(store):
    """A token of somebody who owns it."""
    with transaction(store) as session:
        identity.add_staff(
            session,
            store,
            staff_id="staff_owner",
            role=Role.OWNER,
            name="Owner",
            phone=f"+861390000{len(store):04}",
        )
    return staff_token(store)


def must_be_sound(*merchants):
    for merchant in merchants:
        for check in (*wallets.CHECKS, *payments.CHECKS):
            assert check.find(merchant) == [], check.name


def let_the_hold_end(store, payment_id):
    with transaction(store) as session:
        session.execute(
            update(Payment)
            .where(Payment.merchant_id == store, Payment.id == payment_id)
            .values(hold_expires_at=utc_now() - timedelta(seconds=1))
        )
    assert payments.expire_due() == 1


def callback(store, view, status="SUCCESS", key="c"):
    amount = view.external_payment.payable_amount
    form = CallbackForm.model_validate(
        {
            "merchantId": store,
            "paymentTxnId": view.payment_txn_id,
            "externalTxnId": "ext_1",
            "status": status,
            "paidAmount": amount,
            "callbackId": key,
        }
    )
    return payments.callback(form)


def test_the_contracts_order_is_paid_from_the_wallet_that_is_shared(store):
    view = verify(store, 52)
    scope = view.wallet_scope
    assert (scope.wallet_shared, scope.wallet_merchant_id) == (True, "m_keeper")
    assert balances() == (120, 2, 88)
    assert vouchers_of("m_keeper", "u_guest")["voucher_soon"] == "USED"
    assert owed() == 34  # the voucher's 18 is the store's own promotion
    with transaction(store) as session:
        assert wallets.budget_used(session, store) == 1_800
        assert wallets.balance_of(session, store, wallets.SALES) == 5_200
    must_be_sound("m_keeper", store)

    keepers = verify("m_keeper", 2, key="own")
    assert keepers.wallet_scope.wallet_shared
    assert owed() == 34


@pytest.mark.parametrize("left", [False, True])
def test_refunds_go_to_the_wallet_that_paid(store, left):
    paid = verify(store, 52)
    if left:
        leave(store)
    first = refund(store, paid.payment_txn_id, 20)
    assert first.wallet_scope.wallet_merchant_id == "m_keeper"
    assert (first.clawback.from_bonus, first.clawback.from_principal) == (2, Decimal("11.08"))
    assert balances() == (122, 0, 88)
    refund(store, paid.payment_txn_id, 32, key="r2")
    assert balances() == (122, 0, 88)
    assert vouchers_of("m_keeper", "u_guest")["voucher_soon"] == "ACTIVE"
    assert owed() == 0
    must_be_sound("m_keeper", store)


def test_what_a_refund_left_in_the_wallet_is_told_at_the_store_too(store):
    paid = verify(store, 52)
    refund(store, paid.payment_txn_id, 20)
    newest, *_ = wallets.customer_detail(store, "u_guest").ledger
    assert newest.type == "REFUND"
    assert wallet_change(newest) == 0  # 13.08 came back, and was taken back


def test_restoring_brings_back_lot_and_voucher(keeper):
    make_merchant("m_store", refund_policy=RefundPolicy.RESTORE)
    make_customer("m_store", "u_guest")
    share("m_keeper", "m_store")
    before = lots_of("m_keeper", "u_guest")
    paid = verify("m_store", 52)
    refund("m_store", paid.payment_txn_id, 52)
    assert balances() == (120, 36, 88)
    assert lots_of("m_keeper", "u_guest") == before
    assert owed() == 0
    must_be_sound("m_keeper", "m_store")


def test_an_order_that_waits_holds_the_shared_wallet(store):
    view = verify(store, 500)
    held = wallet_of("m_keeper", "u_guest")
    assert (held.held_principal_minor, held.held_bonus_minor) == (12_000, 3_600)
    assert owed() == 0
    must_be_sound("m_keeper", store)
    leave("m_keeper")  # what has begun is finished where it began
    done = callback(store, view)
    assert done.status == "PAID"
    assert balances() == (0, 0, 0)
    assert owed() == 244
    refunded = refund(store, view.payment_txn_id, 10)
    assert balances() == (Decimal("2.40"), 0, Decimal("1.76"))
    assert refunded.parts.external == Decimal("4.76")
    assert owed() == Decimal("239.12")
    must_be_sound("m_keeper", store)


@pytest.mark.parametrize("end", ["fail", "cancel", "late"])
def test_what_waits_is_let_go_where_it_was_held(store, end):
    view = verify(store, 500)
    if end == "fail":
        callback(store, view, "FAILED")
    elif end == "cancel":
        payments.cancel(store, view.payment_txn_id, OWNER)
    else:
        let_the_hold_end(store, view.payment_txn_id)
    assert wallet_of("m_keeper", "u_guest").held_principal_minor == 0
    assert vouchers_of("m_keeper", "u_guest")["voucher_soon"] == "ACTIVE"
    must_be_sound("m_keeper", store)
    if end == "late":
        leave(store)
        assert callback(store, view).status == "PAID"
        assert balances() == (0, 0, 0)
        assert owed() == 244
        must_be_sound("m_keeper", store)


def test_what_is_paid_in_at_one_store_is_there_at_all(store):
    form = TopUpForm.model_validate(
        {"userId": "u_guest", "amount": 100, "bonus": 10, "method": "CASH"}
    )
    view = wallets.top_up(store, form, OWNER, keyed(form, "t", OWNER))
    assert view.wallet.principal == 220
    assert balances() == (220, 46, 88)
    assert owed() == -110
    with transaction(store) as session:
        assert wallets.balance_of(session, store, "outside:cash") == -10_000
    gift = GrantVoucherForm.model_validate(
        {"userId": "u_guest", "type": "ITEM_WARRANT", "name": "Soup", "value": 5, "validDays": 3}
    )
    given = wallets.grant_by_hand(store, gift, OWNER, keyed(gift, "g", OWNER))
    assert given.id in vouchers_of("m_keeper", "u_guest")
    with transaction("m_keeper") as session:  # whose owner sees where it came from
        told = session.scalars(select(AuditRow).where(AuditRow.action == "VOUCHER_GRANT")).one()
        assert (told.role, told.details["storeId"]) == (SYSTEM.role, store)
    must_be_sound("m_keeper", store)
    with pytest.raises(VoucherNotFound):  # it is no promise of the keeper's
        verify("m_keeper", 6, key="elsewhere", voucher_id=given.id)
    assert verify(store, 6, key="here", voucher_id=given.id).quote.deduction.voucher == 5


def test_a_limit_refuses_before_it_is_passed_and_counts_what_waits(store):
    with transaction(store) as session:
        settlement.set_cap(session, store, "m_keeper", Currency.CNY, 25_000)
    waiting = verify(store, 500)  # keeps room for 244
    make_lot("m_keeper", "u_guest", 10_000)
    with pytest.raises(ExposureExceeded):
        verify(store, 40, key="too much")
    assert owed() == 0
    assert callback(store, waiting).status == "PAID"
    assert owed() == 244
    assert verify(store, 6, key="just").status == "PAID"
    with pytest.raises(ExposureExceeded):
        verify(store, 1, key="too much now")
    must_be_sound("m_keeper", store)


def test_a_limit_holds_for_what_is_paid_in_at_a_partner_too(store):
    with transaction("m_keeper") as session:
        settlement.set_cap(session, "m_keeper", store, Currency.CNY, 5_000)
    form = TopUpForm.model_validate({"userId": "u_guest", "amount": 60, "method": "CASH"})
    with pytest.raises(ExposureExceeded):
        wallets.top_up(store, form, OWNER, keyed(form, "t", OWNER))
    assert balances() == (120, 36, 88)
    paid = verify(store, 60)  # a refund is never refused for a limit
    with transaction("m_keeper") as session:
        settlement.set_cap(session, "m_keeper", store, Currency.CNY, 0)
    refund(store, paid.payment_txn_id, 60)
    must_be_sound("m_keeper", store)


def test_whom_only_the_keeper_knows_gets_a_profile(store):
    make_wallet("m_keeper", make_customer("m_keeper", "u_new"), principal=1_000)
    assert verify(store, 4, customer="u_new").status == "PAID"
    assert wallet_of("m_keeper", "u_new").principal_minor == 600
    assert wallets.customer_detail(store, "u_new").wallet.principal == 6
    must_be_sound("m_keeper", store)


def test_whom_the_keeper_does_not_know_cannot_pay_from_its_wallets(store):
    make_wallet(store, make_customer(store, "u_own"), principal=1_000)
    with pytest.raises(UserNotFound):
        verify(store, 4, customer="u_own")
    seen = wallets.customer_detail(store, "u_own")
    assert (seen.wallet.principal, seen.own_wallet.principal) == (0, 10)
    assert (seen.keeper.name, seen.keeper.knows_customer) == ("Bistro Harbor", False)
    form = TopUpForm.model_validate({"userId": "u_own", "amount": 7, "method": "CASH"})
    wallets.top_up(store, form, OWNER, keyed(form, "t", OWNER))  # which makes them known
    assert wallet_of("m_keeper", "u_own").principal_minor == 700
    assert verify(store, 4, customer="u_own", key="again").status == "PAID"
    must_be_sound("m_keeper", store)


def test_a_store_that_did_not_agree_reaches_nothing(keeper):
    make_customer(make_merchant("m_stranger"), "u_guest")
    list_stores("m_stranger", "m_keeper", "m_stranger")
    view = verify("m_stranger", 52)
    assert view.status == "PENDING_EXTERNAL"
    assert view.external_payment.payable_amount == 52
    assert not view.wallet_scope.wallet_shared
    assert balances() == (120, 36, 88)


def test_a_frozen_keeper_lets_nothing_move_at_other_stores(store):
    paid = verify(store, 2)
    with transaction("m_keeper") as session:
        session.add(
            TenantPolicyRow(merchant_id="m_keeper", write_enabled=False, ws_enabled=True, limits={})
        )
    for attempt in (
        lambda: verify(store, 1, key="frozen"),
        lambda: refund(store, paid.payment_txn_id, 1),
    ):
        with pytest.raises(PolicyBlocked):
            attempt()


def test_a_payment_from_a_shared_wallet_takes_at_most_fourteen_statements(store):
    make_lot("m_keeper", "u_guest", 100)
    verify(store, "20", key="first")
    with watching() as seen:
        view = verify(store, "190", key="second")
    parts = view.quote.deduction
    assert all((parts.voucher, parts.bonus, parts.principal, parts.silver))
    assert len(seen.statements) <= 14, seen.statements
    assert seen.compiled_anew == []


def test_who_leaves_a_store_keeps_the_wallet_that_another_one_keeps(store):
    waiting = verify(store, 500)
    assert privacy.what_goes(store, "u_guest").principal == 0  # of the shared one nothing goes
    privacy.cancel_account(store, "u_guest", customer("u_guest"))
    assert balances() == (120, 36, 88)
    assert wallet_of("m_keeper", "u_guest").held_principal_minor == 0
    assert callback(store, waiting).status == "EXTERNAL_REFUND_DUE"
    with pytest.raises(UserNotFound):
        verify(store, 1, key="gone")
    assert verify("m_keeper", 1, key="there").status == "PAID"
    must_be_sound("m_keeper", store)


def test_who_leaves_the_keeper_ends_what_waits_at_other_stores(store):
    waiting = verify(store, 500)
    paid = verify("m_keeper", 500, key="own")  # waits as well, for all of it
    privacy.delete_user("m_keeper", "u_guest", OWNER)
    for shop, view in ((store, waiting), ("m_keeper", paid)):
        assert payments.payment(shop, view.payment_txn_id, OWNER).status == "CANCELLED"
    assert wallet_of("m_keeper", "u_guest").held_principal_minor == 0
    with pytest.raises(UserNotFound):
        verify(store, 1, key="gone")
    must_be_sound("m_keeper", store)


def test_the_state_shows_the_shared_wallet_and_says_so(store):
    shown = states.state(
        StateForm.model_validate({"merchantId": store, "userId": "u_guest"}), OWNER
    )
    scope = shown.wallet_scope
    assert (scope.wallet_shared, scope.wallet_merchant_id) == (True, "m_keeper")
    assert (shown.user.wallet.principal, shown.user.wallet.silver) == (120, 88)
    assert {voucher.id for voucher in shown.user.vouchers} == {"voucher_soon", "voucher_big"}
    form = VerifyForm.model_validate({"userId": "u_guest", "orderAmount": 52, "includeState": True})
    view = payments.verify(store, form, OWNER, keyed(form, "k", OWNER))
    assert view.state.user.wallet.bonus == 2
    assert payments.verify(store, form, OWNER, keyed(form, "k", OWNER)).as_json() == view.as_json()
    seen = wallets.customer_detail(store, "u_guest")
    assert [row.merchant_id for row in seen.ledger] == [store]  # of its own, and no other store's


def test_a_customers_vouchers_are_those_they_can_use_there(store):
    paid = verify(store, 52).payment_txn_id
    asked = VouchersForm.model_validate({"status": "ALL", "userId": "u_guest"})
    for shop, payment in ((store, paid), ("m_keeper", None)):
        rows = wallets.vouchers(shop, asked, OWNER).items
        found = {row.voucher.id: row.payment_txn_id for row in rows}
        assert found == {"voucher_soon": payment, "voucher_big": None}
    everybody = VouchersForm.model_validate({"status": "ALL"})
    assert wallets.vouchers(store, everybody, OWNER).items == []


def test_the_pages_of_both_stores_say_whose_wallet_it_is(store, app):
    paid = verify(store, 52).payment_txn_id
    clients = {shop: client_of(app) for shop in (store, "m_keeper")}
    staff = {shop: bearer(owner_of(shop)) for shop in clients}
    for path in ("/console/customers/u_guest", "/console/counter?userId=u_guest"):
        page = clients[store].get(path, headers=staff[store], follow_redirects=True).text
        assert "Wallet kept by Bistro Harbor" in page
    page = clients[store].get("/console/wallets", headers=staff[store]).text
    assert "Customers pay from wallets kept by Bistro Harbor" in page
    page = clients[store].get(f"/console/payments/{paid}", headers=staff[store]).text
    assert "Kept by Bistro Harbor" in page
    for shop, words in ((store, "Bistro Harbor"), ("m_keeper", "Where it happened")):
        page = clients[shop].get(f"/console/ledger/{paid}", headers=staff[shop])
        assert page.status_code == 200
        assert words in page.text
    listed = clients["m_keeper"].get("/console/ledger?userId=u_guest", headers=staff["m_keeper"])
    assert "Payment at another store" in listed.text
    assert (
        clients["m_keeper"].get(f"/console/payments/{paid}", headers=staff["m_keeper"]).status_code
        == 404
    )


def test_a_gift_goes_to_the_wallet_that_paid_for_it_and_back(store):
    paid = verify(store, 52)
    leave(store)
    voucher = {"name": "Soup", "type": "ITEM_WARRANT", "value": 4, "validDays": 3}
    gifts = [{"type": "GRANT_BONUS", "amount": 5}, {"type": "GRANT_VOUCHER", "voucher": voucher}]
    campaign = make_campaign(store, {"type": "COMPOSITE", "actions": gifts})
    happened = Occasion(
        "u_guest", "PAYMENT_SUCCESS", SYSTEM, {"orderAmount": 52}, "evt", paid.payment_txn_id
    )
    triggering.happen(store, happened)
    assert balances() == (120, 7, 88)
    assert owed() == 29
    with transaction(store) as session:
        merchant = tenancy.settings_of(session, store)
        told = outcome(session, session.get_one(CampaignRow, (store, campaign)), merchant)
    assert (told.vouchers.live, told.given.bonus_left) == (1, 5)
    for check in campaigns.CHECKS:
        assert check.find(store) == [], check.name
    refund(store, paid.payment_txn_id, 52)
    assert owed() == 0
    assert "WITHDRAWN" in vouchers_of("m_keeper", "u_guest").values()
    must_be_sound("m_keeper", store)


def test_a_customer_hears_at_every_store_of_what_moved_the_wallet(store):
    verify(store, 52)
    relay()
    assert heard("m_keeper") == [("WALLET_MOVED", 2.0)]
    verify("m_keeper", 10, key="own")
    relay()
    assert heard(store)[-1] == ("WALLET_MOVED", 0.0)


def test_what_lies_in_a_stores_own_wallet_waits_and_is_moved_by_hand(store):
    make_wallet(store, "u_guest", principal=8_000, silver=200)
    ends = utc_now() + timedelta(days=3)
    make_lot(store, "u_guest", 500, expires_at=ends)
    make_lot(store, "u_guest", 90, expires_at=utc_now())
    seen = wallets.customer_detail(store, "u_guest")
    assert (seen.wallet.principal, seen.own_wallet.principal) == (120, 80)
    form = MoveForm.model_validate({"userId": "u_guest"})
    request = keyed(form, "m", OWNER)
    view = wallets.move_into_shared(store, form, OWNER, request)
    assert (view.principal, view.bonus, view.silver) == (80, 5, 2)
    assert wallets.move_into_shared(store, form, OWNER, request).as_json() == view.as_json()
    assert balances() == (200, 41, 90)
    assert balances(store) == (0, Decimal("0.90"), 0)  # what has expired goes nowhere
    assert {lot.expires_at for lot in wallets.customer_detail(store, "u_guest").bonus_lots} == {
        None,
        ends,
    }
    assert owed() == -87
    again = wallets.move_all_into_shared(store, MoveAllForm(), OWNER)
    assert (again.moved, again.passed_over, again.next_after) == (0, 1, None)
    must_be_sound("m_keeper", store)


def test_moving_needs_a_wallet_to_move_into(keeper):
    form = MoveForm.model_validate({"userId": "u_guest"})
    with pytest.raises(WalletNotShared):
        wallets.move_into_shared("m_keeper", form, OWNER, keyed(form, "m", OWNER))


def test_stores_that_are_not_done_with_each_other_do_not_move_apart(store):
    waiting = verify(store, 500)
    leave(store)
    for shop, partner in ((store, "m_keeper"), ("m_keeper", store)):
        assert [partner in reason for reason in partings(shop)] == [True]
    callback(store, waiting)
    assert "owe each other" in partings(store)[0]
    refund(store, waiting.payment_txn_id, 500)
    assert partings(store) == partings("m_keeper") == []


def heard(shop):
    """What the customer's socket at a store would be told, with the bonus that is left."""
    seen = realtime.recent_events(shop, customer("u_guest")).items
    return [(one.type, one.payload["wallet"]["bonus"]) for one in reversed(seen)]
