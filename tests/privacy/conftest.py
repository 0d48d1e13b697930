"""A customer with something in every table that knows customers."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from mealquest.alliance.domain import Act
from mealquest.alliance.queries import add_act
from mealquest.campaigns.queries import add_exposures
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest, request_hash
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.domain import Provider
from mealquest.identity.forms import CustomerForm
from mealquest.identity.models import SocialIdentity
from mealquest.invoices import service as invoices
from mealquest.payments.domain import GiftKind
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.campaigns.shops import STORY, make_campaign, trigger
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, pay
from tests.factories.refunds import earn, give_back, make_receivable
from tests.factories.wallet import make_voucher, make_wallet

NAME, PHONE, EMAIL = "Ottilie Quendt", "+8613977712345", "ottilie@quendt.example"
TITLE, TAX_NO, NOTE = "Quendt Catering", "91310000QUENDT77", "for aunt Gundula"
OWNER = Principal(Role.OWNER, "staff_owner", "m_privacy", "Olga")


@dataclass(frozen=True)
class Guest:
    merchant_id: str
    customer_id: str
    waiting: str  # a payment that waits for outside money
    payable: Decimal  # how much of it

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may be able to read of them once they are erased."""
        return (NAME, "Quendt", "Ottilie", PHONE, PHONE[1:], EMAIL, TITLE, TAX_NO, NOTE)


@pytest.fixture
def guest(app) -> Guest:
    return full_customer(make_merchant("m_privacy"))


def full_customer(merchant_id: str) -> Guest:
    """Topped up, paid, refunded, invoiced, signed in by WeChat, with a payment that waits."""
    form = CustomerForm(phone=PHONE, display_name=NAME)
    made, _ = identity.find_or_create_customer(merchant_id, form, OWNER)
    identity.set_birthday(merchant_id, made.uid, "05-12", OWNER)
    row = make_wallet(merchant_id, made.uid, principal=5_000, bonus=600, silver=70)
    paid_in = TopUpForm(user_id=made.uid, amount=Decimal(50), method="CASH", note=NOTE)
    request = KeyedRequest("staff:x", "top-ups", "k-top-up", request_hash(paid_in), made.uid)
    wallets.top_up(merchant_id, paid_in, OWNER, request)
    make_voucher(merchant_id, made.uid, value=100)
    paid = ask(row, 20, "k-paid").payment_txn_id
    earn(row, paid, GiftKind.BONUS, 300)
    invoices.issue(
        merchant_id,
        invoices.IssueForm(payment_txn_id=paid, title=TITLE, tax_no=TAX_NO, email=EMAIL),
        OWNER,
    )
    give_back(row, paid, 5)
    make_voucher(merchant_id, made.uid, value=200)
    waiting = ask(row, 400, "k-waiting")
    with transaction(merchant_id) as session:
        session.add(
            SocialIdentity(
                merchant_id=merchant_id,
                provider=Provider.WECHAT_MINIAPP,
                subject_hash="hash-of-the-openid",
                customer_id=made.uid,
            )
        )
    other = ask(row, 500, "k-late")
    pay(row, other.payment_txn_id, other.external_payment.payable_amount)
    pay(
        row,
        other.payment_txn_id,
        other.external_payment.payable_amount,
        externalTxnId="ext_again",
        callbackId=None,
    )
    give_back(row, other.payment_txn_id, 10)
    make_receivable(merchant_id, made.uid)
    story = {"type": "STORY_CARD", "story": STORY}
    told = make_campaign(merchant_id, story, ("note", "neq", "x"), event="VISIT")
    with transaction(merchant_id) as session:
        add_exposures(session, merchant_id, made.uid, {told: False})
        sent = {"by_merchant_id": merchant_id, "customer_id": made.uid, "terms": {}}
        add_act(session, merchant_id, "m_partner", Act.PROFILE_SENT, **sent)
    trigger(row, "VISIT", note=f"{NAME} with {PHONE}")
    payable = waiting.external_payment.payable_amount
    return Guest(merchant_id, made.uid, waiting.payment_txn_id, payable)
