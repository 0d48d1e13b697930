"""The strategist's worker and the web server die in the middle: one answer, one campaign."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from tests.fakes.model import Behaviour, ModelServer
from tests.product.running import MERCHANT, Product, until

pytestmark = [pytest.mark.xdist_group("strategist_killed")]

CHAT = "/api/merchant/strategy-chat"
DRAFT = {
    "templateId": "activation_contextual_drop",
    "branchId": "COOLING",
    "title": "Cool down",
    "rationale": "Hot days sell little.",
    "campaignPatch": {"budget": {"cap": 120, "costPerHit": 10}},
}
CALLS = (
    'mealquest_ai_calls_total{model="qwen2.5:7b-instruct",outcome="answered",'
    'provider="openai_compatible"}'
)


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as model:
        model.proposes(**DRAFT)
        yield model


@pytest.fixture(scope="module")
def product(installation, tmp_path_factory, model) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("strategist") / "data"
    shutil.copytree(installation, home)
    product = Product(home, MQ_AI_PROVIDER="openai_compatible", MQ_AI_BASE_URL=model.url)
    try:
        yield product.ready()
    finally:
        product.end()


@pytest.fixture
def owner(product) -> Iterator[httpx.Client]:
    with product.client("OWNER", "staff_owner") as owner:
        owner.timeout = 60
        assert owner.post(f"{CHAT}/sessions", json={}).status_code == 200
        yield owner


def asked_and_killed(product, model, owner, pool) -> Future[httpx.Response]:
    """Ask; the model hangs, and the worker that waits for it is killed. Its answer, to come."""
    model.asked.clear()
    model.days = [Behaviour.HANGS]
    content = {"content": "Create a campaign for hot days"}
    answer = pool.submit(owner.post, f"{CHAT}/messages", json=content)
    until(lambda: model.asked, "the model was asked")
    psutil.Process(product.children()["strategist"]).kill()
    return answer


def let_time_pass(product: Product, column: str) -> None:
    """Bring a moment of the turn that runs to now."""
    with product.database() as database:
        moved = database.execute(
            f"UPDATE strategy_turns SET {column} = now()"
            " WHERE merchant_id = %s AND state = 'RUNNING'",
            (MERCHANT,),
        )
        assert moved.rowcount == 1


def drafts(product: Product) -> list[tuple[str, str]]:
    with product.database() as database:
        return database.execute(
            "SELECT title, status FROM proposals WHERE merchant_id = %s AND title = %s",
            (MERCHANT, DRAFT["title"]),
        ).fetchall()


def said(view: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["role"], one["type"]) for one in view["messages"][1:]]


def test_another_worker_takes_the_turn_over_and_answers_it_once(product, model, owner):
    before = len(drafts(product))
    with ThreadPoolExecutor(1) as pool:
        answer = asked_and_killed(product, model, owner, pool)
        let_time_pass(product, "lease_until")
        view = answer.result(60).json()
    assert view["status"] == "PENDING_REVIEW"
    assert said(view) == [("USER", "TEXT"), ("ASSISTANT", "PROPOSAL_CARD")]
    assert len(drafts(product)) == before + 1
    assert len(model.asked) == 2
    assert said(owner.get(f"{CHAT}/session").json()) == said(view)
    assert product.figures()[CALLS] == 1  # told by the web server of what the worker did


def test_a_turn_that_nobody_takes_over_ends_at_its_deadline(product, model, owner):
    before = len(drafts(product))
    with ThreadPoolExecutor(1) as pool:
        answer = asked_and_killed(product, model, owner, pool)
        let_time_pass(product, "deadline_at")
        view = answer.result(60).json()
    assert (view["status"], len(drafts(product))) == ("AI_UNAVAILABLE", before)
    assert said(view) == [("USER", "TEXT"), ("ASSISTANT", "TEXT")]
    until(lambda: product.children().get("strategist"), "a strategist works again")
    assert owner.post(f"{CHAT}/messages", json={"content": "Create it"}).json()["status"] == (
        "PENDING_REVIEW"
    )
    assert len(drafts(product)) == before + 1


def campaigns(product: Product, campaign_id: str) -> int:
    with product.database() as database:
        count = "SELECT count(*) FROM campaigns WHERE merchant_id = %s AND id = %s"
        (found,) = database.execute(count, (MERCHANT, campaign_id)).fetchone()
        return found


def test_an_approval_whose_web_server_is_killed_is_whole_or_nothing(product, model, owner):
    """It is killed when the campaign is written and its last row is not: somebody has it locked."""
    content = {"content": "Create a campaign for hot days"}
    card = owner.post(f"{CHAT}/messages", json=content).json()["pendingReview"]
    path = f"{CHAT}/proposals/{card['proposalId']}/review"
    decision = {"decision": "APPROVE", "hash": card["hash"]}
    with ThreadPoolExecutor(1) as pool, product.database() as database:
        with database.transaction():
            database.execute(
                "SELECT FROM strategy_configs WHERE merchant_id = %s FOR UPDATE", (MERCHANT,)
            )
            answer = pool.submit(owner.post, path, json=decision)
            until(product.somebody_waits, "the approval waits for its last row")
            (web,) = psutil.Process(product.children()["gunicorn"]).children()
            web.kill()
            with pytest.raises(httpx.HTTPError):
                answer.result(30).raise_for_status()
        until(lambda: not product.somebody_waits(), "the killed one's transaction has ended")
    until(product.answers, "the web server is back")
    assert campaigns(product, card["campaignId"]) == 0
    assert owner.get(f"{CHAT}/session").json()["pendingReview"] == card
    assert owner.post(path, json=decision).json()["status"] == "APPROVED"
    again = owner.post(path, json=decision)
    assert (again.status_code, again.json()["error"]) == (400, "proposal already handled")
    assert campaigns(product, card["campaignId"]) == 1
