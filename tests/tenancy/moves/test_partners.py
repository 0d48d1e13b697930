"""Stores that begin to share at the very moment in which one of them is switched over."""

import pytest

from mealquest.tenancy import service as tenancy
from mealquest.tenancy.moves.drive import Steps
from tests.factories.requests import OWNER

pytestmark = pytest.mark.xdist_group("moves")
AGREE = (
    "INSERT INTO alliance_links (merchant_id, partner_id, state, offers, offered, shares,"
    " invited_at, agreed_at, shares_since) VALUES (%s, %s, 'AGREED', true, true, true, now(),"
    " now(), now())"
)


def test_who_agrees_to_share_during_the_switch_stays_where_it_is(pair, shop) -> None:
    merchant_id = shop.merchant_id

    class Agreeing(Steps):
        def reached(self, name: str) -> None:
            if name == "pause":
                with pair.at_home() as at_home:
                    at_home.execute(AGREE, [merchant_id, "m_partner"])

    with pytest.raises(tenancy.MoveNotReady, match="come to share a wallet"):
        tenancy.cutover(merchant_id, "", OWNER, steps=Agreeing())
    assert not tenancy.migration_status(merchant_id).is_apart
    shop.work()

    with pair.at_home() as at_home:
        at_home.execute("DELETE FROM alliance_links WHERE merchant_id = %s", [merchant_id])
    assert tenancy.cutover(merchant_id, "", OWNER).move.state == "moved"
    shop.require_complete()
    tenancy.rollback(merchant_id, OWNER)
