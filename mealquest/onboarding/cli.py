"""Commands that bring merchants in: over HTTP like any client, or the demo data directly."""

import json
from typing import Any, NoReturn

import click
import httpx
from flask.cli import AppGroup

from mealquest.core.errors import AppError
from mealquest.onboarding import demo as demo_data

TIMEOUT_S = 30.0

demo = AppGroup("demo", help="The demo data.")


@demo.command("load")
def load() -> None:
    """Write the demo merchants that are not there yet."""
    try:
        written = demo_data.load()
    except AppError as refused:
        raise click.ClickException(refused.message) from None
    click.echo(f"loaded {', '.join(written)}" if written else "the demo data are there already")


@click.command("onboard-merchant")
@click.option("--merchant-id", required=True)
@click.option("--name", required=True)
@click.option("--owner-phone", help="Who signs in as the owner.")
@click.option("--budget-cap", type=click.IntRange(min=1), help="In major units.")
@click.option("--seed-demo-users/--no-seed-demo-users", default=None)
@click.option(
    "--base-url",
    envvar="MQ_SERVER_BASE_URL",
    default="http://127.0.0.1:3030",
    show_default=True,
)
@click.option("--onboard-secret", envvar="MQ_ONBOARD_SECRET", show_envvar=True)
def onboard_merchant(base_url: str, onboard_secret: str | None, **options: Any) -> None:
    """Onboard a merchant at a running server."""
    names = {
        "merchant_id": "merchantId",
        "name": "name",
        "owner_phone": "ownerPhone",
        "budget_cap": "budgetCap",
        "seed_demo_users": "seedDemoUsers",
    }
    body = {names[key]: value for key, value in options.items() if value is not None}
    answer = _post(f"{base_url.rstrip('/')}/api/merchant/onboard", body, onboard_secret)
    merchant = answer["merchant"]
    done = {
        "ok": True,
        "merchantId": merchant["merchantId"],
        "merchantName": merchant["name"],
        "seededUsers": answer["seededUsers"],
    }
    click.echo(json.dumps(done, ensure_ascii=False))


def _post(url: str, body: dict[str, Any], secret: str | None) -> Any:
    headers = {"x-onboard-secret": secret} if secret else {}
    try:
        answer = httpx.post(url, json=body, headers=headers, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        _give_up(f"{url} does not answer: {failure}")
    if answer.status_code != httpx.codes.CREATED:
        _give_up(f"{url} answered {answer.status_code}: {_reason(answer)}")
    try:
        return answer.json()
    except ValueError:
        _give_up(f"{url} is not a MealQuest server: its answer is no JSON")


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def _give_up(message: str) -> NoReturn:
    raise click.ClickException(message)
