"""Talk to the application as browsers and apps do, and check how it refuses."""

import re
import time
from contextvars import Context
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mealquest.core import messages
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from tests.conftest import JWT_SECRET

MEMBERS = {"type", "title", "status", "detail", "error", "code", "requestId"}
ALWAYS_THERE = {"Content-Security-Policy", "X-Content-Type-Options", "X-Request-Id"}


class Client(FlaskClient):
    """A client whose requests share nothing with the test but the database.

    Flask would reuse the application context that the test runs in, and with it what earlier
    requests left in `g`.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **({"buffered": True} | kwargs))

    def csrf(self, page: str = "/console/sign-in") -> str:
        """The token in the forms this browser is shown; any of its pages has it."""
        return csrf_in(self.get(page))

    def send_form(self, url: str, fields: dict[str, Any], **options: Any) -> TestResponse:
        return self.post(url, data=fields | {"csrf_token": self.csrf()}, **options)


def client_of(app: Flask) -> Client:
    return Client(app, response_wrapper=app.response_class, use_cookies=True)


def csrf_in(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, f"no form in the answer {page.status}"
    return found[1]


def signed_in(app: Flask, phone: str, merchant_id: str) -> Client:
    """A browser after phone, code and, where there are several, the choice of a merchant."""
    browser = client_of(app)
    browser.send_form("/console/sign-in/code", {"phone": phone})
    code = messages.newest(limit=1)[0].message.data["code"]
    done = browser.send_form(
        "/console/sign-in", {"phone": phone, "code": code, "merchantId": merchant_id}
    )
    assert done.status_code == 303, done.text
    return browser


# --- credentials --------------------------------------------------------------------------


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def staff_token(merchant_id: str, staff_id: str = "staff_owner") -> str:
    """As sign-in issues it."""
    principal, epoch = identity.staff_principal(merchant_id, staff_id)
    return identity.mint(principal, epoch)


def applicant_token(phone: str) -> str:
    return identity.mint(Principal(Role.APPLICANT, phone), epoch=0)


def minted(
    role: str = "OWNER", *, secret: str = JWT_SECRET, algorithm: str = "HS256", **claims: Any
) -> str:
    """A token of another issuer. A claim that is None is left out."""
    now = int(time.time())
    usual: dict[str, Any] = {"role": role, "iat": now, "exp": now + 600}
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(said, secret if algorithm != "none" else None, algorithm=algorithm)


def customer_token(merchant_id: str, customer_id: str) -> str:
    return minted("CUSTOMER", merchantId=merchant_id, userId=customer_id)


# --- answers ------------------------------------------------------------------------------


def assert_problem(
    answer: TestResponse, status: int, error: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The JSON envelope of a refusal, whole; returns it."""
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    assert answer.mimetype == "application/problem+json"
    problem: dict[str, Any] = answer.get_json()
    assert problem.keys() >= MEMBERS
    assert problem["status"] == status
    assert problem["detail"] == problem["error"] != ""
    assert problem["requestId"] == answer.headers["X-Request-Id"]
    if error is not None:
        assert problem["error"] == error
    if code is not None:
        assert problem["code"] == code
    return problem
