"""What people do, in the words the tests use."""

from sqlalchemy import update

from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.identity.forms import RequestCodeForm, SignInForm
from mealquest.identity.models import PhoneCode
from mealquest.identity.replies import SignedInView
from mealquest.tenancy import service as tenancy

PHONE = "+8613900000000"


def open_shop(merchant_id: str, name: str = "A Shop") -> None:
    with transaction(merchant_id) as session:
        tenancy.create_merchant(session, merchant_id, name=name, budget_cap=300)


def hire(merchant_id: str, role: Role = Role.OWNER, *, phone: str | None = PHONE, **who) -> str:
    with transaction(merchant_id) as session:
        return identity.add_staff(
            session, merchant_id, role=role, phone=phone, **({"name": "Chen"} | who)
        )


def fire(merchant_id: str, staff_id: str) -> None:
    with transaction(merchant_id) as session:
        identity.remove_staff(session, merchant_id, staff_id)


def code_for(phone: str = PHONE) -> str:
    """Ask for a code and read it where development shows it."""
    identity.request_code(RequestCodeForm(phone=phone))
    newest = messages.newest(limit=1)[0].message
    assert newest.to == phone
    return str(newest.data["code"])


def wrong(code: str) -> str:
    return "100000" if code != "100000" else "100001"


def sign_in(code: str, phone: str = PHONE, merchant_id: str | None = None) -> SignedInView:
    return identity.sign_in(SignInForm(phone=phone, code=code, merchant_id=merchant_id))


def let_time_pass(**columns) -> None:
    """Move what is stored about codes into the past by `columns`, timedeltas by column name."""
    with transaction() as session:
        values = {name: getattr(PhoneCode, name) - delta for name, delta in columns.items()}
        session.execute(update(PhoneCode).values(values))
