"""Whoever sets what in whatever order: stores share exactly when both want to."""

from contextlib import suppress
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mealquest.alliance import queries
from mealquest.alliance import service as alliances
from mealquest.alliance.domain import LinkState, mirrored
from mealquest.alliance.errors import InvitationChanged, NoInvitation, NoSuchPartner
from mealquest.alliance.forms import AcceptForm, ActsForm, ConfigForm, InviteForm
from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER
from tests.factories.rows import digest
from tests.factories.threads import run_together

STORES = range(4)
FOREIGN = 3  # keeps another currency
LISTS = [list(p) for n in STORES for p in permutations(STORES, n + 1)]
Act = tuple[Any, ...]


def config(of: str, stores: list[str], shared: bool = True) -> None:
    alliances.set_config(of, ConfigForm(stores=stores, wallet_shared=shared), OWNER)


def open_stores() -> list[str]:
    kept = [Currency.USD if one == FOREIGN else Currency.CNY for one in STORES]
    return [make_merchant(currency=currency) for currency in kept]


def check(stores: list[str]) -> None:
    """What is in force follows from the lists as they are now, and from nothing else."""
    with transaction(*stores) as session:
        stored = queries.configs(session, stores)
        links = {one: queries.links(session, one) for one in stores}
        scopes = {one: alliances.scope_of(session, one) for one in stores}

    def says(one: str, other: str) -> tuple[bool, bool]:
        lists = one in stored and other in stored[one].stores
        return lists, lists and stored[one].wallet_shared

    for one in stores:
        shares = []
        for other in stores:
            if other == one:
                continue
            (lists, offers), (listed, offered) = says(one, other), says(other, one)
            in_effect = offers and offered and stores[FOREIGN] not in {one, other}
            link, mirror = links[one].get(other), links[other].get(one)
            assert (link is None) == (mirror is None)
            if link and mirror:
                assert mirror.state is mirrored(link.state)
                assert (mirror.offers, mirror.offered) == (link.offered, link.offers)
                assert (mirror.shares, mirror.shares_since) == (link.shares, link.shares_since)
                assert (link.offers, link.offered) == (offers, offered)
            assert bool(link and link.shares) is in_effect
            assert bool(link and link.state is LinkState.AGREED) is (lists and listed)
            shares += [other] if in_effect else []
        own = stored[one].stores if one in stored else (one,)
        keeper = next((name for name in own if name == one or name in shares), one)
        assert scopes[one] == alliances.WalletScope(bool(shares), keeper)


ACTS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(STORES), st.sampled_from(LISTS), st.booleans()),
    st.tuples(
        st.sampled_from(["accept", "decline", "leave", "invite"]),
        st.sampled_from(STORES),
        st.sampled_from(STORES),
    ),
)


def do(stores: list[str], act: Act) -> None:
    kind, actor, what, *more = act
    own = stores[actor]
    if kind == "set":
        config(own, [stores[one] for one in what], *more)
    elif own == stores[what]:
        return
    elif kind == "invite":
        alliances.invite(own, InviteForm(store=stores[what], wallet_shared=True), OWNER)
    elif kind == "accept":
        alliances.accept(own, AcceptForm(partner_id=stores[what]), OWNER)
    else:
        getattr(alliances, kind)(own, stores[what], OWNER)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(agreed=st.booleans(), acts=st.lists(ACTS, min_size=2, max_size=6))
def test_whatever_is_done_stores_share_exactly_when_both_lists_say_so(app, agreed, acts) -> None:
    stores = open_stores()
    for own in stores if agreed else ():
        config(own, stores)
    for act in acts:
        with suppress(NoInvitation, NoSuchPartner):  # nothing to accept, decline or leave
            do(stores, act)
        check(stores)


def test_owners_who_change_their_lists_at_once_neither_wait_for_ever_nor_differ(app) -> None:
    stores = open_stores()[:FOREIGN]
    a, b, c = stores

    def owner(own: str, *lists: list[str]) -> Any:
        def change() -> None:
            for one in lists * 3:
                config(own, one)

        return change

    ran = run_together(
        app,
        [
            owner(a, [a, b, c], [a]),
            owner(b, [b, a], [c, b]),
            owner(c, [a, b, c], [c, a]),
            owner(a, [b, a], [a, c]),
        ],
    )

    assert ran == [None] * 4
    check([*stores, make_merchant(currency=Currency.USD)])


# --- one invitation, act by act -----------------------------------------------------------


@pytest.fixture
def pair(app) -> tuple[str, str]:
    noodles = make_merchant("m_noodles", name="Noodle House", email="noodles@example.org")
    return noodles, make_merchant("m_harbor", name="Bistro Harbor", email="harbor@example.org")


def state(of: str, partner: str) -> tuple[LinkState | None, bool]:
    found = {one.partner_id: one for one in alliances.links(of).items}
    return (found[partner].state, found[partner].shares) if partner in found else (None, False)


def acts(of: str) -> list[tuple[str, str, str | None]]:
    rows = alliances.acts(of, ActsForm()).items
    return [(row.act.value, row.by_merchant_id, row.by_subject) for row in reversed(rows)]


def mails() -> list[tuple[str, str]]:
    return [(one.message.to, one.message.subject) for one in reversed(messages.newest(limit=20))]


def test_an_invitation_is_accepted_and_left_and_each_book_tells_of_it(pair) -> None:
    noodles, harbor = pair

    alliances.invite(noodles, InviteForm(store="Bistro Harbor", wallet_shared=True), OWNER)
    assert state(noodles, harbor) == (LinkState.INVITED, False)
    assert state(harbor, noodles) == (LinkState.INVITES, False)
    assert [one.name for one in alliances.waiting_invitations(harbor)] == ["Noodle House"]
    assert alliances.links(harbor).items[0].would_hold == noodles

    alliances.accept(harbor, AcceptForm(partner_id=noodles, wallet_merchant_id=noodles), OWNER)
    assert state(noodles, harbor) == state(harbor, noodles) == (LinkState.AGREED, True)
    with transaction(harbor) as session:
        assert alliances.scope_of(session, harbor) == alliances.WalletScope(True, noodles)
    assert alliances.waiting_invitations(harbor) == []

    alliances.leave(noodles, None, OWNER)
    assert state(harbor, noodles) == (LinkState.LEFT, False)
    assert alliances.config(harbor).stores == [noodles, harbor]  # its own affair
    assert alliances.config(noodles).wallet_shared is False

    assert acts(noodles) == [
        ("INVITE", noodles, OWNER.subject),
        ("ACCEPT", harbor, None),  # who it was there is that store's own affair
        ("LEAVE", noodles, OWNER.subject),
    ]
    assert [row[:2] for row in acts(harbor)] == [row[:2] for row in acts(noodles)]
    assert mails() == [
        ("harbor@example.org", "Noodle House invites you to an alliance"),
        ("noodles@example.org", "Bistro Harbor agreed: wallets are shared"),
        ("harbor@example.org", "Noodle House left the alliance with you"),
    ]


def test_an_invitation_writes_into_the_other_store_that_it_was_made_and_nothing_else(pair) -> None:
    noodles, harbor = pair
    before = digest(harbor)

    config(noodles, [harbor, noodles])

    after = digest(harbor)
    written = {table for table, rows in after.items() if rows != before[table]}
    assert written == {"alliance_links", "alliance_acts", "outbox_events"}
    with transaction(harbor) as session:
        assert alliances.scope_of(session, harbor) == alliances.WalletScope(False, harbor)


def test_what_follows_from_the_lists_can_be_proved_and_worked_out_anew(pair) -> None:
    noodles, harbor = pair
    config(noodles, [noodles, harbor])
    config(harbor, [noodles, harbor])
    (proof,) = alliances.CHECKS
    assert proof.find(noodles) == proof.find(harbor) == []

    with transaction(harbor) as session:
        queries.keep_scope(session, harbor, alliances.WalletScope(False, harbor))
        link = {"offers": False, "shares": False, "shares_since": None}
        queries.keep_link(session, harbor, noodles, {"state": "AGREED", "offered": True} | link)
    assert [one.about for one in proof.find(noodles)] == [harbor]
    for one in (noodles, harbor):
        for finding in proof.find(one):
            assert proof.fix
            proof.fix(finding)
    assert proof.find(noodles) == proof.find(harbor) == []
    assert state(harbor, noodles) == (LinkState.AGREED, True)


def test_what_was_declined_stays_so_until_it_is_asked_anew(pair) -> None:
    noodles, harbor = pair
    config(noodles, [noodles, harbor])

    alliances.decline(harbor, noodles, OWNER)
    assert state(noodles, harbor) == (LinkState.DECLINED, False)
    with pytest.raises(NoInvitation):
        alliances.decline(harbor, noodles, OWNER)

    config(noodles, [noodles, harbor])  # the same list is no new invitation
    assert state(harbor, noodles) == (LinkState.DECLINED, False)

    alliances.invite(noodles, InviteForm(store=harbor), OWNER)
    assert state(harbor, noodles) == (LinkState.INVITES, False)
    sent = [subject for to, subject in mails() if to == "harbor@example.org"]
    assert len(sent) == 1  # invited twice within a day, told once by mail


def test_who_agrees_agrees_to_what_was_shown(pair) -> None:
    noodles, harbor = pair
    config(noodles, [noodles, harbor])
    shown = alliances.links(harbor).items[0].would_hold

    config(noodles, [harbor, noodles])
    with pytest.raises(InvitationChanged):
        alliances.accept(harbor, AcceptForm(partner_id=noodles, wallet_merchant_id=shown), OWNER)
    assert state(harbor, noodles) == (LinkState.INVITES, False)


def test_two_lists_with_different_first_stores_are_told_apart(pair) -> None:
    noodles, harbor = pair
    config(noodles, [noodles, harbor])
    config(harbor, [harbor, noodles])

    assert state(noodles, harbor) == (LinkState.AGREED, True)
    assert alliances.links(noodles).items[0].obstacle == "OTHER_HOLDER"
    assert alliances.links(noodles).items[0].wallet_merchant_id == harbor
