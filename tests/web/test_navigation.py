"""The console's navigation: every entry has a place, a shortcut of its own and an icon."""

import re
from pathlib import Path

import pytest
from flask import url_for

from mealquest.core.principal import Role
from mealquest.web.navigation import NAVIGATION, NavigationGroup
from tests.factories.http import bearer


def test_every_entry_has_its_own_shortcut_address_and_icon(app):
    icons = Path(app.root_path, "static/icons.svg").read_text()
    with app.test_request_context():
        addresses = [url_for(entry.endpoint) for entry in NAVIGATION]
    keys = [entry.keys for entry in NAVIGATION]
    assert len(set(keys)) == len(keys)
    assert len(set(addresses)) == len(addresses)
    for entry in NAVIGATION:
        assert re.fullmatch("g [a-z]", entry.keys), entry.endpoint
        assert f'id="tabler-{entry.icon}"' in icons, entry.icon


@pytest.mark.parametrize("role", [Role.OWNER, Role.CLERK])
def test_a_page_shows_every_group_with_its_heading_once_in_each_place(client, shop, role):
    """A clerk has nothing to open in recovery, and sees no heading of it."""
    page = client.get("/console/payments", headers=bearer(shop.tokens[role])).text
    hidden = {NavigationGroup.RECOVERY} if role is Role.CLERK else set()
    for place in ("side", "menu"):
        for group in list(NavigationGroup)[1:]:
            times = 0 if group in hidden else 1
            assert page.count(f'id="{place}-{group}"') == times
            assert page.count(f'aria-labelledby="{place}-{group}"') == times
    side = page.split('class="mq-side-nav"')[1].split("</nav>")[0]
    shown = [entry for entry in NAVIGATION if role in entry.roles]
    assert re.findall(r'data-shortcut="([^"]+)"', side) == [
        entry.keys for group in NavigationGroup for entry in shown if entry.group is group
    ]
    assert side.count('aria-current="page"') == 1


@pytest.mark.parametrize(
    ("page", "entry"),
    [
        ("/console/refunds", "/console/payments"),
        ("/console/receivables", "/console/payments"),
        ("/console/privacy/exports", "/console/customers"),
        ("/console/suppliers/partners", "/console/suppliers"),
    ],
)
def test_a_page_without_an_entry_stands_under_the_one_it_belongs_to(client, shop, page, entry):
    text = client.get(page, headers=bearer(shop.tokens[Role.OWNER])).text
    side = text.split('class="mq-side-nav"')[1].split("</nav>")[0]
    assert re.findall(r'href="([^"]+)" aria-current="page"', side) == [entry]
