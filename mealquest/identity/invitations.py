"""The message that tells somebody they are on a shop's staff, in the shop's language."""

from flask import current_app
from flask_babel import force_locale, gettext
from sqlalchemy.orm import Session

from mealquest.core import messages
from mealquest.core.messages import Message, MessageKind
from mealquest.identity import gateway
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts

PURPOSE = "STAFF_INVITE"


def send(session: Session, merchant_id: str, phone: str) -> None:
    """Write the invitation; it leaves after the commit. Without an SMS edge it is only kept."""
    shop = tenancy.settings_of(session, merchant_id)
    messages.post(session, MessageKind.SMS, _message(shop, phone), has_edge=gateway.has_edge())


def _message(shop: MerchantFacts, phone: str) -> Message:
    address = f"{current_app.config['SETTINGS'].base_url}/console/sign-in"
    with force_locale(shop.locale.replace("-", "_")):
        subject = gettext("You are on the staff of %(shop)s", shop=shop.name)
        text = gettext(
            "You are on the staff of %(shop)s now. Sign in to MealQuest with this phone: %(url)s",
            shop=shop.name,
            url=address,
        )
    data = {
        "phone": phone,
        "purpose": PURPOSE,
        "text": text,
        "merchantName": shop.name,
        "signInUrl": address,
    }
    return Message(to=phone, subject=subject, text=text, data=data)
