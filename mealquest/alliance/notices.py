"""Mails to the owner of the other store, who may not look at the console every day."""

from flask import current_app
from flask_babel import force_locale, gettext
from sqlalchemy.orm import Session

from mealquest.alliance.domain import Act
from mealquest.core import mail, messages
from mealquest.core.messages import Message, MessageKind
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts

QUIET_HOURS = 24  # the same act between the same two stores is mailed once in this time
MOST_INVITATIONS = 20  # of one store that are mailed in this time


def post(
    session: Session, shop: MerchantFacts, partner: MerchantFacts, act: Act, shares: bool
) -> None:
    """Tell the partner's owner what the shop did, if the partner has an address."""
    address = tenancy.account_of(session, partner.merchant_id).email
    if not address:
        return
    with force_locale(partner.locale.replace("-", "_")):
        subject, said = _words(shop.name, act, shares)
        url = f"{current_app.config['SETTINGS'].base_url}/console/alliance"
        closing = gettext("Nothing of yours changes by this mail. Look at it here:")
        message = Message(
            to=address,
            subject=mail.one_line(subject),
            text="\n\n".join([gettext("Hello,"), said, closing, url]),
            headers={"X-Entity-Ref-ID": partner.merchant_id},
        )
    messages.post(session, MessageKind.EMAIL, message, has_edge=mail.has_edge())


def _words(shop: str, act: Act, shares: bool) -> tuple[str, str]:
    match act:
        case Act.INVITE:
            return (
                gettext("%(shop)s invites you to an alliance", shop=shop),
                gettext(
                    "%(shop)s would like to act together with your store. Nothing is shared"
                    " until you agree.",
                    shop=shop,
                ),
            )
        case Act.ACCEPT if shares:
            return (
                gettext("%(shop)s agreed: wallets are shared", shop=shop),
                gettext(
                    "%(shop)s agreed. From now on customers pay at both stores from one wallet.",
                    shop=shop,
                ),
            )
        case Act.ACCEPT:
            return (
                gettext("%(shop)s agreed to the alliance", shop=shop),
                gettext("%(shop)s agreed. Wallets are not shared.", shop=shop),
            )
        case Act.DECLINE:
            return (
                gettext("%(shop)s declined your invitation", shop=shop),
                gettext("%(shop)s does not want to join. Nothing was shared.", shop=shop),
            )
        case Act.TERMS_CHANGED:
            return (
                gettext("%(shop)s changed its part of the alliance", shop=shop),
                gettext("%(shop)s shares its wallet with you now.", shop=shop)
                if shares
                else gettext("%(shop)s changed what it shares, or with whom.", shop=shop),
            )
        case _:
            return (
                gettext("%(shop)s left the alliance with you", shop=shop),
                gettext(
                    "%(shop)s shares nothing with you any more. What one store owes the other"
                    " stays as it is, and is settled on the page of the alliance.",
                    shop=shop,
                ),
            )
