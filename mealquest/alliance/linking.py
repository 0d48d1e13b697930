"""Links between two stores: both rows, both books, and whoever is to hear of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from mealquest.alliance import notices, queries
from mealquest.alliance.domain import OPEN, Act, LinkState, WalletScope, mirrored
from mealquest.alliance.models import AllianceLink
from mealquest.core import outbox
from mealquest.core.principal import Principal
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet.service import settlement

EVENT = "ALLIANCE_CHANGED"
OVER = frozenset({LinkState.LEFT, LinkState.DECLINED})


@dataclass(frozen=True, slots=True)
class Change:
    """What one act makes of the link between the acting store and another; both are locked.

    Attributes:
        before: the acting store's row, if there was anything between the two.
        state: where the link stands afterwards, as the acting store sees it.
        terms_moved: what the acting store's list says of wallets or of their order is new.
    """

    shop: MerchantFacts
    partner: MerchantFacts
    before: AllianceLink | None
    state: LinkState | None
    offers: bool
    offered: bool
    shares: bool
    act: Act | None
    terms_moved: bool = False

    @property
    def partner_id(self) -> str:
        return self.partner.merchant_id

    @property
    def told(self) -> Act | None:
        """The act that both books get."""
        if self.act is None and self.terms_moved and self.state in OPEN:
            return Act.TERMS_CHANGED
        return self.act

    @property
    def shared_before(self) -> bool:
        return bool(self.before and self.before.shares)


def keep(session: Session, changes: Sequence[Change]) -> None:
    """Write both rows of every link."""
    for change in changes:
        if change.state is None:
            continue
        moments = _moments(change)
        if change.shares and not change.shared_before:
            _open_positions(session, change)
        for one, other, state, offers, offered in (
            (change.shop, change.partner, change.state, change.offers, change.offered),
            (change.partner, change.shop, mirrored(change.state), change.offered, change.offers),
        ):
            row = {"state": state, "offers": offers, "offered": offered, "shares": change.shares}
            queries.keep_link(session, one.merchant_id, other.merchant_id, row | moments)


def _open_positions(session: Session, change: Change) -> None:
    """Two stores that begin to share may come to owe each other, up to a limit from the start."""
    for one, other in ((change.shop, change.partner), (change.partner, change.shop)):
        settlement.begin(session, one.merchant_id, other.merchant_id, one.currency)


def tell(
    session: Session, changes: Sequence[Change], scopes: Mapping[str, WalletScope], by: Principal
) -> None:
    """Write what was done into both books, and let the other store's people hear of it."""
    for change in changes:
        act = change.told
        if act is None:
            continue
        here, there = change.shop.merchant_id, change.partner_id
        wants_mail = _is_news(session, here, there, act)
        for one, other in ((here, there), (there, here)):
            queries.add_act(
                session,
                one,
                other,
                act,
                by_merchant_id=here,
                by_subject=by.subject if one == here else None,
                terms=_terms(change, one, scopes),
            )
        _publish(session, change, act)
        if wants_mail:
            notices.post(session, change.shop, change.partner, act, change.shares)


def _is_news(session: Session, here: str, there: str, act: Act) -> bool:
    """Whether it is worth a mail: not the same to the same store again, nor to everybody."""
    if queries.acted_since(session, here, there, act, here, notices.QUIET_HOURS):
        return False
    if act is not Act.INVITE:
        return True
    sent = queries.invited_since(session, here, notices.QUIET_HOURS)
    return sent < notices.MOST_INVITATIONS


def _publish(session: Session, change: Change, act: Act) -> None:
    """To the other store's people; to the own ones only when what is shared begins or ends."""
    hear = [(change.partner, change.shop)]
    if change.shares is not change.shared_before:
        hear.append((change.shop, change.partner))
    for shop, other in hear:
        news = {
            "act": act.value,
            "byMerchantId": change.shop.merchant_id,
            "partnerId": other.merchant_id,
            "partnerName": other.name,
            "shares": change.shares,
        }
        outbox.publish(session, shop.merchant_id, EVENT, news)


def end_alone(session: Session, merchant_id: str, partner_id: str, by: Principal) -> None:
    """End a link in the own book only: the other store is gone, or lies in another database."""
    over = {"state": LinkState.LEFT, "offers": False, "offered": False, "shares": False}
    times = {"shares_since": None, "agreed_at": None, "left_at": func.now()}
    queries.keep_link(session, merchant_id, partner_id, over | times)
    terms = {"walletShared": False, "shares": False}
    queries.add_act(
        session,
        merchant_id,
        partner_id,
        Act.LEAVE,
        by_merchant_id=merchant_id,
        by_subject=by.subject,
        terms=terms,
    )


def _moments(change: Change) -> dict[str, Any]:
    """When what happened to the link; what did not happen now keeps its time."""
    was = change.before
    begins = change.act is Act.INVITE or (was and was.state in OVER and change.state in OPEN)
    agrees = change.state is LinkState.AGREED
    agreed_before = was is not None and was.state is LinkState.AGREED
    over = change.state in OVER
    return {
        "invited_at": func.now() if begins or was is None else was.invited_at,
        "agreed_at": (was.agreed_at if was and agreed_before else func.now()) if agrees else None,
        "shares_since": _since(change),
        "left_at": (was.left_at if was and was.state in OVER else func.now()) if over else None,
    }


def _since(change: Change) -> Any:
    if not change.shares:
        return None
    return change.before.shares_since if change.before and change.before.shares else func.now()


def _terms(change: Change, book: str, scopes: Mapping[str, WalletScope]) -> dict[str, Any]:
    """What holds from then on, as the store in whose book it stands sees it."""
    is_own = book == change.shop.merchant_id
    return {
        "walletShared": change.offers if is_own else change.offered,
        "partnerShares": change.offered if is_own else change.offers,
        "shares": change.shares,
        "walletMerchantId": scopes[book].wallet_merchant_id if book in scopes else book,
    }
