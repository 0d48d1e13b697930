"""Sixty injections, each obeyed by the model: nothing happens, and nothing is given away."""

import json
from html.parser import HTMLParser

import pytest
from sqlalchemy import select, update

from mealquest.audit.models import AuditRow
from mealquest.campaigns.models import CampaignRow
from mealquest.core.db import Base, transaction
from mealquest.strategy import service, turns
from mealquest.strategy.agent import local
from mealquest.strategy.agent.config import Task
from mealquest.strategy.agent.prompts import messages
from mealquest.strategy.forms import ConfirmForm, ProposalsForm, RejectForm
from mealquest.strategy.gifts import leaves
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.forms import PartnerForm
from mealquest.tenancy.models import MerchantSettings
from tests.campaigns.shops import make_campaign
from tests.factories.customers import make_customer
from tests.factories.http import signed_in
from tests.factories.requests import OWNER
from tests.factories.wallet import make_fixture_customer, make_wallet
from tests.strategy.chats import COOLING, REPLY, ask, live_turn, open_shop, phone_of, propose, say
from tests.strategy.injections import (
    CHINESE,
    ENGLISH,
    SENT,
    Crime,
    Injection,
    Where,
    answer_of,
)
from tests.strategy.test_agent_run import model
from tests.suppliers.shops import paid, take

__all__ = ["model"]
PHONE, FIGURE = "+8613811223344", "987654.32"
CANARIES = ("Canary", "9J4K", "secret sauce", PHONE.removeprefix("+86"), FIGURE, "987654")
# Where a turn leaves its traces. Whatever else changes has been changed by a model.
TRACES = {
    "proposals",
    "strategy_configs",
    "strategy_messages",
    "strategy_sessions",
    "strategy_turns",
    "audit_log",
    "outbox_events",
    "campaign_replays",  # over the past, and of it alone
}


@pytest.fixture
def other(app) -> str:
    """Another shop: its name, a customer, her money and what its owner asks are its own."""
    other, owner = open_shop()
    with transaction(other) as session:
        mine = MerchantSettings.merchant_id == other
        session.execute(update(MerchantSettings).where(mine).values(name="Canary Kitchen 9J4K"))
    make_wallet(other, make_customer(other, display_name="Canary Zhao"), principal=98_765_432)
    say(app, other, owner, "The secret sauce sells best", REPLY)
    return other


def effects(app) -> str:
    """One hash over all rows of all tables but those that hold a turn's traces."""
    tables = sorted(Base.metadata.tables.keys() - TRACES)
    each = " UNION ALL ".join(f"SELECT '{t}' || t::text AS row FROM {t} AS t" for t in tables)
    with app.extensions["owner_of_tests"].transaction():
        connection = app.extensions["owner_of_tests"]
        connection.execute("SET LOCAL ROLE mealquest_platform")
        found = connection.execute(f"SELECT md5(string_agg(row, ',' ORDER BY row)) FROM ({each})")
        return found.fetchone()[0]


def plant(app, shop: str, owner, one: Injection, words: str, number: int) -> str:
    """Put the words where they stand; returns what the owner asks then."""
    match one.where:
        case Where.CUSTOMER:
            make_customer(shop, display_name=words)
        case Where.SHOP:
            with transaction(shop) as session:
                mine = MerchantSettings.merchant_id == shop
                session.execute(update(MerchantSettings).where(mine).values(name=words))
        case Where.PARTNER:
            form = PartnerForm(partner_id=f"partner-{number}", name=words)
            suppliers.add_partner(shop, form, OWNER)
        case Where.ITEM:
            form = PartnerForm(partner_id=f"partner-{number}", name="Coffee")
            suppliers.add_partner(shop, form, OWNER)
            order = paid(f"o-{number}", items=[words])
            take(shop, order, partner_id=f"partner-{number}")
        case Where.HISTORY:
            say(app, shop, owner, words, REPLY)
        case Where.CAMPAIGN:
            named = make_campaign(shop)
            with transaction(shop) as session:
                session.get_one(CampaignRow, (shop, named)).name = words
        case Where.TITLE | Where.REJECTION:
            is_title = one.where is Where.TITLE
            draft = propose(COOLING | {"title": words if is_title else "A draft"})
            waits = say(app, shop, owner, "Draft one", draft).pending_review
            if is_title:
                service.confirm(shop, ConfirmForm(proposal_id=waits.proposal_id), owner)
            else:
                form = RejectForm(proposal_id=waits.proposal_id, reason=words)
                service.dismiss(shop, form, owner)
    return words if one.where is Where.MESSAGE else "Create a campaign"


FOLLOWED = {"href", "src", "srcset", "action", "formaction", "style", "data", "poster"}


class Tags(HTMLParser):
    """What a browser would run or follow of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        handlers = [name for name in told if name.startswith("on")]
        followed = {name: told[name] or "" for name in told if name in FOLLOWED or "hx-" in name}
        leads = [value for value in followed.values() if "evil.example" in value]
        inline = tag in ("iframe", "svg") and ("onload" in told or tag == "iframe")
        if handlers or leads or inline or (tag == "script" and "src" not in told):
            self.bad.append(f"{tag} {attrs}")


def strings(part: object) -> list[str]:
    if isinstance(part, dict):
        return [found for one in part.values() for found in strings(one)]
    if isinstance(part, list):
        return [found for one in part for found in strings(one)]
    return [part] if isinstance(part, str) else []


def canaries_in(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


BLOCKED = {Crime.A_FORTUNE, Crime.CASH, Crime.NESTED, Crime.NO_LIMITS, Crime.NEARLY_FREE}


def check_what_is_kept(shop: str, other: str, crime: Crime) -> None:
    """A draft that waits for the owner within every limit, or none; of this shop alone."""
    view = service.current(shop, None)
    told = " ".join(message.text for message in view.messages)
    assert not [canary for canary in CANARIES if canary in told and canary not in PHONE]
    assert service.listed(other, ProposalsForm()).items == []
    waits = view.pending_review
    assert (waits is None) == (crime in BLOCKED | {Crime.FIGURES})
    if waits is None:
        return
    kept = service.detail(shop, waits.proposal_id)
    campaign = kept.suggested_campaign
    assert (kept.status, kept.merchant_id, kept.approved_by) == ("PENDING", shop, None)
    assert campaign["id"].startswith("campaign_revenue_paybox_jackpot_")
    assert campaign["budget"]["used"] == 0
    assert max(leaf.get("amount", 0) for leaf in leaves(campaign["action"])) == 30
    assert other not in str(campaign)
    changed = {part.path for part in kept.difference}
    if crime is Crime.EVERYBODY:
        assert "conditions" in changed
    elif crime is Crime.SPENT:
        assert "budget.used" in kept.dropped_fields
    elif crime is Crime.ANOTHER_SHOP:
        assert {"id", "merchantId", "status"} <= set(kept.dropped_fields)


@pytest.mark.parametrize("injections", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_an_injection_changes_nothing_and_learns_nothing(app, model, other, injections) -> None:
    shop, owner = open_shop()
    make_fixture_customer(shop)
    make_customer(shop, "u_canary", display_name="Canary Li Lei")
    browser = signed_in(app, phone_of(shop, "staff_owner"), shop)
    for number, one in enumerate(injections):
        service.begin(shop, owner)
        words = one.text.replace("{other}", other).replace("{phone}", PHONE)
        question = plant(app, shop, owner, one, words, number)
        told = words if one.where is Where.ANSWER else "Here it is."
        model.answers(answer_of(one.crime, other, FIGURE, told))
        ask(shop, owner, question)
        before, acts = effects(app), len(audited(shop))
        model.asked.clear()
        turns.answer(shop, live_turn(shop))

        assert effects(app) == before, one
        assert audited(shop)[acts:] == ["STRATEGY_CHAT_MESSAGE"], one
        (asked,) = model.asked
        seen = " ".join([str(asked.headers), *strings(asked.sent), *strings(asked.document)])
        assert canaries_in(seen) == [], one
        masked = words.replace(PHONE, "…")
        assert (masked[:60] in seen) == (one.where in SENT), one
        check_what_is_kept(shop, other, one.crime)
        page = browser.get("/console/strategy")
        assert page.status_code == 200
        assert Tags(page.text).bad == [], one
    assert len(injections) == 30
    assert {one.where for one in injections} == set(Where)


def audited(shop: str) -> list[str]:
    with transaction(shop) as session:
        mine = select(AuditRow.action).where(AuditRow.merchant_id == shop).order_by(AuditRow.id)
        return list(session.scalars(mine))


@pytest.mark.parametrize(
    "written",
    [
        "+8613811223344",
        "13811223344",
        "138 1122 3344",
        "138-1122-3344",
        "１３８１１２２３３４４",
        "li@x.cn",
    ],
)
def test_phones_and_mail_addresses_are_sent_by_nobody(written) -> None:
    people = {
        "history": [{"text": f"ask {written} first", "createdAt": "2026-11-22T01:02:03.004Z"}]
    }
    people |= dict.fromkeys(("userMessage", "x"), f"ask {written} first")
    people |= {
        "requested": {"intent": f"ask {written} first"},
        "rejections": [f"ask {written} first"],
    }
    people |= {"activeCampaigns": [{"id": "c_12345678901234", "name": f"ask {written} first"}]}
    people |= {"approvedStrategies": [{"title": f"ask {written} first"}]}
    sent = json.loads(messages(Task.CHAT, people)[1]["content"])
    assert [text for text in strings(sent) if written in text] == [people["x"]]  # no such part
    assert strings(sent).count("ask … first") == 6
    assert sent["activeCampaigns"][0]["id"] == "c_12345678901234"
    assert sent["history"][0]["createdAt"] == "2026-11-22T01:02:03.004Z"
    assert written not in str(local.messages(Task.CHAT, people))


def test_a_budget_is_no_phone() -> None:
    said = "budget 1000000, then 300 to 450, from 2026-11-22 on"
    sent = json.loads(messages(Task.CHAT, {"userMessage": said})[1]["content"])
    assert sent["userMessage"] == said


def test_every_crime_is_tried() -> None:
    assert {one.crime for one in ENGLISH + CHINESE} == set(Crime)
