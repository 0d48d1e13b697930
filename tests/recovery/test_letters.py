"""Words of mails: escaped, in the reader's language, with amounts as their currency has them."""

from datetime import UTC, datetime

import pytest

from mealquest.recovery import reminders
from mealquest.recovery.declines import Ask
from mealquest.recovery.letters import Brand, Letter, in_language_of, sender_of, written
from mealquest.recovery.money_words import exponent, money
from mealquest.recovery.own_words import Words
from mealquest.recovery.reminders import Reminder

ABOUT = {"invoice_id": "in_1", "amount_minor": 4200, "currency": "usd", "attempt": 2}
LINK = "https://citadel.example/pay/x"


def letter(about: Reminder, **brand) -> Letter:
    shop = Brand(**{"merchant_id": "m_1", "name": "Noodle House", **brand})
    with in_language_of(shop):
        parts = reminders.failed_payment(shop, about)
    return written(shop, parts, "payer@example.com", task_id=7)


def reminder(**said) -> Reminder:
    return Reminder(**{**ABOUT, "ask": Ask.BANK, "link": LINK, **said})


@pytest.mark.parametrize(
    ("minor", "currency", "english", "chinese"),
    [
        (4200, "usd", "US$42.00", "US$42.00"),
        (123456, "eur", "€1,234.56", "€1,234.56"),
        (1234, "jpy", "¥1,234", "JP¥1,234"),
        (5, "krw", "KRW 5", "KRW 5"),
        (1234567, "kwd", "KWD 1,234.567", "KWD 1,234.567"),
        (4200, "cny", "CN¥42.00", "¥42.00"),
        (4200, "aud", "AUD 42.00", "AUD 42.00"),
        (1000, "isk", "ISK 10", "ISK 10"),
        (9_007_199_254_740_993, "tnd", "TND 9,007,199,254,740.993", "TND 9,007,199,254,740.993"),
    ],
)
def test_amounts_are_exact_in_any_currency(minor, currency, english, chinese):
    said = [money(minor, currency, locale) for locale in ("en", "zh-Hans")]
    assert said == [english.replace(" ", "\u00a0"), chinese.replace(" ", "\u00a0")]


def test_exponents_are_those_that_stripe_counts_with():
    assert {exponent(code) for code in ("jpy", "XPF", "vnd")} == {0}
    assert {exponent(code) for code in ("isk", "ugx", "huf", "twd")} == {2}
    assert {exponent(code) for code in ("bhd", "JOD", "omr")} == {3}


def test_nothing_that_is_put_in_is_more_than_text(app):
    evil = '<script>alert(1)</script>"><img src=x onerror=1>'
    about = reminder(invoice_id=evil, hosted_url='https://x.example/"><b>')
    sent = letter(about, name=evil, support_email=evil, logo_url="javascript:alert(1)")
    assert "<script" not in sent.html
    assert "<img src=x" not in sent.html
    assert "javascript:" not in sent.html
    assert "<b>" not in sent.html
    assert sent.reply_to is None
    assert letter(about, color="red;background:url(https://x)").html.count("url(") == 0


def test_own_words_are_cleaned_after_their_tokens_are_filled(app):
    own = Words(
        "Hi {{customer_name}}\r\nBcc: x@example.com {{amount}}",
        '<p onclick="x">{{amount}} <a href="{{update_url}}">go</a><script>1</script>{{other}}</p>',
    )
    sent = letter(reminder(own=own, is_last=True))
    assert sent.subject == "Hi valued customer Bcc: x@example.com US$42.00"
    assert f'href="{LINK}"' in sent.html
    assert "onclick" not in sent.html
    assert "<script" not in sent.html
    assert "{{other}}" in sent.html
    assert "last notice" in sent.html
    assert LINK in sent.text


def test_headers_hold_one_line_and_the_platforms_address(app, monkeypatch):
    changed = app.config["SETTINGS"].model_copy(update={"email_from": "Citadel <m@c.example>"})
    monkeypatch.setitem(app.config, "SETTINGS", changed)
    name = 'Evil"\r\nBcc: all@example.com <x@y.example>'
    assert sender_of(name) == '"Evil Bcc: all@example.com x@y.example" <m@c.example>'
    assert sender_of("\n") == "m@c.example"


def test_a_mail_that_is_not_transactional_can_be_refused_with_one_click(app):
    shop = Brand(merchant_id="m_1", name="Noodle House")
    with in_language_of(shop):
        parts = reminders.failed_payment(shop, reminder())
    leave = "https://citadel.example/unsubscribe/t"
    headers = written(shop, parts, "o@example.com", task_id=7, unsubscribe_url=leave).headers
    assert headers["List-Unsubscribe"] == f"<{leave}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in letter(reminder()).headers


def test_the_next_attempt_is_a_day_of_the_shop_and_no_link_means_no_button(app):
    at = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
    sent = letter(reminder(next_attempt=at, link=None), locale="zh-Hans")
    assert 'lang="zh-Hans"' in sent.html
    assert "2026年3月1日" in sent.text
    assert 'class="button"' not in sent.html
