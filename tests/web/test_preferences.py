"""Theme and language: chosen, kept in cookies, and harmless."""

import pytest

from tests.factories.http import Client

PAGE = "/console/sign-in"


def choose(client: Client, **fields: str):
    return client.send_form("/preferences", fields)


def test_a_theme_is_kept(client) -> None:
    assert 'data-theme="auto"' in client.get(PAGE).text

    answer = choose(client, theme="dark", next="/console/sign-in?next=/console/")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/sign-in?next=/console/"
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("mq_theme=dark; ")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=31536000" in cookie
    assert 'data-theme="dark"' in client.get(PAGE).text


def test_a_language_is_kept_and_wins_over_the_browsers(client) -> None:
    english = {"Accept-Language": "en-GB"}

    choose(client, locale="zh_Hans")

    page = client.get(PAGE, headers=english)
    assert '<html lang="zh-Hans"' in page.text
    assert "登录" in page.text


@pytest.mark.parametrize(
    ("asked", "lang"),
    [
        ("en", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("en;q=0.1, zh;q=0.9", "zh-Hans"),
        ("", "en"),
        ("*", "en"),
        ("x" * 200, "en"),
    ],
)
def test_without_a_choice_the_browser_says_which_language(client, asked, lang) -> None:
    assert f'<html lang="{lang}"' in client.get(PAGE, headers={"Accept-Language": asked}).text


@pytest.mark.parametrize("value", ["", "sepia", "zh", "../x", "dark; HttpOnly", "<b>", "DARK"])
def test_what_cannot_be_chosen_is_not_kept(client, value) -> None:
    answer = choose(client, theme=value, locale=value)

    assert answer.status_code == 303
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("value", ["", "sepia", "<script>", "é"])
def test_a_cookie_that_was_made_up_is_not_believed(client, value) -> None:
    for name in ("mq_theme", "mq_locale"):
        client.set_cookie(name, value)

    page = client.get(PAGE)

    assert '<html lang="en" data-theme="auto"' in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/a\r\nX-Evil: 1",
        "http://[",
        "console/",
        "",
    ],
)
def test_it_leads_nowhere_else(client, elsewhere) -> None:
    answer = choose(client, theme="dark", next=elsewhere)

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"
    assert "X-Evil" not in answer.headers


def test_json_keeps_the_contracts_english(client) -> None:
    answer = client.get("/api/customers", headers={"Accept-Language": "zh-CN"})

    assert answer.get_json()["error"] == "Authorization is required"


def test_a_page_for_which_nothing_was_chosen_sets_no_cookie_of_its_own(client) -> None:
    cookies = client.get("/").headers.getlist("Set-Cookie")

    assert not [cookie for cookie in cookies if not cookie.startswith("mq_session=")]
