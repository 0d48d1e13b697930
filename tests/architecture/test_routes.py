"""What must hold for every declared route."""

from mealquest.application import FEATURES
from mealquest.web.frame import Scope

ENDPOINTS = [endpoint for feature in FEATURES for endpoint in feature.endpoints]

# Open to people who are not signed in, each for a reason.
ANONYMOUS = {
    "board.sign_in",
    "board.sign_in_page",
    "connect.come_back",
    "identity.request_code",
    "identity.sign_in",
    "identity.sign_in_page",
    "identity.code_page",
    "identity.merchant_page",
    "merchants.change",
    "onboarding.onboard",
    "ops.docs",
    "ops.front",
    "ops.health",
    "ops.metrics",
    "ops.openapi_document",
    "ops.outbox",
    "ops.ready",
    "payer.clicked",
    "payer.go_on",
    "payer.leave",
    "payer.leaving",
    "payer.opened",
    "payer.pay",
    "payments.callback",
    "receipts.shared",
    "sandbox.asked",
    "sandbox.decide",
    "sandbox.refund",
    "sandbox_model.complete",
    "social.alipay",
    "social.wechat",
    "tenancy.catalog",
    "tenancy.exists",
    "webhooks.stripe",
    "webhooks.stripe_plainly",
}


def test_only_the_listed_routes_are_open_to_strangers() -> None:
    assert {e.full_name for e in ENDPOINTS if e.roles is None} == ANONYMOUS


def test_a_route_declares_what_the_frame_needs() -> None:
    for e in ENDPOINTS:
        name = e.full_name
        assert e.handler.__doc__, f"{name}: the first line is the route's summary"
        assert e.api or e.page, name
        if e.mutates:
            assert e.gate or e.ungated, f"{name}: gate it, or say why a frozen merchant may"
        if e.gate:
            assert e.scope is not Scope.NONE, name
        if e.page and e.mutates:
            assert e.see_other or e.template, f"{name}: a page needs somewhere to go"


def test_urls_are_under_their_roofs() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.page:
            # /r/: a receipt by its link, short enough to be read from a picture
            # /pay/, /unsubscribe/: what a payer opens from a mail
            allowed = ("/console/", "/dev/", "/api/docs", "/r/", "/pay/", "/unsubscribe/", "/ops/")
            assert endpoint.page.startswith(allowed) or endpoint.page == "/", endpoint.page
        if endpoint.api and endpoint.api not in {"/health", "/metrics", "/ws"}:
            assert endpoint.api.startswith("/api/"), endpoint.api


def test_templates_of_every_page_exist() -> None:
    from mealquest.application import ROOT

    for endpoint in ENDPOINTS:
        if endpoint.template:
            assert (ROOT / "templates" / f"{endpoint.template}.html").exists(), endpoint.template


def test_no_feature_takes_another_s_word_in_templates() -> None:
    words = [name for feature in FEATURES for name in feature.words]
    assert sorted(name for name in set(words) if words.count(name) > 1) == []
