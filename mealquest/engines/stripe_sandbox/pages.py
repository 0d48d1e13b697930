"""Pages for people: letting the platform in, and an invoice that can be paid. No scripts."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mealquest.engines.stripe_sandbox import oauth, scenes
from mealquest.engines.stripe_sandbox.billing import paying_of
from mealquest.engines.stripe_sandbox.cards import CARDS
from mealquest.engines.stripe_sandbox.errors import ApiError
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]
Page = tuple[int, dict[str, str], bytes]
STYLE = Path(__file__).with_name("style.css")
NEW = "new"
SHOWN = 20
WHOLE = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
OFFERED = (
    "4242424242424242",
    "4000000000009995",
    "4000000000000069",
    "4000000000009987",
    "4000000000000119",
    "4000002500003155",
)


def answer(
    world: World, method: str, path: str, query: Json, form: Json, headers: Mapping[str, str]
) -> Page:
    origin = headers.get("origin", "null")
    if method == "POST" and origin not in {"null", f"http://{headers.get('host')}"}:
        return _html(403, "Refused", "<p>This form came from another site.</p>")
    try:
        if path == "/style.css":
            return 200, {"Content-Type": "text/css"}, STYLE.read_bytes()
        if path == "/":
            return _start(world)
        if path == "/oauth/authorize":
            return _authorize(world, query) if method == "GET" else _decide(world, form)
        parts = path.strip("/").split("/")
        if len(parts) == 3 and parts[0] == "i":
            account = "" if parts[1] == "platform" else parts[1]
            return _invoice(world, account, parts[2], form if method == "POST" else None)
    except ApiError as refused:
        return _html(refused.status, "That did not work", f"<p>{escape(str(refused))}</p>")
    return _html(404, "Not found", "<p>The sandbox has no such page.</p>")


def _start(world: World) -> Page:
    rows = []
    for account, bill in world.store.everywhere("invoice", {"$.status": "open"})[-SHOWN:]:
        link = escape(urlsplit(bill["hosted_invoice_url"]).path)
        said = _money(bill["amount_remaining"], bill["currency"])
        rows.append(
            f'<tr><td><a href="{link}">{escape(bill["id"])}</a></td><td>{escape(said)}</td>'
            f"<td>{escape(account or 'platform')}</td></tr>"
        )
    table = "".join(rows) or "<tr><td>Nobody owes anything.</td></tr>"
    return _html(200, "Sandbox Stripe", f"<p>Open invoices:</p><table>{table}</table>")


def _authorize(world: World, query: Json) -> Page:
    """What a merchant is asked at Connect: let the platform in, or not."""
    oauth.require_client(world, str(query.get("client_id", "")))
    address = oauth.return_address(world, str(query.get("redirect_uri", "")))
    known = world.store.find("", "account", limit=SHOWN)
    choices = [(one["id"], one["business_profile"]["name"]) for one in known]
    choices.append((NEW, "A new account"))
    likely = next((one["id"] for one in known if not one["x_connected"]), NEW)
    radios = "".join(
        f'<label class="choice"><input type="radio" name="account" value="{escape(name)}"'
        f"{' checked' if name == likely else ''}><span>{escape(label)}"
        f'<br><span class="small">{escape(name if name != NEW else "opened now")}</span></span>'
        "</label>"
        for name, label in choices
    )
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(str(query.get(name, "")))}">'
        for name in ("client_id", "redirect_uri", "state", "scope")
    )
    body = (
        "<p>MealQuest wants to read your invoices and help with failed payments.</p>"
        f'<form method="post" action="/oauth/authorize">{hidden}'
        f"<fieldset><legend>Which account?</legend>{radios}</fieldset>"
        '<button class="main" name="decision" value="connect">Connect</button> '
        '<button class="other" name="decision" value="deny">Deny</button></form>'
    )
    return _html(200, "Connect with MealQuest", body, goes_to=address)


def _decide(world: World, form: Json) -> Page:
    oauth.require_client(world, str(form.get("client_id", "")))
    address = oauth.return_address(world, str(form.get("redirect_uri", "")))
    state = str(form.get("state", ""))
    if form.get("decision") != "connect":
        said = "The user denied your request"
        return _go(
            oauth.going_back(address, error="access_denied", error_description=said, state=state)
        )
    account = str(form.get("account", NEW))
    with world.store.change():
        if account == NEW:
            count = len(world.store.find("", "account"))
            account = world.open_account(f"Sandbox shop {count + 1}")["id"]
        world.take("", "account", account)
        code = oauth.grant(world, account)
    return _go(oauth.going_back(address, scope="read_write", code=code, state=state))


def _invoice(world: World, account: str, token: str, form: Json | None) -> Page:
    """The hosted page of an invoice; a payment leads back to it."""
    found = world.store.find(account, "invoice", {"$.x_token": token}, limit=1)
    if not found:
        return _html(404, "Not found", "<p>This invoice does not exist.</p>")
    bill = found[0]
    if world.now > bill["x_link_ends"]:
        return _html(410, "This link has expired", "<p>Ask the shop for a new one.</p>")
    if form is not None:
        with world.store.change():
            scenes.pay_by_payer(world, account, bill["id"], str(form.get("card", "")))
        return _go(urlsplit(bill["hosted_invoice_url"]).path)
    sum_ = _money(bill["amount_paid"] or bill["amount_remaining"], bill["currency"])
    head = f'<p>{escape(bill["number"])}</p><p class="sum">{escape(sum_)}</p>'
    return _html(200, f"Pay {bill['account_name']}", head + _state(world, account, bill))


def _state(world: World, account: str, bill: Json) -> str:
    if bill["status"] == "paid":
        return '<p class="note good">Paid. Thank you.</p>'
    if bill["status"] != "open":
        return f'<p class="note">This invoice is {escape(bill["status"])}.</p>'
    paying, _ = paying_of(world, account, bill["id"])
    error = paying["last_payment_error"]
    note = f'<p class="note bad">{escape(error["message"])}</p>' if error else ""
    radios = "".join(
        f'<label class="choice"><input type="radio" name="card" value="{number}"'
        f"{' checked' if number == OFFERED[0] else ''}><span>{number[:4]} … {number[-4:]}"
        f'<br><span class="small">{escape(CARDS[number].label)}</span></span></label>'
        for number in OFFERED
    )
    return (
        f'{note}<form method="post"><fieldset><legend>Card</legend>{radios}</fieldset>'
        '<button class="main">Pay</button></form>'
    )


def _money(minor: int, currency: str) -> str:
    digits = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    if not digits:
        return f"{currency.upper()} {minor:,}"
    whole, rest = divmod(minor, 10**digits)
    return f"{currency.upper()} {whole:,}.{rest:0{digits}d}"


def _go(address: str) -> Page:
    return 303, {"Location": address, "Content-Type": "text/plain"}, b""


def _html(status: int, title: str, body: str, *, goes_to: str = "") -> Page:
    parts = urlsplit(goes_to)
    back = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    policy = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none';"
        f" form-action 'self'{back}"
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} (sandbox)</title><link rel="stylesheet" href="/style.css"></head>'
        '<body><span class="label">sandbox</span> <span class="small">not Stripe, no money moves'
        f"</span><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return status, headers, page.encode()
