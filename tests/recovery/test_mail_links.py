"""What a mail carries beside its page: the picture, the counted link, the way out."""

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import payer_links, suppressions, usage
from mealquest.recovery.domain import Metric
from mealquest.recovery.models import DailyMetric, UsageLog
from tests.factories.http import Client, assert_problem, client_of
from tests.factories.merchants import make_merchant
from tests.factories.threads import run_together

HOSTED = "https://invoice.stripe.com/i/acct_1/test_1?s=ap"
BROWSER = {"User-Agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15"}


@pytest.fixture
def merchant(app: Flask) -> str:
    return make_merchant(name="Noodle House")


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


def sent_mail(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        return usage.log(session, merchant_id, Metric.DUNNING_EMAIL_SENT)


def figures(merchant_id: str) -> tuple[int, int]:
    """Opened and followed, today."""
    with transaction(merchant_id) as session:
        day = session.scalars(
            select(DailyMetric).where(DailyMetric.merchant_id == merchant_id)
        ).one()
        return day.total_opens, day.total_clicks


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_a_mail_counts_as_opened_once(client: Client, merchant: str) -> None:
    log_id = sent_mail(merchant)
    url = path_of(payer_links.open_url(merchant, log_id))
    for _ in range(2):
        answer = client.get(url, headers=BROWSER)
        assert answer.status_code == 200
        assert answer.mimetype == "image/gif"
        assert answer.data.startswith(b"GIF89a")
        assert "no-store" in answer.headers["Cache-Control"]

    assert figures(merchant) == (1, 0)
    with transaction(merchant) as session:
        assert session.get(UsageLog, (merchant, log_id)).opened_at is not None


def test_openings_at_once_count_once(app: Flask, merchant: str) -> None:
    url = path_of(payer_links.open_url(merchant, sent_mail(merchant)))
    run_together(app, [lambda: client_of(app).get(url, headers=BROWSER)] * 8)

    assert figures(merchant) == (1, 0)


def test_a_bare_or_forged_id_gets_the_picture_and_counts_nothing(
    client: Client, merchant: str
) -> None:
    log_id = sent_mail(merchant)
    good = payer_links.open_url(merchant, log_id).rpartition("/")[2]
    old = payer_links.open_url(merchant, log_id, since=utc_now() - timedelta(days=61))
    named, _, mark = good.rpartition(".")
    tries = [str(log_id), f"{named}.{'0' * 32}", f"{named}9.{mark}", old.rpartition("/")[2]]
    tries += [payer_links.pay_token(merchant, "in_1"), "%F0%9F%98%80", "x" * 3000]
    for log_name in tries:
        answer = client.get(f"/api/track/open/{log_name}", headers=BROWSER)
        assert (answer.status_code, answer.mimetype) == (200, "image/gif"), log_name

    assert figures(merchant) == (0, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Slackbot-LinkExpanding 1.0"},
        {"User-Agent": "Mozilla/5.0 (compatible; Barracuda Sentinel)"},
        BROWSER | {"Sec-Purpose": "prefetch;prerender"},
        BROWSER | {"Purpose": "prefetch"},
    ],
)
def test_programs_that_look_ahead_of_the_reader_count_nothing(
    client: Client, merchant: str, headers: dict[str, str]
) -> None:
    log_id = sent_mail(merchant)
    client.get(path_of(payer_links.open_url(merchant, log_id)), headers=headers)
    click = path_of(payer_links.click_url(merchant, log_id, HOSTED))
    assert client.get(click, headers=headers).location == HOSTED
    client.head(path_of(payer_links.open_url(merchant, log_id)), headers=BROWSER)
    client.head(click, headers=BROWSER)

    assert figures(merchant) == (0, 0)


def test_a_followed_link_leads_on_and_counts_once(client: Client, merchant: str) -> None:
    url = path_of(payer_links.click_url(merchant, sent_mail(merchant), HOSTED))
    for _ in range(2):
        answer = client.get(url, headers=BROWSER)
        assert (answer.status_code, answer.location) == (302, HOSTED)
        assert answer.headers["Referrer-Policy"] == "no-referrer"

    assert figures(merchant) == (1, 1)


def test_a_link_leads_nowhere_it_was_not_made_for(client: Client, merchant: str) -> None:
    other = make_merchant()
    log_id = sent_mail(merchant)
    good = {
        name: values[0]
        for name, values in parse_qs(
            urlsplit(payer_links.click_url(merchant, log_id, HOSTED)).query
        ).items()
    }
    for name in good:
        missing = {key: value for key, value in good.items() if key != name}
        refused = client.get(f"/api/track/click?{urlencode(missing)}", headers=BROWSER)
        assert_problem(refused, 400, f"{name} is required", "LINK_INCOMPLETE")
    wrong = [
        {"url": "https://evil.example/"},
        {"sig": "0" * 32},
        {"logId": str(log_id)},
        {"logId": good["logId"].replace(merchant, other)},
        {"sig": payer_links.open_url(merchant, log_id).rpartition(".")[2]},
    ]
    for change in wrong:
        query = urlencode(good | change)
        refused = client.get(f"/api/track/click?{query}", headers=BROWSER)
        assert_problem(refused, 403, "invalid signature", "LINK_SIGNATURE_INVALID")

    assert figures(merchant) == (0, 0)


@pytest.mark.parametrize(
    "url",
    ["http://evil.example/", "javascript:alert(1)", "//evil.example", "https:\\\\evil.example"],
)
def test_even_a_signed_address_is_https_or_ours(client: Client, merchant: str, url: str) -> None:
    signed = path_of(payer_links.click_url(merchant, sent_mail(merchant), url))
    assert_problem(client.get(signed, headers=BROWSER), 403)


def test_refusing_mails_takes_a_post_and_no_session(app: Flask, merchant: str) -> None:
    address = "Payer@Example.com"
    url = path_of(payer_links.leave_url(merchant, suppressions.hashed(merchant, address)))
    client = Client(app, response_wrapper=app.response_class, use_cookies=False)

    assert "Send me no more mails" in client.get(url).text
    assert not is_suppressed(merchant, address)  # programs look at links
    for _ in range(2):
        done = client.post(url, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert "You get no more mails" in done.text
    assert is_suppressed(merchant, " payer@example.COM ")
    assert not is_suppressed(merchant, "somebody@example.com")
    assert not is_suppressed(make_merchant(), address)
    assert "You get no more mails" in client.get(url).text


def test_a_forged_way_out_refuses_nothing(client: Client, merchant: str) -> None:
    other = make_merchant()
    token = payer_links.leave_token(merchant, suppressions.hashed(merchant, "a@b.example"))
    for forged in (token.replace(merchant, other), token[:-1] + "!", "x", f"{merchant}.a.9.b"):
        assert client.post(f"/unsubscribe/{forged}").status_code == 404
    assert not is_suppressed(merchant, "a@b.example")
    assert not is_suppressed(other, "a@b.example")


def is_suppressed(merchant_id: str, address: str) -> bool:
    with transaction(merchant_id) as session:
        return suppressions.is_suppressed(session, merchant_id, address)
