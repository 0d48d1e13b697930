"""The team: invited by phone, given another role, signed in and out, removed."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NARROW
from tests.browser.shops import new_phone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
SIGN_IN = re.compile(r"/console/sign-in(\?|$)")
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


def fits(page: Page) -> None:
    # A locator waits for the page that a form without script is still being answered with.
    assert page.locator("html").evaluate("html => html.scrollWidth") <= NARROW["width"]


def code_for(page: Page, phone: str) -> str:
    """The newest code sent to a phone, read in the development outbox."""
    outbox = page.context.new_page()
    outbox.goto("/dev/outbox")
    words = outbox.get_by_role("row").filter(has_text=phone).first.inner_text()
    outbox.close()
    return re.search(r"\b\d{6}\b", words.replace(phone, ""))[0]


def sign_in_by_hand(page: Page, phone: str) -> None:
    page.goto("/console/sign-in")
    page.get_by_label("Phone").fill(phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_label("Sign-in code").fill(code_for(page, phone))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/console/(?!sign-in)"))


def of(page: Page, name: str) -> Locator:
    """Somebody's line in the list of the team."""
    return page.locator("#staff").get_by_role("row").filter(has_text=name)


def remove(page: Page, name: str, script: bool) -> None:
    """With script the page asks first."""
    page.get_by_role("button", name=f"Remove {name}").click()
    if script:
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()


@both
def test_somebody_joins_the_team_works_and_leaves_it(open_page, shop, script):
    phone = new_phone()
    owner = open_page(phone=shop.phone, script=script, viewport=NARROW)
    owner.goto("/console/staff")
    invite = owner.locator("#invite")
    invite.get_by_label("Phone").fill(phone)
    invite.get_by_label("Name").fill("Chen Yu")
    invite.get_by_role("radio", name="Clerk").check()
    invite.get_by_role("button", name="Invite").click()
    expect(owner.get_by_text("Chen Yu can sign in with the phone now.")).to_be_visible()
    expect(of(owner, "Chen Yu")).to_contain_text("Clerk")
    fits(owner)

    chen = open_page(script=script, viewport=NARROW)
    sign_in_by_hand(chen, phone)
    chen.goto("/console/staff")
    expect(chen.get_by_role("heading", level=1)).to_have_text("Your role does not allow this")

    of(owner, "Chen Yu").get_by_role("link", name="Chen Yu").click()
    fits(owner)
    owner.get_by_role("radio", name="Manager").check()
    owner.get_by_role("button", name="Save the role").click()
    expect(owner.get_by_text("Chen Yu has the new role.")).to_be_visible()
    expect(owner.get_by_text("Signed in nowhere")).to_be_visible()

    chen.goto("/console/staff")
    chen.wait_for_url(SIGN_IN)
    sign_in_by_hand(chen, phone)  # which leads on to where they wanted to go
    expect(of(chen, "Chen Yu")).to_contain_text("Manager")

    owner.reload()
    owner.get_by_role("button", name="End the sign-in on").click()
    expect(owner.get_by_text("That sign-in has ended.")).to_be_visible()
    chen.reload()
    chen.wait_for_url(SIGN_IN)

    remove(owner, "Chen Yu", script)
    expect(owner.get_by_text("Removed. Their sign-ins have ended.")).to_be_visible()
    expect(of(owner, "Chen Yu")).to_have_count(0)
    chen.get_by_label("Phone").fill(phone)
    chen.get_by_role("button", name="Send the code").click()
    chen.get_by_role("button", name=re.compile("Sign in|Go on")).click()
    chen.wait_for_url("**/console/onboard")


@both
def test_the_last_owner_stays(open_page, shop, script):
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    page.goto("/console/staff")
    page.locator("#staff").get_by_role("link", name="(you)").click()
    page.get_by_label("Yes, remove myself").check()
    name = page.get_by_role("heading", level=1).inner_text().removesuffix(" (you)")
    remove(page, name, script)

    summary = page.locator("[data-error-summary]")
    expect(summary).to_contain_text("The shop would have no owner who can sign in.")
    expect(summary).to_be_focused()
    assert page.title().startswith("Error: ")
    fits(page)


@both
def test_somebody_sees_where_they_are_signed_in_and_ends_what_they_do_not_know(
    open_page, shop, script
):
    known = open_page(phone=shop.phone, script=script, viewport=NARROW)
    forgotten = open_page(phone=shop.phone, script=script, viewport=NARROW)
    known.goto("/console/sessions")
    here = known.get_by_role("row").filter(has_text="this device")
    expect(here).to_have_count(1)
    elsewhere = known.get_by_role("row").filter(has_not=known.get_by_text("this device"))
    elsewhere = elsewhere.filter(has=known.get_by_role("button"))
    fits(known)

    while count := elsewhere.count():
        elsewhere.first.get_by_role("button").click()
        expect(elsewhere).to_have_count(count - 1)
    forgotten.goto("/console/customers")
    forgotten.wait_for_url(SIGN_IN)
    known.goto("/console/customers")
    expect(known.get_by_role("heading", level=1)).to_have_text("Customers")
