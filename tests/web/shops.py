"""Two shops that know nothing of each other, each with people, money and a history."""

from dataclasses import dataclass
from decimal import Decimal

from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomerForm
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.wallet import service as wallet
from mealquest.wallet.forms import TopUpForm
from tests.factories.customers import make_customer
from tests.factories.http import customer_token, staff_token
from tests.factories.merchants import make_merchant
from tests.factories.requests import keyed
from tests.factories.wallet import make_voucher, make_wallet

SAME = "u_same"  # an id that customers of both shops have
STAFF = {Role.OWNER: "staff_owner", Role.MANAGER: "staff_manager", Role.CLERK: "staff_clerk"}


@dataclass(frozen=True)
class Shop:
    """`secrets` are texts that stand in its data and nowhere else, and that no request sends."""

    merchant_id: str
    phones: dict[Role, str]
    tokens: dict[Role, str]
    customer: str
    customer_phone: str
    voucher: str
    payment: str
    secrets: tuple[str, ...]


def open_shop(word: str, number: int) -> Shop:
    """`word` marks every text of the shop, `number` (one digit) its phones and amounts."""
    merchant_id = make_merchant(f"m_{word.lower()}", name=f"{word} Kitchen")
    phones = {role: f"+8613{number}0000000{i}" for i, role in enumerate(STAFF)}
    with transaction(merchant_id) as session:
        for role, staff_id in STAFF.items():
            identity.add_staff(
                session,
                merchant_id,
                staff_id=staff_id,
                role=role,
                name=f"{word} {role.title()}",
                phone=phones[role],
            )
    customer_phone = f"+8613{number}7654321{number}"
    form = CustomerForm(phone=customer_phone, display_name=f"{word} Guest")
    owner = Principal(Role.OWNER, STAFF[Role.OWNER], merchant_id)
    guest, _ = identity.find_or_create_customer(merchant_id, form, owner)
    make_customer(merchant_id, SAME, display_name=f"{word} Twin")
    for customer in (guest.uid, SAME):
        make_wallet(merchant_id, customer, principal=90_000 + number, bonus=700 + number)
    voucher = make_voucher(merchant_id, guest.uid, name=f"{word} Soup", value=1_800)
    payment = _history(merchant_id, guest.uid, word, owner)
    tokens = {role: staff_token(merchant_id, staff_id) for role, staff_id in STAFF.items()}
    tokens[Role.CUSTOMER] = customer_token(merchant_id, guest.uid)
    return Shop(
        merchant_id,
        phones,
        tokens,
        guest.uid,
        customer_phone,
        voucher,
        payment,
        (f"{word} Guest", f"{word} Twin", f"{word} Soup"),
    )


def _history(merchant_id: str, customer: str, word: str, owner: Principal) -> str:
    """A top-up and a payment; returns the payment's id."""
    paid_in = TopUpForm(user_id=customer, amount=Decimal(50), method="CASH", note=f"{word} note")
    wallet.top_up(merchant_id, paid_in, owner, keyed(paid_in, "first top-up", owner))
    order = VerifyForm(user_id=customer, order_amount=Decimal(5), voucher_id="NONE")
    taken = payments.verify(merchant_id, order, owner, keyed(order, "first order", owner))
    return taken.payment_txn_id
