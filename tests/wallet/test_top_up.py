"""Topping up: money in, a bonus on it, once per key."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden, Invalid
from mealquest.core.idempotency import KeyReused
from mealquest.core.money import Currency
from mealquest.core.outbox import OutboxEvent
from mealquest.identity.service import UserNotFound
from mealquest.wallet import ledger
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import TopUp
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, MANAGER, OWNER, keyed
from tests.factories.statements import watching
from tests.factories.threads import run_together
from tests.factories.wallet import lots_of, make_lot, make_wallet, wallet_of


def form(row, **sent) -> TopUpForm:
    return TopUpForm.model_validate(
        {"userId": row.customer_id, "amount": 50, "method": "CASH"} | sent
    )


def top_up(row, key: str = "k", by=OWNER, **sent):
    sent_form = form(row, **sent)
    return wallets.top_up(row.merchant_id, sent_form, by, keyed(sent_form, key, by))


def test_money_paid_in_becomes_principal_and_the_gift_a_lot(app):
    row, noise = make_wallet(principal=100), make_wallet(principal=7)

    view = top_up(row, amount="50.05", bonus=5, method="CARD", note="birthday", bonusValidDays=30)

    assert view.wallet.model_dump() == {
        "principal": Decimal("51.05"),
        "bonus": Decimal(5),
        "silver": Decimal(0),
        "held": dict.fromkeys(("principal", "bonus", "silver"), Decimal(0)),
    }
    assert view.bonus_granted == 5
    assert '"bonusGranted":5' in view.as_json()
    with transaction(row.merchant_id) as session:
        stored = session.scalars(select(TopUp)).one()
        (lot,) = wallets.purse(session, row.merchant_id, row.customer_id).lots
        balances = {
            account: wallets.balance_of(session, row.merchant_id, account)
            for account in ("outside:card", "merchant:gifts")
        }
        (entry,) = ledger.newest(session, row.merchant_id, row.customer_id, 1)
    assert (stored.id, stored.entry_id) == (view.top_up_id, view.txn_id)
    assert (stored.amount_minor, stored.bonus_minor, stored.note) == (5005, 500, "birthday")
    assert stored.taken_by == OWNER.subject
    assert abs(lot.expires_at - utc_now() - timedelta(days=30)) < timedelta(minutes=1)
    assert balances == {"outside:card": -5005, "merchant:gifts": -500}
    assert (entry.id, entry.amount_minor) == (view.txn_id, 5005)
    assert wallet_of(noise.merchant_id, noise.customer_id).principal_minor == 7


def test_a_top_up_is_audited_and_told(app):
    row = make_wallet()
    view = top_up(row, amount="12.5", bonus="0.5", method="TRANSFER")
    with transaction(row.merchant_id) as session:
        audited = session.scalars(select(AuditRow)).one()
        event = session.scalars(select(OutboxEvent)).one()
    assert (audited.action, audited.operator_id, audited.role) == (
        "WALLET_TOP_UP",
        OWNER.subject,
        "OWNER",
    )
    assert audited.details == {
        "topUpId": view.top_up_id,
        "userId": row.customer_id,
        "amount": 12.5,
        "bonus": 0.5,
        "method": "TRANSFER",
    }
    assert event.type == "WALLET_TOPPED_UP"
    assert event.payload | {"occurredAt": ""} == {
        **view.model_dump(mode="json", by_alias=True),
        "userId": row.customer_id,
        "amount": 12.5,
        "walletScope": {"walletShared": False, "walletMerchantId": row.merchant_id},
        "occurredAt": "",
    }


def test_a_bonus_without_days_never_expires(app):
    row = make_wallet()
    top_up(row, bonus=5, bonusValidDays="")
    with transaction(row.merchant_id) as session:
        (lot,) = wallets.purse(session, row.merchant_id, row.customer_id).lots
    assert lot.expires_at is None


def test_the_bonus_shown_leaves_out_what_has_expired(app):
    row = make_wallet()
    make_lot(row.merchant_id, row.customer_id, 300, expires_at=utc_now())
    assert top_up(row, bonus=2).wallet.bonus == 2
    assert wallet_of(row.merchant_id, row.customer_id).bonus_minor == 500


def test_a_clerk_takes_money_but_gives_no_bonus(app):
    row = make_wallet()
    with pytest.raises(Forbidden, match=r"^permission denied$"):
        top_up(row, by=CLERK, bonus="0.01")
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 0
    assert top_up(row, by=CLERK).wallet.principal == 50
    assert top_up(row, by=MANAGER, bonus=1).bonus_granted == 1


def test_a_repeat_changes_nothing_and_answers_the_same_bytes(app):
    row = make_wallet()
    first = top_up(row, bonus=5)
    again = top_up(row, bonus=5)
    assert again.replayed
    assert again.as_json() == first.as_json()
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 5_000
    with pytest.raises(KeyReused):
        top_up(row, bonus=6)


def test_many_at_once_under_one_key_credit_once(app):
    row = make_wallet()
    answers = run_together(app, [lambda: top_up(row, bonus=5)] * 20)
    assert len({answer.as_json() for answer in answers}) == 1
    assert len(lots_of(row.merchant_id, row.customer_id)) == 1


def test_many_at_once_under_different_keys_all_count(app):
    row = make_wallet()
    calls = [lambda n=n: top_up(row, str(n), amount="0.1", bonus="0.01") for n in range(16)]
    assert {type(answer).__name__ for answer in run_together(app, calls)} == {"TopUpView"}
    after = wallet_of(row.merchant_id, row.customer_id)
    assert (after.principal_minor, after.bonus_minor) == (160, 16)


def test_a_top_up_takes_at_most_twelve_statements(app):
    row = make_wallet()
    with watching() as seen:
        top_up(row, bonus=5)
    assert len(seen.statements) <= 12, seen.statements


def test_another_merchants_customer_cannot_be_topped_up(app):
    mine, other = make_wallet(), make_wallet()
    sent = form(other)
    with pytest.raises(UserNotFound):
        wallets.top_up(mine.merchant_id, sent, OWNER, keyed(sent, "k", OWNER))
    assert wallet_of(other.merchant_id, other.customer_id).principal_minor == 0
    with transaction(mine.merchant_id) as session:
        assert session.execute(text("SELECT count(*) FROM idempotency_keys")).scalar_one() == 0


def test_a_yen_has_no_decimals(app):
    row = make_wallet(make_merchant(currency=Currency.JPY))
    assert top_up(row, amount=500).wallet.principal == 500
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 500
    with pytest.raises(Invalid, match="at most 0 decimals"):
        top_up(row, "other", amount="0.5")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"amount": 0}, "amount must be a positive number"),
        ({"amount": None}, "amount must be a positive number"),
        ({"amount": "ten"}, "amount must be a positive number"),
        ({"amount": "1.005"}, "amount must have at most 2 decimals"),
        ({"amount": "100000001"}, "amount is too large"),
        ({"bonus": -1}, "bonus must not be negative"),
        ({"method": "IOU"}, "Input should be"),
        ({"bonusValidDays": 0}, "greater than or equal to 1"),
        ({"bonusValidDays": 3651}, "less than or equal to 3650"),
        ({"note": "x" * 201}, "at most 200"),
        ({"userId": ""}, "at least 1"),
    ],
)
def test_wrong_input_is_refused(sent, message):
    with pytest.raises(ValidationError, match=message):
        TopUpForm.model_validate({"userId": "u", "amount": 5, "method": "CASH"} | sent)


def test_a_missing_amount_is_refused_in_the_same_words():
    with pytest.raises(ValidationError, match="amount must be a positive number"):
        TopUpForm.model_validate({"userId": "u", "method": "CASH"})


def test_empty_fields_of_a_page_count_as_left_out():
    sent = TopUpForm.model_validate(
        {
            "userId": "u",
            "amount": "5",
            "method": "OTHER",
            "bonus": "",
            "bonusValidDays": "",
            "note": "",
        }
    )
    assert (sent.bonus, sent.bonus_valid_days, sent.note) == (0, None, "")
