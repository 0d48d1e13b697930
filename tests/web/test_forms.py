"""Forms of the console: what a person sees when one is refused, and what htmx is told."""

import re
from decimal import Decimal

import pytest

from mealquest.core.principal import Role
from mealquest.wallet import service as wallet
from mealquest.web.frame import Face
from tests.factories.http import Client, bearer, csrf_in, signed_in
from tests.web.samples import ENDPOINTS, Sample, credentials_of, sample_of, send

FORMS = [e for e in ENDPOINTS if e.page and e.again and e.input.model_fields]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(app, shop) -> Client:
    return signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)


def title_of(page) -> str:
    return re.search(r"<title>([^<]*)</title>", page.text)[1]


@pytest.mark.parametrize("endpoint", FORMS, ids=lambda e: e.full_name)
def test_a_refused_form_is_shown_again_as_an_error(client, shop, endpoint) -> None:
    """Without what it needs. Forms that need nothing are refused for their key or their state."""
    good = sample_of(endpoint, shop)
    nothing = Sample(dict.fromkeys(good.fields, ""), good.path, good.key)

    answer = send(client, endpoint, Face.PAGE, nothing, shop)

    if answer.status_code < 400:
        assert "data-error-summary" not in answer.text
        return  # every field may be left empty
    assert 400 <= answer.status_code < 500
    assert answer.mimetype == "text/html"
    assert title_of(answer).startswith("Error: ")
    assert "data-error-summary" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_most_forms_were_refused_by_that(client, shop) -> None:
    refused = 0
    for endpoint in FORMS:
        good = sample_of(endpoint, shop)
        nothing = Sample(dict.fromkeys(good.fields, ""), good.path, good.key)
        refused += send(client, endpoint, Face.PAGE, nothing, shop).status_code >= 400

    assert refused > len(FORMS) / 2


def test_what_was_typed_is_kept_and_the_wrong_field_is_marked(browser, shop) -> None:
    answer = browser.send_form(
        "/console/customers", {"phone": "123-<x>", "displayName": 'Anna "A" <b>'}
    )

    assert answer.status_code == 400
    assert 'value="123-&lt;x&gt;"' in answer.text
    assert 'value="Anna &#34;A&#34; &lt;b&gt;"' in answer.text
    marked = re.search(r"<input[^>]*name=\"phone\"[^>]*>", answer.text)[0]
    assert 'aria-invalid="true"' in marked or "is-invalid" in marked
    described = re.search(r'aria-describedby="([^"]+)"', marked)[1].split()
    assert all(f'id="{name}"' in answer.text for name in described)
    summary = answer.text[answer.text.index("data-error-summary") :]
    assert re.search(r'href="#(field-phone)"', summary)
    assert 'id="field-phone"' in answer.text


def test_a_top_up_that_is_refused_can_be_sent_again_with_its_key(browser, shop) -> None:
    url = f"/console/customers/{shop.customer}/top-ups"
    typed = {"amount": "12.345", "method": "CARD", "note": "for Anna", "idempotencyKey": "key-7"}

    before = wallet.customer_detail(shop.merchant_id, shop.customer).wallet.principal
    grown = before + Decimal("12.34")

    refused = browser.send_form(url, typed)

    assert refused.status_code == 400
    for kept in ('value="12.345"', 'value="for Anna"', 'value="key-7"'):
        assert kept in refused.text
    assert re.search(r'<option value="CARD"[^>]*selected', refused.text)
    right = typed | {"amount": "12.34", "csrf_token": csrf_in(refused)}
    done = browser.post(url, data=right)
    assert done.status_code == 303
    again = browser.post(url, data=right)
    assert again.status_code == 303
    assert wallet.customer_detail(shop.merchant_id, shop.customer).wallet.principal == grown


def test_somebody_without_the_right_to_the_page_is_not_shown_it(client, shop) -> None:
    """A customer may pay; the clerk's page, which a refused payment returns to, is not theirs."""
    own = bearer(shop.tokens[Role.CUSTOMER])
    fields = {"userId": "u_same", "amount": "-1", "idempotencyKey": "k"}

    answer = client.post("/console/payments", data=fields, headers=own)

    assert answer.status_code == 400
    assert "data-error-summary" not in answer.text
    assert 'name="amount"' not in answer.text
    assert "Alpha Twin" not in answer.text


def test_every_page_that_a_refused_form_returns_to_says_so_in_its_title(app) -> None:
    endpoints = app.extensions["endpoints"]
    pages = {endpoints[one.again].template for one in endpoints.values() if one.again}
    assert len(pages) > 5
    for page in pages:
        source, _path, _fresh = app.jinja_loader.get_source(app.jinja_env, f"{page}.html")
        title = source.partition("{% block title %}")[2].partition("{% endblock %}")[0]
        assert '_("Error:") ~ " " if failed' in title, page


def test_a_refused_form_stands_where_its_page_does_in_the_navigation(browser, shop) -> None:
    sent = {"userId": shop.customer, "amount": "x", "idempotencyKey": "k"}
    refused = browser.send_form("/console/payments", sent)
    here = refused.text.partition('aria-current="page"')[0].rpartition("<a ")[2]
    assert here.startswith('href="/console/counter"')


def test_a_refusal_that_no_form_can_show_is_a_page(browser, shop) -> None:
    answer = browser.get("/console/customers/u_nobody")

    assert answer.status_code == 404
    assert "We could not find this" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


# --- htmx ---------------------------------------------------------------------------------


def test_a_part_of_a_page_is_sent_alone(browser, shop) -> None:
    whole = browser.get("/console/customers")
    part = browser.get("/console/customers", headers=HTMX | {"HX-Target": "customers"})

    assert "<!doctype html>" in whole.text
    assert "<!doctype html>" not in part.text
    assert part.text.strip() in whole.text
    assert {"HX-Request", "HX-Target"} <= set(part.headers["Vary"].split(", "))


def test_a_boosted_link_gets_the_whole_page(browser) -> None:
    headers = HTMX | {"HX-Target": "main", "HX-Boosted": "true"}

    assert "<!doctype html>" in browser.get("/console/customers", headers=headers).text


def test_a_page_without_parts_is_sent_whole_whatever_is_asked(browser) -> None:
    answer = browser.get("/console/settings", headers=HTMX | {"HX-Target": "x"})

    assert answer.status_code == 200


def test_after_an_act_htmx_goes_on_as_a_browser_would(browser, shop) -> None:
    fields = {"phone": "+8613912345678"}

    plain = browser.send_form("/console/customers", fields)
    by_htmx = browser.send_form("/console/customers", fields, headers=HTMX)

    assert plain.status_code == 303
    assert by_htmx.status_code == 204
    assert by_htmx.data == b""
    assert by_htmx.headers["HX-Redirect"] == plain.headers["Location"]


def test_a_refused_form_replaces_the_page_for_htmx(browser) -> None:
    answer = browser.send_form("/console/customers", {"phone": "x"}, headers=HTMX)

    assert answer.status_code == 400
    assert answer.headers["HX-Retarget"] == "body"
    assert answer.headers["HX-Reswap"] == "innerHTML"
    assert answer.headers["HX-Push-Url"] == "false"
    assert "data-error-summary" in answer.text


def test_another_refusal_is_put_beside_the_page(browser) -> None:
    answer = browser.get("/console/customers/u_nobody", headers=HTMX | {"HX-Target": "customers"})

    assert answer.status_code == 404
    assert answer.headers["HX-Retarget"] == "#problems"
    assert answer.headers["HX-Reswap"] == "innerHTML"
    assert "<!doctype html>" not in answer.text
    assert 'id="problems"' in browser.get("/console/customers").text


def test_every_form_on_every_page_has_somewhere_to_go_without_script(client, shop) -> None:
    """Also one that htmx would send: its action is the same address."""
    for endpoint in ENDPOINTS:
        if endpoint.mutates or not endpoint.page:
            continue
        page = send(client, endpoint, Face.PAGE, sample_of(endpoint, shop), shop)
        if page.mimetype != "text/html":
            continue  # a file
        for form in re.findall(r"<form[^>]*>", page.text):
            action = re.search(r'\saction="([^"]+)"', form)
            assert action or 'method="dialog"' in form, (endpoint.full_name, form)
            hx_post = re.search(r'hx-post="([^"]+)"', form)
            if hx_post:
                assert hx_post[1] == action[1], (endpoint.full_name, form)
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", page.text, re.DOTALL):
            assert 'name="csrf_token"' in form, (endpoint.full_name, form[:200])


def test_pages_of_forms_need_a_person(client, shop) -> None:
    for endpoint in FORMS:
        if credentials_of(endpoint, shop):
            sample = sample_of(endpoint, shop)
            answer = send(client, endpoint, Face.PAGE, sample, shop, headers={})
            assert answer.status_code == 303, endpoint.full_name
            own = "/ops" if endpoint.roles == {Role.OPERATOR} else "/console"
            assert answer.headers["Location"].startswith(f"{own}/sign-in")
