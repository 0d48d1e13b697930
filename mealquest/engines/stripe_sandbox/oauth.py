"""Connect: an account lets the platform in, by a code, and may withdraw."""

import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

from mealquest.engines.stripe_sandbox.errors import OauthError
from mealquest.engines.stripe_sandbox.forms import optional
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]
CODE_LIVES_S = 300


def require_client(world: World, client_id: str) -> None:
    if client_id != world.client_id:
        raise OauthError(401, "invalid_client", f"No such application: '{client_id}'")


def return_address(world: World, asked: str) -> str:
    """Where the browser goes back to: the registered address, or another one of its origin."""
    registered = str(world.store.note("redirect_uri", ""))
    if not asked:
        return registered
    if _origin(asked) != _origin(registered):
        raise OauthError(400, "invalid_redirect_uri", "That address is not registered.")
    return asked


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def grant(world: World, account: str, scope: str = "read_write") -> str:
    """A code that is good once, for five minutes."""
    code = f"ac_{secrets.token_hex(16)}"
    about = {"account": account, "ends": world.now + CODE_LIVES_S, "scope": scope, "used": False}
    world.store.write_note(f"code:{code}", about)
    return code


def going_back(address: str, **said: str) -> str:
    glue = "&" if "?" in address else "?"
    return f"{address}{glue}{urlencode(said)}"


def token(world: World, form: Json) -> Json:
    """Exchange a code. `invalid_grant` for one that is unknown, used or late."""
    if form.get("grant_type") != "authorization_code":
        raise OauthError(400, "unsupported_grant_type", "This grant type is not supported.")
    code = optional(form, "code") or ""
    about = world.store.note(f"code:{code}")
    if about is None:
        raise OauthError(400, "invalid_grant", f"Authorization code does not exist: {code}")
    if about["used"]:
        raise OauthError(400, "invalid_grant", "This authorization code has already been used.")
    if about["ends"] < world.now:
        raise OauthError(400, "invalid_grant", "This authorization code has expired.")
    world.store.write_note(f"code:{code}", about | {"used": True})
    account = about["account"]
    _set_connected(world, account, True)
    access = f"sk_test_{secrets.token_hex(16)}"
    world.store.write_note(f"token:{access}", account)
    return {
        "access_token": access,
        "livemode": False,
        "refresh_token": f"rt_{secrets.token_hex(16)}",
        "scope": about["scope"],
        "stripe_publishable_key": f"pk_test_{secrets.token_hex(12)}",
        "stripe_user_id": account,
        "token_type": "bearer",
    }


def deauthorize(world: World, form: Json) -> Json:
    """Withdraw the platform from an account; the platform is told by an event."""
    require_client(world, optional(form, "client_id") or "")
    name = optional(form, "stripe_user_id") or ""
    found = world.store.get("", "account", name)
    if found is None or not found["x_connected"]:
        said = f"This application is not connected to stripe account {name}, or it does not exist."
        raise OauthError(401, "invalid_client", said)
    withdraw(world, name)
    return {"stripe_user_id": name}


def withdraw(world: World, account: str) -> None:
    application = {"id": world.client_id, "object": "application", "name": "MealQuest"}
    world.tell(account, "account.application.deauthorized", application)
    _set_connected(world, account, False)


def _set_connected(world: World, account: str, value: bool) -> None:
    found = world.take("", "account", account)
    world.store.put("", found | {"x_connected": value})
