"""What pages call the states of an alliance, and what agreeing to it means."""

from datetime import datetime
from typing import NamedTuple

from flask_babel import format_timedelta

from mealquest.alliance import service
from mealquest.alliance.domain import Act, LinkState
from mealquest.alliance.replies import ActView, CopyView, LinksView, LinkView, Obstacle, StoreItem
from mealquest.alliance.views import AlliancePage
from mealquest.core.clock import utc_now
from mealquest.core.principal import MANAGEMENT, Role
from mealquest.web.frame import Feature
from mealquest.web.look import moment, principal
from mealquest.web.look import translate as _

feature = Feature("alliance_words")  # no routes, words only


class LinkWords(NamedTuple):
    label: str
    tone: str
    text: str


@feature.word
def ago(when: datetime) -> str:
    """How long ago it was, in words: `2 days ago`."""
    return str(format_timedelta(when - utc_now(), add_direction=True))


@feature.word
def link_words(link: LinkView) -> LinkWords:
    """How a store stands to this one: a word, its tone, and a sentence."""
    name = link.name
    if link.shares and link.shares_since:
        since = moment(link.shares_since)
        shared = _("Shares its wallet with you since %(since)s.", since=since)
        return LinkWords(_("Wallet shared"), "success", shared)
    if link.listed and link.obstacle in _NO_EFFECT:
        return LinkWords(_("Without effect"), "warning", _no_effect(link))
    match link.state:
        case LinkState.AGREED:
            return LinkWords(_("Agreed"), "info", _agreed(link))
        case LinkState.INVITED if link.invited_at:
            when = ago(link.invited_at)
            text = _(
                "Invited %(when)s by your store; waits for the owner of %(name)s.",
                when=when,
                name=name,
            )
            return LinkWords(_("Invited"), "pending", text)
        case LinkState.INVITES if link.invited_at:
            when = ago(link.invited_at)
            text = _("Invited %(when)s by %(name)s; waits for your owner.", when=when, name=name)
            return LinkWords(_("Invites you"), "pending", text)
        case LinkState.DECLINED:
            said_no = _("%(name)s declined %(when)s.") if link.listed else _("Declined %(when)s.")
            text = said_no % {"name": name, "when": ago(link.left_at or utc_now())}
            return LinkWords(_("Declined"), "neutral", text)
        case LinkState.LEFT:
            text = _("Ended %(when)s.", when=ago(link.left_at or utc_now()))
            if link.listed:
                text += " " + _("Your list still names it: invite it again, or take it off.")
            return LinkWords(_("Ended"), "neutral", text)
    text = _("Nothing has been agreed yet: save the settings again.")
    return LinkWords(_("Listed"), "neutral", text)


_NO_EFFECT = frozenset({Obstacle.ELSEWHERE, Obstacle.GONE, Obstacle.CURRENCY})


def _no_effect(link: LinkView) -> str:
    if link.obstacle is Obstacle.GONE:
        return _("There is no such store any more.")
    if link.obstacle is Obstacle.ELSEWHERE:
        return _(
            "%(name)s lies in another database. Stores share wallets and profiles only within one.",
            name=link.name,
        )
    return _(
        "Both of you share, but %(name)s keeps another currency. Once both keep the same one, save"
        " the settings again.",
        name=link.name,
    )


def _agreed(link: LinkView) -> str:
    if link.offers:
        return _("You share your wallet; waits for %(name)s to share its own.", name=link.name)
    if link.offered:
        return _("%(name)s would share its wallet; you do not share yours.", name=link.name)
    return _("You list each other: profiles may be copied, wallets stay apart.")


@feature.word
def terms(view: AlliancePage, link: LinkView) -> list[str]:
    """What accepting this store means, in plain words, before anybody agrees."""
    if not link.offered:
        return [
            _(
                "Managers of both stores may copy customers' profiles to the other: name, phone,"
                " tags and collected pieces. Wallets stay apart."
            ),
            _("Either owner can leave at any moment."),
        ]
    said = [*holder_terms(link.would_hold == view.merchant_id, link)]
    others = [view.names.get(one, one) for one in view.stores if one != view.merchant_id]
    also = [name for name in others if name != link.name]
    if also and not view.wallet_shared:
        also_shared = _(
            "You share your wallet with every store of your list, so also with: %(stores)s.",
            stores=", ".join(also),
        )
        said.append(also_shared)
    return said


def holder_terms(is_own: bool, link: LinkView) -> list[str]:
    """Which money lies where, who owes whom, and what is left when somebody leaves."""
    name = link.name
    if is_own:
        books = [
            _(
                "Customers pay at both stores from one wallet. Your store keeps it: the money, the"
                " bonus and the vouchers lie in your books."
            ),
            _(
                "What customers spend at %(name)s from your wallets, you owe %(name)s; what they"
                " pay in there, %(name)s owes you.",
                name=name,
            ),
        ]
    elif link.would_hold in {None, link.partner_id}:
        books = [
            _(
                "Customers pay at both stores from one wallet. %(name)s keeps it: the money, the"
                " bonus and the vouchers lie in the books of %(name)s.",
                name=name,
            ),
            _(
                "What customers spend at your store from these wallets, %(name)s owes you; what"
                " they pay in at your store, you owe %(name)s.",
                name=name,
            ),
            _(
                "What customers have in your own wallets stays there, and cannot be spent as long"
                " as %(name)s keeps the wallets.",
                name=name,
            ),
        ]
    else:
        books = [_("Your customers go on paying from the wallets they use now.")]
    leaving = _(
        "Either owner can leave at any moment. From then on each store uses its own wallets, and"
        " what one owes the other stays owed until it is settled."
    )
    return [*books, leaving]


@feature.word
def keeper_words(view: AlliancePage, links: LinksView) -> tuple[str, str]:
    """Who keeps the wallets that this store's customers pay from, and what that means."""
    keeper = links.wallet_merchant_id
    if keeper != view.merchant_id:
        name = view.names.get(keeper, keeper)
        return (
            _("%(name)s keeps the wallets.", name=name),
            _(
                "Your customers pay from wallets in its books. What they have in wallets of your"
                " own stays there."
            ),
        )
    others = [one.name for one in links.items if one.shares and one.wallet_merchant_id == keeper]
    if not others:
        return _("Your store keeps its wallets."), _("Nobody else pays from them.")
    return (
        _("Your store keeps the wallets."),
        _("Customers of %(stores)s pay from wallets in your books.", stores=", ".join(others)),
    )


@feature.word
def conflict_words(view: AlliancePage, link: LinkView) -> str | None:
    """Why two stores that share do not use the same wallets; None when they do."""
    if link.obstacle is not Obstacle.OTHER_HOLDER or view.links is None:
        return None
    own = view.links.wallet_merchant_id
    theirs = link.wallet_merchant_id or link.partner_id
    ours = view.names.get(own, own)
    other = link.name if theirs == link.partner_id else view.names.get(theirs, theirs)
    return _(
        "Your list and the list of %(name)s name different first stores: your customers pay from"
        " wallets kept by %(ours)s, those of %(name)s from wallets kept by %(theirs)s. Agree on one"
        " order.",
        name=link.name,
        ours=ours,
        theirs=other,
    )


@feature.word
def act_label(act: Act) -> str:
    return {
        Act.INVITE: _("Invited"),
        Act.ACCEPT: _("Agreed"),
        Act.DECLINE: _("Declined"),
        Act.WITHDRAW: _("Invitation taken back"),
        Act.LEAVE: _("Left the alliance"),
        Act.TERMS_CHANGED: _("Terms changed"),
        Act.PROFILE_SENT: _("Profile sent"),
        Act.PROFILE_RECEIVED: _("Profile received"),
    }[act]


@feature.word
def act_labels() -> list[tuple[str, str]]:
    """Every act, as options of a filter."""
    return [(act.value, act_label(act)) for act in Act]


@feature.word
def act_terms(row: ActView) -> str:
    """What held after an act, in words; nothing for a copied profile."""
    if "shares" not in row.terms:
        return ""
    return _("Wallet shared") if row.terms["shares"] else _("Wallets apart")


@feature.word
def copies_of(user_id: str) -> list[CopyView]:
    """The stores that have a copy of a customer's profile, as far as the one who looks may know."""
    who = principal()
    if who is None or who.merchant_id is None or who.role not in MANAGEMENT:
        return []
    return service.copies(who.merchant_id, user_id)


@feature.word
def alliance_invitations() -> list[StoreItem]:
    """Stores that wait for the owner who looks; nobody else is told on every page."""
    who = principal()
    if who is None or who.merchant_id is None or who.role is not Role.OWNER:
        return []
    return service.waiting_invitations(who.merchant_id)
